//! What operators changed: kept in one readable file, durable before anybody is told.
//!
//! | module | holds |
//! |---|---|
//! | `layers` | the override of one value: a temporary one lies on what was there |
//! | `file` | the format of `overrides.json` |
//! | `merge` | what a change makes of what is there |
//! | `store` | the one task that writes it |

mod file;
mod layers;
mod merge;
mod store;

pub use file::{DamageError, Key, LoadError, Record, Submitted};
pub use layers::{Layer, Layers, MOST_LAYERS, TooDeep};
pub use merge::{Adoption, Edit, EditError, Edited, Expired, IfMatch};
pub use store::OverrideStore;
