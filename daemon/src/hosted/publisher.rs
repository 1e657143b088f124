//! The events of one job.

use crate::clock::Moment;
use crate::seam::Identity;
use ckpt_api::{self as api, Happening};
use std::sync::Arc;
use tokio::sync::broadcast;

/// The sender of a job's events.
#[derive(Debug)]
pub(super) struct EventPublisher {
    identity: Arc<Identity>,
    events: broadcast::Sender<api::Event>,
}

impl EventPublisher {
    pub(super) fn new(identity: Arc<Identity>, events: broadcast::Sender<api::Event>) -> Self {
        Self { identity, events }
    }

    /// Sends an event to those who read them, if there are any.
    pub(super) fn publish(&self, now: Moment, what: Happening) {
        let event = api::Event {
            schema: api::SCHEMA.to_owned(),
            cluster: self.identity.cluster.clone(),
            job_id: self.identity.id,
            at: now.wall_millis(),
            what,
        };
        drop(self.events.send(event));
    }
}
