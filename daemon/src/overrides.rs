//! What operators changed: kept in one readable file, durable before anybody is told.
//!
//! | module | holds |
//! |---|---|
//! | `file` | the format of `overrides.json` |
//! | `store` | the one task that writes it |

mod file;
mod store;

pub use file::{Key, LoadError, Record, Submitted};
pub use store::{Adoption, Edit, EditError, Edited, IfMatch, OverrideStore};
