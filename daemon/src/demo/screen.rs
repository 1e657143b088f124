//! The output of a demonstration: steps on stdout, progress on stderr.

use ckpt_api::Configuration;
use ckpt_types::duration::Rough;
use indicatif::{ProgressBar, ProgressStyle};
use std::cell::Cell;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

/// Number of steps of every demonstration.
const STEPS: u32 = 4;

/// The output of a demonstration.
#[derive(Debug)]
pub struct DemoScreen {
    bar: ProgressBar,
    steps: Cell<u32>,
}

impl DemoScreen {
    /// Draws an empty progress bar.
    #[must_use]
    pub fn start() -> Self {
        let bar = ProgressBar::new(20);
        bar.set_style(in_flight());
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar, steps: Cell::new(0) }
    }

    /// Prints one line.
    pub fn say(&self, line: &str) {
        self.bar.suspend(|| drop(writeln!(io::stdout(), "{line}")));
    }

    /// Begins the next step.
    pub fn step(&self, what: &str) {
        self.steps.set(self.steps.get() + 1);
        self.say(&format!("\n{}/{STEPS}  {what}", self.steps.get()));
    }

    /// Prints the command that an operator would type here.
    pub fn typed(&self, command: &str) {
        self.say(&format!("     $ {command}"));
    }

    /// Prints a good result.
    pub fn good(&self, what: &str) {
        self.say(&format!("     ✔ {what}"));
    }

    pub(super) fn bad(&self, what: &str) {
        self.say(&format!("     ✘ {what}"));
    }

    /// Draws a spinner with the reason for the wait.
    pub fn wait(&self, what: String) {
        let style = ProgressStyle::with_template("  {spinner} {msg} ({elapsed})");
        self.bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        self.bar.set_message(what);
    }

    /// Draws the progress bar in place of the spinner.
    pub fn end_wait(&self) {
        self.bar.set_style(in_flight());
        self.bar.set_message("");
    }

    /// Draws the checkpoint in flight.
    pub(super) fn look(&self, seen: &Configuration) {
        let Some(checkpoint) = seen.in_flight.last() else {
            self.bar.set_position(0);
            let next =
                seen.next_trigger.map(|next| Duration::from_millis(next.saturating_sub(seen.observed_at)));
            let next = next.map_or_else(String::new, |next| format!(", the next one in {}", Rough(next)));
            return self.bar.set_message(format!("no checkpoint in flight{next}"));
        };
        self.bar.set_length(u64::from(checkpoint.subtasks));
        self.bar.set_position(u64::from(checkpoint.acknowledged));
        let left = checkpoint.remaining.map(|left| Rough(Duration::from_millis(left)).to_string());
        self.bar.set_message(format!(
            "checkpoint {}: {} of {} stored, {} old, {}",
            checkpoint.id,
            checkpoint.acknowledged,
            checkpoint.subtasks,
            Rough(Duration::from_millis(checkpoint.elapsed)),
            left.map_or("all stored".to_owned(), |left| format!("expires in {left}"))
        ));
    }

    /// Ends the steps; hints follow.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
        self.say("");
    }

    pub(super) fn next(&self) {
        let (ckptd, ckptctl) = (program("ckptd"), program("ckptctl"));
        self.say("Try it yourself, in three terminals:");
        self.say(&format!("     {ckptd} serve --job examples/job123.toml"));
        self.say(&format!("     {ckptctl} watch job123"));
        self.say(&format!("     {ckptctl} set-timeout job123 20m"));
        self.say(&format!("or let this daemon run on: {ckptd} demo --keep"));
    }

    pub(super) fn keep(&self, server: &str, state: &Path, job: &str) {
        self.say("The daemon runs on until you press Ctrl-C here. In a second terminal:");
        self.say(&format!(
            "     export CKPTCTL_SERVER={server} CKPTCTL_TOKEN_FILE={}/token",
            state.display()
        ));
        let ckptctl = program("ckptctl");
        self.say(&format!("     {ckptctl} watch {job}"));
        self.say(&format!("     {ckptctl} set-timeout {job} 30s"));
    }
}

fn in_flight() -> ProgressStyle {
    let style = ProgressStyle::with_template("  {spinner} [{bar:20}] {msg}");
    style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ")
}

/// The command that runs a program of this workspace: through cargo if this one was.
#[must_use]
pub fn program(name: &str) -> String {
    match std::env::var_os("CARGO") {
        Some(_) => format!("cargo run --release -p {name} --"),
        None => name.to_owned(),
    }
}
