//! Whether the C library of a JVM can carry the agent, told before anything is loaded.
//!
//! The agent is built for glibc and needs some version of it: a newer one than 2.17 if ckptd was built on a
//! newer system and not by `scripts/release`. A JVM with an older glibc, or with musl, would refuse it with a
//! line in its own log that hardly anybody finds. What cannot be told here is left for the JVM to decide.

use super::place::LIBRARY;
use std::fmt;
use std::sync::LazyLock;

/// A version of glibc, `2.34` say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Glibc(u32, u32);

impl Glibc {
    /// Reads two numbers with a point between; more of them do not matter.
    fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split('.').map(|number| number.parse().ok());
        Some(Self(numbers.next()??, numbers.next()??))
    }
}

impl fmt::Display for Glibc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// From this version on the file is named `libc.so.6`; before, its name has the version.
const NAMED_WITHOUT_VERSION: Glibc = Glibc(2, 34);

/// What a process has.
#[derive(Debug, PartialEq, Eq)]
enum Libc {
    Musl,
    /// The version, or the oldest that it can be.
    Glibc(Glibc),
    Unknown,
}

/// The newest version of glibc that the agent needs.
static NEEDED: LazyLock<Option<Glibc>> = LazyLock::new(|| needed_by(LIBRARY));

/// The versions are among the strings of a library, each ended by a zero byte. A test reads them in the way
/// that a linker does.
fn needed_by(library: &[u8]) -> Option<Glibc> {
    let strings = library.split(|byte| *byte == 0);
    let versions = strings.filter_map(|string| string.strip_prefix(b"GLIBC_"));
    versions.filter_map(|version| Glibc::parse(std::str::from_utf8(version).ok()?)).max()
}

/// `maps` is what `/proc/PID/maps` says. `Err` has what was found, and what to do.
pub(super) fn carries_the_agent(maps: &str) -> Result<(), (String, String)> {
    carries(*NEEDED, maps)
}

fn carries(needed: Option<Glibc>, maps: &str) -> Result<(), (String, String)> {
    match (of(maps), needed) {
        (Libc::Musl, _) => Err((
            "its C library is musl, and what ckptd loads into a JVM is built for glibc".to_owned(),
            "run the JobManager on a system with glibc: an image that is not based on Alpine".to_owned(),
        )),
        (Libc::Glibc(there), Some(needed)) if there < needed && there < NAMED_WITHOUT_VERSION => Err((
            format!("it runs on glibc {there}, and what this ckptd loads into a JVM needs {needed}"),
            "run the ckptd that scripts/release builds, which is for old systems".to_owned(),
        )),
        _ => Ok(()),
    }
}

/// Which C library is mapped.
fn of(maps: &str) -> Libc {
    // Address, permissions, offset, device, inode, path; an updated package's files are `(deleted)`.
    let paths = maps.lines().filter_map(|line| line.split_whitespace().nth(5));
    let mut found = Libc::Unknown;
    for name in paths.filter_map(|path| path.rsplit('/').next()) {
        // musl is loader and library in one file. Where its loader's name is only a link to that file, it is
        // `libc.so`, which nobody maps of glibc: there it is a text for linkers.
        if name.starts_with("ld-musl-") || name.starts_with("libc.musl-") || name == "libc.so" {
            return Libc::Musl;
        }
        let version = name.strip_prefix("libc-").and_then(|rest| Glibc::parse(rest.strip_suffix(".so")?));
        if let Some(version) = version {
            found = Libc::Glibc(version);
        } else if name == "libc.so.6" {
            found = Libc::Glibc(NAMED_WITHOUT_VERSION);
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

    /// A JVM's maps, with the C library at this path.
    fn maps(libc: &str) -> String {
        format!(
            "7f10a0000000-7f10a0021000 rw-p 00000000 00:00 0 \n\
             7f10a8600000-7f10a9a00000 r-xp 00200000 fd:01 404 /opt/java/lib/server/libjvm.so\n\
             7f10aa000000-7f10aa180000 r-xp 00020000 fd:01 405                        {libc}\n\
             7ffd3b1f0000-7ffd3b211000 rw-p 00000000 00:00 0                          [stack]\n"
        )
    }

    #[test]
    fn musl_and_each_glibc_are_told_by_the_names_of_their_files() {
        for (path, libc) in [
            // Alpine; Debian's package of musl; a JVM that was left running while its system was updated.
            ("/lib/ld-musl-x86_64.so.1", Libc::Musl),
            ("/lib/ld-musl-aarch64.so.1 (deleted)", Libc::Musl),
            ("/usr/lib/x86_64-linux-musl/libc.so", Libc::Musl),
            ("/lib/libc.musl-x86_64.so.1", Libc::Musl),
            ("/usr/lib64/libc-2.17.so", Libc::Glibc(Glibc(2, 17))),
            ("/lib/x86_64-linux-gnu/libc-2.31.so (deleted)", Libc::Glibc(Glibc(2, 31))),
            ("/usr/lib/x86_64-linux-gnu/libc.so.6", Libc::Glibc(Glibc(2, 34))),
            ("/opt/libc-musings.so", Libc::Unknown),
            ("/usr/lib/libc-2.x.so", Libc::Unknown),
        ] {
            assert_eq!(of(&maps(path)), libc, "{path}");
        }
        assert_eq!(of(""), Libc::Unknown);
    }

    #[test]
    fn a_jvm_on_musl_is_refused_whatever_the_agent_needs() {
        for needed in [None, Some(Glibc(2, 17)), Some(Glibc(2, 34))] {
            let (found, advice) = carries(needed, &maps("/lib/ld-musl-x86_64.so.1")).unwrap_err();
            assert!(found.contains("musl") && advice.contains("Alpine"), "{found}; {advice}");
        }
    }

    #[test]
    fn a_glibc_that_is_too_old_is_refused_and_what_cannot_be_told_is_not() {
        let old = maps("/usr/lib64/libc-2.17.so");
        let (found, advice) = carries(Some(Glibc(2, 34)), &old).unwrap_err();
        assert!(found.contains("glibc 2.17") && found.contains("needs 2.34"), "{found}");
        assert!(advice.contains("scripts/release"), "{advice}");
        assert!(carries(Some(Glibc(2, 17)), &old).is_ok());
        assert!(carries(Some(Glibc(2, 9)), &old).is_ok(), "9 is less than 17");
        assert!(carries(None, &old).is_ok());
        // A number that is not in the name: any from 2.34 on.
        assert!(carries(Some(Glibc(2, 41)), &maps("/lib/libc.so.6")).is_ok());
        assert!(carries(Some(Glibc(2, 41)), "").is_ok());
    }

    #[test]
    fn what_the_agent_needs_is_what_a_linker_would_say() {
        let elf = ElfFile::<FileHeader64<Endianness>>::parse(LIBRARY).unwrap();
        let endian = elf.endian();
        let table = elf.elf_section_table();
        let (mut needs, link) = table.gnu_verneed(endian, LIBRARY).unwrap().unwrap();
        let strings = table.strings(endian, LIBRARY, link).unwrap();
        let mut newest = None;
        while let Some((_, mut versions)) = needs.next().unwrap() {
            while let Some(version) = versions.next().unwrap() {
                let name = str::from_utf8(version.name(endian, strings).unwrap()).unwrap();
                newest = newest.max(name.strip_prefix("GLIBC_").and_then(Glibc::parse));
            }
        }
        assert!(newest.is_some());
        assert_eq!(*NEEDED, newest);
    }
}
