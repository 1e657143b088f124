//! The guard rails that an operator of ckptd sets up: which changes are allowed, and for how long.
//!
//! | module | holds |
//! |---|---|
//! | `file` | `[overrides]` and `[policy]` of the configuration file |
//! | `rules` | which rule holds for a job |
//! | `check` | whether a change is allowed |

mod check;
mod file;
mod rules;

pub use check::{Asked, Refusal};
pub use file::{OverridesSection, PolicySection};
pub use rules::Rules;
