//! `ckptctl adopt JOB`

use crate::args::{ChangeArgs, MatchArgs, Output, WaitLimit, parse_time};
use crate::change;
use crate::error::Error;
use crate::exit::Exit;
use crate::server::Server;
use ckpt_api::{AdoptRequest, parse_reason};
use ckpt_types::duration::millis;
use ckpt_types::ids::JobId;
use clap::builder::NonEmptyStringValueParser;
use std::time::Duration;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The name or id of the job that is to have the override, or CLUSTER/NAME
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    job: String,
    /// The id of the earlier job; only needed when several have left an override behind
    #[arg(long, value_name = "ID")]
    from: Option<JobId>,
    /// How long it lasts at most, such as 4h: then what was submitted applies again; what ends earlier still does
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_time)]
    lasting: Option<Duration>,
    /// Only say what would happen, also to checkpoints in flight
    #[arg(long)]
    dry_run: bool,
    /// Why, for whoever comes after; the override's own reason stays if left out
    #[arg(long, value_name = "TEXT", value_parser = parse_reason)]
    reason: Option<String>,
    /// Do not ask before a checkpoint in flight is made to expire
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    matching: MatchArgs,
    /// Wait until the override is applied
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    limit: WaitLimit,
}

pub(crate) async fn run(server: &Server, output: Option<Output>, args: &Args) -> Result<Exit, Error> {
    let change = ChangeArgs {
        dry_run: args.dry_run,
        if_revision: None,
        reason: args.reason.clone(),
        yes: args.yes,
        error_unchanged: false,
        matching: args.matching.clone(),
        wait: args.wait,
        limit: args.limit.clone(),
    };
    let request = AdoptRequest { from: args.from, lasting: args.lasting.map(millis), reason: None };
    change::adopt(server, output, &args.job, request, &change).await
}
