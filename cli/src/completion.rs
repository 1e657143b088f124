//! Completion at TAB: commands and options, and the jobs and clusters that the server knows at the moment.
//!
//! The scripts in `completions/` run `ckptctl` with `CKPTCTL_COMPLETE` set to the shell. Whatever goes wrong is
//! answered with nothing: a line that somebody types is no place for errors.

mod candidates;
mod line;

use crate::args::Globals;
use crate::commands::Cli;
use crate::exit::Exit;
use crate::server::{Environment, Server};
use crate::shell::Shell;
use ckpt_api::ConfigurationList;
use clap::{Arg, Command, CommandFactory};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate, complete};
use line::Line;
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

/// Says which shell asks; it is no option, so that no command line can mean it by accident.
const VARIABLE: &str = "CKPTCTL_COMPLETE";
/// The longest wait for the server: somebody waits for the next key to work.
const LIMIT: Duration = Duration::from_millis(800);
/// Another limit, in milliseconds. It is for tests alone and in no manual: they ask what is completed, and are to get it
/// from a machine too that is busy with other tests.
const LIMIT_VARIABLE: &str = "CKPTCTL_COMPLETE_LIMIT_MS";

/// Answers a shell, if one asks.
pub(crate) fn answered(arguments: &[OsString]) -> Option<Exit> {
    let shell = match std::env::var(VARIABLE).ok()?.as_str() {
        "bash" => Shell::Bash,
        "zsh" => Shell::Zsh,
        "fish" => Shell::Fish,
        // Nobody asks.
        _ => return None,
    };
    // The name of the program and `--` come first.
    let asked = arguments.get(2..).unwrap_or_default();
    let asked: Option<Vec<String>> = asked.iter().cloned().map(|word| word.into_string().ok()).collect();
    let text = asked.and_then(|asked| answer(shell, &asked)).unwrap_or_default();
    // A shell that does not listen any more misses nothing.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Some(Exit::Done)
}

fn answer(shell: Shell, asked: &[String]) -> Option<String> {
    let line = match (shell, asked) {
        (Shell::Bash, [breaks, line]) => Line::of_bash(line, breaks),
        (Shell::Fish, [before @ .., last]) => Line::with_last(before, last),
        (Shell::Zsh, words @ [_, ..]) => Line::of_words(words),
        _ => return None,
    };
    let words: Vec<_> = line.words().map(OsString::from).collect();
    let server = Arc::new(globals(&words));
    let mut command = command(&server);
    let index = words.len().checked_sub(1)?;
    let directory = std::env::current_dir().ok();
    let found = complete(&mut command, words, index, directory.as_deref()).ok()?;
    let mut text = String::new();
    for candidate in found {
        let Some(value) = candidate.get_value().to_str().filter(|value| !value.contains(char::is_control))
        else {
            continue;
        };
        let help = candidate.get_help().map(ToString::to_string).unwrap_or_default();
        let help = help.lines().next().unwrap_or_default().replace('\t', " ");
        let _ = match shell {
            Shell::Bash => match line.insert(value) {
                Some(inserted) => writeln!(text, "{inserted}"),
                None => Ok(()),
            },
            Shell::Zsh | Shell::Fish if help.is_empty() => writeln!(text, "{value}"),
            Shell::Zsh | Shell::Fish => writeln!(text, "{value}\t{help}"),
        };
    }
    Some(text)
}

/// The command line, where every argument that is a job or a cluster asks for them.
fn command(server: &Arc<Globals>) -> Command {
    with_candidates(Cli::command(), server)
}

fn with_candidates(command: Command, server: &Arc<Globals>) -> Command {
    let completed = |argument: Arg| {
        let of: fn(&ConfigurationList, &str) -> Vec<CompletionCandidate> = match argument.get_id().as_str() {
            "job" => candidates::jobs,
            "cluster" => candidates::clusters,
            _ => return argument,
        };
        let server = Arc::clone(server);
        argument.add(ArgValueCompleter::new(move |typed: &OsStr| match (typed.to_str(), list(&server)) {
            (Some(typed), Some(list)) => of(&list, typed),
            _ => Vec::new(),
        }))
    };
    command.mut_args(completed).mut_subcommands(|command| with_candidates(command, server))
}

/// What the server knows; `None` when it does not say so in time.
fn list(globals: &Globals) -> Option<ConfigurationList> {
    let server = Server::choose(globals, Environment::read()).ok()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    let list = runtime.block_on(async { tokio::time::timeout(limit(), server.jobs(true)).await });
    runtime.shutdown_background();
    Some(list.ok()?.ok()?.value)
}

fn limit() -> Duration {
    let other = std::env::var(LIMIT_VARIABLE).ok().and_then(|millis| millis.parse().ok());
    other.map_or(LIMIT, Duration::from_millis)
}

/// The server that the line names so far.
fn globals(words: &[OsString]) -> Globals {
    let value = |name: &str| {
        let mut words = words.iter().filter_map(|word| word.to_str());
        let with_equals = format!("{name}=");
        while let Some(word) = words.next() {
            match word.strip_prefix(&with_equals) {
                Some(value) => return Some(value.to_owned()),
                None if word == name => return words.next().map(str::to_owned),
                None => {}
            }
        }
        None
    };
    Globals {
        server: value("--server"),
        state_dir: value("--state-dir").map(Into::into),
        output: None,
        by: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_is_the_one_that_the_line_names() {
        let words = |line: &str| line.split(' ').map(OsString::from).collect::<Vec<_>>();
        let named = globals(&words("ckptctl --server http://a:1 get --state-dir=/x y"));
        assert_eq!(named.server.as_deref(), Some("http://a:1"));
        assert_eq!(named.state_dir.as_deref(), Some(std::path::Path::new("/x")));
        assert_eq!(globals(&words("ckptctl get")).server, None);
    }

    #[test]
    fn commands_and_options_are_completed_without_a_server() {
        let nowhere = "ckptctl --server http://127.0.0.1:1 ";
        let bash = |rest: &str| answer(Shell::Bash, &[" :=".to_owned(), format!("{nowhere}{rest}")]).unwrap();
        assert_eq!(bash("set-t"), "set-timeout\n");
        assert!(bash("get --al").contains("--all"));
        assert_eq!(bash("get pay"), "", "nobody is there to ask, and nobody is told");
        let words = ["ckptctl", "completions", "z"].map(str::to_owned);
        assert!(answer(Shell::Zsh, &words).unwrap().starts_with("zsh"));
    }

    #[test]
    fn every_command_that_takes_a_job_or_a_cluster_asks_for_them() {
        let command = command(&Arc::new(globals(&[])));
        let asks = |argument: &Arg| argument.get::<ArgValueCompleter>().is_some();
        let (mut jobs, mut clusters) = (0, 0);
        let mut all: Vec<_> = command.get_subcommands().collect();
        while let Some(command) = all.pop() {
            all.extend(command.get_subcommands());
            for argument in command.get_positionals() {
                let name = argument.get_value_names().map(|names| names[0].to_string()).unwrap_or_default();
                match name.as_str() {
                    "JOB" => jobs += usize::from(asks(argument)),
                    "CLUSTER" => clusters += usize::from(asks(argument)),
                    _ => continue,
                }
                assert!(asks(argument), "{} {name} has another id than job or cluster", command.get_name());
            }
        }
        assert!(jobs >= 10 && clusters >= 3, "{jobs} and {clusters}");
    }
}
