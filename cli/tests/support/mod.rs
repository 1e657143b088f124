//! A server that answers as a test wants it to, and `ckptctl` run against it.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

/// A request: method and path with query, body.
pub(crate) type Request = (String, String);

/// How a request is answered.
type Answer = dyn FnMut(&str, &str) -> (u16, String) + Send;

/// The server; it keeps what it was asked.
pub(crate) struct Fake {
    /// Its address.
    pub(crate) url: String,
    /// What it was asked, in order.
    pub(crate) asked: Arc<Mutex<Vec<Request>>>,
}

/// What a command left behind.
pub(crate) struct Ran {
    /// Its exit code.
    pub(crate) code: i32,
    /// Its data.
    pub(crate) stdout: String,
    /// All else.
    pub(crate) stderr: String,
}

impl Fake {
    /// Answers every request with `answer(method and path, body)`.
    pub(crate) fn new(answer: impl FnMut(&str, &str) -> (u16, String) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        let answer: Arc<Mutex<Box<Answer>>> = Arc::new(Mutex::new(Box::new(answer)));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that gave up takes nothing from the next one.
                let _ = serve(&stream, &seen, &mut *answer.lock().unwrap());
            }
        });
        Self { url, asked }
    }

    /// Runs `ckptctl` against it, without a terminal and without a token.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        run(&self.url, arguments)
    }

    /// The requests of one method.
    pub(crate) fn asked(&self, method: &str) -> Vec<Request> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|(line, _)| line.starts_with(method)).cloned().collect()
    }
}

/// Runs `ckptctl` against the server at `url`.
pub(crate) fn run(url: &str, arguments: &[&str]) -> Ran {
    let output = Command::new(env!("CARGO_BIN_EXE_ckptctl"))
        .args(arguments)
        .env_clear()
        .env("CKPTCTL_SERVER", url)
        .env("XDG_STATE_HOME", "/nonexistent")
        .env("HOME", "/nonexistent")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Ran {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// One request a connection, which keeps the server simple. What did not come whole is no request.
fn serve(stream: &TcpStream, asked: &Mutex<Vec<Request>>, answer: &mut Answer) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let line = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
    let mut length = 0;
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header)? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        if header.trim().is_empty() {
            break;
        }
        if let Some(value) = header.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let body = String::from_utf8(body).unwrap();
    let (status, text) = answer(&line, &body);
    asked.lock().unwrap().push((line, body));
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        text.len()
    );
    let mut stream = stream;
    stream.write_all(format!("{head}{text}").as_bytes())
}
