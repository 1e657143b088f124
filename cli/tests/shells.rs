//! Completions in real shells, each on a terminal of its own: keys go in, and what the shell then runs is looked at.
//!
//! In the place of `ckptctl` stands a script that tells its arguments, and asks the real one for completions. So what
//! counts is not how a line looks, but what it means to the shell.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[allow(dead_code, reason = "others need more of it")]
mod support;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use serde_json::{Value, json};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;
use support::Fake;
use tempfile::TempDir;

/// Nothing takes longer, however slow the machine is.
const LIMIT: Duration = Duration::from_secs(60);
/// Nobody listens there.
const NOWHERE: &str = "http://127.0.0.1:1";
/// A name with all that a shell has a meaning for.
const ODD: &str = r#"my job: a 'b' "c" $d `e` \f !g #h"#;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

impl Shell {
    fn name(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Zsh => "zsh",
            Self::Fish => "fish",
        }
    }

    /// Whether it can be tried; a line says so if not.
    fn is_there(self, test: &str) -> bool {
        let lacks = [self.name(), "setsid"].into_iter().find(|name| {
            let tried =
                Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
            !tried.is_ok_and(|status| status.success())
        });
        let Some(lacks) = lacks else { return true };
        assert!(std::env::var_os("CKPT_REQUIRE_ALL").is_none_or(|value| value != "1"), "{lacks} is missing");
        // Past the harness, which would keep it to itself.
        let line = format!("skipped: {test}: {lacks} is missing; apt-get install zsh fish util-linux\n");
        std::io::stderr().write_all(line.as_bytes()).unwrap();
        false
    }

    /// What it reads when it starts, and where: the script as it is installed, and a prompt that can be waited for.
    fn set_up(self, home: &Path, script: &str) -> Vec<String> {
        let write = |name: &str, text: &str| {
            let path = home.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        match self {
            Self::Bash => {
                let script = write("ckptctl.bash", script);
                let quiet = "bind 'set enable-bracketed-paste off'; bind 'set bell-style none'";
                let rc = write(
                    "rc",
                    &format!("PS1='READY> '; {quiet}; bind 'set show-all-if-ambiguous on'; . {script}\n"),
                );
                ["--noprofile", "--rcfile", &rc, "-i"].map(str::to_owned).into()
            }
            Self::Zsh => {
                write("functions/_ckptctl", script);
                let rc = "fpath=(~/functions $fpath); autoload -Uz compinit; compinit -u -D; unset zle_bracketed_paste\n\
                          setopt no_beep; PS1='READY> '\n";
                write(".zshrc", rc);
                vec!["-d".to_owned(), "-i".to_owned()]
            }
            Self::Fish => {
                write(".config/fish/completions/ckptctl.fish", script);
                let config = "set -g fish_greeting; set -g fish_autosuggestion_enabled 0\nfunction fish_prompt; echo -n 'READY> '; end\n";
                write(".config/fish/config.fish", config);
                vec!["-i".to_owned()]
            }
        }
    }
}

/// What has come from the terminal so far.
#[derive(Default)]
struct Screen {
    text: Mutex<String>,
    more: Condvar,
}

/// A shell on a terminal. It is gone when this is dropped.
struct Terminal {
    shell: Child,
    keys: File,
    screen: Arc<Screen>,
    /// How much of the screen was looked at.
    seen: usize,
    _home: TempDir,
}

impl Drop for Terminal {
    fn drop(&mut self) {
        drop(self.shell.kill());
        drop(self.shell.wait());
    }
}

impl Terminal {
    fn open(shell: Shell, server: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let real = env!("CARGO_BIN_EXE_ckptctl");
        let script = Command::new(real).args(["completions", shell.name()]).output().unwrap();
        assert!(script.status.success());
        let arguments = shell.set_up(home.path(), &String::from_utf8(script.stdout).unwrap());
        let programs = home.path().join("bin");
        std::fs::create_dir(&programs).unwrap();
        let told = format!(
            "#!/bin/sh\n[ -z \"$CKPTCTL_COMPLETE\" ] || exec '{real}' \"$@\"\nprintf 'ARGS'\nfor it; do printf '<%s>' \"$it\"; done\necho END\n"
        );
        std::fs::write(programs.join("ckptctl"), told).unwrap();
        std::fs::set_permissions(programs.join("ckptctl"), std::fs::Permissions::from_mode(0o755)).unwrap();

        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        tcsetwinsize(&ours, Winsize { ws_row: 24, ws_col: 200, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let name = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
        let no_control = i32::try_from(rustix::fs::OFlags::NOCTTY.bits()).unwrap();
        let theirs = || {
            let opened = OpenOptions::new().read(true).write(true).custom_flags(no_control).open(&name);
            Stdio::from(opened.unwrap())
        };
        let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
        let child = Command::new("setsid")
            .args(["--ctty", "--wait", shell.name()])
            .args(arguments)
            .env_clear()
            .envs([("PATH", path.as_str()), ("TERM", "dumb"), ("LANG", "C.UTF-8"), ("LC_ALL", "C.UTF-8")])
            .envs([
                ("HOME", home.path()),
                ("ZDOTDIR", home.path()),
                ("XDG_STATE_HOME", Path::new("/nonexistent")),
            ])
            .env("CKPTCTL_SERVER", server)
            // Six shells at once on a slow machine: what is completed counts here, not how soon.
            .env("CKPTCTL_COMPLETE_LIMIT_MS", LIMIT.as_millis().to_string())
            .stdin(theirs())
            .stdout(theirs())
            .stderr(theirs())
            .spawn()
            .unwrap();
        let keys = File::from(ours);
        let screen = Arc::new(Screen::default());
        let mut reader = keys.try_clone().unwrap();
        let shown = Arc::clone(&screen);
        std::thread::spawn(move || {
            let mut bytes = [0; 4_096];
            while let Ok(read @ 1..) = reader.read(&mut bytes) {
                shown.text.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..read]));
                shown.more.notify_all();
            }
        });
        let mut terminal = Self { shell: child, keys, screen, seen: 0, _home: home };
        terminal.until("READY> ");
        terminal
    }

    /// Waits for a text that was not looked at before, and returns all until its end.
    fn until(&mut self, wanted: &str) -> String {
        let text = self.screen.text.lock().unwrap();
        let seen = self.seen;
        let missing = |text: &mut String| !text[seen..].contains(wanted);
        let (text, waited) = self.screen.more.wait_timeout_while(text, LIMIT, missing).unwrap();
        assert!(!waited.timed_out(), "{wanted:?} does not come: {:?}", &text[seen..]);
        let end = seen + text[seen..].find(wanted).unwrap() + wanted.len();
        let until = text[seen..end].to_owned();
        drop(text);
        self.seen = end;
        until
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// Presses these keys and Enter; what `ckptctl` was run with.
    fn run(&mut self, keys: &str) -> Vec<String> {
        self.press(keys);
        self.press("\r");
        self.until("ARGS");
        let told = self.until("END\r\n");
        self.until("READY> ");
        let told = told.strip_prefix('<').and_then(|told| told.strip_suffix(">END\r\n")).unwrap_or_default();
        told.split("><").map(str::to_owned).collect()
    }
}

fn job(cluster: &str, name: &str, id: u8) -> Value {
    json!({
        "schema": "ckpt/v1", "cluster": cluster, "jobId": format!("{id:032x}"), "name": name, "state": "RUNNING",
        "revision": 0, "stored": true, "applied": true,
        "checkpointInterval": {"submitted": 15000, "override": null, "effective": 15000},
        "checkpointTimeout": {"submitted": 10000, "override": null, "effective": 10000},
        "inFlight": [], "failures": {"consecutive": 0, "tolerable": 3}, "nextTrigger": null, "warnings": [],
        "via": "hosted", "viaDetail": null, "stale": null, "observedAt": 1_790_000_000_000_u64
    })
}

fn server() -> Fake {
    Fake::new(|line, _| {
        assert_eq!(line, "GET /checkpoints/configuration?all=true");
        let jobs = [
            job("hosted", "job123", 1),
            job("prod", "orders", 2),
            job("test", "orders", 3),
            job("prod", ODD, 4),
            job("prod", "etl:daily=run", 5),
        ];
        let cluster = |name| json!({"name": name, "url": format!("http://{name}:8081"), "version": "2.3.0", "trouble": null, "observedAt": null});
        (
            200,
            json!({"schema": "ckpt/v1", "jobs": jobs, "clusters": [cluster("prod"), cluster("test")]})
                .to_string(),
        )
    })
}

fn names_are_completed(shell: Shell, test: &str) {
    if !shell.is_there(test) {
        return;
    }
    let fake = server();
    let mut terminal = Terminal::open(shell, &fake.url);
    assert_eq!(terminal.run("ckptctl get jo\t"), ["get", "job123"]);
    assert_eq!(
        terminal.run("ckptctl set-timeo\tjo\t20m"),
        ["set-timeout", "job123", "20m"],
        "and a space behind each"
    );
    for begun in ["my", r"my\ jo", "'my jo", "\"my job: a"] {
        assert_eq!(terminal.run(&format!("ckptctl get {begun}\t")), ["get", ODD], "{begun}");
    }
    for begun in ["et", "etl:", "etl:daily=r", "prod/etl:da"] {
        let expected = if begun.contains('/') { "prod/etl:daily=run" } else { "etl:daily=run" };
        assert_eq!(terminal.run(&format!("ckptctl get {begun}\t")), ["get", expected], "{begun}");
    }
    assert_eq!(terminal.run("ckptctl get prod/or\t"), ["get", "prod/orders"]);
    assert_eq!(terminal.run("ckptctl history test/o\t"), ["history", "test/orders"]);
    assert_eq!(terminal.run("ckptctl doctor te\t"), ["doctor", "test"]);
    assert_eq!(terminal.run("ckptctl reconcile pa\tpr\t"), ["reconcile", "pause", "prod"]);
    // A name that two clusters have is shown with both; fish puts the first one in place, and goes on from there.
    terminal.press("ckptctl get ord\t\t");
    let mut shown = terminal.until("prod/orders");
    if shell != Shell::Fish {
        shown += &terminal.until("test/orders");
    }
    assert!(!shown.contains("job123"), "{shown:?}");
}

fn the_server_of_the_line_is_asked(shell: Shell, test: &str) {
    if !shell.is_there(test) {
        return;
    }
    let fake = server();
    let mut terminal = Terminal::open(shell, NOWHERE);
    // Nobody answers: nothing is completed, and nothing is said.
    assert_eq!(terminal.run("ckptctl get jo\t"), ["get", "jo"]);
    let url = fake.url.clone();
    assert_eq!(
        terminal.run(&format!("ckptctl --server {url} get jo\t")),
        ["--server", &url, "get", "job123"]
    );
    assert_eq!(
        terminal.run(&format!("ckptctl get --server={url} jo\t")),
        ["get", &format!("--server={url}"), "job123"]
    );
    let screen = terminal.screen.text.lock().unwrap();
    assert!(!screen.contains("cannot reach") && !screen.contains("ckptctl:"), "{screen}");
}

macro_rules! in_each_shell {
    ($($name:ident = $test:ident($shell:ident);)*) => {
        $(#[test]
        fn $name() {
            $test(Shell::$shell, stringify!($name));
        })*
    };
}

in_each_shell! {
    bash_completes_names = names_are_completed(Bash);
    zsh_completes_names = names_are_completed(Zsh);
    fish_completes_names = names_are_completed(Fish);
    bash_asks_the_server_of_the_line = the_server_of_the_line_is_asked(Bash);
    zsh_asks_the_server_of_the_line = the_server_of_the_line_is_asked(Zsh);
    fish_asks_the_server_of_the_line = the_server_of_the_line_is_asked(Fish);
}

/// A whole request may take 30 s elsewhere, but nobody waits so long for a key.
#[test]
fn a_server_that_never_answers_holds_nobody_up() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let ended = Command::new("timeout")
        .args(["20", env!("CARGO_BIN_EXE_ckptctl"), "--", " ", "ckptctl get jo"])
        .envs([("CKPTCTL_COMPLETE", "bash"), ("CKPTCTL_SERVER", &url)])
        .env_remove("CKPTCTL_COMPLETE_LIMIT_MS")
        .output()
        .unwrap();
    assert_eq!((ended.status.code(), ended.stdout, ended.stderr), (Some(0), Vec::new(), Vec::new()));
}
