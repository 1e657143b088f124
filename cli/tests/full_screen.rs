//! The full screen on a terminal of its own, against a real `ckptd`.
#![allow(missing_docs, clippy::unwrap_used, dead_code)]

mod daemon;

use daemon::{Daemon, HANGS_ONCE};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// The longest wait for anything.
const LIMIT: Duration = Duration::from_secs(60);
const COLUMNS: u16 = 80;
const LINES: u16 = 24;

fn now() -> Instant {
    #[allow(clippy::disallowed_methods, reason = "processes and their terminal are real, so time is too")]
    Instant::now()
}

/// `ckptctl` on a terminal.
struct OnTerminal {
    child: Child,
    keys: File,
    output: Receiver<(Instant, Vec<u8>)>,
    screen: Screen,
    /// The beginning of a sign whose end is still to come.
    cut: Vec<u8>,
    raw: Vec<u8>,
}

impl OnTerminal {
    fn start(daemon: &Daemon, arguments: &[&str]) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let size = Winsize { ws_row: LINES, ws_col: COLUMNS, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&master, size).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let terminal = OpenOptions::new().read(true).write(true).open(name.to_str().unwrap()).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_ckptctl"))
            .args(arguments)
            .env("CKPTCTL_SERVER", daemon.server())
            .env("XDG_STATE_HOME", "/nonexistent")
            .env("TERM", "xterm-256color")
            .env("NO_COLOR", "1")
            .stdin(terminal.try_clone().unwrap())
            .stdout(terminal.try_clone().unwrap())
            .stderr(terminal)
            .spawn()
            .unwrap();
        let keys = File::from(master);
        let mut reading = keys.try_clone().unwrap();
        let (to, output) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 16 * 1024];
            // It ends with an error when nobody has the terminal open any more.
            while let Ok(read @ 1..) = reading.read(&mut buffer) {
                if to.send((now(), buffer[..read].to_vec())).is_err() {
                    return;
                }
            }
        });
        Self { child, keys, output, screen: Screen::new(), cut: Vec::new(), raw: Vec::new() }
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// Reads until the screen is as wanted, and says when it was.
    fn until(&mut self, wanted: impl Fn(&str) -> bool) -> Instant {
        let limit = now() + LIMIT;
        loop {
            match self.output.recv_timeout(limit.saturating_duration_since(now())) {
                Ok((at, bytes)) => {
                    self.raw.extend_from_slice(&bytes);
                    self.cut.extend_from_slice(&bytes);
                    let text = whole(&mut self.cut);
                    self.screen.write(&text);
                    if wanted(&self.screen.text()) {
                        return at;
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("this is what it shows:\n{}", self.screen.text())
                }
            }
        }
    }

    /// Waits for its end: its exit code, and all that it wrote.
    fn ended(mut self) -> (i32, String) {
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        // What is still to be read was written before.
        while let Ok((_, bytes)) = self.output.recv_timeout(LIMIT) {
            self.raw.extend_from_slice(&bytes);
        }
        (code, String::from_utf8_lossy(&self.raw).into_owned())
    }
}

/// Takes the signs that are there whole: what is read at once may end in the middle of one.
fn whole(bytes: &mut Vec<u8>) -> String {
    let end = match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        _ => bytes.len(),
    };
    let rest = bytes.split_off(end);
    String::from_utf8_lossy(&std::mem::replace(bytes, rest)).into_owned()
}

#[test]
fn a_sign_that_comes_in_parts_is_one() {
    let mut bytes = Vec::new();
    let mut read = |part: &[u8]| {
        bytes.extend_from_slice(part);
        whole(&mut bytes)
    };
    let arrow = "→".as_bytes();
    assert_eq!(read(&[b"a", &arrow[..2]].concat()), "a");
    assert_eq!(read(&[&arrow[2..], b"b"].concat()), "→b");
}

/// As much of a terminal as ratatui needs: it moves, and writes letters of one column.
struct Screen {
    cells: Vec<Vec<char>>,
    at: (usize, usize),
    /// The beginning of a sequence whose end is still to come.
    open: Option<String>,
}

impl Screen {
    fn new() -> Self {
        Self { cells: vec![vec![' '; COLUMNS.into()]; LINES.into()], at: (0, 0), open: None }
    }

    fn write(&mut self, text: &str) {
        for c in text.chars() {
            match &mut self.open {
                Some(open) => {
                    open.push(c);
                    let done = open.len() > 1 && ('@'..='~').contains(&c);
                    if done && let Some(sequence) = self.open.take() {
                        self.sequence(&sequence);
                    }
                }
                None => match c {
                    '\u{1b}' => self.open = Some(String::new()),
                    '\r' => self.at.1 = 0,
                    '\n' => self.at.0 += 1,
                    c => {
                        if let Some(cell) =
                            self.cells.get_mut(self.at.0).and_then(|row| row.get_mut(self.at.1))
                        {
                            *cell = c;
                        }
                        self.at.1 += 1;
                    }
                },
            }
        }
    }

    fn sequence(&mut self, sequence: &str) {
        match sequence.split_at(sequence.len() - 1) {
            (place, "H") => {
                let mut numbers =
                    place.trim_start_matches('[').split(';').map(|number| number.parse().unwrap_or(1));
                let mut next = || numbers.next().unwrap_or(1_usize).saturating_sub(1);
                self.at = (next(), next());
            }
            ("[2", "J") => *self = Self::new(),
            _ => {}
        }
    }

    fn text(&self) -> String {
        self.cells.iter().map(|row| row.iter().collect::<String>() + "\n").collect()
    }
}

/// When the first event of this kind is pushed that begins after this was called.
fn pushed(daemon: &Daemon, kind: &'static str) -> Receiver<Instant> {
    let address = daemon.server().trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(&address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let request = format!("GET /checkpoints/events HTTP/1.1\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let (to, arrived) = channel();
    let (ready, is_ready) = channel();
    std::thread::spawn(move || {
        let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
        // It begins with the state of every job.
        drop(lines.by_ref().find(|line| line.contains("event: state")));
        let _ = ready.send(());
        if lines.any(|line| line.contains(&format!("event: {kind}"))) {
            let _ = to.send(now());
        }
    });
    is_ready.recv_timeout(LIMIT).unwrap();
    arrived
}

/// What it measures is printed: how fast a machine is, is nothing to fail for.
#[test]
fn a_pushed_event_is_drawn_and_the_terminal_is_put_back() {
    let daemon = Daemon::start();
    daemon.submit(HANGS_ONCE);
    daemon.until_json("orders", |job| job["inFlight"][0]["acknowledged"] == 3);
    let mut watch = OnTerminal::start(&daemon, &["watch", "orders"]);
    watch.until(|screen| {
        screen.contains("live") && screen.contains("3 of 4, 75%") && screen.contains("timeout 10m")
    });
    let mut took = Vec::new();
    for minutes in 20..25 {
        let arrived = pushed(&daemon, "configured");
        let changed = daemon.ckptctl(&format!("set-timeout orders {minutes}m"));
        assert_eq!(changed.code, 0, "{changed:?}");
        let drawn = watch.until(|screen| screen.contains(&format!("timeout {minutes}m (submitted 10m)")));
        took.push(drawn.saturating_duration_since(arrived.recv_timeout(LIMIT).unwrap()));
    }
    took.sort();
    #[allow(clippy::print_stderr, reason = "it is what is measured")]
    {
        eprintln!(
            "event at another client → bytes on the terminal: median {:?}, longest {:?}",
            took[2], took[4]
        );
    }
    watch.press("?");
    watch.until(|screen| screen.contains("keys and signs"));
    watch.press("?");
    watch.press("b");
    watch.until(|screen| screen.contains("HOW") && screen.contains("orders"));
    watch.press("/none\r");
    watch.until(|screen| screen.contains("no job has 'none' in its name"));
    watch.press("q");
    let (code, raw) = watch.ended();
    assert_eq!(code, 0, "{raw}");
    assert!(raw.contains("\u{1b}[?1049l") && raw.contains("\u{1b}[?25h"), "{raw:?}");
    assert!(!raw.contains("\u{1b}[38;5;") && !raw.contains("\u{1b}[31m"), "NO_COLOR is set");
}

#[test]
fn sigterm_and_ctrl_c_put_the_terminal_back() {
    let daemon = Daemon::start();
    daemon.submit(HANGS_ONCE);
    for by_key in [false, true] {
        let mut watch = OnTerminal::start(&daemon, &["watch"]);
        watch.until(|screen| screen.contains("orders"));
        match by_key {
            true => watch.press("\u{3}"),
            false => {
                let pid = Pid::from_raw(watch.child.id().try_into().unwrap()).unwrap();
                kill_process(pid, Signal::TERM).unwrap();
            }
        }
        let (code, raw) = watch.ended();
        assert_eq!(code, 130, "{raw}");
        assert!(raw.contains("\u{1b}[?1049l") && raw.contains("\u{1b}[?25h"), "{raw:?}");
    }
}

#[test]
fn a_server_that_goes_away_is_said_to_be_stale_and_what_was_seen_stays() {
    let daemon = Daemon::start();
    daemon.submit(HANGS_ONCE);
    daemon.until_json("orders", |job| job["inFlight"][0]["acknowledged"] == 3);
    let mut watch = OnTerminal::start(&daemon, &["watch", "orders"]);
    watch.until(|screen| screen.contains("live") && screen.contains("3 of 4"));
    drop(daemon);
    watch.until(|screen| screen.contains("STALE for ") && screen.contains("3 of 4"));
    watch.press("q");
    assert_eq!(watch.ended().0, 0);
}

#[test]
fn the_plain_screen_is_still_there() {
    let daemon = Daemon::start();
    daemon.submit(HANGS_ONCE);
    let mut watch = OnTerminal::start(&daemon, &["watch", "orders", "--plain"]);
    watch.until(|screen| {
        screen.contains("VALUE     SUBMITTED  OVERRIDE  IN FORCE") && screen.contains("q leaves")
    });
    watch.press("q");
    assert_eq!(watch.ended().0, 0);
}
