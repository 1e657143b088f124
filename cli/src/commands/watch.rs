//! `ckptctl watch [JOB]`

use crate::args::Output;
use crate::error::Error;
use crate::exit::Exit;
use crate::resolve::{self, Matching};
use crate::server::Server;
use crate::view::name::quoted;
use crate::watch::{Goal, Target, Watch, full_screen, lines, screen};
use ckpt_types::duration::{self, Exact};
use clap::builder::NonEmptyStringValueParser;
use std::io::{self, IsTerminal};
use std::time::Duration;
use tokio::time::timeout;

/// Asking more often would keep a server busy for nothing.
const SHORTEST: Duration = Duration::from_millis(100);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A job's name or id, or CLUSTER/NAME, or a unique prefix of these; all jobs if left out
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    job: Option<String>,
    /// How often to ask, at least 100ms
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = pause)]
    every: Duration,
    /// Redraw plain text instead of a full screen with keys, for screen readers and for recording
    #[arg(long)]
    plain: bool,
    /// End when this has come about
    #[arg(long, value_enum, value_name = "WHAT", requires = "job")]
    until: Option<Goal>,
    /// How long to wait for that at most; no limit if left out
    #[arg(long, value_name = "DURATION", requires = "until", value_parser = duration::parse)]
    wait_timeout: Option<Duration>,
}

pub(crate) async fn run(server: &Server, output: Option<Output>, args: &Args) -> Result<Exit, Error> {
    if output == Some(Output::Name) {
        return Err(Error::new(Exit::Usage, "names do not change; watch has no -o name")
            .hint("list them with: ckptctl get -o name"));
    }
    let target = match &args.job {
        None => Target::All,
        Some(name) => Target::Job(resolve::job(server, name, Matching::Prefix).await?.reference()),
    };
    let watch = Watch { server, target, every: args.every, until: args.until };
    let on_screen = output != Some(Output::Json) && io::stdout().is_terminal();
    let watching = async {
        // Such a terminal can neither move its cursor nor clear a line.
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        match (on_screen, args.plain || is_dumb) {
            (true, false) => full_screen(&watch).await,
            (true, true) => screen(&watch).await,
            (false, _) => lines(&watch).await,
        }
    };
    let Some(limit) = args.wait_timeout else {
        return watching.await;
    };
    timeout(limit, watching).await.unwrap_or_else(|_| {
        let limit = Exact(limit);
        Err(match (args.until, &args.job) {
            (Some(Goal::Applied), Some(job)) => {
                Error::new(Exit::InVain, format!("the override was not applied within {limit}"))
                    .hint(format!("see why with: ckptctl get {}", quoted(job)))
            }
            _ => Error::new(Exit::InVain, format!("no checkpoint has ended within {limit}")),
        })
    })
}

fn pause(text: &str) -> Result<Duration, String> {
    match duration::parse(text) {
        Err(error) => Err(error.to_string()),
        Ok(pause) if pause < SHORTEST => Err(format!("the shortest is {}", Exact(SHORTEST))),
        Ok(pause) => Ok(pause),
    }
}
