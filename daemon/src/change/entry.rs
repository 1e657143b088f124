//! The entry of a change in the audit log, whatever becomes of the change.

use super::ChangeError;
use super::record::{self, Steps, ending};
use crate::audit::{AuditLog, Begun, NotWritten};
use ckpt_api::{AuditAsked, Configuration};

/// The entry of something that is asked for. A dry run has none.
pub(super) struct Entry<'a> {
    log: &'a AuditLog,
    dry_run: bool,
    asked: AuditAsked,
    begun: Option<Begun>,
    /// What was truly made, once that is known.
    pub(super) steps: Option<Steps>,
}

impl<'a> Entry<'a> {
    /// Of which nothing is written yet.
    pub(super) fn new(log: &'a AuditLog, asked: AuditAsked, dry_run: bool) -> Self {
        Self { log, dry_run, asked, begun: None, steps: None }
    }

    /// Writes down what is asked for, with what is known of it by now, durably and before it is done.
    ///
    /// # Errors
    /// [`NotWritten`]; it must not be done then.
    pub(super) async fn begin(
        &mut self,
        completed: impl FnOnce(AuditAsked) -> AuditAsked,
    ) -> Result<(), NotWritten> {
        self.begun = Some(self.log.begin(completed(self.asked.clone())).await?);
        Ok(())
    }

    /// Writes down what came of it. What was refused before it was begun is written down here, too.
    pub(super) async fn close(
        self,
        mut made: Result<Configuration, ChangeError>,
    ) -> Result<Configuration, ChangeError> {
        match (self.begun, &mut made) {
            (Some(begun), made) => {
                let written = record::ended(begun, ending(made, self.steps)).await;
                if let Ok(configuration) = made {
                    configuration.warnings.extend(written);
                }
            }
            // It would not be written either.
            (None, Err(ChangeError::Audit(_))) => {}
            (None, Err(error)) if !self.dry_run => self.log.refused(self.asked, error.to_string()).await,
            (None, _) => {}
        }
        made
    }
}
