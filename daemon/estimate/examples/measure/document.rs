//! Where the table is.

use std::path::PathBuf;

const BEGIN: &str = "<!-- made by `cargo run -p ckpt-estimate --example measure -- --write` -->\n";
const END: &str = "<!-- until here -->";

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/estimate.md")
}

/// What stands before the table, the table, and what stands behind it.
fn parts() -> (String, String, String) {
    let text = std::fs::read_to_string(file()).expect("docs/estimate.md can be read");
    let (before, rest) = text.split_once(BEGIN).expect("the table's beginning is marked");
    let (table, behind) = rest.split_once(END).expect("the table's end is marked");
    (before.to_owned(), table.to_owned(), behind.to_owned())
}

/// Writes the table into the document.
#[allow(dead_code, reason = "the test only reads")]
pub(super) fn write(table: &str) {
    let (before, _, behind) = parts();
    std::fs::write(file(), format!("{before}{BEGIN}{table}{END}{behind}"))
        .expect("docs/estimate.md can be written");
}

/// The table that the document has.
#[allow(dead_code, reason = "the example only writes")]
pub(super) fn read() -> String {
    parts().1
}
