//! From what was typed to one job.

use crate::args::MatchArgs;
use crate::error::Error;
use crate::exit::Exit;
use crate::server::Server;
use crate::view::name;
use ckpt_api::{ClusterState, Configuration, ConfigurationList};
use ckpt_client::{Answer, ClientError};

/// Whether a prefix of a name or id will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Matching {
    /// The whole name or id: a change must not hit what nobody named.
    Exact,
    /// A unique prefix as well.
    Prefix,
}

impl From<&MatchArgs> for Matching {
    fn from(args: &MatchArgs) -> Self {
        if args.allow_prefix { Self::Prefix } else { Self::Exact }
    }
}

/// One job, as the server showed it when it was looked up.
#[derive(Debug)]
pub(crate) struct Job {
    /// What the server said.
    pub(crate) configuration: Configuration,
    /// The same as it came.
    pub(crate) body: String,
}

impl Job {
    /// What to call it in later requests.
    pub(crate) fn reference(&self) -> String {
        name::reference(&self.configuration)
    }

    /// `job/NAME`, or `job/CLUSTER/NAME`.
    pub(crate) fn label(&self) -> String {
        name::label(&self.configuration)
    }
}

/// Looks up a job: an exact name or id, with or without its cluster, is the server's to find; a prefix is
/// looked for in its list. What `-o name` prints is understood as well.
pub(crate) async fn job(server: &Server, wanted: &str, matching: Matching) -> Result<Job, Error> {
    let mut wanted = wanted;
    if let Some(job) = exactly(server, wanted).await? {
        return Ok(job);
    }
    // Only now, since a cluster could be called `job`.
    if let Some(rest) = wanted.strip_prefix("job/").filter(|rest| !rest.is_empty()) {
        wanted = rest;
        if let Some(job) = exactly(server, wanted).await? {
            return Ok(job);
        }
    }
    let list = server.jobs(true).await?.value;
    let found = by_prefix(&list, wanted, matching, server.address())?;
    show(server, &name::reference(found)).await.map_err(|error| server.failed(error))
}

/// The job that the server knows by exactly this, if any.
async fn exactly(server: &Server, wanted: &str) -> Result<Option<Job>, Error> {
    let error = match show(server, wanted).await {
        Ok(job) => return Ok(Some(job)),
        Err(error) => error,
    };
    match error.status().map(|status| status.as_u16()) {
        Some(404) => Ok(None),
        Some(409) => Err(Error::new(Exit::NotFound, error.to_string())
            .hint("say which one as CLUSTER/NAME or CLUSTER/ID; ckptctl get --all -o wide lists them")
            .caused_by(error)),
        _ => Err(server.failed(error)),
    }
}

/// Asks for a job's configuration by exact name or id.
pub(crate) async fn show(server: &Server, exact: &str) -> Result<Job, ClientError> {
    let Answer { value, body } = server.client.configuration(exact).await?;
    Ok(Job { configuration: value, body })
}

fn by_prefix<'a>(
    list: &'a ConfigurationList,
    wanted: &str,
    matching: Matching,
    server: &str,
) -> Result<&'a Configuration, Error> {
    let found = candidates(&list.jobs, wanted);
    let names = || found.iter().map(|job| candidate(job)).collect::<Vec<_>>().join(", ");
    match (found.as_slice(), matching) {
        ([], _) => Err(Error::new(Exit::NotFound, format!("there is no job '{wanted}' on {server}")).hint(
            unseen(&list.clusters).unwrap_or("see which there are with: ckptctl get --all".to_owned()),
        )),
        ([only], Matching::Prefix) => Ok(only),
        (_, Matching::Prefix) => {
            Err(Error::new(Exit::NotFound, format!("'{wanted}' could be any of {}", names()))
                .hint("type more of the name, or CLUSTER/NAME, or the id"))
        }
        (_, Matching::Exact) => Err(Error::new(
            Exit::NotFound,
            format!("there is no job '{wanted}' on {server}; did you mean {}?", names()),
        )
        .hint("this command wants the whole name or id; --allow-prefix takes a unique beginning too")),
    }
}

fn candidate(job: &Configuration) -> String {
    match name::is_hosted(job) {
        true => format!("{} ({})", job.name, job.job_id),
        false => format!("{}/{} ({})", job.cluster, job.name, job.job_id),
    }
}

/// What to say when a job may be missing only because its cluster does not answer.
fn unseen(clusters: &[ClusterState]) -> Option<String> {
    let troubled = clusters.iter().filter(|cluster| cluster.trouble.is_some());
    let names: Vec<_> = troubled.map(|cluster| cluster.name.as_str()).collect();
    match names.as_slice() {
        [] => None,
        [one] => Some(format!("cluster {one} does not answer as it should, see why with: ckptctl get")),
        _ => Some(format!(
            "clusters {} do not answer as they should, see why with: ckptctl get",
            names.join(", ")
        )),
    }
}

/// The jobs whose name or id begins so, or does after `CLUSTER/`; those that have ended only when no other
/// does.
fn candidates<'a>(jobs: &'a [Configuration], prefix: &str) -> Vec<&'a Configuration> {
    let begins = |job: &Configuration, prefix: &str| {
        job.name.starts_with(prefix) || job.job_id.to_string().starts_with(&prefix.to_ascii_lowercase())
    };
    let in_cluster = |job: &Configuration| {
        let rest = prefix.strip_prefix(job.cluster.as_str()).and_then(|rest| rest.strip_prefix('/'));
        rest.is_some_and(|rest| begins(job, rest))
    };
    let (ended, alive): (Vec<_>, Vec<_>) = jobs
        .iter()
        .filter(|job| begins(job, prefix) || in_cluster(job))
        .partition(|job| job.state.has_ended());
    if alive.is_empty() { ended } else { alive }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::fixture;
    use ckpt_api::{JobState, SCHEMA};

    fn list() -> ConfigurationList {
        let job = |name: &str, id: &str, state| Configuration {
            name: name.to_owned(),
            job_id: id.parse().unwrap(),
            state,
            ..fixture::configuration()
        };
        let mut jobs = vec![
            job("orders", "aa000000000000000000000000000001", JobState::Running),
            job("orders-eu", "ab000000000000000000000000000002", JobState::Restarting),
            job("payments", "ac000000000000000000000000000003", JobState::Running),
            job("payments", "ad000000000000000000000000000004", JobState::Finished),
        ];
        for (cluster, id) in
            [("prod", "aa000000000000000000000000000001"), ("test", "c1000000000000000000000000000000")]
        {
            jobs.push(Configuration { cluster: cluster.to_owned(), ..job("clicks", id, JobState::Running) });
        }
        let cluster = |name: &str, trouble: Option<&str>| ClusterState {
            name: name.to_owned(),
            url: format!("http://{name}:8081"),
            version: None,
            trouble: trouble.map(str::to_owned),
            observed_at: None,
        };
        let clusters = vec![cluster("dev", Some("connection refused")), cluster("prod", None)];
        ConfigurationList { schema: SCHEMA.to_owned(), jobs, clusters, pauses: Vec::new() }
    }

    fn find(wanted: &str, matching: Matching) -> Result<String, String> {
        by_prefix(&list(), wanted, matching, "http://s").map(name::reference).map_err(|error| {
            assert_eq!(error.exit(), Exit::NotFound);
            error.to_string()
        })
    }

    #[test]
    fn a_unique_prefix_of_name_or_id_will_do_for_reading() {
        assert!(find("orders-", Matching::Prefix).unwrap().starts_with("ab"));
        assert!(find("AC", Matching::Prefix).unwrap().starts_with("ac"));
        let several = find("ord", Matching::Prefix).unwrap_err();
        assert!(several.contains("orders (aa") && several.contains("orders-eu (ab"), "{several}");
    }

    #[test]
    fn a_job_that_has_ended_does_not_stand_in_the_way_of_one_that_runs() {
        assert!(find("pay", Matching::Prefix).unwrap().starts_with("ac"));
        assert!(find("ad", Matching::Prefix).unwrap().starts_with("ad"));
    }

    #[test]
    fn a_change_wants_the_whole_name_and_suggests_it() {
        let message = find("pay", Matching::Exact).unwrap_err();
        assert!(message.contains("did you mean payments (ac"), "{message}");
        assert!(message.contains("--allow-prefix"), "{message}");
        let message = find("nothing", Matching::Exact).unwrap_err();
        assert!(message.contains("there is no job 'nothing' on http://s"), "{message}");
        assert!(message.contains("ckptctl get"), "{message}");
        assert!(message.contains("cluster dev does not answer"), "{message}");
    }

    #[test]
    fn a_cluster_in_front_narrows_it_down() {
        let several = find("clicks", Matching::Prefix).unwrap_err();
        assert!(several.contains("prod/clicks (aa") && several.contains("test/clicks (c1"), "{several}");
        assert!(several.contains("CLUSTER/NAME"), "{several}");
        assert_eq!(find("prod/cl", Matching::Prefix).unwrap(), "prod/aa000000000000000000000000000001");
        assert_eq!(find("test/C1", Matching::Prefix).unwrap(), "test/c1000000000000000000000000000000");
        assert!(find("hosted/orders-", Matching::Prefix).unwrap().starts_with("ab"));
        assert!(
            find("aa", Matching::Prefix).unwrap_err().contains("orders (aa"),
            "ids repeat across clusters"
        );
        assert!(find("dev/clicks", Matching::Prefix).is_err());
        assert!(find("prod/cl", Matching::Exact).unwrap_err().contains("did you mean prod/clicks"));
    }
}
