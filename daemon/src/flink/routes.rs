//! Knowledge about the routes of a change into a cluster's coordinators: the cluster's own FLIP-571, the agent in its
//! JobManager, or none. No I/O here: searches report [`Lesson`]s, from which the owner learns.

use crate::seam::Reach;
use ckpt_api::Via;
use ckpt_attach::Jvm;
use ckpt_coordinator::Monotonic;
use std::time::Duration;

/// Age of a fruitless search until which it is not repeated: many jobs ask at once, and often while a JobManager
/// starts.
const FRUITLESS_SEARCH_AGE: Duration = Duration::from_millis(150);

/// The route of one change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    /// The cluster offers FLIP-571.
    Native,
    /// This JVM can be attached to.
    Attach(Jvm),
    /// There is none, for this reason.
    None(String),
}

/// A fact that a search or a question to a JVM brought to light.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Lesson {
    /// Whether the cluster offers FLIP-571, and the status with which it, or a proxy, refuses every change.
    Native { native: bool, forbidden: Option<u16> },
    /// This JVM answered for a job that it leads.
    Leader(Jvm),
    /// The JVM that led last does not lead any more.
    LeaderLost,
    /// There is no route, for this reason.
    Blocked(String),
    /// A search ended at this time with this route.
    Found(Monotonic, Route),
}

/// Knowledge about the routes into one cluster.
#[derive(Debug, Clone, Default)]
pub(super) struct Routes {
    native: Option<bool>,
    forbidden: Option<u16>,
    leader: Option<Jvm>,
    searched: Option<Monotonic>,
    found: Option<Route>,
}

impl Routes {
    pub(super) fn learn(&mut self, lesson: Lesson) {
        match lesson {
            Lesson::Native { native, forbidden } => {
                (self.native, self.forbidden) = (Some(native), forbidden);
            }
            Lesson::Leader(jvm) => (self.leader, self.found) = (Some(jvm), Some(Route::Attach(jvm))),
            Lesson::LeaderLost => self.leader = None,
            Lesson::Blocked(why) => self.found = Some(Route::None(why)),
            Lesson::Found(at, route) => (self.searched, self.found) = (Some(at), Some(route)),
        }
    }

    /// Forgets what may be another cluster's by now: all but processes, whose end is told.
    pub(super) fn forget_cluster(&mut self) {
        let found = self.found.take().filter(|route| matches!(route, Route::Attach(_)));
        *self = Self { leader: self.leader, found, ..Self::default() };
    }

    /// Forgets a process that has ended, and with it what may be another cluster's by now.
    pub(super) fn forget_process(&mut self, ended: Jvm) {
        self.leader.take_if(|leader| *leader == ended);
        self.found.take_if(|route| *route == Route::Attach(ended));
        self.forget_cluster();
    }

    /// The process to ask first: the last leader, or else the one behind the address.
    pub(super) fn first_process(&self) -> Option<Jvm> {
        let behind = match self.found {
            Some(Route::Attach(jvm)) => Some(jvm),
            _ => None,
        };
        self.leader.or(behind)
    }

    /// The leader, as far as it is known.
    pub(super) fn leader(&self) -> Option<Jvm> {
        self.leader
    }

    /// Whether the cluster offers FLIP-571, as far as it was asked.
    pub(super) fn native(&self) -> Option<bool> {
        self.native
    }

    /// The route of a change, unless it has to be searched for. A JVM is checked again with every question.
    pub(super) fn known(&self, now: Monotonic) -> Option<&Route> {
        let is_recent = self.searched.is_some_and(|at| now.since(at) < FRUITLESS_SEARCH_AGE);
        self.found.as_ref().filter(|route| match route {
            Route::Attach(_) => true,
            Route::None(_) => is_recent,
            // Asking is cheap there, and the answer is remembered apart.
            Route::Native => self.native == Some(true),
        })
    }

    /// Reason why the REST API takes no changes, if it refuses them.
    pub(super) fn forbidden(&self) -> Option<String> {
        self.forbidden.map(|status| {
            format!(
                "the cluster, or a proxy in front of it, refuses changes ({status}); name its token-file in \
                 ckptd's configuration, or give the JobManager's own address"
            )
        })
    }

    /// The route that was found last, as the REST API shows it.
    pub(super) fn reach(&self, url: &str) -> Reach {
        match &self.found {
            None => Reach { via: None, detail: None },
            Some(Route::Native) => Reach { via: Some(Via::Native), detail: Some(url.to_owned()) },
            Some(Route::Attach(jvm)) => {
                Reach { via: Some(Via::Attach), detail: Some(format!("pid {}", jvm.pid())) }
            }
            Some(Route::None(why)) => Reach { via: Some(Via::None), detail: Some(why.clone()) },
        }
    }
}
