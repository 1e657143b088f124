//! What the agent that ckptd carries asks of a JVM's process: it is loaded into processes of others, which have
//! glibc, and nothing else can be taken for granted. Read from the very ckptd, as a linker reads it.
//!
//! `scripts/release` looks at what it built with these tests: `CKPT_RELEASE` is the directory of both programs, and
//! `CKPT_RELEASE_GLIBC` is the newest glibc that anything may need.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

use object::elf::{DT_NEEDED, FileHeader64, STB_WEAK};
use object::read::elf::{ElfFile, Sym};
use object::{Endianness, Object, ObjectSection};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What every process on glibc has, or can load without anything being installed.
const GLIBCS_OWN: [&str; 6] = [
    "ld-linux-x86-64.so.2",
    "ld-linux-aarch64.so.1",
    "libc.so.6",
    "libdl.so.2",
    "libm.so.6",
    "libpthread.so.0",
];
/// HotSpot itself needs it, unless its JDK has it built in.
const GCCS: &str = "libgcc_s.so.1";

type Version = (u32, u32);

/// What a program or library needs of others, and gives to them.
#[derive(Debug, Default)]
struct Symbols {
    libraries: BTreeSet<String>,
    /// The versions of symbols, like `GLIBC_2.17`.
    versions: BTreeSet<String>,
    /// Needed from wherever they come from.
    unversioned: BTreeSet<String>,
    exported: BTreeSet<String>,
}

impl Symbols {
    fn of(data: &[u8]) -> object::Result<Self> {
        let elf = ElfFile::<FileHeader64<Endianness>>::parse(data)?;
        let (endian, table) = (elf.endian(), elf.elf_section_table());
        let mut found = Self::default();
        let dynamic = table.dynamic_table(endian, data)?;
        for entry in dynamic.iter().filter(|entry| entry.tag == DT_NEEDED) {
            found.libraries.insert(text(dynamic.string(entry)?));
        }
        let versions = table.versions(endian, data)?.unwrap_or_default();
        let symbols = elf.elf_dynamic_symbol_table();
        for (index, symbol) in symbols.enumerate() {
            let name = text(symbols.symbol_name(endian, symbol)?);
            let version = versions.version(versions.version_index(endian, index).index())?;
            match (symbol.is_undefined(endian), version) {
                _ if name.is_empty() => {}
                (true, Some(version)) => drop(found.versions.insert(text(version.name()))),
                (true, None) if symbol.st_bind() != STB_WEAK => drop(found.unversioned.insert(name)),
                (true, None) => {}
                (false, _) => drop(found.exported.insert(name)),
            }
        }
        Ok(found)
    }

    /// The newest glibc that is needed.
    fn glibc(&self) -> Option<Version> {
        let versions = self.versions.iter().filter_map(|version| version.strip_prefix("GLIBC_"));
        versions.map(numbers).max()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn numbers(version: &str) -> Version {
    let mut numbers = version.split('.').map(|number| number.parse().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

/// The programs to look at, with the newest glibc that they may need, if there is a limit.
fn programs() -> (Vec<PathBuf>, Option<Version>) {
    match std::env::var_os("CKPT_RELEASE") {
        Some(release) => {
            let limit = std::env::var("CKPT_RELEASE_GLIBC").unwrap();
            let programs = ["ckptd", "ckptctl"].map(|name| Path::new(&release).join(name));
            (programs.into(), Some(numbers(&limit)))
        }
        None => (vec![env!("CARGO_BIN_EXE_ckptd").into()], None),
    }
}

/// The agent that a ckptd carries: the one library among its constants that a JVM would take for an agent.
fn carried(ckptd: &Path) -> Symbols {
    let data = std::fs::read(ckptd).unwrap();
    let elf = object::File::parse(&*data).unwrap();
    let constants = elf.section_by_name(".rodata").unwrap();
    let constants = constants.data().unwrap();
    let magic = &object::elf::ELFMAG;
    let begins =
        (0..constants.len()).filter(|&at| constants[at] == magic[0] && constants[at..].starts_with(magic));
    let libraries = begins.filter_map(|at| Symbols::of(&constants[at..]).ok());
    let mut agents: Vec<_> =
        libraries.filter(|library| library.exported.contains("Agent_OnAttach")).collect();
    assert_eq!(agents.len(), 1, "{} carries {agents:#?}", ckptd.display());
    agents.remove(0)
}

#[test]
fn the_carried_agent_needs_nothing_that_a_jvm_does_not_have() {
    let (programs, limit) = programs();
    let agent = carried(&programs[0]);
    let foreign: Vec<_> =
        agent.libraries.iter().filter(|name| !GLIBCS_OWN.contains(&&***name) && **name != GCCS).collect();
    assert!(foreign.is_empty(), "the agent needs {foreign:?}");
    let others: Vec<_> = agent
        .versions
        .iter()
        .filter(|version| !version.starts_with("GLIBC_") && !version.starts_with("GCC_"))
        .collect();
    assert!(others.is_empty(), "the agent needs symbols of the versions {others:?}");
    assert!(
        agent.unversioned.is_empty(),
        "the agent needs, from wherever it may be, {:?}",
        agent.unversioned
    );
    let glibc = agent.glibc().expect("what it needs of glibc has versions");
    println!("the agent needs glibc {}.{} and {:?}", glibc.0, glibc.1, agent.libraries);
    assert!(limit.is_none_or(|limit| glibc <= limit), "the agent needs {glibc:?}, and may need {limit:?}");
}

/// More would take the place of symbols that others in that process mean.
#[test]
fn the_carried_agent_exports_its_entry_and_nothing_else() {
    let agent = carried(&programs().0[0]);
    assert_eq!(agent.exported, BTreeSet::from(["Agent_OnAttach".to_owned()]));
}

#[test]
fn the_programs_need_nothing_but_the_c_library() {
    let (programs, limit) = programs();
    for program in programs {
        let symbols = Symbols::of(&std::fs::read(&program).unwrap()).unwrap();
        let foreign: Vec<_> = symbols
            .libraries
            .iter()
            .filter(|name| !GLIBCS_OWN.contains(&&***name) && **name != GCCS)
            .collect();
        assert!(foreign.is_empty(), "{} needs {foreign:?}", program.display());
        let glibc = symbols.glibc().expect("what it needs of glibc has versions");
        println!("{} needs glibc {}.{} and {:?}", program.display(), glibc.0, glibc.1, symbols.libraries);
        assert!(limit.is_none_or(|limit| glibc <= limit), "{} needs {glibc:?}", program.display());
    }
}
