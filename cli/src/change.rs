//! The way of every change: look the job up, see what would expire, ask, change, tell, wait.

mod guard;
mod outcome;

use crate::args::{ChangeArgs, Output};
use crate::console;
use crate::error::Error;
use crate::exit::Exit;
use crate::resolve::{self, Job};
use crate::server::Server;
use crate::view::change::{Adoption, Change};
use crate::view::name::{is_hosted, label, quoted, typed};
use ckpt_api::{AdoptRequest, Configuration, ConfigurationPatch};
use ckpt_client::{Answer, ChangeOptions};

/// Makes a change of `job` and tells of it in one line.
pub(crate) async fn run(
    server: &Server,
    output: Option<Output>,
    job: &str,
    mut patch: ConfigurationPatch,
    args: &ChangeArgs,
) -> Result<Exit, Error> {
    patch.reason.clone_from(&args.reason);
    make(server, output, job, Asked::Change(&patch), args).await
}

/// Lets `job` take over an override that an earlier job of its name left behind, and tells of it in one line.
pub(crate) async fn adopt(
    server: &Server,
    output: Option<Output>,
    job: &str,
    mut request: AdoptRequest,
    args: &ChangeArgs,
) -> Result<Exit, Error> {
    request.reason.clone_from(&args.reason);
    make(server, output, job, Asked::Adoption(&request), args).await
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
enum Asked<'a> {
    Change(&'a ConfigurationPatch),
    Adoption(&'a AdoptRequest),
}

impl Asked<'_> {
    /// Whether a checkpoint in flight could expire at once; what an override says that is taken over is not
    /// known before.
    fn could_expire(self, before: &Configuration) -> bool {
        match self {
            Self::Change(patch) => guard::could_expire(before, patch),
            Self::Adoption(_) => true,
        }
    }

    fn is_unchanged(self, before: &Configuration, after: &Configuration) -> bool {
        match self {
            Self::Change(patch) => Change { patch, before, after, dry_run: false }.is_none(),
            Self::Adoption(_) => false,
        }
    }

    fn line(self, before: &Configuration, after: &Configuration, dry_run: bool) -> String {
        match self {
            Self::Change(patch) => Change { patch, before, after, dry_run }.line(),
            Self::Adoption(request) => Adoption { from: request.from, before, after, dry_run }.line(),
        }
    }
}

async fn make(
    server: &Server,
    output: Option<Output>,
    job: &str,
    asked: Asked<'_>,
    args: &ChangeArgs,
) -> Result<Exit, Error> {
    let mut args = args.clone();
    let before = resolve::job(server, job, (&args.matching).into()).await?;
    if !args.dry_run && !args.yes && asked.could_expire(&before.configuration) {
        let preview = send(server, &before, asked, &args, true).await?;
        guard::confirm(&preview.value).await?;
        // What was agreed to holds for what was shown.
        args.if_revision = args.if_revision.or(Some(preview.value.revision));
    }
    let args = &args;
    let Answer { value: mut configuration, mut body } =
        send(server, &before, asked, args, args.dry_run).await?;
    for warning in &configuration.warnings {
        console::warn(warning);
    }
    let (dry_run, before) = (args.dry_run, &before.configuration);
    let unchanged = asked.is_unchanged(before, &configuration);
    if !dry_run
        && !configuration.applied
        && !outcome::in_conflict(&configuration)
        && args.wait
        && let Some(job) = outcome::wait_until_applied(server, &configuration, &args.limit).await?
    {
        (configuration, body) = (job.configuration, job.body);
    }
    console::result(output, &body, &label(before), || asked.line(before, &configuration, dry_run))?;
    match (dry_run || configuration.applied, unchanged && args.error_unchanged) {
        (false, _) => {
            console::note(&outcome::advice(&configuration, args.wait.then_some(&args.limit)));
            Ok(outcome::exit(&configuration))
        }
        (true, true) => Ok(Exit::Unchanged),
        (true, false) => Ok(Exit::Done),
    }
}

async fn send(
    server: &Server,
    job: &Job,
    asked: Asked<'_>,
    args: &ChangeArgs,
    dry_run: bool,
) -> Result<Answer<Configuration>, Error> {
    let options = ChangeOptions { dry_run, if_revision: args.if_revision };
    let reference = job.reference();
    let answer = match asked {
        Asked::Change(patch) => server.client.change(&reference, patch, options).await,
        Asked::Adoption(request) => server.client.adopt(&reference, request, dry_run).await,
    };
    answer.map_err(|error| {
        let error = match asked {
            Asked::Change(_) => error,
            Asked::Adoption(_) => match server.failed_as_older(error, "adopt overrides") {
                Ok(older) => return older,
                Err(error) => error,
            },
        };
        let status = error.status().map(|status| status.as_u16());
        let failure = server.failed(error);
        let look = format!("ckptctl get {}", typed(&job.configuration));
        match status {
            Some(412) => failure.hint(format!("see what it is now with: {look}")),
            Some(501) if !is_hosted(&job.configuration) => {
                let cluster = quoted(&job.configuration.cluster);
                failure.hint(format!("see why with: ckptctl doctor {cluster}"))
            }
            _ if failure.is_unreachable() && !dry_run => {
                failure.hint(format!("whether the change was made is not known; see with: {look}"))
            }
            _ => failure,
        }
    })
}
