//! `ckptctl completions SHELL`

use crate::console;
use crate::error::Error;
use crate::exit::Exit;
use clap::ValueEnum;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// The shells that are looked after.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Error> {
    let shell = match args.shell {
        Shell::Bash => crate::Shell::Bash,
        Shell::Zsh => crate::Shell::Zsh,
        Shell::Fish => crate::Shell::Fish,
    };
    console::data(&crate::completions(shell))?;
    Ok(Exit::Done)
}
