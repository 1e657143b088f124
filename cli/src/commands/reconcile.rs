//! `ckptctl reconcile pause|resume|status`

use crate::args::Output;
use crate::clock;
use crate::console;
use crate::error::Error;
use crate::exit::Exit;
use crate::render::TextStyle;
use crate::server::Server;
use crate::view::list;
use crate::view::name::quoted;
use crate::view::text::clean;
use ckpt_api::{Reconcile, ReconcileRequest, parse_reason};
use ckpt_client::{Answer, ClientError};
use clap::Subcommand;
use clap::builder::NonEmptyStringValueParser;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Leave overrides that stop holding as they are, until resume; changes that somebody asks for are made
    Pause {
        #[command(flatten)]
        cluster: Cluster,
        /// Why, for whoever comes after
        #[arg(long, value_name = "TEXT", value_parser = parse_reason)]
        reason: Option<String>,
    },
    /// Apply overrides that stop holding again
    Resume {
        #[command(flatten)]
        cluster: Cluster,
    },
    /// Say where reconcile is paused, since when and why
    Status,
}

#[derive(Debug, clap::Args)]
struct Cluster {
    /// A Flink cluster's name, as in the column CLUSTER of get; all that are followed if left out
    #[arg(value_name = "CLUSTER", value_parser = NonEmptyStringValueParser::new())]
    cluster: Option<String>,
}

pub(crate) async fn run(server: &Server, output: Option<Output>, args: &Args) -> Result<Exit, Error> {
    if output == Some(Output::Name) {
        return Err(Error::new(Exit::Usage, "reconcile has nothing that could be named, so no -o name")
            .hint("list the clusters with: ckptctl doctor -o name"));
    }
    let (answer, cluster) = match &args.what {
        What::Pause { cluster: Cluster { cluster }, reason } => {
            let request = ReconcileRequest { cluster: cluster.clone(), reason: reason.clone() };
            (server.client.pause_reconcile(&request).await, cluster.as_deref())
        }
        What::Resume { cluster: Cluster { cluster } } => {
            let request = ReconcileRequest { cluster: cluster.clone(), reason: None };
            (server.client.resume_reconcile(&request).await, cluster.as_deref())
        }
        What::Status => (server.client.reconcile().await, None),
    };
    let Answer { value: reconcile, body } = answer.map_err(|error| refused(server, cluster, error))?;
    match output {
        Some(Output::Json) => console::data(&body)?,
        _ => console::data(&said(&args.what, &reconcile, clock::wall_millis()).join("\n"))?,
    }
    Ok(Exit::Done)
}

/// What was done, and what is paused all the same.
fn said(what: &What, reconcile: &Reconcile, now: u64) -> Vec<String> {
    let again = "overrides that stop holding are applied again";
    match what {
        What::Pause { cluster, .. } => {
            let cluster = cluster.cluster.as_deref();
            let argument = cluster.map(|cluster| format!(" {}", quoted(cluster))).unwrap_or_default();
            vec![format!(
                "reconcile is paused for {}: {} until ckptctl reconcile resume{}",
                whose(cluster),
                again.replace("are applied", "are not applied"),
                clean(&argument)
            )]
        }
        What::Status if reconcile.pauses.is_empty() => vec![format!("reconcile runs: {again}")],
        What::Status => paused(reconcile, now),
        What::Resume { cluster } => {
            let cluster = cluster.cluster.as_deref();
            let is_paused = reconcile
                .pauses
                .iter()
                .any(|pause| pause.cluster.is_none() || pause.cluster.as_deref() == cluster);
            let mut said = match is_paused {
                true => Vec::new(),
                false => vec![format!("reconcile runs for {}: {again}", whose(cluster))],
            };
            said.extend(paused(reconcile, now));
            said
        }
    }
}

fn paused(reconcile: &Reconcile, now: u64) -> Vec<String> {
    TextStyle::of_stdout(false).sentences(&list::pauses(&reconcile.pauses, now))
}

fn whose(cluster: Option<&str>) -> String {
    cluster.map_or("every cluster".to_owned(), |cluster| format!("cluster {}", clean(cluster)))
}

fn refused(server: &Server, cluster: Option<&str>, error: ClientError) -> Error {
    let error = match server.failed_as_older(error, "pause reconcile") {
        Ok(older) => return older,
        Err(error) => error,
    };
    match (error.status().map(|status| status.as_u16()), cluster) {
        (Some(404), Some(_)) => server.failed(error).hint("see which there are with: ckptctl doctor"),
        _ => server.failed(error),
    }
}
