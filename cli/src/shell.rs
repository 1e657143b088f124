//! Shells and their completion scripts.

/// Shells with completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Shell {
    /// GNU Bash, 3.2 or newer.
    Bash,
    /// Zsh.
    Zsh,
    /// Fish.
    Fish,
}

impl Shell {
    /// Completion script, which asks `ckptctl` at every TAB.
    #[must_use]
    pub fn script(self) -> &'static str {
        match self {
            Self::Bash => include_str!("../../completions/ckptctl.bash"),
            Self::Zsh => include_str!("../../completions/_ckptctl"),
            Self::Fish => include_str!("../../completions/ckptctl.fish"),
        }
    }
}
