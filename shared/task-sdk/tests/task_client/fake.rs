//! A daemon in process that does as it is told.

use async_trait::async_trait;
use ckpt_api::SCHEMA;
use ckpt_api::tasks::{Claim, ClaimedSubtasks, Reported, TaskEvent, TaskReport};
use ckpt_api::tasks::{Claimed, ReportResult};
use ckpt_task_sdk::{Door, DoorError, Events, Order, attach};
use ckpt_task_sdk::{Orders, Reporter};
use ckpt_types::ids::{CheckpointId, JobId, SessionId};
use futures::StreamExt;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::{mpsc, watch};

pub(crate) const HEARTBEAT_TIMEOUT: u64 = 10_000;

type Told = (Option<u64>, TaskEvent);

/// What it was asked, and how it answers.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) session: u128,
    pub(crate) claims: Vec<Claim>,
    /// Answers to the next claims instead of a session.
    pub(crate) refusals: VecDeque<DoorError>,
    /// Each opening of the events, with the number after which they are wanted.
    pub(crate) opened: Vec<Option<u64>>,
    /// It sends all events again, whatever is wanted.
    pub(crate) repeats: bool,
    /// Each list of reports that it was sent, taken or not.
    pub(crate) sent: Vec<Vec<TaskReport>>,
    pub(crate) taken: Vec<TaskReport>,
    pub(crate) left: Vec<SessionId>,
    /// Nothing answers.
    pub(crate) away: bool,
    /// Streams cannot go on, and a claim is refused while the session before it has not left.
    pub(crate) missed: bool,
    /// The checkpoint whose acknowledgements it refuses.
    pub(crate) bad: Option<u64>,
    history: Vec<Told>,
    stream: Option<mpsc::UnboundedSender<Told>>,
}

#[derive(Clone)]
pub(crate) struct Fake {
    state: Arc<Mutex<State>>,
    /// While it is true, reports are not answered; heartbeats are.
    pub(crate) hang: Arc<watch::Sender<bool>>,
    /// While it is true, claims are taken and not answered.
    pub(crate) hang_claims: Arc<watch::Sender<bool>>,
}

impl Fake {
    pub(crate) fn new() -> Self {
        let off = || Arc::new(watch::Sender::new(false));
        Self { state: Arc::default(), hang: off(), hang_claims: off() }
    }

    pub(crate) async fn attach(&self) -> (Orders, Reporter) {
        self.try_attach().await.unwrap()
    }

    /// Attaches and restores for execution 1.
    pub(crate) async fn start(&self) -> (Orders, Reporter) {
        let (mut orders, reporter) = self.attach().await;
        self.restore(1);
        orders.next().await.unwrap();
        (orders, reporter)
    }

    pub(crate) async fn try_attach(&self) -> Result<(Orders, Reporter), DoorError> {
        let subtasks = vec![ClaimedSubtasks { vertex: "count".to_owned(), index: Some(0) }];
        attach(self.clone(), Claim { attempt: 7, subtasks, name: None }).await
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn tell(&self, event: TaskEvent) {
        let mut state = self.state();
        let told = (Some(state.history.len() as u64 + 1), event);
        state.history.push(told.clone());
        if let Some(stream) = &state.stream {
            drop(stream.send(told));
        }
    }

    pub(crate) fn trigger(&self, id: u64) {
        let checkpoint_id = CheckpointId(id);
        self.tell(TaskEvent::Trigger {
            checkpoint_id,
            savepoint: false,
            directory: "/c".into(),
            triggered_at: 0,
        });
    }

    pub(crate) fn restore(&self, execution: u64) {
        self.tell(TaskEvent::Restore { execution, checkpoint: None });
    }

    pub(crate) fn beat(&self) {
        if let Some(stream) = &self.state().stream {
            drop(stream.send((None, TaskEvent::Heartbeat {})));
        }
    }

    pub(crate) fn break_stream(&self) {
        self.state().stream = None;
    }

    /// The session is over, and its stream has more to say.
    pub(crate) fn end_session(&self) {
        self.state().session += 1;
    }

    /// The session is over, as after a restart of ckptd.
    pub(crate) fn lose_session(&self) {
        let mut state = self.state();
        (state.session, state.stream) = (state.session + 1, None);
        state.history.clear();
    }

    /// How many heartbeats were answered.
    pub(crate) fn beats(&self) -> usize {
        self.state().sent.iter().filter(|reports| reports.is_empty()).count()
    }

    fn enter(&self, session: SessionId) -> Result<MutexGuard<'_, State>, DoorError> {
        let state = self.state();
        match (state.away, session == SessionId::from_bits(state.session)) {
            (true, _) => Err(unreachable()),
            (false, false) => Err(DoorError::Gone),
            (false, true) => Ok(state),
        }
    }
}

pub(crate) fn unreachable() -> DoorError {
    DoorError::Unreachable { cause: "Connection refused".to_owned() }
}

pub(crate) fn refused(sentence: &str) -> DoorError {
    DoorError::Refused { sentence: sentence.to_owned() }
}

/// The checkpoint that is triggered.
pub(crate) fn triggered(order: Option<Order>) -> u64 {
    match order {
        Some(Order::Trigger { checkpoint_id, .. }) => checkpoint_id.0,
        other => panic!("{other:?} is no trigger"),
    }
}

#[async_trait]
impl Door for Fake {
    async fn claim(&self, claim: &Claim) -> Result<Claimed, DoorError> {
        let session_id = {
            let mut state = self.state();
            state.claims.push(claim.clone());
            if state.away {
                return Err(unreachable());
            }
            if let Some(refusal) = state.refusals.pop_front() {
                return Err(refusal);
            }
            if state.missed && !state.left.contains(&SessionId::from_bits(state.session)) {
                return Err(refused("count/0 is held by attempt 7"));
            }
            state.missed = false;
            state.session += 1;
            state.history.clear();
            SessionId::from_bits(state.session)
        };
        self.hang_claims.subscribe().wait_for(|hang| !hang).await.unwrap();
        let schema = SCHEMA.to_owned();
        Ok(Claimed { schema, job_id: JobId::from_bits(1), session_id, heartbeat_timeout: HEARTBEAT_TIMEOUT })
    }

    async fn events(&self, session: SessionId, after: Option<u64>) -> Result<Events, DoorError> {
        let mut state = self.enter(session)?;
        state.opened.push(after);
        if state.missed {
            return Err(DoorError::Gone);
        }
        let (stream, mut events) = mpsc::unbounded_channel();
        for told in state.history.iter().filter(|(number, _)| *number > after || state.repeats) {
            stream.send(told.clone()).unwrap();
        }
        state.stream = Some(stream);
        Ok(futures::stream::poll_fn(move |context| events.poll_recv(context)).map(Ok).boxed())
    }

    async fn report(&self, session: SessionId, reports: &[TaskReport]) -> Result<Reported, DoorError> {
        self.enter(session)?.sent.push(reports.to_vec());
        if !reports.is_empty() {
            self.hang.subscribe().wait_for(|hang| !hang).await.unwrap();
        }
        let mut state = self.enter(session)?;
        let bad = state.bad.map(CheckpointId);
        if let Some(bad) = bad
            && reports
                .iter()
                .any(|r| matches!(r, TaskReport::Acknowledge { checkpoint_id, .. } if *checkpoint_id == bad))
        {
            return Err(refused("there is no such file"));
        }
        state.taken.extend_from_slice(reports);
        Ok(Reported { results: vec![ReportResult::Taken; reports.len()] })
    }

    async fn leave(&self, session: SessionId) -> Result<(), DoorError> {
        self.enter(session)?.left.push(session);
        Ok(())
    }
}
