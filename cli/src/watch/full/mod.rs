//! Full-screen watch: a model that is changed by events, answers and keys, a screen that draws it, and a thin shell
//! around both that does the I/O.
//!
//! | module | holds |
//! |---|---|
//! | `snapshot` | jobs as they were seen, and the time |
//! | `model` | state of the watch; `update` is the only way to change it |
//! | `happening` | effects of a pushed event, before the server is asked |
//! | `asks` | requests that are due next |
//! | `keys` | effects of a key |
//! | `order` | order of the list of jobs |
//! | `screen` | the model on a screen of any size |
//! | `link` | the stream of events: connecting, reading, connecting again |
//! | `shell` | the loop around them |

mod asks;
mod happening;
mod keys;
mod link;
mod model;
mod order;
#[cfg(test)]
mod scenes;
mod screen;
mod shell;
mod snapshot;
#[cfg(test)]
mod stage;

pub(crate) use shell::full_screen;
