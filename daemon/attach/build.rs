//! Builds the library that this crate loads into JobManagers, so that it is part of ckptd, which is one file.
//!
//! It is the crate `ckpt-agent` with its feature `jvm`, built by a cargo of its own in a target directory of
//! its own: the one that runs this holds the lock of the common one and would be waited for for ever. That
//! cargo decides whether there is anything to do. Offline, `cargo fetch` has to come first: this crate does
//! not need what the library needs.

#![allow(clippy::print_stdout, reason = "it is how a build script talks to cargo")]

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// Variables that would make the library differ from what its profile says, or have it built in the directory
/// of the cargo that runs this: clippy's wrapper, the flags of a coverage run, configured directories.
const REMOVED_VARIABLES: [&str; 9] = [
    "CARGO_BUILD_RUSTC_WORKSPACE_WRAPPER",
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_TARGET_DIR",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_INCREMENTAL",
    "CARGO_TARGET_DIR",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTFLAGS",
    "__CARGO_FIX_PLZ",
];

fn main() -> ExitCode {
    let workspace = Path::new("../..");
    let agent = Path::new("../agent");
    // Its own sources, and what decides which releases of its dependencies it is built with, and how.
    for source in [agent.join("src"), agent.join("Cargo.toml")] {
        println!("cargo:rerun-if-changed={}", source.display());
    }
    for source in ["Cargo.toml", "Cargo.lock"] {
        println!("cargo:rerun-if-changed={}", workspace.join(source).display());
    }

    let target = variable("TARGET");
    let directory = PathBuf::from(variable("OUT_DIR")).join("agent");
    let mut cargo = Command::new(variable("CARGO"));
    cargo
        .args(["build", "--locked", "--quiet", "--profile", "agent", "--features", "jvm", "--lib"])
        .arg("--manifest-path")
        .arg(agent.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&directory)
        // Said even when it is the machine's own, so that the result is always at the same place.
        .arg("--target")
        .arg(&target)
        // Newer cargos may keep what they work with elsewhere, under a lock as well.
        .env("CARGO_BUILD_BUILD_DIR", &directory);
    for name in REMOVED_VARIABLES {
        cargo.env_remove(name);
    }
    if env::var_os("RUSTC_WRAPPER").is_some_and(|it| it.to_string_lossy().contains("clippy")) {
        cargo.env_remove("RUSTC_WRAPPER");
    }
    // Its words go where this script's go; cargo shows them when this script fails.
    match cargo.status() {
        Ok(status) if status.success() => {}
        Ok(_) => return ExitCode::FAILURE,
        Err(error) => {
            println!("cargo:warning=cannot run cargo to build the agent: {error}");
            return ExitCode::FAILURE;
        }
    }
    let library = directory.join(target).join("agent").join("libckpt_agent.so");
    println!("cargo:rustc-env=CKPT_AGENT={}", library.display());
    ExitCode::SUCCESS
}

/// Value of a variable that cargo sets for every build script.
fn variable(name: &str) -> OsString {
    env::var_os(name).unwrap_or_default()
}
