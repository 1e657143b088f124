//! The result of one check of a JVM.

/// Result of a check. The error is for what makes an attach impossible: the finding and the advice.
pub(crate) type CheckOutcome = Result<CheckPass, (String, String)>;

/// Finding of a check that passed.
#[derive(Debug)]
pub(crate) enum CheckPass {
    Passed(String),
    /// Passed, and unusual.
    Noted(String),
}
