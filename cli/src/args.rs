//! What all commands have in common on the command line.

use ckpt_api::{Lasting, parse_by, parse_reason};
use ckpt_types::duration;
use clap::{Args, ValueEnum, ValueHint};
use std::path::PathBuf;
use std::time::Duration;

/// The options of every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Globals {
    /// The server to ask [env: CKPTCTL_SERVER] [default: http://127.0.0.1:8571]
    #[arg(long, global = true, value_name = "URL", value_hint = ValueHint::Url)]
    pub(crate) server: Option<String>,
    /// The state directory of a ckptd of this user, where the token for changes is; CKPTCTL_TOKEN_FILE,
    /// which names a token file, wins over it [default: $XDG_STATE_HOME/ckptd]
    #[arg(long, global = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) state_dir: Option<PathBuf>,
    /// Who makes a change, for the audit log and whoever comes after [env: CKPT_USER] [default: your user name and
    /// this machine's]
    #[arg(long, global = true, value_name = "NAME", value_parser = parse_by)]
    pub(crate) by: Option<String>,
    /// What to print instead of text for people
    #[arg(short, long, global = true, value_enum, value_name = "FORMAT")]
    pub(crate) output: Option<Output>,
}

/// What to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// The server's answer as it came
    Json,
    /// The table with more columns
    Wide,
    /// Only names, one a line
    Name,
}

/// The options of every change.
#[derive(Debug, Clone, Args)]
pub(crate) struct ChangeArgs {
    /// Only say what would happen, also to checkpoints in flight
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Change nothing unless the job is at this revision
    #[arg(long, value_name = "N")]
    pub(crate) if_revision: Option<u64>,
    /// Why, for whoever comes after
    #[arg(long, value_name = "TEXT", value_parser = parse_reason)]
    pub(crate) reason: Option<String>,
    /// Do not ask before a checkpoint in flight is made to expire
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// End with 3 when nothing changed
    #[arg(long)]
    pub(crate) error_unchanged: bool,
    #[command(flatten)]
    pub(crate) matching: MatchArgs,
    /// Wait until the change is applied
    #[arg(long)]
    pub(crate) wait: bool,
    #[command(flatten)]
    pub(crate) limit: WaitLimit,
}

/// How long what is set lasts.
#[derive(Debug, Clone, Args)]
pub(crate) struct LastingArgs {
    /// How long it lasts, such as 4h: then it ends by itself, and what was in force before applies again; forever
    /// for one that does not end, where ckptd is configured otherwise
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_lasting)]
    pub(crate) lasting: Option<Lasting>,
}

impl LastingArgs {
    /// As it goes into a request.
    pub(crate) fn lasting(&self) -> Lasting {
        self.lasting.unwrap_or_default()
    }
}

fn parse_lasting(text: &str) -> Result<Lasting, String> {
    if text == "forever" {
        return Ok(Lasting::Forever);
    }
    let time = duration::parse(text).map_err(|error| format!("{error}, or forever"))?;
    Lasting::of(time).map_err(|error| error.to_string())
}

/// Parses how long an override lasts that has to end.
///
/// # Errors
/// A sentence that says what to type instead.
pub(crate) fn parse_time(text: &str) -> Result<Duration, String> {
    let time = duration::parse(text).map_err(|error| error.to_string())?;
    Lasting::of(time).map(|_| time).map_err(|error| error.to_string())
}

/// How long `--wait` waits.
#[derive(Debug, Clone, Args)]
pub(crate) struct WaitLimit {
    /// How long to wait at most (it is not called --timeout, which is the checkpoints')
    #[arg(long, value_name = "DURATION", requires = "wait", default_value = "5m", value_parser = duration::parse)]
    pub(crate) wait_timeout: Duration,
}

/// Parses a place on the machine of ckptd or of a cluster: an absolute path or a URI.
///
/// # Errors
/// A sentence that says what to type instead.
pub(crate) fn place(text: &str) -> Result<String, String> {
    let is_scheme = |scheme: &str| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    };
    if text.starts_with('/') || text.split_once(':').is_some_and(|(scheme, _)| is_scheme(scheme)) {
        return Ok(text.to_owned());
    }
    let example =
        std::path::absolute(text).map_or("/savepoints".to_owned(), |path| path.display().to_string());
    Err(format!("it is relative, which means another place to ckptd than here; write it like {example}"))
}

/// How a change finds its job.
#[derive(Debug, Clone, Args)]
pub(crate) struct MatchArgs {
    /// Take a unique prefix of the job's name or id as well
    #[arg(long)]
    pub(crate) allow_prefix: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_the_same_wherever_it_is_read() {
        for fine in ["/savepoints", "file:///savepoints", "s3://bucket/x", "hdfs:/x"] {
            assert_eq!(place(fine).as_deref(), Ok(fine));
        }
        for relative in ["savepoints", "./a:b", "../x", "~/x", ":x", ""] {
            assert!(place(relative).unwrap_err().contains("relative"), "{relative}");
        }
    }
}
