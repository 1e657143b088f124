//! ckptd against real Flink clusters, which these tests fetch from PyPI into `target/flink` and start on
//! loopback. What the machine lacks makes them ignored, with a line on how to get it; with `CKPT_REQUIRE_ALL=1`
//! it makes them fail.
//!
//! `CKPT_FLINK_VERSIONS="2.3.0 1.20.5 1.17.2"` tries other releases, `CKPT_STORM_SECONDS=300` a longer storm. One cluster is shared by most tests of a
//! release, each with a job of its own, so most of the time is spent waiting side by side.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "these are tests, which clippy cannot tell without Rust's own harness"
)]

mod application;
mod bad_moments;
mod behaviour;
mod clients;
mod containers;
mod daemon;
mod diagnosis;
mod failover;
mod flinks;
mod in_flight;
mod job;
mod lives;
mod looking;
mod native;
mod no_way;
mod rig;
mod savepoints;
mod standby;
mod storm;

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use rig::Rig;
use std::future::Future;
use std::pin::Pin;
use std::process::ExitCode;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

/// The releases that are tried unless others are asked for.
const VERSIONS: &str = "2.3.0 1.20.5";
/// How many tests wait side by side; they hardly compute, but the JVMs that they wait for do. Those of failovers are
/// besides: most of them wait for their turn.
const THREADS: usize = 12;
static SIDE_BY_SIDE: Semaphore = Semaphore::const_new(THREADS);

type Running = Pin<Box<dyn Future<Output = ()> + Send>>;
type Test = (&'static str, fn(&'static Rig) -> Running);

macro_rules! tests {
    ($($module:ident :: $name:ident),* $(,)?) => {
        &[$((stringify!($name), |rig| Box::pin($module::$name(rig)))),*]
    };
}

/// Roughly the longest first.
const TESTS: &[Test] = tests![
    failover::an_override_holds_in_the_next_jobmanager_before_its_first_trigger,
    failover::an_override_holds_in_the_next_jobmanager_when_ckptd_is_killed_meanwhile,
    failover::an_override_holds_again_when_ckptd_was_down_during_the_failover,
    failover::an_override_holds_before_the_first_trigger_when_both_were_down,
    failover::an_override_holds_when_leadership_is_lost_and_won_back,
    failover::an_override_holds_when_leadership_is_lost_and_ckptd_is_killed,
    failover::an_override_outlives_the_restart_of_the_job,
    failover::an_override_outlives_the_restart_of_the_job_and_of_ckptd,
    failover::an_override_outlives_a_taskmanager,
    failover::an_override_outlives_a_taskmanager_and_ckptd,
    failover::an_override_holds_in_the_next_jobmanager_under_the_adaptive_scheduler,
    failover::an_override_holds_under_the_adaptive_scheduler_when_ckptd_is_killed_meanwhile,
    failover::an_override_outlives_the_restart_of_an_adaptive_job,
    failover::an_override_outlives_the_restart_of_an_adaptive_job_and_of_ckptd,
    failover::an_override_outlives_a_rescale,
    failover::an_override_outlives_a_rescale_and_ckptd,
    failover::an_override_outlives_a_taskmanager_of_an_adaptive_job,
    failover::an_override_outlives_a_taskmanager_of_an_adaptive_job_and_ckptd,
    lives::the_adaptive_scheduler_keeps_the_values_when_a_taskmanager_dies,
    lives::a_jobmanager_that_starts_anew_without_its_jobs_is_seen_as_that,
    lives::a_ckptd_that_was_killed_still_knows_what_was_submitted,
    application::an_application_is_rescued_expires_and_is_reset,
    standby::a_change_through_a_standby_reaches_the_leader,
    bad_moments::a_jobmanager_that_stands_still_gets_nothing_half_done,
    bad_moments::a_job_that_ends_while_it_is_changed_keeps_no_override,
    bad_moments::many_operators_at_once_never_leave_a_torn_pair,
    behaviour::a_hundred_changes_stop_the_jvm_not_once,
    behaviour::jni_has_nothing_to_say,
    in_flight::left_alone_it_expires,
    in_flight::raised_in_flight_it_completes,
    in_flight::lowered_in_flight_it_expires_at_once,
    in_flight::a_savepoint_in_flight_is_rescued_too,
    containers::a_container_that_an_ordinary_user_made_is_reached_from_outside,
    containers::a_container_with_mapped_users_in_another_one_is_reached_by_root,
    containers::a_container_beside_it_reaches_it_when_they_share_pids,
    containers::a_container_with_a_network_of_its_own_is_reached_from_outside,
    savepoints::a_savepoint_is_made_and_a_job_is_cancelled_with_one,
    diagnosis::a_subtask_that_hangs_is_named_with_its_host,
    flinks::the_interval_changes_in_both_directions,
    flinks::now_brings_the_next_trigger_forward,
    flinks::both_fields_change_together_and_flinks_own_rest_shows_them,
    flinks::a_temporary_override_ends_by_itself,
    flinks::another_job_of_the_same_jobmanager_is_untouched,
    looking::jobs_are_found_by_id_by_name_and_by_cluster_and_name,
    looking::looking_loads_nothing_and_the_first_change_does,
    looking::the_agent_knows_the_family_of_the_release,
    looking::the_doctor_says_that_a_change_would_work,
    no_way::attach_switched_off_by_the_jvm,
    no_way::agents_switched_off_by_the_jvm,
    no_way::attach_that_nobody_agreed_to,
    no_way::a_process_that_is_no_jvm_survives,
    no_way::a_jvm_that_is_no_flink_survives,
    clients::flinks_command_line_lists_triggers_and_cancels,
    clients::flinks_command_line_shows_why_not,
    clients::flinks_command_line_makes_savepoints,
    clients::flinks_own_classes_read_every_answer,
    native::another_ckptd_is_changed_through_its_own_api,
    storm::a_storm_of_jobs_and_changes_harms_nobody,
];

/// Whether a release can pass a test. Flink's command line can send a token since 1.19, and only the release whose
/// formats ckptd speaks knows every field.
fn is_for(name: &str, version: &str) -> bool {
    let mut numbers = version.split('.').map(|number| number.parse::<u32>().unwrap_or(0));
    let release = (numbers.next(), numbers.next());
    match name {
        "flinks_own_classes_read_every_answer" => version == ckpt_api::flink::VERSION,
        _ if name.starts_with("flinks_command_line") => release >= (Some(1), Some(19)),
        _ => true,
    }
}

/// Whether a test is one of those that take turns on a cluster of their own.
fn is_failover(name: &str) -> bool {
    let is_override = |name: &str| name.starts_with("an_override_");
    is_override(name.rsplit("::").next().unwrap_or(name))
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    let versions = std::env::var("CKPT_FLINK_VERSIONS").unwrap_or_else(|_| VERSIONS.to_owned());
    let rigs: Vec<&'static Rig> =
        versions.split_whitespace().map(|version| &*Box::leak(Box::new(Rig::new(version)))).collect();
    let runtime: &'static Runtime = Box::leak(Box::new(Runtime::new().expect("threads can be started")));
    let mut trials = Vec::new();
    for (name, test) in TESTS {
        for rig in &rigs {
            let rig: &'static Rig = rig;
            if !is_for(name, &rig.version) {
                continue;
            }
            let name = format!("{}::{name}", rig.version);
            let trial = Trial::ignorable_test(name.clone(), move || perform(runtime, rig, &name, *test));
            trials.push(trial.with_kind("flink"));
        }
    }
    let failovers = trials.iter().filter(|trial| is_failover(trial.name())).count();
    arguments.test_threads.get_or_insert(THREADS + failovers);
    let conclusion = libtest_mimic::run(&arguments, trials);
    runtime.block_on(async {
        for rig in &rigs {
            rig.end().await;
        }
    });
    failover::write_table(&rigs.iter().map(|rig| rig.version.as_str()).collect::<Vec<_>>());
    conclusion.exit_code()
}

fn perform(
    runtime: &Runtime,
    rig: &'static Rig,
    name: &str,
    test: fn(&'static Rig) -> Running,
) -> Result<Completion, Failed> {
    let lack = runtime.block_on(rig.distribution()).err();
    if let Some(lack) = lack.or_else(|| containers::lack(name)) {
        if std::env::var_os("CKPT_REQUIRE_ALL").is_some_and(|value| value == "1") {
            return Err(Failed::from(lack));
        }
        eprintln!("skipped: {name}: {lack}");
        return Ok(Completion::ignored_with(lack));
    }
    runtime.block_on(async {
        let _one_of_many = match is_failover(name) {
            true => None,
            false => Some(SIDE_BY_SIDE.acquire().await),
        };
        test(rig).await;
    });
    Ok(Completion::Completed)
}
