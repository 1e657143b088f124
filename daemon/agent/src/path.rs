//! The way to a job's coordinator: plain references, from the shutdown hook that every Flink entrypoint has.
//! Where releases differ, [`crate::layout`] knows.
//!
//! No heap walk and no safepoint. Everything is read from a foreign thread, so any reference may be null
//! while a JobManager starts, stops or changes leaders: that is a refusal which says where the way ended.

use crate::{
    env::{Field, Java, Method, Outcome, flink},
    layout::{self, DISPATCHER_RUNNER, Layout, Marks},
    object::{Arg, Object},
    protocol::Refusal,
};
/// At most so many jobs are looked at.
const MOST_JOBS: usize = 10_000;
/// At most so many shutdown hooks are.
const MOST_HOOKS: usize = 10_000;
/// How often a map is copied again because it changed meanwhile.
const ATTEMPTS: usize = 5;

/// The hooks: a static map of the threads that are to run.
const HOOKS: Field = Field(c"hooks", c"Ljava/util/IdentityHashMap;");
/// The hook is a lambda that captures another one first, and that captures the entrypoint.
const CAPTURED_CLOSEABLE: Field = Field(c"arg$1", c"Ljava/lang/AutoCloseable;");
const CAPTURED_ENTRYPOINT: Field = Field(c"arg$1", flink!("entrypoint/ClusterEntrypoint"));

const COMPONENT: Field =
    Field(c"clusterComponent", flink!("entrypoint/component/DispatcherResourceManagerComponent"));
const PROCESS: Field = Field(c"dispatcherLeaderProcess", flink!("dispatcher/runner/DispatcherLeaderProcess"));
const SERVICE: Field = Field(
    c"dispatcherService",
    flink!("dispatcher/runner/AbstractDispatcherLeaderProcess$DispatcherGatewayService"),
);
const DISPATCHER: Field = Field(c"dispatcher", flink!("dispatcher/Dispatcher"));
const REGISTRY: Field =
    Field(c"jobManagerRunnerRegistry", flink!("dispatcher/OnMainThreadJobManagerRunnerRegistry"));
const DELEGATE: Field = Field(c"delegate", flink!("dispatcher/JobManagerRunnerRegistry"));
const RUNNERS: Field = Field(c"jobManagerRunners", c"Ljava/util/Map;");

const JOB_PROCESS: Field = Field(c"jobMasterServiceProcess", flink!("jobmaster/JobMasterServiceProcess"));
const JOB_FUTURE: Field = Field(c"jobMasterServiceFuture", c"Ljava/util/concurrent/CompletableFuture;");
const SCHEDULER: Field = Field(c"schedulerNG", flink!("scheduler/SchedulerNG"));
const GRAPH: Field = Field(c"executionGraph", flink!("executiongraph/ExecutionGraph"));
const STATE: Field = Field(c"state", flink!("scheduler/adaptive/State"));
const COORDINATOR: Field = Field(c"checkpointCoordinator", flink!("checkpoint/CheckpointCoordinator"));
const CONFIGURATION: Field =
    Field(c"checkpointCoordinatorConfiguration", flink!("jobgraph/tasks/CheckpointCoordinatorConfiguration"));
const SETTINGS: Field = Field(c"snapshotSettings", flink!("jobgraph/tasks/JobCheckpointingSettings"));

/// How a web server finds the leader, which it does on standby too.
const WEB: Field = Field(c"webMonitorEndpoint", flink!("rest/RestService"));
const RETRIEVER: Field = Field(c"leaderRetriever", flink!("webmonitor/retriever/GatewayRetriever"));
const GATEWAY: Field = Field(c"atomicGatewayFuture", c"Ljava/util/concurrent/atomic/AtomicReference;");

const KEYS: Method = Method(c"keySet", c"()Ljava/util/Set;");
const ENTRIES: Method = Method(c"entrySet", c"()Ljava/util/Set;");
const KEY: Method = Method(c"getKey", c"()Ljava/lang/Object;");
const VALUE: Method = Method(c"getValue", c"()Ljava/lang/Object;");
const GET: Method = Method(c"get", c"()Ljava/lang/Object;");
const GET_NOW: Method = Method(c"getNow", c"(Ljava/lang/Object;)Ljava/lang/Object;");
const ADDRESS: Method = Method(c"getAddress", c"()Ljava/lang/String;");

/// A job that this process leads.
pub(crate) struct Job<'j> {
    /// Its id.
    pub(crate) id: String,
    /// What runs it.
    runner: Object<'j>,
    /// Whether the dispatcher's runner is wrapped.
    wrapped_runner: bool,
}

/// What the way leads to.
pub(crate) struct Found<'j> {
    /// The family of releases.
    pub(crate) layout: &'static Layout,
    /// `Default` or `Adaptive`.
    pub(crate) scheduler: &'static str,
    /// The coordinator.
    pub(crate) coordinator: Object<'j>,
    /// The configuration in the execution graph, which Flink's REST API shows.
    pub(crate) shown: Object<'j>,
    /// The one in the job graph, which a rebuild starts from.
    pub(crate) plan: Option<Object<'j>>,
    /// The state of an Adaptive scheduler: between two coordinators, the old one is still there.
    pub(crate) state: Option<String>,
}

/// The jobs that this process leads.
pub(crate) fn jobs(java: &Java) -> Outcome<impl Iterator<Item = Outcome<Job<'_>>>> {
    let component = entrypoint(java)?.get_or(COMPONENT, |what| not_leading(what, None))?;
    let leader = |what| not_leading(what, Some(&component));
    let mut runner = component.get_or(DISPATCHER_RUNNER, leader)?;
    let wrapped_runner = runner.has(DISPATCHER_RUNNER);
    if wrapped_runner {
        runner = runner.get_or(DISPATCHER_RUNNER, leader)?;
    }
    let process = runner.get_or(PROCESS, leader)?;
    if !process.has(SERVICE) && process.class().name().ends_with(".StoppedDispatcherLeaderProcess") {
        return Err(leader("the dispatcher's process is stopped".to_owned()));
    }
    let registry = process.get_or(SERVICE, leader)?.get_or(DISPATCHER, leader)?.get_or(REGISTRY, leader)?;
    let runners = registry.get_or(DELEGATE, leader)?.get_or(RUNNERS, leader)?;
    let entries = copy(|| runners.call_some(ENTRIES, &[])?.to_array(MOST_JOBS))?;
    Ok(entries.map(move |entry| {
        let (id, runner) = (entry.call_some(KEY, &[])?.say()?, entry.call_some(VALUE, &[])?);
        Ok(Job { id, runner, wrapped_runner })
    }))
}

/// From a job to its coordinator.
pub(crate) fn coordinator<'j>(job: &Job<'j>) -> Outcome<Found<'j>> {
    let runner = &job.runner;
    if runner.class().name().ends_with(".CheckpointResourcesCleanupRunner") {
        return Err(Refusal::ShutDown);
    }
    let process = runner.get_or(JOB_PROCESS, no_coordinator)?;
    if process.class().name().ends_with("WaitingForLeadershipJobMasterServiceProcess") {
        return Err(no_coordinator("the job waits for its leadership".to_owned()));
    }
    let future = process.get_or(JOB_FUTURE, no_coordinator)?;
    let master = match future.call(GET_NOW, &[Arg::NULL]) {
        Ok(master) => master.ok_or_else(|| no_coordinator("the JobMaster is not there yet".to_owned()))?,
        Err(Refusal::Failed { what }) => return Err(no_coordinator(format!("the JobMaster failed: {what}"))),
        Err(refusal) => return Err(refusal),
    };
    let scheduler = master.get_or(SCHEDULER, no_coordinator)?;
    let (name, state) = if scheduler.has(GRAPH) {
        ("Default", None)
    } else {
        ("Adaptive", Some(scheduler.get_or(STATE, no_coordinator)?))
    };
    let holder = state.as_ref().unwrap_or(&scheduler);
    let in_state = state.as_ref().map(|state| state.class().name());
    if !holder.has(GRAPH) {
        return Err(between(in_state.as_deref()));
    }
    let graph = holder.get_or(GRAPH, no_coordinator)?;
    let (coordinator, shown) = match (graph.get(COORDINATOR)?, graph.get(CONFIGURATION)?) {
        (Some(coordinator), Some(shown)) => (coordinator, shown),
        (None, None) => return Err(Refusal::NoCheckpoints),
        // A graph that has ended gives its coordinator up.
        (None, Some(_)) => return Err(between(in_state.as_deref())),
        (Some(_), None) => return Err(no_coordinator("the graph has no configuration".to_owned())),
    };
    let layout = Layout::with(Marks::of(job.wrapped_runner, &scheduler, &coordinator))?;
    let way = if state.is_some() { layout.adaptive_plan } else { layout::DEFAULT_PLAN };
    let job_graph = scheduler.follow(way)?;
    let job_graph = job_graph.ok_or_else(|| no_coordinator("the scheduler has no job graph".to_owned()))?;
    let plan = job_graph.follow(&[SETTINGS, CONFIGURATION])?;
    Ok(Found { layout, scheduler: name, coordinator, shown, plan, state: in_state })
}

/// What it means that there is no coordinator, or only one that was shut down: the job's end, unless an
/// Adaptive scheduler is on its way to the next one.
pub(crate) fn between(state: Option<&str>) -> Refusal {
    match state {
        Some(state) if !state.ends_with(".Finished") => {
            no_coordinator(format!("the Adaptive scheduler is in the state {state}"))
        }
        _ => Refusal::ShutDown,
    }
}

/// The Flink entrypoint of this process, by its shutdown hook.
fn entrypoint(java: &Java) -> Outcome<Object<'_>> {
    let class = java.jdk_class(c"java/lang/ApplicationShutdownHooks")?;
    let Some(hooks) = class.static_object(HOOKS)? else {
        return Err(not_leading("the JVM is shutting down".to_owned(), None));
    };
    for thread in copy(|| hooks.call_some(KEYS, &[])?.to_array(MOST_HOOKS))? {
        let [newer, older] = layout::THREAD_TASK;
        let task = thread.follow(if thread.has(newer[0]) { newer } else { older })?;
        // Other hooks look otherwise; that is no reason for a refusal.
        let Some(lambda) = task.filter(|task| task.has(CAPTURED_CLOSEABLE)) else { continue };
        let Some(closer) = lambda.get(CAPTURED_CLOSEABLE)?.filter(|it| it.has(CAPTURED_ENTRYPOINT)) else {
            continue;
        };
        if let Some(entrypoint) = closer.get(CAPTURED_ENTRYPOINT)? {
            return Ok(entrypoint);
        }
    }
    Err(Refusal::NotFlink)
}

/// Copies a collection that another thread may be changing, which makes copying throw.
fn copy<T>(mut attempt: impl FnMut() -> Outcome<T>) -> Outcome<T> {
    for _ in 1..ATTEMPTS {
        match attempt() {
            Err(Refusal::Failed { .. }) => {}
            other => return other,
        }
    }
    attempt()
}

/// The way ended before the job's coordinator.
fn no_coordinator(what: String) -> Refusal {
    Refusal::NoCoordinator { what }
}

/// The way ended before the jobs.
fn not_leading(what: String, component: Option<&Object<'_>>) -> Refusal {
    Refusal::NotLeading { what, leader: component.and_then(|component| leader(component).ok().flatten()) }
}

/// The address of the dispatcher that leads, when the web server has found it.
fn leader(component: &Object<'_>) -> Outcome<Option<String>> {
    let Some(web) = component.get(WEB)? else { return Ok(None) };
    let Some(retriever) = web.get(RETRIEVER)? else { return Ok(None) };
    let Some(reference) = retriever.get(GATEWAY)? else { return Ok(None) };
    let Some(future) = reference.call(GET, &[])? else { return Ok(None) };
    let Some(gateway) = future.call(GET_NOW, &[Arg::NULL])? else { return Ok(None) };
    Ok(gateway.call(ADDRESS, &[])?.map(|address| address.text()))
}
