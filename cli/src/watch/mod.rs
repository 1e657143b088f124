//! What is behind `watch`: asking again and again, following one checkpoint or one override, and two ways to show it.
//!
//! Another way to show it needs only [`feed`] and the pure functions of `render`.

mod applied;
mod feed;
mod follow;
mod lines;
mod screen;
mod terminal;

pub(crate) use feed::{Goal, Target, Watch};
pub(crate) use lines::lines;
pub(crate) use screen::screen;
