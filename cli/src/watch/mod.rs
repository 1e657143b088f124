//! What is behind `watch`: asking again and again, following one checkpoint or one override, and three ways to show
//! it: the full screen, which events are pushed to; a plain one that is redrawn; and lines of JSON.
//!
//! Another way to show it needs only [`feed`] and the pure functions of `render`.

mod applied;
mod feed;
mod follow;
mod full;
mod lines;
mod screen;
mod terminal;

pub(crate) use feed::{Goal, Target, Watch};
pub(crate) use full::full_screen;
pub(crate) use lines::lines;
pub(crate) use screen::screen;
