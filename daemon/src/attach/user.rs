//! Acting as a JVM's user.
//!
//! Root that reaches the JVM of another user becomes that user for every step in the JVM's file system, and to
//! connect to it. It has to: in a container with a user namespace of its own, root of the machine is nobody. It
//! can make no file in what is mounted there, and HotSpot, which listens to its own effective user and group and
//! to root, sees neither. And it is safer: whatever somebody has put there, no more can come of it than that user
//! could do alone.

use rustix::process::{Gid, Uid, getegid, geteuid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use std::io;
use std::panic::resume_unwind;
use std::thread;

/// A user and a group, as ckptd sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct User {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

impl User {
    /// Who ckptd acts as on this thread.
    pub(super) fn us() -> Self {
        Self { uid: geteuid().as_raw(), gid: getegid().as_raw() }
    }

    /// Does something that may block as this user. Fails when ckptd may not act as that user; nothing is done then.
    ///
    /// Credentials belong to threads, so it is done on a thread that ends with it: no other ever has the wrong
    /// ones, and none has to be given back.
    pub(super) fn act<T: Send>(self, what: impl FnOnce() -> T + Send) -> io::Result<T> {
        if self == Self::us() {
            return Ok(what());
        }
        thread::scope(|scope| {
            let acting = thread::Builder::new().name("as-its-user".to_owned()).spawn_scoped(scope, || {
                self.put_on()?;
                Ok(what())
            })?;
            acting.join().unwrap_or_else(|panic| resume_unwind(panic))
        })
    }

    /// Gives this thread the user, who can do nothing to it: by the real and the saved user, which stay, the kernel
    /// tells who may send it signals.
    fn put_on(self) -> io::Result<()> {
        set_thread_groups(&[])?;
        set_thread_res_gid(None, Gid::from_raw(self.gid), None)?;
        Ok(set_thread_res_uid(None, Uid::from_raw(self.uid), None)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::{getgroups, getuid};
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    const OTHER: User = User { uid: 12_345, gid: 23_456 };

    #[test]
    fn root_acts_as_somebody_else_on_that_thread_alone_and_nobody_else_does() {
        let us = User::us();
        assert_eq!(us.act(User::us).unwrap(), us);
        let tmp = tempfile::tempdir().unwrap();
        fs::set_permissions(tmp.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let (file, closed) = (tmp.path().join("file"), tmp.path().join("closed"));
        fs::write(&closed, "").unwrap();
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o600)).unwrap();
        let acted = OTHER.act(|| {
            fs::write(&file, "").unwrap();
            (User::us(), getuid(), getgroups().unwrap(), fs::read(&closed).is_err())
        });
        if us.uid != 0 {
            assert_eq!(acted.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
            assert!(!file.exists());
            return;
        }
        // It has none of root's rights, and stays out of reach of that user's signals.
        assert_eq!(acted.unwrap(), (OTHER, Uid::ROOT, Vec::new(), true));
        assert_eq!(User::us(), us);
        let made = fs::metadata(&file).unwrap();
        assert_eq!((made.uid(), made.gid()), (OTHER.uid, OTHER.gid));
    }
}
