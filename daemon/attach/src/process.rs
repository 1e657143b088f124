//! Process that is reached from outside, and never mistaken for another that got its pid.

use super::AttachError;
use super::user::JvmUser;
use procfs::process::Process;
use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Process identified by its pid and its start time, so that a later process with the same pid is not taken for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Jvm {
    pub(crate) pid: i32,
    /// Start time in clock ticks since the machine started.
    pub(crate) started: u64,
}

impl Jvm {
    /// Process that has this pid now; `None` when there is none.
    #[must_use]
    pub fn of(pid: i32) -> Option<Self> {
        Self::pin(&Process::new(pid).ok()?)
    }

    pub(crate) fn pin(process: &Process) -> Option<Self> {
        let stat = process.stat().ok()?;
        (!matches!(stat.state, 'Z' | 'X')).then_some(Self { pid: process.pid, started: stat.starttime })
    }

    /// Process id.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// True while this very process runs.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.open().is_some()
    }

    /// Resolves when this very process has ended.
    ///
    /// # Errors
    /// When it cannot be waited for: no pidfd, or no file descriptor is left.
    pub async fn ended(&self) -> io::Result<()> {
        let Some(process) = self.open() else { return Ok(()) };
        match AttachTarget::signals(&process) {
            Ok(handle) => readable(handle).await,
            Err(_) if !self.is_alive() => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Directory in `/proc`, which stays that of this process whatever becomes of the pid.
    pub(crate) fn open(&self) -> Option<Process> {
        let process = Process::new(self.pid).ok()?;
        (Self::pin(&process)? == *self).then_some(process)
    }
}

/// Waits until a pidfd is readable, which it is when its process has ended.
#[allow(unsafe_code, reason = "tokio's way to wait for a file descriptor")]
async fn readable(handle: OwnedFd) -> io::Result<()> {
    // SAFETY: the descriptor is owned, so that it is open and the same for as long as tokio has it.
    let handle = unsafe { AsyncFd::register_with_interest(handle, Interest::READABLE) }?;
    handle.readable().await.map(drop)
}

/// Bit of SIGQUIT in the masks of `/proc/PID/status`.
const QUIT: u64 = 1 << (Signal::QUIT.as_raw() - 1);

/// True if a process has a handler for SIGQUIT, which ends those that have none.
pub(crate) fn catches_quit(process: &Process) -> bool {
    process.status().is_ok_and(|status| status.sigcgt & QUIT != 0)
}

/// Process that passed its checks. It is held by file descriptors alone: nothing here can reach another.
#[derive(Debug)]
pub(crate) struct AttachTarget {
    /// Directory in `/proc`.
    pub(crate) process: Process,
    /// Pidfd through which signals are sent.
    pub(crate) signals: OwnedFd,
    /// Effective user and group.
    pub(crate) user: JvmUser,
    /// Pid as the process sees itself.
    pub(crate) inner_pid: i32,
    /// `/tmp` of the process, wherever that is for ckptd.
    pub(crate) tmp: OwnedFd,
}

impl AttachTarget {
    /// Opens a handle for signals.
    pub(crate) fn signals(process: &Process) -> io::Result<OwnedFd> {
        let pid = Pid::from_raw(process.pid).ok_or(io::ErrorKind::InvalidInput)?;
        let handle = pidfd_open(pid, PidfdFlags::empty())?;
        // Only if it still is that process, the handle is its.
        process.stat().map_err(io::Error::other)?;
        Ok(handle)
    }

    /// Opens `/tmp` as the process sees it. A symbolic link in its file system leads nowhere else.
    pub(crate) fn tmp(process: &Process) -> io::Result<OwnedFd> {
        let how = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = process.open_relative_flags("root", how).map_err(|error| match error {
            procfs::ProcError::Io(error, _) => error,
            other => io::Error::other(other),
        })?;
        let inside = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        match rustix::fs::openat2(&root, "tmp", how, Mode::empty(), inside) {
            // A kernel or a sandbox without it: then `/tmp` must be a directory itself.
            Err(Errno::NOSYS | Errno::PERM) => {
                Ok(rustix::fs::openat(&root, "tmp", how | OFlags::NOFOLLOW, Mode::empty())?)
            }
            other => Ok(other?),
        }
    }

    /// Runs `work` in its file system, as its user.
    pub(crate) fn act<T: Send>(&self, work: impl FnOnce() -> T + Send) -> io::Result<T> {
        self.user.act(work)
    }

    pub(crate) fn gone(&self) -> AttachError {
        AttachError::Gone { pid: self.process.pid }
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.process.is_alive()
    }

    /// Path of a file in its `/tmp` as ckptd sees it; for messages.
    pub(crate) fn shown(&self, name: impl AsRef<Path>) -> PathBuf {
        Path::new("/proc").join(self.process.pid.to_string()).join("root/tmp").join(name)
    }

    /// Sends SIGQUIT, if it is caught.
    pub(crate) fn send_quit(&self) -> io::Result<()> {
        if !catches_quit(&self.process) {
            return Err(io::Error::other("it does not catch SIGQUIT any more, so it is not sent"));
        }
        Ok(pidfd_send_signal(&self.signals, Signal::QUIT)?)
    }
}
