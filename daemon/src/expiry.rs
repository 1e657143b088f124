//! Overrides that end by themselves. What an operator set for a while is taken away when its time is up: durably
//! first, and then in force, unless the disk refuses: then it does not hold either, and is tried again. What could not
//! be put in force, as with a cluster that is away, is what should hold from then on, and is kept like any other.
//!
//! The wall clock says when, and it may jump or stand still with the machine: it is looked at again and again.

use crate::audit::{Begun, Ending};
use crate::change::{self, Changes};
use crate::durable::STORE_LIMIT;
use crate::overrides::{Expired, Key};
use crate::registry::{Job, Registry};
use crate::seam::{Initiator, Revision, SeamError, Settled};
use ckpt_api::AuditResult;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

/// How often is looked at the clock while something is to end, whatever the time should be.
const AT_LEAST: Duration = Duration::from_secs(5);
/// How often when nothing is: whatever is stored wakes it.
const IDLE: Duration = Duration::from_secs(600);
/// How long after a disk that refused, and how soon at the earliest.
const AGAIN: Duration = Duration::from_secs(2);
/// How many of a cluster are put in force at once.
const AT_ONCE: usize = 32;

/// The task that ends overrides; it ends with this value.
#[derive(Debug)]
pub struct Expiry(AbortHandle);

impl Drop for Expiry {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Expiry {
    /// Starts it, when what an earlier ckptd had begun has its end in the audit log: to be awaited before anybody can
    /// begin something new, which must not be taken for it. A disk that does not answer holds nobody up for long.
    pub async fn start(registry: &Arc<Registry>, changes: Changes) -> Self {
        let closed = changes.audit.close_what_was_begun(&changes.overrides);
        if timeout(STORE_LIMIT, closed).await.is_err() {
            tracing::error!("what an earlier ckptd had begun stays without an end: the disk does not answer");
        }
        Self(tokio::spawn(run(Arc::downgrade(registry), changes)).abort_handle())
    }
}

async fn run(registry: Weak<Registry>, changes: Changes) {
    let mut overrides = changes.overrides.clone();
    // What is durable waits for no other cluster, which may not answer.
    let mut carrying: HashMap<String, Arc<Semaphore>> = HashMap::new();
    // Those that could not be stored, which the audit log says already.
    let mut refused = HashSet::new();
    loop {
        let ended = overrides.ended();
        refused.retain(|key| ended.contains(key));
        for key in ended {
            let Some(registry) = registry.upgrade() else { return };
            let job = registry.job_of(&key);
            let again = refused.contains(&key);
            let Some(ended) = end(job, &changes, &key, again).await else { continue };
            match ended.is_stored {
                true => drop(refused.remove(&key)),
                false => drop(refused.insert(key.clone())),
            }
            if ended.is_stored || !again {
                let carrying = carrying.entry(key.cluster);
                let carrying = Arc::clone(carrying.or_insert_with(|| Arc::new(Semaphore::new(AT_ONCE))));
                let changes = changes.clone();
                tokio::spawn(async move {
                    let _turn = carrying.acquire_owned().await;
                    ended.carry_out(&changes).await;
                });
            }
        }
        let pause = match overrides.next_end() {
            _ if !refused.is_empty() => AGAIN,
            Some(next) => {
                Duration::from_millis(next.saturating_sub(changes.clock.wall_millis())).min(AT_LEAST)
            }
            None => IDLE,
        };
        tokio::select! {
            () = sleep(pause) => {}
            () = overrides.stored() => {}
        }
    }
}

/// An override whose time is up, to be taken out of force. A disk that refuses does not let it go on.
struct Ended {
    job: Option<Job>,
    name: String,
    /// The stored revision.
    revision: u64,
    is_stored: bool,
    begun: Option<Begun>,
}

/// Takes away what has ended, durably. The audit log does not keep an override alive that should be gone. What is tried
/// again has its line when it is stored: before, there would be two more for each try.
async fn end(job: Option<Job>, changes: &Changes, key: &Key, again: bool) -> Option<Ended> {
    let foreseen = changes.overrides.preview_expiry(key)?;
    let name = foreseen.now.name.clone();
    let mut begun = if again { None } else { begin(changes, &foreseen).await };
    let (revision, why) = match changes.overrides.expire(key.clone()).await {
        Ok(Some(expired)) => {
            tell(&expired, changes.clock.wall_millis());
            if again {
                begun = begin(changes, &expired).await;
            }
            return Some(Ended { job, name, revision: expired.now.revision, is_stored: true, begun });
        }
        Ok(None) => (None, "somebody changed it meanwhile".to_owned()),
        Err(error) => {
            tracing::error!(job = name, %error, "an override has ended, which cannot be stored; it is tried again");
            (Some(foreseen.before.revision), error.to_string())
        }
    };
    if let Some(begun) = begun {
        drop(begun.end(Ending::with(AuditResult::Refused, Some(why))).await);
    }
    revision.map(|revision| Ended { job, name, revision, is_stored: false, begun: None })
}

async fn begin(changes: &Changes, ending: &Expired) -> Option<Begun> {
    let begun = changes.audit.begin(change::expiry(ending, changes.clock.wall_millis())).await;
    let told = |error| tracing::error!(job = ending.now.name, %error, "an override ends without a line in the audit log");
    begun.map_err(told).ok()
}

impl Ended {
    /// Waits until the owner of the job has put in force what was before, unless it may not now.
    async fn carry_out(self, changes: &Changes) {
        let Self { job, name, revision, begun, .. } = self;
        let revision = Revision { revision, initiator: Initiator::Expiry, ..Revision::default() };
        let settled = match &job {
            None => Err("its job is not known here now".to_owned()),
            Some(job) => {
                change::settle(job, &changes.overrides, revision).await.map_err(|error| error.to_string())
            }
        };
        let applied = settled.and_then(|settled| match settled {
            Settled::Applied(applied) if applied.observation.holds() => Ok(()),
            Settled::Applied(applied) => {
                Err(SeamError::NotNow { state: applied.observation.state }.to_string())
            }
            Settled::Superseded { by } => Err(format!("superseded by revision {by} before it was applied")),
        });
        let ending = match applied {
            Ok(()) => Ending::with(AuditResult::Applied, None),
            Err(why) => {
                tracing::warn!(job = name, why, "what was before it is not in force yet");
                Ending::with(AuditResult::Stored, Some(why))
            }
        };
        if let Some(begun) = begun
            && let Err(cause) = begun.end(ending).await
        {
            tracing::error!(job = name, %cause, "its end has no result in the audit log");
        }
    }
}

fn tell(expired: &Expired, at: u64) {
    let Expired { key, before, now } = expired;
    tracing::info!(
        cluster = key.cluster,
        job = now.name,
        was = before.in_words(at),
        is = now.in_words(at),
        reason = before.reason,
        "an override has ended"
    );
}
