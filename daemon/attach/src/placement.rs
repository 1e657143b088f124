//! Files that ckptd puts into a JVM's `/tmp`: the library, and a file for one answer.
//!
//! `/tmp` is shared, and what is loaded from there runs in the JobManager. So both are in a directory that belongs
//! to the JobManager's own user and that no other can write to, every step starts from an open directory, and no
//! symbolic link is followed. All of it is done as that user, see [`super::user`]. The library is named by its
//! content and never written to in place: a JVM may have it mapped.

use super::AttachError;
use super::check::{CheckOutcome, CheckPass};
use super::process::AttachTarget;
use super::user::JvmUser;
use rand::RngExt;
use rustix::fs::{Access, AtFlags, FileType, Mode, OFlags, StatVfsMountFlags};
use rustix::io::Errno;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::sync::LazyLock;

/// Agent, as `build.rs` made it. No constant, which would be in the program once for each place that uses it.
pub(crate) static AGENT_LIBRARY: &[u8] = include_bytes!(env!("CKPT_AGENT"));

/// File name of the library.
static LIBRARY_NAME: LazyLock<String> = LazyLock::new(|| {
    let digest = Sha256::digest(AGENT_LIBRARY);
    let hex: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("libckpt-agent-{hex}.so")
});

/// Prefix of the library's name while it is being written.
const DRAFT_PREFIX: &str = ".draft-";

/// Largest answer that is read, in bytes.
const MAX_ANSWER_BYTES: usize = 16 << 20;

/// Mode bits that must not be set on ckptd's directory, or on a library in it.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Name of the directory; each user whose JVM is reached has one.
fn directory_name(user: JvmUser) -> String {
    format!("ckptd-{}", user.uid)
}

/// Checks that the library can be placed, and places nothing.
pub(crate) fn check(target: &AttachTarget) -> CheckOutcome {
    target.act(|| check_as_user(target)).unwrap_or_else(|error| {
        let found = format!("ckptd cannot act as user {}: {error}", target.user.uid);
        Err((found, format!("run it as user {}", target.user.uid)))
    })
}

fn check_as_user(target: &AttachTarget) -> CheckOutcome {
    let advice = "make /tmp writable for the JobManager's user and for ckptd";
    let failed = |found: String, advice: &str| Err((found, advice.to_owned()));
    let refused = |error: io::Error| {
        (format!("{} cannot be used: {error}", target.shown("").display()), advice.to_owned())
    };
    let mount = rustix::fs::fstatvfs(&target.tmp).map_err(|error| refused(error.into()))?;
    if mount.f_flag.contains(StatVfsMountFlags::NOEXEC) {
        return failed(
            "its /tmp is mounted noexec, so that no library can be loaded from there".to_owned(),
            "mount it without noexec",
        );
    }
    if mount.f_flag.contains(StatVfsMountFlags::RDONLY) {
        return failed("its /tmp is mounted read-only".to_owned(), advice);
    }
    let mode = rustix::fs::fstat(&target.tmp).map_err(|error| refused(error.into()))?.st_mode;
    if mode & WRITABLE_BY_OTHERS != 0 && mode & Mode::SVTX.bits() == 0 {
        return failed(
            "anybody may replace files of others in its /tmp, which lacks the sticky bit".to_owned(),
            "chmod +t /tmp",
        );
    }
    let path = target.shown(directory_name(target.user));
    let there = open_directory(target).map_err(|error| {
        (format!("{} cannot be used: {error}", path.display()), "have its owner or root remove it".to_owned())
    })?;
    if there.as_ref().is_some_and(|directory| is_placed(directory, target.user).unwrap_or(false)) {
        return Ok(CheckPass::Passed("in place".to_owned()));
    }
    check_writable(there.as_ref().unwrap_or(&target.tmp)).map_err(|error| {
        let path = path.display();
        (
            format!("nothing can be made in {path}: {error}"),
            format!("{advice}, or run ckptd as user {}", target.user.uid),
        )
    })?;
    let free = mount.f_bavail.saturating_mul(mount.f_frsize);
    match free < AGENT_LIBRARY.len() as u64 + (1 << 20) {
        true => failed(format!("its /tmp is full: {free} bytes are left"), "make room in it"),
        false => Ok(CheckPass::Passed(format!("can be placed in {}", path.display()))),
    }
}

/// Checks that a file can be made in a directory, by making one without a name. Permissions are not enough to
/// tell: a user without a place in the user namespace of a mount can make nothing there, and be it root.
fn check_writable(directory: &OwnedFd) -> io::Result<()> {
    let how = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    match rustix::fs::openat(directory, ".", how, Mode::from_raw_mode(0o600)) {
        Ok(_) => Ok(()),
        // Not every file system can do that.
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOENT) => {
            let may = Access::WRITE_OK | Access::EXEC_OK;
            Ok(rustix::fs::accessat(directory, ".", may, AtFlags::empty())?)
        }
        Err(error) => Err(error.into()),
    }
}

/// Library, and a file for one answer, which is deleted on drop.
#[derive(Debug)]
pub(crate) struct PlacedAgent {
    user: JvmUser,
    directory: OwnedFd,
    name: String,
    answer: File,
}

impl PlacedAgent {
    /// Places both.
    pub(crate) fn new(target: &AttachTarget) -> Result<Self, AttachError> {
        let acted = target.act(|| Self::place_as_user(target));
        acted.unwrap_or_else(|cause| Err(AttachError::NotPlaced { path: target.shown(""), cause }))
    }

    fn place_as_user(target: &AttachTarget) -> Result<Self, AttachError> {
        let failed = |name: &str| {
            let path = target.shown(directory_name(target.user)).join(name);
            |cause: io::Error| match target.is_alive() {
                true => AttachError::NotPlaced { path, cause },
                false => target.gone(),
            }
        };
        let directory = make_directory(target).map_err(failed(""))?;
        place(&directory, target.user).map_err(failed(&LIBRARY_NAME))?;
        let name = format!("answer-{:016x}", rand::rng().random::<u64>());
        let answer = create(&directory, &name, OFlags::RDWR, 0o600).map_err(failed(&name))?;
        Ok(Self { user: target.user, directory, name, answer })
    }

    /// Path of the library, as the JVM sees it.
    pub(crate) fn library_path(&self) -> String {
        format!("/tmp/{}/{}", directory_name(self.user), *LIBRARY_NAME)
    }

    /// Path of the answer's file, as the JVM sees it.
    pub(crate) fn answer_path(&self) -> String {
        format!("/tmp/{}/{}", directory_name(self.user), self.name)
    }

    /// Contents of the answer's file.
    pub(crate) fn read_answer(&self) -> Result<Vec<u8>, AttachError> {
        let mut answer = Vec::new();
        let read = (&self.answer).take(MAX_ANSWER_BYTES as u64 + 1).read_to_end(&mut answer);
        match read {
            Ok(size) if size <= MAX_ANSWER_BYTES => Ok(answer),
            Ok(_) => Err(AttachError::unintelligible(format!("it has more than {MAX_ANSWER_BYTES} bytes"))),
            Err(error) => Err(AttachError::unintelligible(error)),
        }
    }
}

impl Drop for PlacedAgent {
    fn drop(&mut self) {
        let _ = self.user.act(|| rustix::fs::unlinkat(&self.directory, &self.name, AtFlags::empty()));
    }
}

/// Opens ckptd's directory in the target's `/tmp`, and makes it when it is not there.
fn make_directory(target: &AttachTarget) -> io::Result<OwnedFd> {
    match rustix::fs::mkdirat(&target.tmp, directory_name(target.user), Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    let directory = open_directory(target)?.ok_or(io::ErrorKind::NotFound)?;
    Ok(directory)
}

/// Opens ckptd's directory, if it is there; an error when it is not to be trusted.
fn open_directory(target: &AttachTarget) -> io::Result<Option<OwnedFd>> {
    let how = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = match rustix::fs::openat(&target.tmp, directory_name(target.user), how, Mode::empty()) {
        Ok(directory) => directory,
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::NOTDIR | Errno::LOOP) => return Err(untrusted("it is no directory")),
        Err(error) => return Err(error.into()),
    };
    let stat = rustix::fs::fstat(&directory)?;
    if stat.st_uid != target.user.uid {
        return Err(untrusted(&format!("it belongs to user {}", stat.st_uid)));
    }
    if stat.st_mode & WRITABLE_BY_OTHERS != 0 {
        return Err(untrusted("others can write to it"));
    }
    Ok(Some(directory))
}

fn untrusted(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, format!("{why}, so somebody else may have made it"))
}

/// Places the library, unless it is there already.
fn place(directory: &OwnedFd, user: JvmUser) -> io::Result<()> {
    if is_placed(directory, user)? {
        return Ok(());
    }
    let draft = format!("{DRAFT_PREFIX}{:016x}", rand::rng().random::<u64>());
    let mut file = create(directory, &draft, OFlags::WRONLY, 0o644)?;
    let placed = file.write_all(AGENT_LIBRARY).and_then(|()| {
        rustix::fs::fchmod(&file, Mode::from_raw_mode(0o644))?;
        Ok(rustix::fs::renameat(directory, &draft, directory, LIBRARY_NAME.as_str())?)
    });
    if placed.is_err() {
        let _ = rustix::fs::unlinkat(directory, &draft, AtFlags::empty());
    }
    placed
}

/// True if the library is there, whole and of this user. Anything else in its place gets replaced.
fn is_placed(directory: &OwnedFd, user: JvmUser) -> io::Result<bool> {
    let how = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::openat(directory, LIBRARY_NAME.as_str(), how, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(Errno::NOENT | Errno::LOOP) => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    let stat = rustix::fs::fstat(&file)?;
    let ours = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
        && stat.st_uid == user.uid
        && stat.st_mode & WRITABLE_BY_OTHERS == 0
        && stat.st_mode & 0o444 == 0o444
        && u64::try_from(stat.st_size) == Ok(AGENT_LIBRARY.len() as u64);
    if !ours {
        return Ok(false);
    }
    let mut content = vec![0; AGENT_LIBRARY.len()];
    file.read_exact_at(&mut content, 0)?;
    Ok(content == AGENT_LIBRARY)
}

/// Makes a file; an error when it exists.
fn create(directory: &OwnedFd, name: &str, access: OFlags, mode: u32) -> io::Result<File> {
    let how = access | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(directory, name, how, Mode::from_raw_mode(mode))?.into())
}
