//! The list of a cluster's jobs: polling, jobs that come and go, jobs that share a name, and the end of records.

use super::event::{ClusterAction, ListAnswer, RequestError, RequestId, replies};
use super::intervals::{LISTS_PER_SEARCH, POLL_INTERVAL};
use super::reading::Reading;
use super::tombstones::Tombstone;
use super::{ClusterState, JobEntry};
use crate::clock::Moment;
use crate::flink::facts::JobFacts;
use crate::flink::settings::Attach;
use crate::seam::SeamError;
use ckpt_api::Happening;
use ckpt_api::flink::JobOverview;
use ckpt_attach::Jvm;
use ckpt_coordinator::Monotonic;
use ckpt_types::ids::JobId;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// State of the polling.
#[derive(Debug)]
pub(super) struct Listing {
    reading: Reading,
    /// Requests for which a list is to be started.
    waiting: Vec<RequestId>,
    next: Monotonic,
    /// Time at which the newest list was asked for.
    newest: Option<Monotonic>,
    /// Lists since the last search for a route.
    since_search: u32,
    /// Jobs whose records are being removed.
    removing: HashSet<JobId>,
}

impl Listing {
    pub(super) fn new(now: Monotonic) -> Self {
        Self {
            reading: Reading::default(),
            waiting: Vec::new(),
            next: now,
            newest: None,
            since_search: 0,
            removing: HashSet::new(),
        }
    }

    pub(super) fn due(&self) -> Option<Monotonic> {
        (!self.reading.is_under_way()).then_some(self.next)
    }

    /// Asks for a list that is made from now on.
    pub(super) fn request(&mut self, id: RequestId) {
        match self.reading.is_under_way() {
            true => drop(self.reading.request(Some(id))),
            false => {
                self.waiting.push(id);
                self.next = Monotonic::default();
            }
        }
    }

    /// Asks for a list that is made from now on, without a request.
    pub(super) fn require(&mut self) {
        match self.reading.is_under_way() {
            true => drop(self.reading.request(None)),
            false => self.next = Monotonic::default(),
        }
    }

    pub(super) fn removed(&mut self, job: JobId) {
        self.removing.remove(&job);
    }
}

impl ClusterState {
    pub(super) fn start_list(&mut self, now: Moment, actions: &mut Vec<ClusterAction>) {
        if self.listing.due().is_some_and(|due| due <= now.monotonic) && self.listing.reading.request(None) {
            for id in std::mem::take(&mut self.listing.waiting) {
                self.listing.reading.join(Some(id));
            }
            actions.push(ClusterAction::List { with_version: self.facts.health.version.is_none() });
        }
    }

    /// Takes the cluster's list of jobs.
    pub(super) fn listed(
        &mut self,
        now: Moment,
        asked: Moment,
        answered: Moment,
        followed: &HashSet<JobId>,
        answer: Result<ListAnswer, String>,
        actions: &mut Vec<ClusterAction>,
    ) {
        let (requests, again) = self.listing.reading.finish();
        if again {
            actions.push(ClusterAction::List { with_version: self.facts.health.version.is_none() });
        }
        self.listing.next = now.monotonic + POLL_INTERVAL;
        self.facts.is_tried = true;
        self.changed.facts = true;
        let is_newest = self.listing.newest.is_none_or(|newest| newest <= asked.monotonic);
        let reply: Result<(), String> = match answer {
            // An older list never replaces a newer one.
            Ok(_) if !is_newest => Ok(()),
            Ok(ListAnswer { version, jobs }) => {
                self.listing.newest = Some(asked.monotonic);
                if let Some(version) = version {
                    tracing::info!(
                        cluster = self.identity.name,
                        url = self.identity.url,
                        version,
                        "following a cluster"
                    );
                    self.facts.health.version = Some(version);
                }
                let midpoint = asked.wall_millis().midpoint(answered.wall_millis());
                self.record_answer(now, answered, skew(&jobs, midpoint));
                self.take_list(now, jobs, actions);
                self.follow_up(now, followed, actions);
                Ok(())
            }
            Err(trouble) => {
                self.record_trouble(now, &trouble);
                self.facts.health.version = None;
                // The next to answer may be another release, or another process.
                self.facts.routes.forget_cluster();
                self.listing.since_search = 0;
                Err(trouble)
            }
        };
        let outcome = reply.map_err(|why| RequestError::Job(SeamError::Unreachable(why)));
        actions.extend(replies(requests, &outcome));
        self.conclude_confirmations(now, asked.monotonic, actions);
    }

    /// Notes a good answer of the cluster.
    fn record_answer(&mut self, now: Moment, answered: Moment, ahead: Option<i64>) {
        let health = &mut self.facts.health;
        health.observed_at = Some(answered.wall_millis());
        health.ahead = ahead.unwrap_or(health.ahead);
        if let Some(trouble) = health.trouble.take() {
            tracing::info!(cluster = self.identity.name, was = trouble, "the cluster answers again");
            self.sign(now);
        }
    }

    /// Notes that the cluster does not answer as it should.
    fn record_trouble(&mut self, now: Moment, trouble: &str) {
        let before = self.facts.health.trouble.replace(trouble.to_owned());
        if before.is_none() {
            tracing::warn!(cluster = self.identity.name, trouble, "the cluster does not answer as it should");
        }
        if before.as_deref() != Some(trouble) {
            self.sign(now);
        }
        self.changed.facts = true;
    }

    pub(super) fn process_ended(&mut self, now: Moment, jvm: Jvm) {
        self.facts.routes.forget_process(jvm);
        self.record_trouble(now, &format!("its JobManager, process {}, has ended", jvm.pid()));
        self.listing.require();
        self.sign(now);
    }

    /// Brings the jobs up to date with a list.
    fn take_list(&mut self, now: Moment, listed: Vec<JobOverview>, actions: &mut Vec<ClusterAction>) {
        let ids: HashSet<_> = listed.iter().map(|job| job.jid).collect();
        self.drop_unlisted(now.monotonic, &ids, actions);
        let missing: Vec<_> = self.order.iter().filter(|id| !ids.contains(id)).copied().collect();
        for id in missing {
            if let Some(entry) = self.entry(id) {
                entry.facts.is_missing = true;
            }
        }
        let mut is_signed = false;
        for overview in listed {
            let id = overview.jid;
            let has_record = self.records.contains_key(&id);
            match self.entry(id) {
                Some(entry) => {
                    let was = entry.facts.state();
                    let state = overview.state;
                    let is_otherwise = entry.facts.update_overview(overview);
                    if was != state {
                        let happening = Happening::State { state, reason: None };
                        actions.push(ClusterAction::Tell { job: id, happening });
                    }
                    is_signed |= has_record && is_otherwise;
                }
                None => self.add_job(now.monotonic, overview),
            }
        }
        if is_signed {
            self.sign(now);
        }
        self.find_namesakes(now);
    }

    /// A job with an override is not forgotten on an assumption: a JobManager that restarts lists none. One that is
    /// being changed is kept until the next list, so that a later change cannot overtake this one.
    fn drop_unlisted(&mut self, now: Monotonic, ids: &HashSet<JobId>, actions: &mut Vec<ClusterAction>) {
        let is_changing = |id: &JobId| self.jobs.get(id).is_some_and(|entry| entry.changing.is_under_way());
        let is_kept = |id: &JobId| ids.contains(id) || self.records.contains_key(id) || is_changing(id);
        let (kept, dropped): (Vec<_>, Vec<_>) = self.order.iter().partition(|id| is_kept(id));
        self.changed.order |= !dropped.is_empty();
        self.order = kept;
        for id in dropped {
            let Some(mut entry) = self.jobs.remove(&id) else { continue };
            let requests = entry.reads.abandon().into_iter();
            actions.extend(requests.map(|id| ClusterAction::Reply(id, self.unknown_job())));
            // A job that has ended does not come back.
            if !entry.facts.state().has_ended() {
                let JobFacts { log, breakdown, .. } = entry.facts;
                self.tombstones.add(id, Tombstone { log, breakdown }, now);
            }
        }
        self.tombstones.expire(now);
    }

    fn add_job(&mut self, now: Monotonic, overview: JobOverview) {
        let id = overview.jid;
        let Tombstone { log, breakdown } = self.tombstones.take(id);
        let facts = JobFacts { log, breakdown, ..JobFacts::new(overview, now) };
        self.jobs.insert(id, JobEntry::new(facts, now));
        self.order.push(id);
        self.changed.order = true;
        self.changed.jobs.insert(id);
    }

    /// An override may belong to a job that is not listed any more, whose name runs under another id.
    fn find_namesakes(&mut self, now: Moment) {
        let mut live: HashMap<Arc<str>, Vec<JobId>> = HashMap::new();
        let mut gone: HashMap<Arc<str>, Vec<JobId>> = HashMap::new();
        let names: Vec<(JobId, Arc<str>, bool)> = self
            .order
            .iter()
            .filter_map(|id| {
                let facts = &self.jobs.get(id)?.facts;
                Some((*id, Arc::from(facts.overview.name.as_str()), facts.is_missing))
            })
            .collect();
        for (id, name, is_missing) in &names {
            let Some(entry) = self.jobs.get(id) else { continue };
            if !is_missing && !entry.facts.state().has_ended() {
                live.entry(Arc::clone(name)).or_default().push(*id);
            } else if *is_missing
                && self.records.get(id).is_some_and(|record| record.is_override(now.wall_millis()))
            {
                gone.entry(Arc::clone(name)).or_default().push(*id);
            }
        }
        for (id, name, is_missing) in names {
            let is_override =
                self.records.get(&id).is_some_and(|record| record.is_override(now.wall_millis()));
            let namesakes = match is_missing {
                false => gone.get(&name).cloned().unwrap_or_default(),
                true if is_override => live.get(&name).cloned().unwrap_or_default(),
                true => continue,
            };
            if self.jobs.get(&id).is_some_and(|entry| entry.facts.namesakes != namesakes)
                && let Some(entry) = self.entry(id)
            {
                entry.facts.namesakes = namesakes;
            }
        }
    }

    /// Starts whatever follows a list.
    fn follow_up(&mut self, now: Moment, followed: &HashSet<JobId>, actions: &mut Vec<ClusterAction>) {
        let is_live = |entry: &JobEntry| !entry.facts.is_missing && !entry.facts.state().has_ended();
        let live = self.order.iter().find(|id| self.jobs.get(id).is_some_and(is_live)).copied();
        if live.is_some() {
            if self.listing.since_search.is_multiple_of(LISTS_PER_SEARCH) {
                self.search(live, true, actions);
            }
            self.listing.since_search = self.listing.since_search.wrapping_add(1);
        }
        self.remove_records(now, actions);
        for id in self.order.clone() {
            let Some(entry) = self.jobs.get(&id) else { continue };
            let is_unseen = self.identity.attach == Attach::Always && entry.facts.rest.is_none();
            if !entry.facts.state().has_ended() && (followed.contains(&id) || is_unseen) {
                self.read_rest_in_background(id, actions);
            }
            if self.jobs.get(&id).is_some_and(is_live) && self.records.contains_key(&id) {
                actions.push(ClusterAction::ReadRunningSince(id));
            }
        }
    }

    /// Removes the records of jobs that have ended, and those of jobs that were replaced if they override nothing.
    fn remove_records(&mut self, now: Moment, actions: &mut Vec<ClusterAction>) {
        let live: HashSet<&str> = self
            .jobs
            .values()
            .filter(|entry| !entry.facts.is_missing && !entry.facts.state().has_ended())
            .map(|entry| entry.facts.overview.name.as_str())
            .collect();
        let mut removed = Vec::new();
        for (id, record) in &self.records {
            let Some(entry) = self.jobs.get(id) else { continue };
            let is_replaced = entry.facts.is_missing && live.contains(entry.facts.overview.name.as_str());
            if entry.facts.state().has_ended() {
                removed.push((*id, None));
            } else if is_replaced && !record.is_override(now.wall_millis()) {
                // Something may be set meanwhile.
                removed.push((*id, Some(record.revision)));
            }
        }
        for (id, revision) in removed {
            if self.listing.removing.insert(id) {
                let submitted = self.records.get(&id).and_then(|record| record.submitted);
                if let (None, Some(entry)) = (revision, self.entry(id)) {
                    // Flink goes on to show what was overridden.
                    entry.facts.ended_from = submitted;
                }
                actions.push(ClusterAction::Remove { job: id, revision });
            }
        }
    }
}

impl JobFacts {
    /// Takes the job's entry of a list. Returns true if that is a sign of a new coordinator.
    fn update_overview(&mut self, overview: JobOverview) -> bool {
        let starts_anew = self.overview.start_time != overview.start_time;
        let comes_back = std::mem::take(&mut self.is_missing);
        let is_otherwise = starts_anew || comes_back || self.overview.state != overview.state;
        if starts_anew {
            // Its JobManager is another one, or leads again: what was read before is gone.
            self.agent = None;
            self.starts_anew = true;
            self.ended_from = None;
        }
        self.overview = overview;
        is_otherwise
    }
}

/// Clock skew of a cluster in milliseconds: a running job says when it started and for how long it has run.
fn skew(listed: &[JobOverview], here: u64) -> Option<i64> {
    let running = listed.iter().find(|job| job.end_time < 0 && job.start_time > 0)?;
    let there = running.start_time.checked_add(running.duration)?;
    there.checked_sub(i64::try_from(here).ok()?)
}
