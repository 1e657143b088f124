//! User of a JVM, and work done as that user.
//!
//! Root that reaches the JVM of another user becomes that user for every step in the JVM's file system, and to
//! connect to it. It has to: in a container with a user namespace of its own, root of the machine is nobody. It
//! can make no file in what is mounted there, and HotSpot, which listens to its own effective user and group and
//! to root, sees neither. And it is safer: files that another user has put there can do no more than that user could do
//! alone.

use rustix::process::{Gid, Uid, getegid, geteuid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use std::io;
use std::panic::resume_unwind;
use std::thread;

/// User and group, as ckptd sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct JvmUser {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl JvmUser {
    /// Effective user of this thread.
    pub(crate) fn current() -> Self {
        Self { uid: geteuid().as_raw(), gid: getegid().as_raw() }
    }

    /// Runs work that may block as this user. Fails, without running it, when ckptd may not act as that user.
    ///
    /// Credentials belong to threads, so it runs on a thread that ends with it: no other ever has the wrong ones,
    /// and none has to be restored.
    pub(crate) fn act<T: Send>(self, work: impl FnOnce() -> T + Send) -> io::Result<T> {
        if self == Self::current() {
            return Ok(work());
        }
        thread::scope(|scope| {
            let acting = thread::Builder::new().name("as-its-user".to_owned()).spawn_scoped(scope, || {
                self.assume()?;
                Ok(work())
            })?;
            acting.join().unwrap_or_else(|panic| resume_unwind(panic))
        })
    }

    /// Sets the effective user of this thread. The real and the saved user stay: by them the kernel decides who may
    /// send it signals, so this user cannot.
    fn assume(self) -> io::Result<()> {
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

    const OTHER: JvmUser = JvmUser { uid: 12_345, gid: 23_456 };

    #[test]
    fn only_root_acts_as_another_user() {
        let us = JvmUser::current();
        assert_eq!(us.act(JvmUser::current).unwrap(), us);
        let tmp = tempfile::tempdir().unwrap();
        fs::set_permissions(tmp.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let (file, closed) = (tmp.path().join("file"), tmp.path().join("closed"));
        fs::write(&closed, "").unwrap();
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o600)).unwrap();
        let acted = OTHER.act(|| {
            fs::write(&file, "").unwrap();
            (JvmUser::current(), getuid(), getgroups().unwrap(), fs::read(&closed).is_err())
        });
        if us.uid != 0 {
            assert_eq!(acted.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
            assert!(!file.exists());
            return;
        }
        // It has none of root's rights, and stays out of reach of that user's signals.
        assert_eq!(acted.unwrap(), (OTHER, Uid::ROOT, Vec::new(), true));
        assert_eq!(JvmUser::current(), us);
        let made = fs::metadata(&file).unwrap();
        assert_eq!((made.uid(), made.gid()), (OTHER.uid, OTHER.gid));
    }
}
