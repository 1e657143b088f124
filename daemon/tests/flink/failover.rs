//! What dies, and whether an override holds afterwards: each blow with ckptd alive and with ckptd dying too, on a
//! cluster under ZooKeeper. docs/failover.md holds what these tests measured.
//!
//! The job is submitted with an interval of a second, and overridden with one of a thousand hours: whatever is
//! triggered after a blow, was triggered with what was submitted. A job beside it, without an override, shows that
//! there was time for it: the end is not looked at before that one has made three checkpoints more.
//!
//! Where a coordinator comes back with what was submitted, ckptd and Flink race: the override should be in force before
//! the first trigger. Who wins on a machine with too much to do proves nothing, so the tasks of the job do not come to
//! run before it is in force. With `CKPT_MEASURE_FAILOVER=1` they do, and the race is run and measured.

mod ground;
mod log;
mod record;
mod samples;

pub(crate) use ground::Grounds;
pub(crate) use record::write_table;

use crate::daemon::until;
use crate::job::Job;
use crate::rig::{Rig, may_start};
use ckpt_local_flink::{Scheduler, rescale};
use ckptd::clock::wall_millis;
use ground::{Before, CameBack, Ground};
use record::Row;
use samples::Sampler;

/// Flink 2.3.0 makes a checkpoint as soon as a job runs, whatever its interval, and 1.20.5 waits for a random part of
/// it. Which release began with that was not looked up.
const BEGINS_AT_ONCE: (u32, u32) = (2, 0);

/// What strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blow {
    /// SIGKILL for the JobManager, and another one in its place.
    JobManagerKilled,
    /// ZooKeeper dies and comes back: the same process leads again.
    LeadershipLost,
    /// SIGKILL for the TaskManager, and another one in its place.
    TaskManagerKilled,
    /// The job fails by itself, and its restart strategy starts it again.
    JobFails,
    /// The adaptive scheduler runs it with another parallelism.
    Rescaled,
}

/// What becomes of ckptd meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ckptd {
    /// Nothing.
    Lives,
    /// SIGKILL after the blow, and a new one at once.
    Killed,
    /// SIGKILL before the blow, and a new one when the job runs again and has made a checkpoint.
    Down,
    /// SIGKILL before the blow, and a new one before the JobManager is there again.
    DownToo,
}

/// The tests: a name, what strikes under which scheduler, and what becomes of ckptd.
macro_rules! scenarios {
    ($($name:ident: $scheduler:ident, $blow:ident, $ckptd:ident;)*) => {
        $(pub(crate) async fn $name(rig: &'static Rig) {
            scenario(rig, Scheduler::$scheduler, Blow::$blow, Ckptd::$ckptd).await;
        })*
    };
}

scenarios! {
    an_override_holds_in_the_next_jobmanager_before_its_first_trigger: Default, JobManagerKilled, Lives;
    an_override_holds_in_the_next_jobmanager_when_ckptd_is_killed_meanwhile: Default, JobManagerKilled, Killed;
    an_override_holds_again_when_ckptd_was_down_during_the_failover: Default, JobManagerKilled, Down;
    an_override_holds_before_the_first_trigger_when_both_were_down: Default, JobManagerKilled, DownToo;
    an_override_holds_when_leadership_is_lost_and_won_back: Default, LeadershipLost, Lives;
    an_override_holds_when_leadership_is_lost_and_ckptd_is_killed: Default, LeadershipLost, Killed;
    an_override_outlives_the_restart_of_the_job: Default, JobFails, Lives;
    an_override_outlives_the_restart_of_the_job_and_of_ckptd: Default, JobFails, Killed;
    an_override_outlives_a_taskmanager: Default, TaskManagerKilled, Lives;
    an_override_outlives_a_taskmanager_and_ckptd: Default, TaskManagerKilled, Killed;
    an_override_holds_in_the_next_jobmanager_under_the_adaptive_scheduler: Adaptive, JobManagerKilled, Lives;
    an_override_holds_under_the_adaptive_scheduler_when_ckptd_is_killed_meanwhile: Adaptive, JobManagerKilled, Killed;
    an_override_outlives_the_restart_of_an_adaptive_job: Adaptive, JobFails, Lives;
    an_override_outlives_the_restart_of_an_adaptive_job_and_of_ckptd: Adaptive, JobFails, Killed;
    an_override_outlives_a_rescale: Adaptive, Rescaled, Lives;
    an_override_outlives_a_rescale_and_ckptd: Adaptive, Rescaled, Killed;
    an_override_outlives_a_taskmanager_of_an_adaptive_job: Adaptive, TaskManagerKilled, Lives;
    an_override_outlives_a_taskmanager_of_an_adaptive_job_and_ckptd: Adaptive, TaskManagerKilled, Killed;
}

async fn scenario(rig: &'static Rig, scheduler: Scheduler, blow: Blow, ckptd: Ckptd) {
    let mut turn = rig.grounds(scheduler).turn().await;
    let mut ground = match turn.take() {
        Some(ground) => ground,
        None => Ground::start(rig, scheduler).await,
    };
    // Until a JVM that starts has started, others wait.
    let starts = matches!(blow, Blow::JobManagerKilled | Blow::TaskManagerKilled);
    let starting = if starts { may_start().await } else { None };
    let before = ground.overridden().await;
    // A library is looked through where it is already loaded; into a new JVM ckptd comes first.
    let sampler = (blow != Blow::JobManagerKilled).then(|| Sampler::start(&ground.cluster, &ground.job.id));
    if matches!(ckptd, Ckptd::Down | Ckptd::DownToo) {
        ground.daemon.kill().await;
    }
    let gated = blow.brings_back(scheduler) == CameBack::Anew && ckptd != Ckptd::Down && !measures();
    if gated {
        ground.job().close_gate();
    }
    let struck = wall_millis();
    strike(&mut ground, &before, blow, ckptd).await;
    let ckptd_started = match ckptd {
        Ckptd::Down => Some(lapsed(&mut ground, struck).await),
        _ => None,
    };
    let again = ground.in_force_again(&before, struck, blow.brings_back(scheduler)).await;
    if gated {
        ground.pending_triggers_are_over().await;
        ground.job().open_gate();
    }
    ground.runs_again(struck).await;
    drop(starting);
    if ckptd == Ckptd::Down {
        rescued(&ground).await;
    }
    ground.is_quiet().await;
    ground.is_what_was_wanted(&before).await;
    let looks = match sampler {
        Some(sampler) => Some(sampler.end().await),
        None => None,
    };
    let not_held = looks.as_ref().map(|looks| looks.not_held(before.submitted, before.values, struck));
    let held = |at: u64| match &not_held {
        Some(not_held) => !not_held.contains(at),
        None => at >= again.at,
    };
    let begins_at_once = ground.cluster.distribution().release() >= BEGINS_AT_ONCE;
    let wrong = ground.log().wrong(&ground.job.id, struck, begins_at_once, held);
    // One may have been scheduled already, by the submitted interval, when the override came: Flink makes it.
    let (wrong, scheduled): (Vec<_>, Vec<_>) = wrong.into_iter().partition(|at| *at < again.at);
    let row = Row {
        scheduler,
        blow,
        ckptd,
        in_force_after: again.at - struck,
        ckptd_started_after: ckptd_started.map(|at| at - struck),
        not_held: not_held.as_ref().map_or(again.at.saturating_sub(again.born), samples::NotHeld::lasted),
        looks_apart: looks.as_ref().map(|looks| looks.coarseness(struck)),
        submitted_seen: not_held.as_ref().map(|seen| seen.lasted() > 0).or(ckptd_started.map(|_| true)),
        triggers: wrong.len(),
        scheduled: scheduled.len(),
    };
    if measures() || !gated {
        row.write(&rig.version);
    }
    assert!(wrong.is_empty() || ckptd == Ckptd::Down, "triggered with the submitted values: {wrong:?}");
    // One that is held while ckptd is down has others wait for it.
    assert!(
        scheduled.len() <= 1 || ckptd == Ckptd::Down,
        "triggered though the override was in force: {scheduled:?}"
    );
    if blow.leaves_neighbours_alone() {
        let since = ground.running_since(&ground.neighbour.id).await;
        assert!(since < struck, "the neighbour started again");
    }
    turn.give_back(ground);
}

/// Whether the race is run, see above.
fn measures() -> bool {
    std::env::var_os("CKPT_MEASURE_FAILOVER").is_some_and(|value| value == "1")
}

impl Blow {
    fn brings_back(self, scheduler: Scheduler) -> CameBack {
        match (self, scheduler) {
            (Self::JobManagerKilled | Self::LeadershipLost, _) => CameBack::Anew,
            (_, Scheduler::Adaptive) => CameBack::NewCoordinator,
            (_, Scheduler::Default) => CameBack::SameCoordinator,
        }
    }

    /// Whether only the job itself is struck.
    fn leaves_neighbours_alone(self) -> bool {
        matches!(self, Self::JobFails | Self::Rescaled)
    }
}

async fn strike(ground: &mut Ground, before: &Before, blow: Blow, ckptd: Ckptd) {
    match blow {
        Blow::JobManagerKilled => {
            ground.cluster.kill_job_manager().await.unwrap();
            if ckptd == Ckptd::DownToo {
                ground.daemon.start_again().await;
                ground.is_known_from_its_file(before).await;
            }
            ground.next_job_manager().await;
        }
        Blow::LeadershipLost => {
            let struck = wall_millis();
            ground.zookeeper.kill().await.unwrap();
            let log = || async { ground.log().lost_leadership(&ground.job.id, struck).then_some(()) };
            until("a JobManager that does not lead any more", log).await;
        }
        Blow::TaskManagerKilled => {
            ground.cluster.kill_task_manager().await.unwrap();
            ground.cluster.start_task_manager().unwrap();
        }
        Blow::JobFails => ground.job().fail_once(),
        Blow::Rescaled => {
            let parallelism = ground.other_parallelism();
            rescale(&ground.cluster, &ground.job.id, parallelism).await.unwrap();
        }
    }
    if ckptd == Ckptd::Killed {
        ground.daemon.kill_and_start().await;
    }
    if blow == Blow::LeadershipLost {
        ground.zookeeper.start_again().await.unwrap();
    }
}

/// The control: nobody is there who could apply the override again, so the job goes by what was submitted, and the
/// log shows it. Then a checkpoint is held, ckptd starts, and it is to be saved. Says when ckptd was started.
async fn lapsed(ground: &mut Ground, struck: u64) -> u64 {
    let look = || async { ground.log().triggers(&ground.job.id, struck).first().copied() };
    until("a checkpoint with the submitted values", look).await;
    let job = ground.job();
    job.until_flinks_values(ground::SUBMITTED).await;
    job.hold();
    job.in_flight().await;
    let started = wall_millis();
    ground.daemon.start_again().await;
    started
}

/// A checkpoint that was in flight when the override came back outlives the submitted timeout.
async fn rescued(ground: &Ground) {
    let job: Job<'_> = ground.job();
    let outlived = |seen: &ckpt_api::Configuration| {
        let found = seen.in_flight.iter().find(|found| found.elapsed > 2 * ground::SUBMITTED.1);
        found.map(|found| found.id.0)
    };
    let id = until("a checkpoint that is older than its first timeout", || async {
        outlived(&ground.daemon.client.configuration(&job.id).await.ok()?.value)
    })
    .await;
    job.release();
    job.completes(id).await;
}
