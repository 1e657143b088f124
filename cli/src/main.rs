//! The program `ckptctl`; everything is in the library beside it.

use std::process::ExitCode;

fn main() -> ExitCode {
    ckptctl::run(std::env::args_os()).into()
}
