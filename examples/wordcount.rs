//! Counts words with several processes, each word exactly once, whatever is killed meanwhile.
//!
//! It does what `wordcount.py` does, with the Rust client of the task protocol (docs/tasks.md). Worker I of N counts
//! the files whose position modulo N is I. Its state: how far each file is read, and what is counted up to there.
#![allow(clippy::print_stdout, reason = "it says on its standard output what it does")]

use ckpt_api::tasks::{Claim, ClaimedSubtasks, RestoredFrom, StoredSnapshot};
use ckpt_client::Client;
use ckpt_client::local::read_token;
use ckpt_task_sdk::{HttpDoor, Order, Orders, Reporter, Took, attach};
use ckpt_types::ids::CheckpointId;
use clap::Parser;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep_until};

/// Counts words with several processes, each word exactly once, whatever is killed meanwhile.
#[derive(Parser)]
struct Args {
    #[arg(long, env = "CKPTCTL_SERVER", default_value = "http://127.0.0.1:8571")]
    server: String,
    #[arg(long, env = "CKPTCTL_TOKEN_FILE")]
    token_file: PathBuf,
    #[arg(long, default_value = "wordcount")]
    job: String,
    #[arg(long, help = "Which worker this is, from 0")]
    index: u32,
    #[arg(long, help = "How many there are")]
    of: NonZeroUsize,
    #[arg(long, help = "Where the counts go")]
    output: PathBuf,
    #[arg(long, default_value_t = 0, help = "Milliseconds between chunks, so that it takes longer")]
    pause: u64,
    files: Vec<PathBuf>,
}

#[derive(Default, Serialize, Deserialize)]
struct State {
    /// How far each file is read: always to the end of a line.
    offsets: BTreeMap<PathBuf, u64>,
    counts: BTreeMap<String, u64>,
}

struct Worker {
    args: Args,
    reporter: Reporter,
    execution: u64,
    state: State,
    counting: bool,
    /// When all is read: the checkpoints that hold all of it.
    whole: Option<BTreeSet<CheckpointId>>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_writer(io::stderr).init();
    let args = Args::parse();
    fs::create_dir_all(&args.output)?;
    let client = Client::new(&args.server, Some(read_token(&args.token_file)?))?;
    // The newer of two processes for a subtask wins.
    let attempt = u64::try_from(UNIX_EPOCH.elapsed()?.as_millis())?;
    let subtasks = vec![ClaimedSubtasks { vertex: "count".to_owned(), index: Some(args.index) }];
    let claim = Claim { attempt, subtasks, name: Some(format!("pid {}", std::process::id())) };
    let attached = attach(HttpDoor::new(client, &args.job), claim).await;
    let (mut orders, reporter) = attached.map_err(|error| error.to_string())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let state = State::default();
    let mut worker = Worker { args, reporter, execution: 0, state, counting: false, whole: None };
    let done = tokio::select! {
        done = worker.run(&mut orders) => done,
        _ = terminate.recv() => Err("it was told to stop".into()),
    };
    orders.leave().await; // else ckptd waits for the heartbeat timeout
    done.map_err(|error| error.to_string().into())
}

impl Worker {
    /// Orders first; without one, and when the pause is over, the next chunk.
    async fn run(&mut self, orders: &mut Orders) -> Result<(), Box<dyn Error>> {
        let mut due = Instant::now();
        loop {
            let done = tokio::select! {
                biased;
                order = orders.next() => match order? {
                    Some(order) => self.obey(order).await,
                    None => return Ok(()),
                },
                () = sleep_until(due), if self.counting => {
                    due = Instant::now() + Duration::from_millis(self.args.pause);
                    self.count()
                }
            };
            // Input or state cannot be read, or the result not be written: the job restarts.
            if let Err(error) = done {
                (self.counting, self.whole) = (false, None);
                self.reporter.failed(self.execution, error.to_string()).await;
            }
        }
    }

    async fn obey(&mut self, order: Order) -> io::Result<()> {
        match order {
            Order::Restore { execution, checkpoint } => {
                self.execution = execution;
                self.restore(checkpoint)?;
                self.reporter.running(execution).await;
            }
            Order::Trigger { checkpoint_id, directory, .. } => self.store(checkpoint_id, &directory).await,
            Order::Complete { checkpoint_id: id } if self.whole.iter().any(|ids| ids.contains(&id)) => {
                self.publish()?;
                self.reporter.finished(self.execution).await;
            }
            Order::End { state } => println!("the job is {state}"),
            Order::Complete { .. } | Order::Abort { .. } => {} // what is aborted is stored already
        }
        Ok(())
    }

    /// What came after that checkpoint never happened, also for a process that was never away.
    fn restore(&mut self, checkpoint: Option<RestoredFrom>) -> io::Result<()> {
        let (mut state, mut start) = (State::default(), "nothing".to_owned());
        if let Some(from) = checkpoint {
            start = format!("checkpoint {}", from.checkpoint_id);
            // One for one subtask; none if a savepoint does not know it.
            for stored in from.snapshots {
                state = serde_json::from_slice(&fs::read(from.directory.join(stored.location))?)?;
            }
        }
        let words: u64 = state.counts.values().sum();
        println!("execution {} starts from {start}: {words} words", self.execution);
        (self.state, self.counting, self.whole) = (state, true, None);
        Ok(())
    }

    /// One chunk. It ends with a line, so that no word is cut in two.
    fn count(&mut self) -> io::Result<()> {
        for name in self.args.files.iter().skip(self.args.index as usize).step_by(self.args.of.get()) {
            let offset = self.state.offsets.entry(name.clone()).or_default();
            let (mut file, mut chunk) = (BufReader::new(File::open(name)?), Vec::new());
            file.seek(SeekFrom::Start(*offset))?;
            file.by_ref().take(64 * 1024).read_to_end(&mut chunk)?;
            file.read_until(b'\n', &mut chunk)?;
            *offset += chunk.len() as u64;
            let text = String::from_utf8_lossy(&chunk).to_ascii_lowercase();
            for word in text.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| !word.is_empty()) {
                *self.state.counts.entry(word.to_owned()).or_default() += 1;
            }
            if !chunk.is_empty() {
                return Ok(());
            }
        }
        println!("all is read: {} words", self.state.counts.values().sum::<u64>());
        (self.counting, self.whole) = (false, Some(BTreeSet::new()));
        Ok(())
    }

    /// Nothing is counted meanwhile; the state is small, so standing still is cheap.
    async fn store(&mut self, checkpoint: CheckpointId, directory: &Path) {
        let (vertex, index, began) = ("count".to_owned(), self.args.index, Instant::now());
        let location = format!("count-{index}.json");
        match write(&directory.join(&location), &self.state) {
            Ok(bytes) => {
                let took = Took { sync: began.elapsed(), ..Took::default() };
                let stored = StoredSnapshot { vertex, index, location, bytes };
                self.reporter.acknowledge(checkpoint, stored, took).await;
                self.whole.as_mut().map(|whole| whole.insert(checkpoint));
            }
            Err(error) => drop(self.reporter.decline(checkpoint, vertex, index, error.to_string()).await),
        }
    }

    /// Once a complete checkpoint holds everything the result may leave: nothing is counted again. Doing this twice
    /// changes nothing. The process stays: if another worker is lost, all start from a checkpoint again.
    fn publish(&mut self) -> io::Result<()> {
        let result = self.args.output.join(format!("counts-{}.json", self.args.index));
        // A process that stood still may be here just when its replacement is: each has a draft of its own.
        let draft = result.with_extension(format!("json.{}", std::process::id()));
        write(&draft, &self.state.counts)?;
        fs::rename(&draft, &result)?;
        File::open(&self.args.output)?.sync_all()?; // else the machine may forget the new name
        self.whole = None;
        Ok(())
    }
}

/// Durable when it returns, so that it survives what kills the machine. Says how many bytes it is.
fn write(path: &Path, value: &impl Serialize) -> io::Result<u64> {
    fs::write(path, serde_json::to_vec(value)?)?;
    let file = File::open(path)?;
    file.sync_all()?;
    Ok(file.metadata()?.len())
}
