//! ckptd, processes that count words, and the words.

use crate::support::{Daemon, Home, LIMIT, ckptd, until};
use ckpt_api::JobState;
use ckpt_api::tasks::{TaskList, TaskState};
use ckpt_clock::wall_millis;
use ckpt_types::ids::{CheckpointId, JobId};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::process::{Child, Command};
use tokio::time::timeout;

pub(super) const WORKERS: usize = 4;
/// Who counts a chunk when it starts and then waits for an hour: with it the job cannot finish before it is let,
/// however fast or slow the machine is.
pub(super) const SLOWEST: usize = 3;
pub(super) const HOUR: u64 = 3_600_000;

pub(super) type Counts = BTreeMap<String, u64>;

/// The repository, which has some megabytes of English and of Rust.
pub(super) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The programs that count words: the Python example, and the Rust one if it was built, as it is with all tests of
/// the workspace. What is missing is left out; without a Python nothing is left to test, and one line says so.
/// Where nothing may be left out it is an error.
pub(super) fn programs(test: &str) -> Option<Vec<PathBuf>> {
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
pub(super) fn command(program: &Path) -> Command {
    if program.extension().is_some_and(|extension| extension == "py") {
        let mut python = Command::new("python3");
        python.arg(program);
        return python;
    }
    Command::new(program)
}

/// The text of the repository's sources and documents, in an order that is always the same.
pub(super) fn text() -> Vec<u8> {
    let repository = repository();
    let mut places = ["cli/src", "daemon/src", "daemon/coordinator", "shared", "docs"]
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
pub(super) fn input(home: &Home, unit: usize) -> Vec<PathBuf> {
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
pub(super) fn count(files: &[PathBuf]) -> Counts {
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
pub(super) struct Worker {
    pub(super) child: Child,
    pub(super) index: usize,
    /// Its attempt is this or more.
    pub(super) since: u64,
    pub(super) log: PathBuf,
}

impl Worker {
    pub(super) fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id().unwrap()).unwrap()).unwrap()
    }

    pub(super) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Stops it; it has stopped when this returns.
    pub(super) async fn stop(&self) {
        stop(self.pid()).await;
    }

    pub(super) fn go_on(&self) {
        kill_process(self.pid(), Signal::CONT).unwrap();
    }

    /// Waits for its end; its code and what it said.
    pub(super) async fn ended(mut self) -> (Option<i32>, String) {
        let status = timeout(LIMIT, self.child.wait()).await.expect("the worker ends").unwrap();
        (status.code(), std::fs::read_to_string(&self.log).unwrap())
    }
}

pub(super) async fn stop(pid: Pid) {
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
pub(super) struct Rig {
    pub(super) home: Home,
    /// ckptd always listens here, so that workers find it again. It is an address that nothing else takes
    /// while it is down: neither other tests nor the workers' own connections.
    pub(super) listen: SocketAddr,
    pub(super) daemon: Option<Daemon>,
    pub(super) job: JobId,
    pub(super) programs: Vec<PathBuf>,
    pub(super) files: Vec<PathBuf>,
    pub(super) workers: Vec<Worker>,
    pub(super) logs: Vec<PathBuf>,
}

impl Rig {
    /// Starts ckptd with a job file like this, and no worker.
    pub(super) async fn new(programs: Vec<PathBuf>, job: &str, unit: usize) -> Self {
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

    pub(super) async fn start_daemon(&mut self, job: Option<&Path>) {
        let mut command = ckptd();
        command.args(["serve", "--listen", &self.listen.to_string(), "--state-dir"]).arg(self.home.state());
        if let Some(job) = job {
            command.arg("--job").arg(job);
        }
        self.daemon = Some(Daemon::start(command, &self.home.state()).await);
    }

    pub(super) fn daemon(&self) -> &Daemon {
        self.daemon.as_ref().expect("ckptd runs")
    }

    pub(super) async fn kill_daemon(&mut self) {
        self.daemon.take().unwrap().kill().await;
    }

    /// Starts a worker with the program at this place, and this pause.
    pub(super) fn start(&mut self, index: usize, program: usize, pause: u64) {
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

    pub(super) fn start_all(&mut self, pause: u64) {
        for index in 0..WORKERS {
            self.start(index, index, pause);
        }
    }

    /// Takes the newest worker of this index out.
    pub(super) fn take(&mut self, index: usize) -> Worker {
        let place = self.workers.iter().rposition(|worker| worker.index == index).unwrap();
        self.workers.remove(place)
    }

    pub(super) async fn tasks(&self) -> TaskList {
        self.daemon().client.tasks("wordcount").await.unwrap().value
    }

    /// Waits until the newest workers are the subtasks, and all have restored.
    pub(super) async fn settled(&mut self) {
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

    pub(super) async fn state(&self) -> JobState {
        self.daemon().configuration(&self.job.to_string()).await.state
    }

    pub(super) async fn restored(&self) -> Option<u64> {
        let seen = self.daemon().client.checkpoints("wordcount").await.unwrap().value;
        seen.latest.restored.map(|restored| restored.id.0)
    }

    /// The newest checkpoint that is complete on disk.
    pub(super) fn completed(&self) -> u64 {
        let checkpoints = std::fs::read_dir(self.checkpoints()).into_iter().flatten().flatten();
        let complete = checkpoints.filter(|checkpoint| checkpoint.path().join("_metadata").exists());
        complete.filter_map(|checkpoint| number(&checkpoint.path())).max().unwrap_or(0)
    }

    pub(super) fn checkpoints(&self) -> PathBuf {
        self.home.state().join("checkpoints").join(self.job.to_string())
    }

    pub(super) fn checkpoint(&self, number: u64) -> PathBuf {
        self.checkpoints().join(format!("chk-{number}"))
    }

    /// Waits until this many have acknowledged a checkpoint.
    pub(super) async fn acknowledged(&self, many: u32) -> CheckpointId {
        until("the acknowledgements", || async {
            let seen = self.daemon().configuration("wordcount").await;
            seen.in_flight.first().filter(|one| one.acknowledged == many).map(|one| one.id)
        })
        .await
    }

    pub(super) async fn finished(&self) {
        until("FINISHED", || async { (self.state().await == JobState::Finished).then_some(()) }).await;
    }

    /// Lets everybody count to the end, without an interval: checkpoints are made until the job has finished.
    pub(super) async fn finish_by_hand(&mut self) {
        for worker in std::mem::take(&mut self.workers) {
            worker.kill().await;
        }
        self.start_all(0);
        self.settled().await;
        until("FINISHED", || async {
            let request = ckpt_api::flink::TriggerRequest::default();
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
    pub(super) fn assert_counted_once(&self) {
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

pub(super) fn number(checkpoint: &Path) -> Option<u64> {
    checkpoint.file_name()?.to_str()?.strip_prefix("chk-")?.parse().ok()
}
