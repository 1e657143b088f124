//! What the demonstration shows: what happens on stdout, how far it is on stderr.

use ckpt_api::Configuration;
use ckpt_types::duration::Rough;
use indicatif::{ProgressBar, ProgressStyle};
use std::cell::Cell;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

/// How many steps there are.
const STEPS: u32 = 4;

/// The screen of the demonstration.
pub(super) struct Show {
    bar: ProgressBar,
    steps: Cell<u32>,
}

impl Show {
    pub(super) fn start() -> Self {
        let bar = ProgressBar::new(20);
        bar.set_style(in_flight());
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar, steps: Cell::new(0) }
    }

    fn say(&self, line: &str) {
        self.bar.suspend(|| drop(writeln!(io::stdout(), "{line}")));
    }

    pub(super) fn step(&self, what: &str) {
        self.steps.set(self.steps.get() + 1);
        self.say(&format!("\n{}/{STEPS}  {what}", self.steps.get()));
    }

    /// What an operator would type here.
    pub(super) fn typed(&self, command: &str) {
        self.say(&format!("     $ {command}"));
    }

    pub(super) fn good(&self, what: &str) {
        self.say(&format!("     ✔ {what}"));
    }

    pub(super) fn bad(&self, what: &str) {
        self.say(&format!("     ✘ {what}"));
    }

    /// Draws something that takes a while.
    pub(super) fn wait(&self, what: String) {
        let style = ProgressStyle::with_template("  {spinner} {msg} ({elapsed})");
        self.bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        self.bar.set_message(what);
    }

    /// What was waited for is there.
    pub(super) fn waited(&self) {
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

    pub(super) fn done(&self) {
        self.bar.finish_and_clear();
        self.say("\nAll of this truly happened.");
    }

    pub(super) fn next(&self) {
        let (ckptd, ckptctl) = (program("ckptd"), program("ckptctl"));
        self.say("Try it yourself, in three terminals:");
        self.say(&format!("     {ckptd} serve --job examples/job123.toml"));
        self.say(&format!("     {ckptctl} watch job123"));
        self.say(&format!("     {ckptctl} set-timeout job123 20m"));
        self.say(&format!("or let this daemon run on: {ckptd} demo --keep"));
    }

    pub(super) fn next_on_flink(&self, url: &str) {
        let (ckptd, ckptctl) = (program("ckptd"), program("ckptctl"));
        self.say("On a cluster of your own:");
        self.say(&format!("     {ckptd} serve --flink {url}"));
        self.say(&format!("     {ckptctl} doctor"));
        self.say(&format!("     {ckptctl} set-timeout JOB 20m"));
        self.say(&format!("or let this one run on: {ckptd} demo --flink --keep"));
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

/// How to call one of the two programs: through cargo, where this one was.
fn program(name: &str) -> String {
    match std::env::var_os("CARGO") {
        Some(_) => format!("cargo run --release -p {name} --"),
        None => name.to_owned(),
    }
}
