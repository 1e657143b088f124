//! Messages to the owner of a cluster.

use super::routes::Lesson;
use super::state::event::{Reply, Request};
use tokio::sync::oneshot;

/// A message to the owner of a cluster.
#[derive(Debug)]
pub(super) enum Message {
    Request(Request, oneshot::Sender<Reply>),
    /// Facts about routes that a search outside of the owner learned.
    Learned(Vec<Lesson>),
}
