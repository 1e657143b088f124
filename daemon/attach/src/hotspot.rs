//! HotSpot's attach protocol, first version, which all releases speak.
//!
//! A JVM that finds `.attach_pid<PID>` when it gets SIGQUIT listens on the socket `.java_pid<PID>`; both are
//! in its `/tmp`, under the pid that it sees itself. One connection carries one request: words that end with
//! a zero byte, answered by a line with a number, then text, then the end.

use super::AttachError;
use super::check::{CheckOutcome, CheckPass};
use super::process::AttachTarget;
use ckpt_agent::protocol::ANSWERED_AGAIN;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use std::future::pending;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// Pause between two looks for the socket, at first and at most.
const MIN_POLL_INTERVAL: Duration = Duration::from_millis(2);
const MAX_POLL_INTERVAL: Duration = Duration::from_millis(50);
/// Bytes that are read of a reply, and characters that are quoted of it.
const MAX_REPLY_BYTES: u64 = 64 << 10;
const MAX_QUOTED_CHARS: usize = 300;

fn socket_name(target: &AttachTarget) -> String {
    format!(".java_pid{}", target.inner_pid)
}

/// Checks that the socket is there, or could come to be.
pub(crate) fn check(target: &AttachTarget) -> CheckOutcome {
    let name = socket_name(target);
    match stat(target, &name) {
        Ok(None) => Ok(CheckPass::Passed("not there yet; SIGQUIT brings it".to_owned())),
        Ok(Some(stat)) if is_possible_socket(target, &stat) => Ok(CheckPass::Passed("there".to_owned())),
        Ok(Some(stat)) => Err((
            format!("{} is in the way, a file of user {}", target.shown(&name).display(), stat.st_uid),
            "remove it".to_owned(),
        )),
        Err(error) => Err((
            format!("{} cannot be seen: {error}", target.shown(&name).display()),
            "let ckptd see the JobManager's /tmp".to_owned(),
        )),
    }
}

fn stat(target: &AttachTarget, name: &str) -> io::Result<Option<Stat>> {
    match rustix::fs::statat(&target.tmp, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// True if a file may be the JVM's socket, or one of a former process that it will replace.
fn is_possible_socket(target: &AttachTarget, stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Socket
        && (stat.st_uid == target.user.uid || stat.st_uid == 0)
}

/// Connects to the JVM, which is made to listen first when it does not. Retries until it does or cannot.
pub(crate) async fn connect(target: &Arc<AttachTarget>) -> Result<UnixStream, AttachError> {
    let mut trigger = None;
    let mut pause = MIN_POLL_INTERVAL;
    loop {
        if let Some(socket) = try_connect(target).await? {
            return Ok(socket);
        }
        if !target.is_alive() {
            return Err(target.gone());
        }
        if trigger.is_none() {
            let target = Arc::clone(target);
            trigger = Some(super::off_thread(move || AttachTrigger::send(&target)).await?);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(MAX_POLL_INTERVAL);
    }
}

/// Connects once. `None` when nothing listens there, or another process does.
async fn try_connect(target: &Arc<AttachTarget>) -> Result<Option<UnixStream>, AttachError> {
    let failed = |cause| AttachError::NotPlaced { path: target.shown(socket_name(target)), cause };
    let there = Arc::clone(target);
    match super::off_thread(move || Ok(connect_as_user(&there))).await? {
        Ok(None) => Ok(None),
        // Whoever listens, the process itself must have asked to: `/tmp` may be shared by containers, whose
        // JVMs often have the same pid.
        Ok(Some(socket)) => {
            let socket = UnixStream::from_std(socket.into()).map_err(failed)?;
            let listener = socket.peer_cred().ok().and_then(|listener| listener.pid());
            Ok((listener == Some(target.process.pid)).then_some(socket))
        }
        Err(error) => match error.kind() {
            // A former process left it; it has just gone.
            io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => Ok(None),
            // It listens, and stands still with its queue full: another SIGQUIT would only make it print its
            // threads.
            io::ErrorKind::WouldBlock => pending().await,
            _ => Err(failed(error)),
        },
    }
}

/// Connects, as the JVM's user, if there is anything to connect to.
fn connect_as_user(target: &AttachTarget) -> io::Result<Option<OwnedFd>> {
    let name = socket_name(target);
    match stat(target, &name)? {
        Some(stat) if is_possible_socket(target, &stat) => {}
        _ => return Ok(None),
    }
    // By way of the open directory: whatever the path means meanwhile, and however long it is.
    let path = Path::new("/proc/self/fd").join(target.tmp.as_raw_fd().to_string()).join(&name);
    let address = SocketAddrUnix::new(path)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    target.act(|| rustix::net::connect(&socket, &address))??;
    Ok(Some(socket))
}

/// File that makes SIGQUIT start the attach listener instead of printing threads. Deleted on drop.
struct AttachTrigger(Arc<AttachTarget>);

impl AttachTrigger {
    fn name(target: &AttachTarget) -> String {
        format!(".attach_pid{}", target.inner_pid)
    }

    fn send(target: &Arc<AttachTarget>) -> Result<Self, AttachError> {
        let name = Self::name(target);
        let failed = |cause: io::Error| match target.is_alive() {
            true => AttachError::NotPlaced { path: target.shown(&name), cause },
            false => target.gone(),
        };
        let how = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let create = || rustix::fs::openat(&target.tmp, &name, how, Mode::from_raw_mode(0o600));
        match target.act(create).map_err(failed)? {
            Ok(_) => {}
            // Another program attaches at this moment, or was interrupted.
            Err(Errno::EXIST) => {
                let theirs = stat(target, &name).map_err(failed)?;
                if theirs.is_some_and(|it| it.st_uid != target.user.uid && it.st_uid != 0) {
                    return Err(failed(io::Error::other(
                        "it is another user's; have that user or root remove it",
                    )));
                }
            }
            Err(error) => return Err(failed(error.into())),
        }
        let trigger = Self(Arc::clone(target));
        target.send_quit().map_err(failed)?;
        Ok(trigger)
    }
}

impl Drop for AttachTrigger {
    fn drop(&mut self) {
        let name = Self::name(&self.0);
        let _ = self.0.act(|| rustix::fs::unlinkat(&self.0.tmp, &name, AtFlags::empty()));
    }
}

/// Loads the library at `library` with `options`. Returns when it has carried them out.
pub(crate) async fn load(mut socket: UnixStream, library: &str, options: &str) -> Result<(), AttachError> {
    let request = format!("1\0load\0{library}\0true\0{options}\0");
    let mut reply = Vec::new();
    let exchange = async {
        socket.write_all(request.as_bytes()).await?;
        (&mut socket).take(MAX_REPLY_BYTES).read_to_end(&mut reply).await
    };
    match exchange.await {
        Ok(_) => parse_reply(&reply),
        Err(error) => Err(AttachError::Disconnected(error)),
    }
}

/// Checks a JVM's reply. The number in front is not enough: JDK 25 says 0, then that it does not load.
fn parse_reply(reply: &[u8]) -> Result<(), AttachError> {
    let reply = String::from_utf8_lossy(reply);
    let (number, text) = reply.split_once('\n').unwrap_or((&reply, ""));
    let text = text.trim();
    // Before JDK 9 the second number stands alone.
    let code = text.strip_prefix("return code: ").unwrap_or(text).parse();
    match (number.trim(), text) {
        ("0", _) if matches!(code, Ok(0 | ANSWERED_AGAIN)) => Ok(()),
        ("", "") => Err(AttachError::NotLoaded { said: "it said nothing".to_owned() }),
        (number, "") => Err(AttachError::NotLoaded { said: format!("it said {}", quoted(number)) }),
        (_, text) => Err(AttachError::NotLoaded { said: format!("it said {}", quoted(text)) }),
    }
}

/// Quotes foreign text, on one line and without what a terminal could take for a command.
fn quoted(words: &str) -> String {
    let all: String =
        words.chars().map(|one| if one.is_control() { ' ' } else { one }).take(MAX_QUOTED_CHARS).collect();
    format!("\"{}\"", all.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(reply: &str) -> String {
        match parse_reply(reply.as_bytes()) {
            Ok(()) => "loaded".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn only_plain_success_means_loaded() {
        assert_eq!(said("0\nreturn code: 0\n"), "loaded");
        assert_eq!(said("0\n0\n"), "loaded");
        assert_eq!(said("0\nreturn code: 4\n"), "loaded");
        assert!(said("0\nreturn code: 3\n").contains("\"return code: 3\""));
        assert!(said("0\nreturn code: -1\n").contains("\"return code: -1\""));
        assert!(said("0\nDynamic agent loading is not enabled.\n").contains("not enabled"));
        assert!(said("0\nreturn code: 0\nand then an error\n").contains("and then an error"));
        assert!(said("-1\n").contains("\"-1\""));
        assert!(said("101\nno such file\n").contains("no such file"));
        assert!(said("0\n").contains("\"0\""));
        assert!(said("0").contains("\"0\""));
        assert!(said("").contains("it said nothing"));
        assert!(said("\x1b[2J\n\x1b]0;x\x07").contains("\"]0;x\""));
    }
}
