//! `ckptctl audit [JOB]`

use crate::args::Output;
use crate::clock;
use crate::console;
use crate::error::Error;
use crate::exit::Exit;
use crate::render::{TextStyle, audit};
use crate::resolve::{self, Matching};
use crate::server::Server;
use ckpt_api::Audit;
use ckpt_client::Answer;
use ckpt_types::duration::{self, millis};
use clap::builder::NonEmptyStringValueParser;
use jiff::Timestamp;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only of this job: its name or id, or CLUSTER/NAME; it need not be there any more
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    job: Option<String>,
    /// Only from then on: how long ago, such as 2h, or a time, such as 2026-11-22T16:00:00Z
    #[arg(long, value_name = "WHEN", value_parser = since)]
    since: Option<Since>,
    /// So many entries at most, 1 to 1000
    #[arg(long, value_name = "N", default_value_t = Audit::USUAL)]
    limit: usize,
}

/// From when on.
#[derive(Debug, Clone, Copy)]
enum Since {
    /// So many milliseconds ago.
    Ago(u64),
    /// Then, in milliseconds since the epoch.
    At(u64),
}

fn since(text: &str) -> Result<Since, String> {
    match (duration::parse(text), text.parse::<Timestamp>()) {
        (Ok(ago), _) => Ok(Since::Ago(millis(ago))),
        (Err(_), Ok(at)) => {
            u64::try_from(at.as_millisecond()).map(Since::At).map_err(|_| "that is before 1970".to_owned())
        }
        (Err(_), Err(_)) => {
            Err("it is neither a duration, such as 2h, nor a time, such as 2026-11-22T16:00:00Z".to_owned())
        }
    }
}

pub(crate) async fn run(server: &Server, output: Option<Output>, args: &Args) -> Result<Exit, Error> {
    if output == Some(Output::Name) {
        return Err(Error::new(Exit::Usage, "the audit log has nothing that could be named, so no -o name"));
    }
    let since = args.since.map(|since| match since {
        Since::Ago(ago) => clock::wall_millis().saturating_sub(ago),
        Since::At(at) => at,
    });
    // As `-o name` prints jobs elsewhere.
    let job = args.job.as_deref().map(|job| job.strip_prefix("job/").unwrap_or(job));
    let ask = async |job| {
        let answer = server.client.audit(job, since, Some(args.limit)).await;
        answer.map_err(|error| {
            server
                .failed_as_older(error, "tell who changed what")
                .unwrap_or_else(|error| server.failed(error))
        })
    };
    let mut answer = ask(job).await?;
    if let (true, Some(wanted)) = (answer.value.entries.is_empty(), job) {
        // A job that nobody changed, the beginning of a name, or a slip of the pen, which is not to calm anybody.
        let found = resolve::job(server, wanted, Matching::Prefix).await?;
        answer = ask(Some(&found.configuration.name)).await?;
    }
    let Answer { value: audit, body } = answer;
    match output {
        Some(Output::Json) => console::data(&body)?,
        _ if audit.entries.is_empty() => console::data("nothing was changed, as far as the audit log says")?,
        _ => console::data(&audit::table(&audit.entries, TextStyle::of_stdout(output.is_some())).join("\n"))?,
    }
    if audit.unreadable > 0 {
        console::note(&format!(
            "{} of the lines in audit.jsonl* cannot be read, as after a crash, or when somebody else wrote there",
            audit.unreadable
        ));
    }
    if audit.more && output != Some(Output::Json) {
        console::note(
            "there is more: --limit N shows up to 1000, and ckptd's state directory has all of it in audit.jsonl*",
        );
    }
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_how_long_ago_or_a_time() {
        assert!(matches!(since("2h"), Ok(Since::Ago(7_200_000))));
        assert!(matches!(since("2026-11-22T16:00:00Z"), Ok(Since::At(1_795_363_200_000))));
        for bad in ["", "yesterday", "16:00", "-1h", "1960-01-01T00:00:00Z"] {
            assert!(since(bad).is_err(), "{bad}");
        }
    }
}
