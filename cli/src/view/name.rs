//! What a job is called: in output, in requests, and in commands that are suggested.

use super::text::clean;
use ckpt_api::{Configuration, HOSTED};
use std::collections::{BTreeMap, BTreeSet};

/// Whether ckptd hosts the job itself.
pub(crate) fn is_hosted(job: &Configuration) -> bool {
    job.cluster == HOSTED
}

/// `job/NAME`, or `job/CLUSTER/NAME` for a job of another cluster than ckptd's own.
pub(crate) fn label(job: &Configuration) -> String {
    label_in(&job.cluster, &job.name)
}

/// Label of the job of this name in a cluster.
pub(crate) fn label_in(cluster: &str, name: &str) -> String {
    match cluster {
        HOSTED => format!("job/{}", clean(name)),
        _ => format!("job/{}/{}", clean(cluster), clean(name)),
    }
}

/// What to call a job in a request: it cannot come to mean another one before the next request. Ids repeat
/// across clusters, so they alone will do only for the jobs that ckptd gave their ids itself.
pub(crate) fn reference(job: &Configuration) -> String {
    match is_hosted(job) {
        true => job.job_id.to_string(),
        false => format!("{}/{}", job.cluster, job.job_id),
    }
}

/// What to type for a job in a command, quoted for a shell.
pub(crate) fn typed(job: &Configuration) -> String {
    match is_hosted(job) {
        true => quoted(&job.name),
        false => quoted(&format!("{}/{}", job.cluster, job.name)),
    }
}

/// A text as one word of a shell.
pub(crate) fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./:@+,".contains(c);
    match !text.is_empty() && text.chars().all(is_plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

/// What to call each of these jobs so that it can be typed back: by the name, with the cluster where ckptd
/// does not host the job or the name is in several clusters, and by the id where the cluster has the name
/// more than once.
pub(crate) fn listed(jobs: &[Configuration]) -> Vec<String> {
    let mut clusters: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut alive: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut all: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for job in jobs {
        let key = (job.cluster.as_str(), job.name.as_str());
        clusters.entry(&job.name).or_default().insert(&job.cluster);
        *all.entry(key).or_default() += 1;
        *alive.entry(key).or_default() += usize::from(!job.state.has_ended());
    }
    let name = |job: &Configuration| {
        let key = (job.cluster.as_str(), job.name.as_str());
        let is_the_one = all[&key] == 1 || (alive[&key] == 1 && !job.state.has_ended());
        match (is_hosted(job), clusters[job.name.as_str()].len() > 1) {
            (true, false) => label(job),
            (true, true) => format!("job/{HOSTED}/{}", clean(&job.name)),
            (false, _) if is_the_one => label(job),
            (false, _) => format!("job/{}/{}", clean(&job.cluster), job.job_id),
        }
    };
    jobs.iter().map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::fixture;
    use ckpt_api::JobState;
    use ckpt_types::ids::JobId;

    fn job(cluster: &str, name: &str, id: u128, state: JobState) -> Configuration {
        Configuration {
            cluster: cluster.to_owned(),
            name: name.to_owned(),
            job_id: JobId::from_bits(id),
            state,
            ..fixture::configuration()
        }
    }

    #[test]
    fn a_job_elsewhere_is_never_asked_for_by_its_id_alone() {
        let here = job(HOSTED, "orders", 1, JobState::Running);
        let there = job("prod", "my orders", 1, JobState::Running);
        assert_eq!((label(&here).as_str(), label(&there).as_str()), ("job/orders", "job/prod/my orders"));
        assert_eq!(reference(&here), "00000000000000000000000000000001");
        assert_eq!(reference(&there), "prod/00000000000000000000000000000001");
        assert_eq!((typed(&here).as_str(), typed(&there).as_str()), ("orders", "'prod/my orders'"));
        assert_eq!(quoted("it's; rm -rf $HOME"), r"'it'\''s; rm -rf $HOME'");
    }

    #[test]
    fn what_is_listed_can_be_typed_back() {
        use JobState::{Canceled, Running};
        let jobs = [
            job(HOSTED, "only-here", 1, Running),
            job(HOSTED, "only-here", 2, Canceled),
            job(HOSTED, "both", 3, Running),
            job("prod", "both", 4, Running),
            job("prod", "only-there", 5, Running),
            job("prod", "only-there", 6, Canceled),
            job("prod", "twice", 7, Running),
            job("prod", "twice", 8, Running),
        ];
        assert_eq!(
            listed(&jobs),
            [
                "job/only-here",
                "job/only-here",
                "job/hosted/both",
                "job/prod/both",
                "job/prod/only-there",
                "job/prod/00000000000000000000000000000006",
                "job/prod/00000000000000000000000000000007",
                "job/prod/00000000000000000000000000000008",
            ]
        );
    }
}
