//! The loop around model and view: what comes in, what is asked for, and when it is drawn.

use super::asks::{Ask, Missing};
use super::keys::Then;
use super::link;
use super::model::{Message, Model};
use super::screen;
use crate::console;
use crate::error::Error;
use crate::exit::Exit;
use crate::history::JobHistory;
use crate::watch::feed::{Target, Watch, feed};
use crate::watch::follow::Verdict;
use crate::watch::terminal::Terminal;
use ckpt_client::{Client, ClientError};
use crossterm::event::{Event, EventStream};
use futures::{Stream, StreamExt, stream};
use ratatui::backend::CrosstermBackend;
use std::io::{self, Stdout};
use std::pin::pin;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep_until};

/// How often it is drawn at most: what happens first is drawn at once.
const FRAME: Duration = Duration::from_millis(50);
/// How often it is drawn when nothing happens, so that times go on.
const TICK: Duration = Duration::from_secs(1);
/// How many messages may wait to be taken in.
const MOST_MESSAGES: usize = 1_024;

/// Where it is drawn.
trait Screen {
    fn draw(&mut self, model: &Model, now: super::snapshot::Now) -> io::Result<()>;
}

/// The terminal.
struct OnTerminal {
    terminal: ratatui::Terminal<CrosstermBackend<Stdout>>,
    colours: bool,
}

impl Screen for OnTerminal {
    fn draw(&mut self, model: &Model, now: super::snapshot::Now) -> io::Result<()> {
        let colours = self.colours;
        let draw = |frame: &mut ratatui::Frame<'_>| {
            let area = frame.area();
            screen::draw(model, now, area, frame.buffer_mut(), colours);
        };
        self.terminal.draw(draw).map(drop)
    }
}

/// Shows what is watched on the whole terminal until somebody leaves, or until there is a verdict.
pub(crate) async fn full_screen(watch: &Watch<'_>) -> Result<Exit, Error> {
    watch.end(show(watch).await?)
}

async fn show(watch: &Watch<'_>) -> Result<Option<Verdict>, Error> {
    let began = Instant::now();
    let client = &watch.server.client;
    let failed = |error: ClientError| watch.server.failed(error);
    // Before there is anything to show, a failure is only that.
    let model = match &watch.target {
        Target::All => {
            let list = client.configurations(false).await.map_err(failed)?.value;
            Model::of_all(watch.server.address(), watch.every, list, link::now(began))
        }
        Target::Job(job) => {
            let job = client.configuration(job).await.map_err(failed)?.value;
            Model::of_job(watch.server.address(), watch.every, job, link::now(began))
        }
    };
    let guard = Terminal::enter()?;
    let terminal = ratatui::Terminal::new(CrosstermBackend::new(io::stdout()))?;
    let screen = OnTerminal { terminal, colours: console::colours() };
    let keys = match guard.has_keys() {
        true => EventStream::new().left_stream(),
        false => stream::pending().right_stream(),
    };
    let (to, messages) = mpsc::channel(MOST_MESSAGES);
    let mut asking = Asking { client: client.clone(), to, began, asked: JoinSet::new(), reading: None };
    let shown = run(model, screen, messages, keys, began, &mut asking);
    // The terminal is put back before anything is said.
    let _guard = guard;
    tokio::select! {
        left = shown => left.map(|()| None),
        verdict = verdict(watch) => verdict,
    }
}

/// Verdict on what is waited for; never, if nothing is.
async fn verdict(watch: &Watch<'_>) -> Result<Option<Verdict>, Error> {
    if watch.until.is_none() {
        return std::future::pending().await;
    }
    let mut feed = pin!(feed(watch, false));
    while let Some(seen) = feed.next().await {
        match seen {
            Ok(seen) if seen.verdict.is_some() => return Ok(seen.verdict),
            Err(error) if watch.is_final(&error) => return Err(watch.server.failed(error)),
            Ok(_) | Err(_) => {}
        }
    }
    Ok(None)
}

/// Whoever asks what is due, and follows the events that are wanted.
trait Asks {
    fn ask(&mut self, ask: Ask);
    fn follow(&mut self, job: Option<String>);
}

/// The loop. It is drawn as soon as something happens, though not more often than [`FRAME`] allows.
async fn run(
    mut model: Model,
    mut screen: impl Screen,
    mut messages: mpsc::Receiver<Message>,
    keys: impl Stream<Item = io::Result<Event>>,
    began: Instant,
    asks: &mut impl Asks,
) -> Result<(), Error> {
    let mut keys = pin!(keys);
    let mut follows = model.follows();
    asks.follow(follows.clone());
    let mut drawn: Option<Instant> = None;
    let mut dirty = true;
    loop {
        let now = link::now(began);
        model.due(now).into_iter().for_each(|ask| asks.ask(ask));
        if dirty && drawn.is_none_or(|drawn| drawn.elapsed() >= FRAME) {
            screen.draw(&model, now)?;
            (drawn, dirty) = (Some(Instant::now()), false);
        }
        let next_frame = drawn.unwrap_or(began) + if dirty { FRAME } else { TICK };
        let next_ask = began + Duration::from_millis(model.asks.next().min(now.mono + 60_000));
        tokio::select! {
            message = messages.recv() => match message {
                Some(message) => {
                    model.update(message, link::now(began));
                    dirty |= model.frozen.is_none();
                }
                None => return Ok(()),
            },
            pressed = keys.next() => {
                match pressed {
                    None => return Ok(()),
                    Some(Err(error)) => return Err(error.into()),
                    Some(Ok(Event::Key(pressed))) => match model.press(pressed, link::now(began)) {
                        Then::GoOn => {}
                        Then::Leave => return Ok(()),
                        Then::Interrupt => return Err(Error::Interrupted),
                    },
                    Some(Ok(Event::Resize(..) | Event::FocusGained | Event::FocusLost)) => {}
                    Some(Ok(Event::Mouse(_) | Event::Paste(_))) => {}
                }
                // A key is answered at once, however fast things happen.
                (dirty, drawn) = (true, None);
                if model.follows() != follows {
                    follows = model.follows();
                    asks.follow(follows.clone());
                }
            }
            () = sleep_until(next_frame.min(next_ask)) => dirty |= Instant::now() >= next_frame,
        }
    }
}

/// The asking of a real server. What is under way ends with it.
struct Asking {
    client: Client,
    to: mpsc::Sender<Message>,
    began: Instant,
    asked: JoinSet<()>,
    reading: Option<AbortHandle>,
}

impl Asks for Asking {
    fn ask(&mut self, ask: Ask) {
        while self.asked.try_join_next().is_some() {}
        let (client, to) = (self.client.clone(), self.to.clone());
        self.asked.spawn(async move {
            let message = match answer(&client, &ask).await {
                Ok(message) => message,
                Err(error) => {
                    let why = error.to_string();
                    let missing = match error.status().map(|status| status.as_u16()) {
                        // Where there is no such path, its last part is taken for the id of a trigger.
                        Some(400) => Missing::Path,
                        Some(404) if why.starts_with("Not found: /") => Missing::Path,
                        Some(404) => Missing::Unknown,
                        _ => Missing::NoAnswer,
                    };
                    Message::Failed(ask, why, missing)
                }
            };
            // Whoever left does not want to know.
            drop(to.send(message).await);
        });
    }

    fn follow(&mut self, job: Option<String>) {
        if let Some(reading) = self.reading.take() {
            reading.abort();
        }
        let read = link::read(self.client.clone(), job, self.to.clone(), self.began);
        self.reading = Some(self.asked.spawn(read));
    }
}

async fn answer(client: &Client, ask: &Ask) -> Result<Message, ClientError> {
    Ok(match ask {
        Ask::Jobs => Message::Jobs(client.configurations(false).await?.value),
        Ask::Job(job) => Message::Job(Box::new(client.configuration(job).await?.value)),
        Ask::History(job) => {
            Message::History(key_of(job), JobHistory::from_client(client, job).await?.checkpoints)
        }
        Ask::Diagnosis(job) => {
            Message::Diagnosis(key_of(job), Box::new(client.checkpoint_diagnosis(job).await?.value))
        }
    })
}

/// The key of a job from what it is called in requests.
fn key_of(reference: &str) -> super::snapshot::JobKey {
    let (cluster, id) = reference.rsplit_once('/').unwrap_or((ckpt_api::HOSTED, reference));
    (cluster.to_owned(), id.parse().unwrap_or(ckpt_types::ids::JobId::from_bits(0)))
}

#[cfg(test)]
mod tests {
    use super::super::snapshot::Now;
    use super::super::stage::{NOW, all, event, screen};
    use super::*;
    use ckpt_api::Happening;
    use ckpt_types::ids::CheckpointId;
    use std::sync::{Arc, Mutex};
    use tokio::time::{advance, sleep, timeout};

    /// Nothing takes longer, whether time is simulated or not.
    const LIMIT: Duration = Duration::from_secs(60);

    /// Keeps every frame, as a terminal of 200 columns and 50 lines would show it.
    #[derive(Clone, Default)]
    struct Recorder(Arc<Mutex<Vec<(Instant, String)>>>);

    impl Screen for Recorder {
        fn draw(&mut self, model: &Model, now: Now) -> io::Result<()> {
            let frame = screen(model, now, (200, 50));
            self.0.lock().unwrap().push((Instant::now(), frame));
            Ok(())
        }
    }

    impl Recorder {
        fn count(&self) -> usize {
            self.0.lock().unwrap().len()
        }

        /// When something was first seen.
        fn first(&self, part: &str) -> Option<Instant> {
            self.0.lock().unwrap().iter().find(|(_, frame)| frame.contains(part)).map(|(at, _)| *at)
        }

        async fn until(&self, part: &str) -> Instant {
            let looking = async {
                loop {
                    if let Some(at) = self.first(part) {
                        return at;
                    }
                    sleep(Duration::from_millis(1)).await;
                }
            };
            let last = || self.0.lock().unwrap().last().map(|(_, frame)| frame.clone());
            timeout(LIMIT, looking).await.unwrap_or_else(|_| panic!("{part:?} does not come: {:?}", last()))
        }
    }

    struct Nobody;

    impl Asks for Nobody {
        fn ask(&mut self, _: Ask) {}
        fn follow(&mut self, _: Option<String>) {}
    }

    /// A watch of all jobs that is fed by hand.
    fn started() -> (Recorder, mpsc::Sender<Message>) {
        let (to, messages) = mpsc::channel(MOST_MESSAGES);
        let recorder = Recorder::default();
        let shown = recorder.clone();
        tokio::spawn(async move {
            let keys = stream::pending();
            // What is known was seen at that time.
            let began = Instant::now() - Duration::from_millis(NOW.mono);
            drop(run(all(), shown, messages, keys, began, &mut Nobody).await);
        });
        (recorder, to)
    }

    fn completed(id: u64) -> Message {
        event(1, Happening::Completed { id: CheckpointId(id), duration: 1_000 })
    }

    #[tokio::test(start_paused = true)]
    async fn burst_is_drawn_within_a_frame() {
        let (recorder, to) = started();
        recorder.until("8 jobs").await;
        sleep(Duration::from_millis(300)).await;
        let sent = Instant::now();
        to.send(completed(1_000)).await.unwrap();
        let drawn = recorder.until("checkpoint 1000 completed").await;
        assert_eq!(drawn - sent, Duration::ZERO, "the first one does not wait");
        let before = recorder.count();
        for id in 1_001..=2_000 {
            let sent = Instant::now();
            to.send(completed(id)).await.unwrap();
            advance(Duration::from_millis(1)).await;
            if id % 100 == 0 {
                let drawn = recorder.until(&format!("checkpoint {id} completed")).await;
                assert!(drawn - sent <= FRAME + Duration::from_millis(5), "{:?}", drawn - sent);
            }
        }
        let frames = recorder.count() - before;
        assert!(frames <= 60, "{frames} frames for a thousand events in little more than a second");
    }

    #[tokio::test(start_paused = true)]
    async fn idle_screen_redraws_every_second() {
        let (recorder, _to) = started();
        recorder.until("8 jobs").await;
        let before = recorder.count();
        sleep(Duration::from_millis(5_500)).await;
        assert_eq!(recorder.count() - before, 5);
        recorder.until("STALE for 3s").await;
    }

    /// It prints what it measures; how fast a machine is, is nothing to fail for.
    #[tokio::test]
    async fn measures_event_to_frame_latency() {
        let (recorder, to) = started();
        recorder.until("8 jobs").await;
        let mut took = Vec::new();
        for id in 100..120 {
            let sent = Instant::now();
            to.send(completed(id)).await.unwrap();
            took.push(recorder.until(&format!("checkpoint {id} completed")).await - sent);
            // The next one is not to be one of a burst.
            sleep(FRAME * 2).await;
        }
        took.sort();
        #[allow(clippy::print_stderr, reason = "it is what is measured")]
        {
            eprintln!("event → frame of 200×50: median {:?}, longest {:?}", took[10], took[19]);
        }
    }
}
