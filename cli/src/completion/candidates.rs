//! Jobs and clusters as they are typed.

use crate::view::name::is_hosted;
use ckpt_api::{Configuration, ConfigurationList, OverrideState, OverrideStatus};
use clap_complete::engine::CompletionCandidate;

/// The jobs that may be meant. A name that stands for one job is offered as it is; one that does not, with its cluster;
/// and one that its cluster has twice, by the id. Those that have ended, or are gone and have left their name to another, are
/// offered when no other fits.
pub(super) fn jobs(list: &ConfigurationList, typed: &str) -> Vec<CompletionCandidate> {
    let (over, live): (Vec<_>, Vec<_>) =
        list.jobs.iter().partition(|job| job.state.has_ended() || is_left_behind(job));
    let found = fitting(&live, typed);
    if found.is_empty() { fitting(&over, typed) } else { found }
}

/// It is not there any more, and its name means another job by now.
fn is_left_behind(job: &Configuration) -> bool {
    let is_orphaned = |status: &OverrideStatus| status.state == OverrideState::Orphaned;
    job.stale.is_some() && job.override_status.as_ref().is_some_and(is_orphaned)
}

/// The clusters that may be meant.
pub(super) fn clusters(list: &ConfigurationList, typed: &str) -> Vec<CompletionCandidate> {
    let fits = list.clusters.iter().filter(|cluster| cluster.name.starts_with(typed));
    fits.map(|cluster| CompletionCandidate::new(cluster.name.as_str()).help(Some(cluster.url.clone().into())))
        .collect()
}

fn fitting(jobs: &[&Configuration], typed: &str) -> Vec<CompletionCandidate> {
    let mut found = Vec::new();
    for job in jobs {
        let called = called(jobs, job);
        let qualified = qualified(jobs, job);
        // A name may be completed to what tells it apart, which does not begin with it then.
        let value = match () {
            () if called.starts_with(typed) => called,
            () if qualified.starts_with(typed) || job.name.starts_with(typed) => qualified,
            () => continue,
        };
        let help = format!("{} on {}", job.state, job.cluster);
        found.push(CompletionCandidate::new(value).help(Some(help.into())));
    }
    found
}

/// What to type for a job.
fn called(jobs: &[&Configuration], job: &Configuration) -> String {
    let has_its_name = jobs.iter().filter(|other| other.name == job.name).count();
    match has_its_name == 1 && can_be_typed(&job.name) {
        true => job.name.clone(),
        false => qualified(jobs, job),
    }
}

/// The same with its cluster.
fn qualified(jobs: &[&Configuration], job: &Configuration) -> String {
    let in_cluster =
        jobs.iter().filter(|other| other.name == job.name && other.cluster == job.cluster).count();
    match in_cluster == 1 && can_be_typed(&job.name) {
        true => format!("{}/{}", job.cluster, job.name),
        false if is_hosted(job) => job.job_id.to_string(),
        false => format!("{}/{}", job.cluster, job.job_id),
    }
}

/// Whether a name is one of a line, and cannot be taken for an option.
fn can_be_typed(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('-') && !name.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::fixture;
    use ckpt_api::{HOSTED, JobState, SCHEMA};
    use ckpt_types::ids::JobId;

    fn offered(typed: &str) -> Vec<String> {
        use JobState::{Canceled, Running};
        let job = |cluster: &str, name: &str, id: u128, state| Configuration {
            cluster: cluster.to_owned(),
            name: name.to_owned(),
            job_id: JobId::from_bits(id),
            state,
            ..fixture::configuration()
        };
        let jobs = vec![
            job(HOSTED, "job123", 1, Running),
            job("prod", "orders", 2, Running),
            job("test", "orders", 3, Running),
            job("prod", "my job: a 'b'", 4, Running),
            job("prod", "twice", 5, Running),
            job("prod", "twice", 6, Running),
            job("prod", "-x", 7, Running),
            job("prod", "job123", 8, Canceled),
            job("prod", "gone", 9, Canceled),
            job("prod", "deployed", 10, Running),
            Configuration {
                stale: Some("prod does not list it".to_owned()),
                override_status: Some(OverrideStatus {
                    state: OverrideState::Orphaned,
                    why: None,
                    since: None,
                    next_try: None,
                }),
                ..job("prod", "deployed", 11, JobState::Suspended)
            },
        ];
        let list = ConfigurationList { schema: SCHEMA.to_owned(), jobs, clusters: vec![], pauses: vec![] };
        let values = super::jobs(&list, typed).into_iter();
        values.map(|candidate| candidate.get_value().to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn a_name_of_one_job_is_offered_as_it_is_and_others_with_their_clusters() {
        assert_eq!(offered("jo"), ["job123"], "one that has ended stands in nobody's way");
        assert_eq!(offered("my"), ["my job: a 'b'"]);
        assert_eq!(offered("ord"), ["prod/orders", "test/orders"]);
        assert_eq!(offered("test/"), ["test/orders"]);
        assert_eq!(offered("prod/my"), ["prod/my job: a 'b'"]);
        assert_eq!(offered("hosted/"), ["hosted/job123"]);
        assert_eq!(offered("go"), ["gone"], "it is all there is");
        assert_eq!(offered("dep"), ["deployed"], "the one that runs");
        assert_eq!(offered("nothing"), Vec::<String>::new());
    }

    #[test]
    fn what_no_name_tells_apart_is_offered_by_its_id() {
        let id = |id: u128| format!("prod/{}", JobId::from_bits(id));
        assert_eq!(offered("twi"), [id(5), id(6)]);
        assert_eq!(offered("prod/0"), [id(5), id(6), id(7)], "and what would be an option");
    }
}
