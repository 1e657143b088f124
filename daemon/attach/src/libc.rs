//! Check that the C library of a JVM can carry the agent, made before anything is loaded.
//!
//! The agent is built for glibc and needs some version of it: a newer one than 2.17 if ckptd was built on a
//! newer system and not by `scripts/release`. A JVM with an older glibc, or with musl, would refuse it with a
//! line in its own log that hardly anyone finds. The JVM decides the cases that cannot be told here.

use super::placement::AGENT_LIBRARY;
use std::fmt;
use std::sync::LazyLock;

/// A version of glibc, `2.34` say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct GlibcVersion(u32, u32);

impl GlibcVersion {
    /// Reads two numbers with a point between; more of them do not matter.
    fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split('.').map(|number| number.parse().ok());
        Some(Self(numbers.next()??, numbers.next()??))
    }
}

impl fmt::Display for GlibcVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// First version whose file has no version in its name: is `libc.so.6`.
const FIRST_UNVERSIONED: GlibcVersion = GlibcVersion(2, 34);

/// C library of a process.
#[derive(Debug, PartialEq, Eq)]
enum CLibrary {
    Musl,
    /// The version, or the oldest that it can be.
    Glibc(GlibcVersion),
    Unknown,
}

/// Newest version of glibc that the agent needs.
static REQUIRED_GLIBC: LazyLock<Option<GlibcVersion>> = LazyLock::new(|| needed_by(AGENT_LIBRARY));

/// Newest version that a library needs. The versions are among its strings, each ended by a zero byte. A test
/// reads them in the way that a linker does.
fn needed_by(library: &[u8]) -> Option<GlibcVersion> {
    let strings = library.split(|byte| *byte == 0);
    let versions = strings.filter_map(|string| string.strip_prefix(b"GLIBC_"));
    versions.filter_map(|version| GlibcVersion::parse(std::str::from_utf8(version).ok()?)).max()
}

/// Checks the contents of `/proc/PID/maps`. The error has the finding and the advice.
pub(crate) fn check(maps: &str) -> Result<(), (String, String)> {
    check_version(*REQUIRED_GLIBC, maps)
}

fn check_version(needed: Option<GlibcVersion>, maps: &str) -> Result<(), (String, String)> {
    match (mapped_library(maps), needed) {
        (CLibrary::Musl, _) => Err((
            "its C library is musl, and what ckptd loads into a JVM is built for glibc".to_owned(),
            "run the JobManager on a system with glibc: an image that is not based on Alpine".to_owned(),
        )),
        (CLibrary::Glibc(there), Some(needed)) if there < needed && there < FIRST_UNVERSIONED => Err((
            format!("it runs on glibc {there}, and what this ckptd loads into a JVM needs {needed}"),
            "run the ckptd that scripts/release builds, which is for old systems".to_owned(),
        )),
        _ => Ok(()),
    }
}

/// C library among the mapped files.
fn mapped_library(maps: &str) -> CLibrary {
    // Address, permissions, offset, device, inode, path; an updated package's files are `(deleted)`.
    let paths = maps.lines().filter_map(|line| line.split_whitespace().nth(5));
    let mut found = CLibrary::Unknown;
    for name in paths.filter_map(|path| path.rsplit('/').next()) {
        // musl is loader and library in one file. Where its loader's name is only a link to that file, it is
        // `libc.so`, which is never mapped on glibc: there it is a text for linkers.
        if name.starts_with("ld-musl-") || name.starts_with("libc.musl-") || name == "libc.so" {
            return CLibrary::Musl;
        }
        let version =
            name.strip_prefix("libc-").and_then(|rest| GlibcVersion::parse(rest.strip_suffix(".so")?));
        if let Some(version) = version {
            found = CLibrary::Glibc(version);
        } else if name == "libc.so.6" {
            found = CLibrary::Glibc(FIRST_UNVERSIONED);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::Endianness;
    use object::elf::FileHeader64;
    use object::read::elf::ElfFile;

    /// Maps of a JVM, with the C library at this path.
    fn maps(libc: &str) -> String {
        format!(
            "7f10a0000000-7f10a0021000 rw-p 00000000 00:00 0 \n\
             7f10a8600000-7f10a9a00000 r-xp 00200000 fd:01 404 /opt/java/lib/server/libjvm.so\n\
             7f10aa000000-7f10aa180000 r-xp 00020000 fd:01 405                        {libc}\n\
             7ffd3b1f0000-7ffd3b211000 rw-p 00000000 00:00 0                          [stack]\n"
        )
    }

    #[test]
    fn file_names_identify_c_library() {
        for (path, libc) in [
            // Alpine; Debian's package of musl; a JVM that was left running while its system was updated.
            ("/lib/ld-musl-x86_64.so.1", CLibrary::Musl),
            ("/lib/ld-musl-aarch64.so.1 (deleted)", CLibrary::Musl),
            ("/usr/lib/x86_64-linux-musl/libc.so", CLibrary::Musl),
            ("/lib/libc.musl-x86_64.so.1", CLibrary::Musl),
            ("/usr/lib64/libc-2.17.so", CLibrary::Glibc(GlibcVersion(2, 17))),
            ("/lib/x86_64-linux-gnu/libc-2.31.so (deleted)", CLibrary::Glibc(GlibcVersion(2, 31))),
            ("/usr/lib/x86_64-linux-gnu/libc.so.6", CLibrary::Glibc(GlibcVersion(2, 34))),
            ("/opt/libc-musings.so", CLibrary::Unknown),
            ("/usr/lib/libc-2.x.so", CLibrary::Unknown),
        ] {
            assert_eq!(mapped_library(&maps(path)), libc, "{path}");
        }
        assert_eq!(mapped_library(""), CLibrary::Unknown);
    }

    #[test]
    fn musl_is_always_refused() {
        for needed in [None, Some(GlibcVersion(2, 17)), Some(GlibcVersion(2, 34))] {
            let (found, advice) = check_version(needed, &maps("/lib/ld-musl-x86_64.so.1")).unwrap_err();
            assert!(found.contains("musl") && advice.contains("Alpine"), "{found}; {advice}");
        }
    }

    #[test]
    fn refuses_only_known_old_glibc() {
        let old = maps("/usr/lib64/libc-2.17.so");
        let (found, advice) = check_version(Some(GlibcVersion(2, 34)), &old).unwrap_err();
        assert!(found.contains("glibc 2.17") && found.contains("needs 2.34"), "{found}");
        assert!(advice.contains("scripts/release"), "{advice}");
        assert!(check_version(Some(GlibcVersion(2, 17)), &old).is_ok());
        assert!(check_version(Some(GlibcVersion(2, 9)), &old).is_ok(), "9 is less than 17");
        assert!(check_version(None, &old).is_ok());
        // A number that is not in the name: any from 2.34 on.
        assert!(check_version(Some(GlibcVersion(2, 41)), &maps("/lib/libc.so.6")).is_ok());
        assert!(check_version(Some(GlibcVersion(2, 41)), "").is_ok());
    }

    #[test]
    fn required_version_matches_linker() {
        let elf = ElfFile::<FileHeader64<Endianness>>::parse(AGENT_LIBRARY).unwrap();
        let endian = elf.endian();
        let table = elf.elf_section_table();
        let (mut needs, link) = table.gnu_verneed(endian, AGENT_LIBRARY).unwrap().unwrap();
        let strings = table.strings(endian, AGENT_LIBRARY, link).unwrap();
        let mut newest = None;
        while let Some((_, mut versions)) = needs.next().unwrap() {
            while let Some(version) = versions.next().unwrap() {
                let name = str::from_utf8(version.name(endian, strings).unwrap()).unwrap();
                newest = newest.max(name.strip_prefix("GLIBC_").and_then(GlibcVersion::parse));
            }
        }
        assert!(newest.is_some());
        assert_eq!(*REQUIRED_GLIBC, newest);
    }
}
