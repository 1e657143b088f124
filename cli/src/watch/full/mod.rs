//! The full-screen watch: a model that is changed by events, answers and keys, a view that draws it, and a thin
//! shell around both that does the asking, the reading and the drawing.
//!
//! | module | holds |
//! |---|---|
//! | `model` | what is known and what is shown of it; `update` is the only way to change it |
//! | `happening` | what a pushed event changes, before anybody is asked |
//! | `asks` | what is to be asked for next, and when |
//! | `keys` | what a key does |
//! | `order` | how bad it is: all jobs, worst first |
//! | `view` | the model as a screen, of whatever size |
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
mod shell;
#[cfg(test)]
mod stage;
mod view;

pub(crate) use shell::full_screen;
