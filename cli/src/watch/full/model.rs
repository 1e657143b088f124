//! What is known, and what is shown of it. No clock and no I/O: whoever calls says what time it is.

use super::asks::{Ask, Asks, Missing};
use super::order;
use super::snapshot::{JobKey, JobSnapshot, Now};
use crate::view::name::reference;
use crate::view::text::clean;
use ckpt_api::{
    CheckpointDiagnosis, ClusterState, Configuration, ConfigurationList, EndedCheckpoint, Event, Pause,
};
use ckpt_types::ids::JobId;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// How many events are remembered to be shown.
const MOST_TOLD: usize = 100;
/// How old what is shown may get before that is said, in milliseconds, if it is not asked for even less often.
const PATIENCE: u64 = 3_000;

/// What is known of one job beside its configuration.
#[derive(Debug, Clone, Default)]
pub(super) struct JobDetail {
    /// The checkpoints that have ended, the oldest first.
    pub(super) history: Vec<EndedCheckpoint>,
    pub(super) diagnosis: Option<CheckpointDiagnosis>,
}

/// How the server is.
#[derive(Debug, Clone, Default)]
pub(super) struct Link {
    /// Whether events are pushed.
    pub(super) pushed: Pushed,
    /// When it said something last, since the watch began.
    pub(super) heard: u64,
    /// Why it does not answer.
    pub(super) why: Option<String>,
}

/// Whether events are pushed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Pushed {
    #[default]
    Connecting,
    Yes,
    /// An older server, or too many streams: it is asked again and again instead.
    No(String),
    /// It broke off; when it is tried again, since the watch began.
    Lost {
        again: u64,
    },
}

/// All that is shown; a pause keeps a copy.
#[derive(Debug, Clone, Default)]
pub(super) struct Data {
    pub(super) jobs: BTreeMap<JobKey, JobSnapshot>,
    pub(super) clusters: Vec<ClusterState>,
    pub(super) pauses: Vec<Pause>,
    pub(super) details: BTreeMap<JobKey, JobDetail>,
    pub(super) link: Link,
    /// The newest events of note, the newest last: when, on the server's clock, and what.
    pub(super) told: VecDeque<(u64, String)>,
}

/// What came in.
#[derive(Debug)]
pub(super) enum Message {
    Event(Event),
    Pushed(Pushed, Option<String>),
    Jobs(ConfigurationList),
    Job(Box<Configuration>),
    History(JobKey, Vec<EndedCheckpoint>),
    Diagnosis(JobKey, Box<CheckpointDiagnosis>),
    /// What was asked for did not come; whether it is not there at all.
    Failed(Ask, String, Missing),
}

/// Which view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Page {
    All,
    Job(JobKey),
}

/// A screen that stands still.
#[derive(Debug, Clone)]
pub(super) struct Frozen {
    pub(super) data: Box<Data>,
    pub(super) at: Now,
}

/// The whole watch.
#[derive(Debug, Clone)]
pub(super) struct Model {
    pub(super) server: String,
    pub(super) data: Data,
    pub(super) frozen: Option<Frozen>,
    pub(super) view: Page,
    pub(super) selected: Option<JobKey>,
    pub(super) filter: String,
    /// Whether keys go into the filter.
    pub(super) filtering: bool,
    pub(super) help: bool,
    /// Whether all jobs are followed, or only the one that was named.
    pub(super) all: bool,
    pub(super) asks: Asks,
    every: u64,
}

impl Model {
    /// The job that is looked at.
    pub(super) fn opened(&self) -> Option<&JobKey> {
        match &self.view {
            Page::Job(key) => Some(key),
            Page::All => None,
        }
    }

    /// A watch of all jobs.
    pub(super) fn of_all(server: &str, every: Duration, list: ConfigurationList, now: Now) -> Self {
        let mut model = Self::new(server, every, Page::All, true);
        model.update(Message::Jobs(list), now);
        model
    }

    /// A watch of one job.
    pub(super) fn of_job(server: &str, every: Duration, job: Configuration, now: Now) -> Self {
        let mut model = Self::new(server, every, Page::Job(JobSnapshot::key(&job)), false);
        model.selected = Some(JobSnapshot::key(&job));
        model.update(Message::Job(Box::new(job)), now);
        model
    }

    fn new(server: &str, every: Duration, view: Page, all: bool) -> Self {
        let every = u64::try_from(every.as_millis()).unwrap_or(u64::MAX);
        Self {
            server: clean(server),
            data: Data::default(),
            frozen: None,
            view,
            selected: None,
            filter: String::new(),
            filtering: false,
            help: false,
            all,
            asks: Asks::new(every),
            every,
        }
    }

    /// What is shown, and the time that it is to be shown for: while nothing is heard, time stands still for what is
    /// in flight, since nobody knows what became of it.
    pub(super) fn shown(&self, now: Now) -> (&Data, Now) {
        let (data, basis) = self.basis(now);
        let silent = self.silence(now).unwrap_or(0);
        (data, Now { mono: basis.mono.saturating_sub(silent), wall: basis.wall.saturating_sub(silent) })
    }

    /// What is shown, and what time it is for it: while the watch stands still, both are old.
    pub(super) fn basis(&self, now: Now) -> (&Data, Now) {
        match &self.frozen {
            Some(frozen) => (&frozen.data, frozen.at),
            None => (&self.data, now),
        }
    }

    /// Takes in what came.
    pub(super) fn update(&mut self, message: Message, now: Now) {
        match message {
            Message::Event(event) => {
                self.hears(now);
                self.happened(&event, now);
            }
            Message::Pushed(pushed, why) => {
                if pushed == Pushed::Yes {
                    self.hears(now);
                    // What happened before is not told of.
                    self.asks.connected();
                }
                self.data.link.pushed = pushed;
                self.data.link.why = why.map(|why| clean(&why)).or(self.data.link.why.take());
            }
            Message::Jobs(list) => {
                self.hears(now);
                self.asks.answered(&Ask::Jobs);
                self.list(list, now);
            }
            Message::Job(job) => {
                self.hears(now);
                self.asks.answered(&Ask::Job(reference(&job)));
                self.data.jobs.insert(JobSnapshot::key(&job), JobSnapshot { job: *job, at: now.mono });
            }
            Message::History(key, history) => {
                self.hears(now);
                self.asks.history_came();
                self.data.details.entry(key).or_default().history = history;
            }
            Message::Diagnosis(key, diagnosis) => {
                self.hears(now);
                self.asks.diagnosis_came();
                self.data.details.entry(key).or_default().diagnosis = Some(*diagnosis);
            }
            Message::Failed(ask, why, missing) => self.failed(&ask, &why, missing, now),
        }
        // What is known in detail is bounded by the job that is looked at.
        if let Page::Job(open) = &self.view {
            self.data.details.retain(|key, _| key == open);
        }
    }

    fn hears(&mut self, now: Now) {
        self.data.link.heard = now.mono;
        self.data.link.why = None;
    }

    fn list(&mut self, list: ConfigurationList, now: Now) {
        let ConfigurationList { jobs, clusters, pauses, .. } = list;
        let open = match &self.view {
            Page::Job(open) => self.data.jobs.remove_entry(open),
            Page::All => None,
        };
        self.data.jobs =
            jobs.into_iter().map(|job| (JobSnapshot::key(&job), JobSnapshot { job, at: now.mono })).collect();
        if let Some((key, seen)) = open {
            // One that has ended is not listed any more, and whoever looks at it wants to see how.
            self.data.jobs.entry(key).or_insert(seen);
        }
        (self.data.clusters, self.data.pauses) = (clusters, pauses);
        if self.selected.as_ref().is_none_or(|selected| !self.data.jobs.contains_key(selected)) {
            self.selected = self.in_order(now).into_iter().next();
        }
    }

    fn failed(&mut self, ask: &Ask, why: &str, missing: Missing, now: Now) {
        self.asks.failed(ask, missing, now);
        match (ask, missing) {
            // An older server has no diagnosis and no history; that is no trouble.
            (Ask::Diagnosis(_) | Ask::History(_), Missing::Unknown | Missing::Path) => {}
            (Ask::Job(_), Missing::Unknown) => {
                self.hears(now);
                if let Page::Job(open) = &self.view
                    && let Some(seen) = self.data.jobs.get_mut(open)
                {
                    seen.job.stale = Some(clean(why));
                }
            }
            (_, _) => self.data.link.why = Some(clean(why)),
        }
    }

    /// Notes something to be shown among the newest events.
    pub(super) fn tell(&mut self, at: u64, what: String) {
        if self.data.told.len() == MOST_TOLD {
            self.data.told.pop_front();
        }
        self.data.told.push_back((at, what));
    }

    /// The jobs as they are listed: those that the filter lets through, the worst first.
    pub(super) fn in_order(&self, now: Now) -> Vec<JobKey> {
        let (data, now) = self.shown(now);
        let wanted = self.filter.to_lowercase();
        let fits = |key: &JobKey, seen: &JobSnapshot| {
            let name = format!("{}/{}", key.0, seen.job.name).to_lowercase();
            wanted.is_empty() || name.contains(&wanted) || key.1.to_string().starts_with(&wanted)
        };
        let mut jobs: Vec<_> = data.jobs.iter().filter(|(key, seen)| fits(key, seen)).collect();
        jobs.sort_by_cached_key(|(_, seen)| order::place(seen, now));
        jobs.into_iter().map(|(key, _)| key.clone()).collect()
    }

    /// For how many milliseconds nothing was heard, once that is too long.
    pub(super) fn silence(&self, now: Now) -> Option<u64> {
        let (data, now) = self.basis(now);
        let silent = now.mono.saturating_sub(data.link.heard);
        (silent >= PATIENCE.max(self.every.saturating_mul(3))).then_some(silent)
    }

    /// What is to be asked for now.
    pub(super) fn due(&mut self, now: Now) -> Vec<Ask> {
        let job = match &self.view {
            Page::Job(open) => self.data.jobs.get(open),
            Page::All => None,
        };
        let reference = job.map(|seen| reference(&seen.job));
        let in_flight = job.is_some_and(|seen| !seen.job.in_flight.is_empty());
        self.asks.due(self.all, reference, in_flight, now)
    }

    /// Opens a job.
    pub(super) fn open(&mut self, key: JobKey) {
        self.selected = Some(key.clone());
        self.view = Page::Job(key);
        self.asks.other_job();
    }

    /// Whose events are wanted: everybody's, or one job's.
    pub(super) fn follows(&self) -> Option<String> {
        match &self.view {
            Page::Job(key) if !self.all => self.data.jobs.get(key).map(|seen| reference(&seen.job)),
            Page::Job(_) | Page::All => None,
        }
    }

    /// The key of a job by its id, also when an older server does not say which cluster it means.
    pub(super) fn find(&self, cluster: &str, id: JobId) -> Option<JobKey> {
        let exact = (cluster.to_owned(), id);
        if self.data.jobs.contains_key(&exact) {
            return Some(exact);
        }
        let mut same = self.data.jobs.keys().filter(|key| cluster.is_empty() && key.1 == id);
        same.next().cloned()
    }
}
