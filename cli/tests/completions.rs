//! The completion scripts that are checked in are those of the command line as it is.

use ckptctl::{Shell, completions};
use std::path::Path;

#[test]
fn the_scripts_are_fresh() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../completions");
    for (shell, file) in
        [(Shell::Bash, "ckptctl.bash"), (Shell::Zsh, "_ckptctl"), (Shell::Fish, "ckptctl.fish")]
    {
        let checked_in = std::fs::read_to_string(dir.join(file)).unwrap_or_default();
        assert!(
            checked_in == completions(shell),
            "completions/{file} is not what ckptctl makes now; refresh it with\n  \
             cargo run -p ckptctl -- completions {shell} > completions/{file}"
        );
    }
}
