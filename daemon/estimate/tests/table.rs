//! The table of `docs/estimate.md` is what the estimator does.
#![allow(missing_docs)]

#[path = "../examples/measure/document.rs"]
mod document;
#[path = "../examples/measure/shapes.rs"]
mod shapes;
#[path = "../examples/measure/table.rs"]
mod table;

#[test]
fn the_table_in_the_docs_is_what_is_measured() {
    assert!(
        document::read() == table::table(),
        "docs/estimate.md is old: cargo run -p ckpt-estimate --example measure -- --write"
    );
}
