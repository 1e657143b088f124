//! Tasks of one's own: real processes count words (`examples/wordcount.*`) while they and ckptd are killed
//! and stopped. In the end each word counts exactly once.
//!
//! `CKPT_WORDCOUNT_SEED` repeats a run of the random test; the seed of a failed one is in its output.

use crate::support::{Daemon, Home, LIMIT, ckptd, until};
use ckpt_shared::api::JobState;
use ckpt_shared::flink::CheckpointStatus;
use ckpt_shared::ids::{CheckpointId, JobId};
use ckpt_shared::tasks::{TaskList, TaskState};
use ckptd::clock::wall_millis;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

const WORKERS: usize = 4;
/// Who counts a chunk when it starts and then waits for an hour: with it the job cannot finish before it is let,
/// however fast or slow the machine is.
const SLOWEST: usize = 3;
const HOUR: u64 = 3_600_000;

type Counts = BTreeMap<String, u64>;

/// The repository, which has some megabytes of English and of Rust.
fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The programs that count words: the Python example, and the Rust one if it was built, as it is with all tests of
/// the workspace. What is missing is left out; without a Python nothing is left to test, and one line says so.
/// Where nothing may be left out it is an error.
fn programs(test: &str) -> Option<Vec<PathBuf>> {
    let may_lack = std::env::var_os("CKPT_REQUIRE_ALL").is_none_or(|value| value != "1");
    let built = std::env::current_exe().unwrap().with_file_name("../examples/wordcount");
    let rust = std::fs::canonicalize(&built);
    assert!(
        may_lack || rust.is_ok(),
        "{} is missing; run cargo build --workspace --examples",
        built.display()
    );
    let python = std::process::Command::new("python3").arg("--version").stdout(Stdio::null()).status();
    if !python.is_ok_and(|status| status.success()) {
        assert!(may_lack, "python3 is missing");
        // Not with a macro: their output is shown only when a test fails.
        let skipped = format!("skipped: {test}: python3 is missing\n");
        std::io::stderr().write_all(skipped.as_bytes()).unwrap();
        return None;
    }
    Some([Ok(repository().join("examples/wordcount.py")), rust].into_iter().flatten().collect())
}

/// What starts a program, whatever it is written in.
fn command(program: &Path) -> Command {
    if program.extension().is_some_and(|extension| extension == "py") {
        let mut python = Command::new("python3");
        python.arg(program);
        return python;
    }
    Command::new(program)
}

/// The text of the repository's sources and documents, in an order that is always the same.
fn text() -> Vec<u8> {
    let repository = repository();
    let mut places = ["cli/src", "daemon/src", "daemon/coordinator", "shared/src", "docs"]
        .map(|place| repository.join(place))
        .to_vec();
    let mut files = vec![repository.join("Cargo.lock"), repository.join("README.md")];
    while let Some(place) = places.pop() {
        for entry in std::fs::read_dir(place).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { places.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files.iter().flat_map(|file| std::fs::read(file).unwrap()).collect()
}

/// Files of `unit` kilobytes and multiples of it. Worker I counts those at I and I + 4.
fn input(home: &Home, unit: usize) -> Vec<PathBuf> {
    let text = text();
    let part = |from: usize, units: f64| -> Vec<u8> {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let bytes = (unit as f64 * units * 1000.0) as usize;
        text.iter().copied().cycle().skip(from).take(bytes).collect()
    };
    let without = |mut bytes: Vec<u8>, keep: usize| {
        let mut lines = 0;
        for byte in &mut bytes {
            lines += usize::from(*byte == b'\n');
            if *byte == b'\n' && (keep == 0 || lines % keep != 0) {
                *byte = b' ';
            }
        }
        bytes
    };
    let mut no_newline_at_the_end = part(1_000, 0.9);
    no_newline_at_the_end.extend(b"\nthe end");
    let contents = [
        part(0, 1.1),
        no_newline_at_the_end,
        without(part(50_000, 0.8), 2_000), // lines longer than a chunk
        part(7, 2.5),
        Vec::new(),
        without(part(90_000, 0.2), 0), // one line, and no newline
        b"\n\n\xc3\xa4rger m\xfcll\n".to_vec(),
        part(123_456, 0.3),
    ];
    let files = contents.iter().enumerate().map(|(place, content)| {
        let file = home.state().with_file_name(format!("input-{place}.txt"));
        std::fs::write(&file, content).unwrap();
        file
    });
    files.collect()
}

/// The plain count.
fn count(files: &[PathBuf]) -> Counts {
    let mut counts = Counts::new();
    for file in files {
        let text = std::fs::read(file).unwrap();
        for word in text.split(|byte| !byte.is_ascii_alphabetic()).filter(|word| !word.is_empty()) {
            let word = String::from_utf8(word.to_ascii_lowercase()).unwrap();
            *counts.entry(word).or_default() += 1;
        }
    }
    counts
}

/// A process that counts.
struct Worker {
    child: Child,
    index: usize,
    /// Its attempt is this or more.
    since: u64,
    log: PathBuf,
}

impl Worker {
    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id().unwrap()).unwrap()).unwrap()
    }

    async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Stops it; it has stopped when this returns.
    async fn stop(&self) {
        stop(self.pid()).await;
    }

    fn go_on(&self) {
        kill_process(self.pid(), Signal::CONT).unwrap();
    }

    /// Waits for its end; its code and what it said.
    async fn ended(mut self) -> (Option<i32>, String) {
        let status = timeout(LIMIT, self.child.wait()).await.expect("the worker ends").unwrap();
        (status.code(), std::fs::read_to_string(&self.log).unwrap())
    }
}

async fn stop(pid: Pid) {
    kill_process(pid, Signal::STOP).unwrap();
    until("the standstill", || async {
        let process = procfs::process::Process::new(pid.as_raw_nonzero().get()).unwrap();
        // Each thread stops for itself.
        let stopped = |task: procfs::process::Task| task.stat().is_ok_and(|stat| stat.state == 'T');
        process.tasks().unwrap().flatten().all(stopped).then_some(())
    })
    .await;
}

/// ckptd, its job and its workers.
struct Rig {
    home: Home,
    /// ckptd always listens here, so that workers find it again. It is an address that nothing else takes
    /// while it is down: neither other tests nor the workers' own connections.
    listen: SocketAddr,
    daemon: Option<Daemon>,
    job: JobId,
    programs: Vec<PathBuf>,
    files: Vec<PathBuf>,
    workers: Vec<Worker>,
    logs: Vec<PathBuf>,
}

impl Rig {
    /// Starts ckptd with a job file like this, and no worker.
    async fn new(programs: Vec<PathBuf>, job: &str, unit: usize) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = std::process::id().wrapping_mul(8) + NUMBER.fetch_add(1, Ordering::Relaxed);
        let address = Ipv4Addr::from_bits(0x7f40_0000 | number & 0x003f_ffff);
        let home = Home::new();
        let file = home.write("wordcount.toml", job);
        let files = input(&home, unit);
        let mut rig = Self {
            listen: SocketAddr::from((address, 0)),
            daemon: None,
            job: JobId::from_bits(0),
            programs,
            files,
            workers: Vec::new(),
            logs: Vec::new(),
            home,
        };
        rig.start_daemon(Some(&file)).await;
        rig.listen = rig.daemon().address.parse().unwrap();
        rig.job = rig.daemon().configuration("wordcount").await.job_id;
        rig
    }

    async fn start_daemon(&mut self, job: Option<&Path>) {
        let mut command = ckptd();
        command.args(["serve", "--listen", &self.listen.to_string(), "--state-dir"]).arg(self.home.state());
        if let Some(job) = job {
            command.arg("--job").arg(job);
        }
        self.daemon = Some(Daemon::start(command, &self.home.state()).await);
    }

    fn daemon(&self) -> &Daemon {
        self.daemon.as_ref().expect("ckptd runs")
    }

    async fn kill_daemon(&mut self) {
        self.daemon.take().unwrap().kill().await;
    }

    /// Starts a worker with the program at this place, and this pause.
    fn start(&mut self, index: usize, program: usize, pause: u64) {
        let since = wall_millis();
        let log = self.home.state().with_file_name(format!("worker-{index}-{}.log", self.logs.len()));
        let out = File::create(&log).unwrap();
        let token = self.home.state().join("token");
        let output = self.home.state().with_file_name("counts");
        let mut command = command(&self.programs[program % self.programs.len()]);
        command.env_remove("CKPTCTL_SERVER").env_remove("CKPTCTL_TOKEN_FILE");
        command.args(["--server", &format!("http://{}", self.listen), "--job", "wordcount", "--token-file"]);
        command.arg(token).args(["--index", &index.to_string(), "--of", &WORKERS.to_string(), "--output"]);
        command.arg(output).args(["--pause", &pause.to_string()]).args(&self.files);
        command.stdin(Stdio::null()).stdout(out.try_clone().unwrap()).stderr(out).kill_on_drop(true);
        let child = command.spawn().unwrap();
        self.logs.push(log.clone());
        self.workers.push(Worker { child, index, since, log });
    }

    fn start_all(&mut self, pause: u64) {
        for index in 0..WORKERS {
            self.start(index, index, pause);
        }
    }

    /// Takes the newest worker of this index out.
    fn take(&mut self, index: usize) -> Worker {
        let place = self.workers.iter().rposition(|worker| worker.index == index).unwrap();
        self.workers.remove(place)
    }

    async fn tasks(&self) -> TaskList {
        self.daemon().client.tasks("wordcount").await.unwrap().value
    }

    /// Waits until the newest workers are the subtasks, and all have restored.
    async fn settled(&mut self) {
        let runs = [TaskState::Running, TaskState::Finished];
        let mut workers = std::mem::take(&mut self.workers);
        until("the restart of all workers", || {
            for worker in &mut workers {
                let ended = worker.child.try_wait().unwrap();
                assert!(ended.is_none(), "{} has ended: {ended:?}", worker.log.display());
            }
            let wanted: Vec<_> =
                workers.iter().map(|worker| (format!("count/{}", worker.index), worker.since)).collect();
            let this = &*self;
            async move {
                let sessions = this.tasks().await.sessions;
                let is_there = |(subtask, since): &(String, u64)| {
                    let mut held = sessions.iter().filter(|session| session.subtasks.contains(subtask));
                    held.any(|session| session.attempt >= *since && runs.contains(&session.state))
                };
                wanted.iter().all(is_there).then_some(())
            }
        })
        .await;
        self.workers = workers;
        self.daemon().until_running("wordcount").await;
    }

    async fn state(&self) -> JobState {
        self.daemon().configuration(&self.job.to_string()).await.state
    }

    async fn restored(&self) -> Option<u64> {
        let seen = self.daemon().client.checkpoints("wordcount").await.unwrap().value;
        seen.latest.restored.map(|restored| restored.id.0)
    }

    /// The newest checkpoint that is complete on disk.
    fn completed(&self) -> u64 {
        let checkpoints = std::fs::read_dir(self.checkpoints()).into_iter().flatten().flatten();
        let complete = checkpoints.filter(|checkpoint| checkpoint.path().join("_metadata").exists());
        complete.filter_map(|checkpoint| number(&checkpoint.path())).max().unwrap_or(0)
    }

    fn checkpoints(&self) -> PathBuf {
        self.home.state().join("checkpoints").join(self.job.to_string())
    }

    fn checkpoint(&self, number: u64) -> PathBuf {
        self.checkpoints().join(format!("chk-{number}"))
    }

    /// Waits until this many have acknowledged a checkpoint.
    async fn acknowledged(&self, many: u32) -> CheckpointId {
        until("the acknowledgements", || async {
            let seen = self.daemon().configuration("wordcount").await;
            seen.in_flight.first().filter(|one| one.acknowledged == many).map(|one| one.id)
        })
        .await
    }

    async fn finished(&self) {
        until("FINISHED", || async { (self.state().await == JobState::Finished).then_some(()) }).await;
    }

    /// Lets everybody count to the end, without an interval: checkpoints are made until the job has finished.
    async fn finish_by_hand(&mut self) {
        for worker in std::mem::take(&mut self.workers) {
            worker.kill().await;
        }
        self.start_all(0);
        self.settled().await;
        until("FINISHED", || async {
            let request = ckpt_shared::flink::TriggerRequest::default();
            // While one is in flight, or the job has just ended, another one is refused.
            drop(self.daemon().client.trigger("wordcount", &request).await);
            (self.state().await == JobState::Finished).then_some(())
        })
        .await;
        for worker in std::mem::take(&mut self.workers) {
            let (code, log) = worker.ended().await;
            assert_eq!(code, Some(0), "{log}");
        }
    }

    /// Compares what the workers counted with the plain count.
    fn assert_counted_once(&self) {
        let mut counted = Counts::new();
        for index in 0..WORKERS {
            let file = self.home.state().with_file_name("counts").join(format!("counts-{index}.json"));
            let counts: Counts = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
            for (word, many) in counts {
                *counted.entry(word).or_default() += many;
            }
        }
        let expected = count(&self.files);
        assert!(expected.len() > 1_000 && expected["the"] > 1_000, "it is real text");
        let words = counted.keys().chain(expected.keys());
        let wrong: Vec<_> = words
            .filter(|word| counted.get(*word) != expected.get(*word))
            .map(|word| format!("{word}: {:?}, not {:?}", counted.get(word), expected.get(word)))
            .take(20)
            .collect();
        assert!(wrong.is_empty(), "counted wrong: {wrong:#?}");
    }
}

/// What everybody said, if the test fails.
impl Drop for Rig {
    #[allow(clippy::print_stdout, reason = "the test runner shows it")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            for log in &self.logs {
                let said = std::fs::read_to_string(log).unwrap_or_default();
                println!("{}:\n{said}", log.file_name().unwrap_or_default().display());
            }
            println!("ckptd:\n{}", self.daemon.as_ref().map(Daemon::log).unwrap_or_default());
        }
    }
}

fn number(checkpoint: &Path) -> Option<u64> {
    checkpoint.file_name()?.to_str()?.strip_prefix("chk-")?.parse().ok()
}

/// A job whose checkpoints are triggered by hand, and whose workers may stand still.
const BY_HAND: &str = "name = 'wordcount'
vertices = [{name = 'count', parallelism = 4}]
[checkpointing]
timeout = '1h'
tolerable-failures = 'unlimited'
[tasks]
heartbeat-timeout = '1h'
";

/// Everybody runs, has counted a chunk after checkpoint 1, and nobody counts more.
async fn rig_by_hand(test: &str) -> Option<Rig> {
    let mut rig = Rig::new(programs(test)?, BY_HAND, 400).await;
    rig.start_all(HOUR);
    rig.settled().await;
    assert_eq!(rig.daemon().checkpoint("wordcount").await, Ok(1));
    Some(rig)
}

#[tokio::test]
async fn a_worker_that_dies_after_its_acknowledgement_takes_the_checkpoint_with_it() {
    let test = "a_worker_that_dies_after_its_acknowledgement_takes_the_checkpoint_with_it";
    let Some(mut rig) = rig_by_hand(test).await else { return };
    let last = rig.take(3);
    last.stop().await;
    rig.daemon().trigger("wordcount").await;
    let id = rig.acknowledged(3).await;
    rig.take(0).kill().await;
    rig.start(0, 1, HOUR);
    until("the end of the checkpoint", || async {
        let seen = rig.daemon().client.checkpoint("wordcount", id).await.ok()?.value;
        (seen.status == CheckpointStatus::Failed).then_some(())
    })
    .await;
    // It stores what was aborted meanwhile, in a directory that is gone perhaps, and that harms nobody.
    last.go_on();
    rig.workers.push(last);
    rig.settled().await;
    assert_eq!((id.0, rig.restored().await), (2, Some(1)));
    assert_eq!(rig.daemon().configuration("wordcount").await.failures.consecutive, 0);
    assert_eq!(rig.daemon().checkpoint("wordcount").await, Ok(3));
    rig.finish_by_hand().await;
    rig.assert_counted_once();
}

#[tokio::test]
async fn a_ckptd_that_dies_when_all_have_stored_goes_back_to_the_checkpoint_before() {
    let test = "a_ckptd_that_dies_when_all_have_stored_goes_back_to_the_checkpoint_before";
    let Some(mut rig) = rig_by_hand(test).await else { return };
    let last = rig.take(3);
    last.stop().await;
    rig.daemon().trigger("wordcount").await;
    let id = rig.acknowledged(3).await.0;
    let daemon = Pid::from_raw(i32::try_from(rig.daemon().pid).unwrap()).unwrap();
    stop(daemon).await;
    last.go_on();
    rig.workers.push(last);
    // Its acknowledgement is on its way to a ckptd that will never read it.
    let stored = rig.checkpoint(id).join("count-3.json");
    until("the last snapshot", || async {
        let whole = serde_json::from_slice::<serde_json::Value>(&std::fs::read(&stored).ok()?);
        whole.ok().map(drop)
    })
    .await;
    rig.kill_daemon().await;
    assert!(!rig.checkpoint(id).join("_metadata").exists());
    rig.start_daemon(None).await;
    rig.settled().await;
    assert_eq!((id, rig.restored().await), (2, Some(1)));
    assert!(!rig.checkpoint(id).exists(), "what never completed is cleared away");
    assert_eq!(rig.daemon().checkpoint("wordcount").await, Ok(3), "its number is not used again");
    rig.finish_by_hand().await;
    rig.assert_counted_once();
}

#[tokio::test]
async fn a_worker_that_stood_still_gives_up_for_its_replacement() {
    let test = "a_worker_that_stood_still_gives_up_for_its_replacement";
    let Some(mut rig) = rig_by_hand(test).await else { return };
    for program in 0..rig.programs.len() {
        let zombie = rig.take(program);
        zombie.stop().await;
        rig.start(program, program, HOUR);
        rig.settled().await;
        let execution = rig.tasks().await.execution;
        zombie.go_on();
        let (code, log) = zombie.ended().await;
        assert!(code.is_some_and(|code| code != 0) && log.contains("held by attempt"), "{code:?}: {log}");
        let tasks = rig.tasks().await;
        assert_eq!((tasks.execution, tasks.missing), (execution, Vec::new()), "nobody else has noticed");
    }
    rig.finish_by_hand().await;
    rig.assert_counted_once();
}

/// What is done to processes in one round.
#[derive(Debug, Clone, Copy)]
enum Blow {
    /// One worker dies.
    Worker,
    /// Two or three workers die.
    Workers,
    /// ckptd dies.
    Ckptd,
    /// ckptd dies and, while it is down, a worker.
    Both,
    /// A worker stands still until it is lost, and goes on when its replacement is there.
    Standstill,
}

/// Counts what happened, to know at the end that enough has.
#[derive(Debug, Default)]
struct Tally {
    workers: u32,
    daemons: u32,
    standstills: u32,
    restored: Vec<u64>,
}

/// The random test: a rig, and dice.
struct Chaos {
    rig: Rig,
    dice: StdRng,
    zombies: Vec<Worker>,
    /// The newest checkpoint that was complete before the last blow: what is restored after it is no older.
    complete: u64,
    tally: Tally,
}

impl Chaos {
    /// A random moment: it does not matter what happens in it.
    async fn moment(&mut self, most: u64) {
        sleep(Duration::from_millis(self.dice.random_range(0..=most))).await;
    }

    /// If all goes well, the moment in which a checkpoint is being stored. If not, any other.
    async fn moment_of_a_checkpoint(&mut self) {
        let places = self.rig.checkpoints();
        let stored = || {
            let checkpoints = std::fs::read_dir(&places).into_iter().flatten().flatten();
            let mut pending = checkpoints.filter(|place| !place.path().join("_metadata").exists());
            pending.any(|place| std::fs::read_dir(place.path()).is_ok_and(|mut files| files.next().is_some()))
        };
        let look = async {
            while !stored() {
                sleep(Duration::from_millis(1)).await;
            }
        };
        let _: Result<(), _> = timeout(Duration::from_secs(2), look).await;
    }

    fn start(&mut self, index: usize) {
        let program = self.dice.random_range(0..self.rig.programs.len());
        let pause = if index == SLOWEST { HOUR } else { self.dice.random_range(100..1_000) };
        self.rig.start(index, program, pause);
    }

    /// Kills a worker and starts another in its place, perhaps only after the loss was noticed.
    async fn replace(&mut self, indexes: &[usize]) {
        let mut killed = Vec::new();
        for index in indexes {
            let worker = self.rig.take(*index);
            killed.push((*index, worker.since));
            worker.kill().await;
            self.tally.workers += 1;
        }
        if self.dice.random_bool(0.2) && self.rig.daemon.is_some() {
            for (index, since) in killed {
                self.lost(index, since).await;
            }
        }
        for index in indexes {
            self.start(*index);
        }
    }

    /// Waits until ckptd has lost this worker, if it ever knew it. One before it may have come back.
    async fn lost(&self, index: usize, since: u64) {
        until("the loss", || async { (!self.holds(index, since).await).then_some(()) }).await;
    }

    async fn holds(&self, index: usize, since: u64) -> bool {
        let subtask = format!("count/{index}");
        let mut sessions = self.rig.tasks().await.sessions.into_iter();
        sessions.any(|session| session.subtasks.contains(&subtask) && session.attempt >= since)
    }

    async fn strike(&mut self, blow: Blow) {
        let mut indexes: Vec<_> = (0..WORKERS).collect();
        indexes.shuffle(&mut self.dice);
        self.complete = self.rig.completed();
        match blow {
            Blow::Worker => self.replace(&indexes[..1]).await,
            Blow::Workers => {
                let many = self.dice.random_range(2..=3);
                self.replace(&indexes[..many]).await;
            }
            Blow::Ckptd | Blow::Both => {
                self.rig.kill_daemon().await;
                self.tally.daemons += 1;
                self.moment(300).await;
                if matches!(blow, Blow::Both) {
                    self.replace(&indexes[..1]).await;
                }
                self.rig.start_daemon(None).await;
            }
            Blow::Standstill => {
                let zombie = self.rig.take(indexes[0]);
                // Stopped before it took its attempt's number, it would be the newest when it goes on.
                let held = || async { self.holds(zombie.index, zombie.since).await.then_some(()) };
                until("its claim", held).await;
                zombie.stop().await;
                self.tally.standstills += 1;
                self.lost(indexes[0], zombie.since).await;
                self.start(indexes[0]);
                self.moment(500).await;
                zombie.go_on();
                self.zombies.push(zombie);
            }
        }
    }
}

#[tokio::test]
async fn whoever_is_killed_every_word_counts_exactly_once() {
    let Some(programs) = programs("whoever_is_killed_every_word_counts_exactly_once") else { return };
    let seed = std::env::var("CKPT_WORDCOUNT_SEED").ok().map(|seed| seed.parse().unwrap());
    let seed = seed.unwrap_or_else(|| rand::rng().random::<u32>().into());
    println!("CKPT_WORDCOUNT_SEED={seed} with {programs:?}");
    let job = std::fs::read_to_string(repository().join("examples/wordcount.toml")).unwrap();
    let rig = Rig::new(programs, &job, 1_000).await;
    let dice = StdRng::seed_from_u64(seed);
    let mut chaos = Chaos { rig, dice, zombies: Vec::new(), complete: 0, tally: Tally::default() };
    for index in 0..WORKERS {
        chaos.start(index);
    }
    let mut blows = [Blow::Worker; 6].to_vec();
    blows.extend([Blow::Workers, Blow::Workers, Blow::Both, Blow::Standstill, Blow::Standstill]);
    blows.extend([Blow::Ckptd; 4]);
    blows.shuffle(&mut chaos.dice);
    for (round, blow) in blows.into_iter().enumerate() {
        // Every second time all have recovered and a checkpoint is complete; else they are hit while they do.
        let is_calm = round % 2 == 0;
        if is_calm {
            chaos.rig.settled().await;
            let restored = chaos.rig.restored().await.unwrap_or(0);
            let complete = chaos.complete;
            assert!(restored >= complete, "{restored} was restored, and {complete} was complete");
            chaos.tally.restored.push(restored);
            let now = chaos.rig.completed();
            until("a checkpoint", || async { (chaos.rig.completed() > now).then_some(()) }).await;
        }
        match chaos.dice.random_bool(0.4) {
            true => chaos.moment_of_a_checkpoint().await,
            false => chaos.moment(700).await,
        }
        println!("round {round}: {blow:?} after checkpoint {}", chaos.rig.completed());
        chaos.strike(blow).await;
    }

    // All die at once, and whoever comes now counts as fast as it can; it is hit a few times more, also at the
    // end of its input and when it has finished.
    chaos.rig.settled().await;
    assert_ne!(chaos.rig.state().await, JobState::Finished, "{:?}", chaos.tally);
    for worker in std::mem::take(&mut chaos.rig.workers) {
        worker.kill().await;
        chaos.tally.workers += 1;
    }
    chaos.rig.start_all(0);
    for _ in 0..4 {
        chaos.moment(800).await;
        let index = chaos.dice.random_range(0..WORKERS);
        match chaos.dice.random_bool(0.3) {
            true => chaos.strike(Blow::Ckptd).await,
            false => {
                chaos.rig.take(index).kill().await;
                chaos.rig.start(index, chaos.dice.random_range(0..8), 0);
            }
        }
    }
    chaos.rig.finished().await;
    // Everybody ends: who is told, who asks after it, and who had been replaced.
    let workers = std::mem::take(&mut chaos.rig.workers);
    for worker in workers.into_iter().chain(chaos.zombies) {
        let (code, log) = worker.ended().await;
        let why = ["the job has ended", "held by attempt"];
        assert!(code == Some(0) || why.iter().any(|why| log.contains(why)), "{code:?}: {log}");
    }
    chaos.rig.assert_counted_once();
    let Tally { workers, daemons, standstills, restored } = &chaos.tally;
    println!("{:?}", chaos.tally);
    assert!(*workers >= 12 && *daemons >= 5 && *standstills == 2, "it was not idle: {:?}", chaos.tally);
    let ahead = restored.windows(2).filter(|pair| pair[0] < pair[1]).count();
    assert!(ahead >= 6, "checkpoints completed and were restored again and again: {restored:?}");
}
