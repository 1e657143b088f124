//! From what was typed to one job.

use crate::args::MatchArgs;
use crate::console::clean;
use crate::error::Error;
use crate::exit::Exit;
use crate::server::Server;
use ckpt_shared::api::Configuration;
use ckpt_shared::client::{Answer, ClientError};

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
    /// Its id, which cannot come to mean another job before the next request.
    pub(crate) fn id(&self) -> String {
        self.configuration.job_id.to_string()
    }

    /// `job/NAME`.
    pub(crate) fn label(&self) -> String {
        label(&self.configuration.name)
    }
}

/// `job/NAME`, as `-o name` prints it.
pub(crate) fn label(name: &str) -> String {
    format!("job/{}", clean(name))
}

/// Looks up a job: an exact name or id is the server's to find, a prefix is looked for in its list.
pub(crate) async fn job(server: &Server, wanted: &str, matching: Matching) -> Result<Job, Error> {
    match show(server, wanted).await {
        Ok(job) => Ok(job),
        Err(error) => match error.status().map(|status| status.as_u16()) {
            Some(404) => {
                let jobs = server.jobs(true).await?.value.jobs;
                let id = by_prefix(&jobs, wanted, matching, server.address())?.job_id.to_string();
                show(server, &id).await.map_err(|error| server.failed(&error))
            }
            Some(409) => Err(Error::new(Exit::NotFound, error.to_string())
                .hint("say which one by its id; ckptctl get --all -o wide lists them")),
            _ => Err(server.failed(&error)),
        },
    }
}

/// Asks for a job's configuration by exact name or id.
pub(crate) async fn show(server: &Server, exact: &str) -> Result<Job, ClientError> {
    let Answer { value, body } = server.client.configuration(exact).await?;
    Ok(Job { configuration: value, body })
}

fn by_prefix<'a>(
    jobs: &'a [Configuration],
    wanted: &str,
    matching: Matching,
    server: &str,
) -> Result<&'a Configuration, Error> {
    let found = candidates(jobs, wanted);
    let list =
        || found.iter().map(|job| format!("{} ({})", job.name, job.job_id)).collect::<Vec<_>>().join(", ");
    match (found.as_slice(), matching) {
        ([], _) => Err(Error::new(Exit::NotFound, format!("there is no job '{wanted}' on {server}"))
            .hint("see which there are with: ckptctl get --all")),
        ([only], Matching::Prefix) => Ok(only),
        (_, Matching::Prefix) => {
            Err(Error::new(Exit::NotFound, format!("'{wanted}' could be any of {}", list()))
                .hint("type more of the name, or the id"))
        }
        (_, Matching::Exact) => Err(Error::new(
            Exit::NotFound,
            format!("there is no job '{wanted}' on {server}; did you mean {}?", list()),
        )
        .hint("this command wants the whole name or id; --allow-prefix takes a unique beginning too")),
    }
}

/// The jobs whose name or id begins so; those that have ended only when no other does.
fn candidates<'a>(jobs: &'a [Configuration], prefix: &str) -> Vec<&'a Configuration> {
    let id_prefix = prefix.to_ascii_lowercase();
    let (ended, alive): (Vec<_>, Vec<_>) = jobs
        .iter()
        .filter(|job| job.name.starts_with(prefix) || job.job_id.to_string().starts_with(&id_prefix))
        .partition(|job| job.state.has_ended());
    if alive.is_empty() { ended } else { alive }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::fixture;
    use ckpt_shared::api::JobState;

    fn jobs() -> Vec<Configuration> {
        let job = |name: &str, id: &str, state| Configuration {
            name: name.to_owned(),
            job_id: id.parse().unwrap(),
            state,
            ..fixture::configuration()
        };
        vec![
            job("orders", "aa000000000000000000000000000001", JobState::Running),
            job("orders-eu", "ab000000000000000000000000000002", JobState::Restarting),
            job("payments", "ac000000000000000000000000000003", JobState::Running),
            job("payments", "ad000000000000000000000000000004", JobState::Finished),
        ]
    }

    fn find(wanted: &str, matching: Matching) -> Result<String, String> {
        by_prefix(&jobs(), wanted, matching, "http://s").map(|job| job.job_id.to_string()).map_err(|error| {
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
    }
}
