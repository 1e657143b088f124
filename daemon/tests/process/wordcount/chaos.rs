//! The random test: processes are killed and stopped, again and again.

use super::rig::*;
use crate::support::until;
use ckpt_api::JobState;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use std::time::Duration;
use tokio::time::{sleep, timeout};

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
