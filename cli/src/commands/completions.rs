//! `ckptctl completions SHELL`

use crate::console;
use crate::error::Error;
use crate::exit::Exit;
use crate::shell::Shell;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Error> {
    console::data(args.shell.script().trim_end())?;
    Ok(Exit::Done)
}
