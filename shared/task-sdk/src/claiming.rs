//! Claims, again and again if need be.

use super::pause::Pause;
use crate::{Door, DoorError};
use ckpt_api::tasks::{Claim, Claimed};
use futures::FutureExt;
use futures::future::BoxFuture;
use std::sync::Arc;

/// What is claimed, and from whom.
pub(super) struct Claiming {
    door: Arc<dyn Door>,
    claim: Claim,
    /// A claim that is not answered yet.
    under_way: Option<BoxFuture<'static, Result<Claimed, DoorError>>>,
}

impl Claiming {
    pub(super) fn new(door: Arc<dyn Door>, claim: Claim) -> Self {
        Self { door, claim, under_way: None }
    }

    /// From now on it takes over what it held itself.
    pub(super) fn raise(&mut self) {
        self.claim.attempt = self.claim.attempt.saturating_add(1);
    }

    /// Claims, and keeps trying while the daemon is away.
    ///
    /// # Errors
    /// Never [`DoorError::Unreachable`].
    pub(super) async fn claim(&mut self) -> Result<Claimed, DoorError> {
        let mut pause = Pause::default();
        let mut unsure = false;
        loop {
            match self.once().await {
                Err(DoorError::Unreachable { cause }) => {
                    unsure = true;
                    pause.wait("ckptd cannot be reached to claim subtasks", &cause).await;
                }
                // The session that is in the way may be our own, if it was only the answer that got lost. A
                // newer process has a higher attempt than this one.
                Err(DoorError::Refused { .. }) if unsure => {
                    unsure = false;
                    self.raise();
                }
                claimed => return claimed,
            }
        }
    }

    async fn once(&mut self) -> Result<Claimed, DoorError> {
        let (door, claim) = (Arc::clone(&self.door), self.claim.clone());
        let claimed = self.under_way.insert(async move { door.claim(&claim).await }.boxed()).await;
        self.under_way = None;
        claimed
    }

    /// The session that was being claimed when [`Self::claim`] was dropped.
    pub(super) async fn rest(&mut self) -> Option<Claimed> {
        self.under_way.take()?.await.ok()
    }
}
