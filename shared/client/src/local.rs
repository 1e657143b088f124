//! Where things are on this machine, by the XDG base directory rules.

use etcetera::BaseStrategy;
use std::io;
use std::path::{Path, PathBuf};

/// Where `ckptd` listens when nothing else is said, and where `ckptctl` looks for it.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:8571";

/// The state directory when none is named: `$XDG_STATE_HOME/ckptd`, or `~/.local/state/ckptd`.
///
/// `None` when this user has no home directory.
#[must_use]
pub fn default_state_dir() -> Option<PathBuf> {
    let base = etcetera::base_strategy::choose_base_strategy().ok()?;
    Some(base.state_dir()?.join("ckptd"))
}

/// The file in a state directory that holds the token for changes.
#[must_use]
pub fn token_file(state_dir: &Path) -> PathBuf {
    state_dir.join("token")
}

/// Reads a token file.
///
/// # Errors
/// Those of reading it, and [`io::ErrorKind::InvalidData`] when it holds no token.
pub fn read_token(file: &Path) -> io::Result<String> {
    let text = std::fs::read_to_string(file)?;
    let token = text.trim();
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it holds no token"));
    }
    Ok(token.to_owned())
}
