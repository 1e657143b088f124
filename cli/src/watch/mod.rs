//! What is behind `watch`: asking again and again, following one checkpoint, and two ways to show it.
//!
//! Another way to show it needs only [`feed`] and the pure functions of `render`.

mod feed;
mod follow;
mod lines;
mod screen;
mod terminal;

pub(crate) use feed::{Target, Watch};
pub(crate) use lines::lines;
pub(crate) use screen::screen;
