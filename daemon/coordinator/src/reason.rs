//! Why a checkpoint fails, with Flink's names and words (`CheckpointFailureReason`).

use std::fmt;

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $counts:literal, $words:literal;)*) => {
        /// Why a checkpoint, or the request for one, failed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum FailureReason {
            $($(#[$doc])* $variant,)*
        }

        impl FailureReason {
            /// Every reason.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Flink's name, such as `CHECKPOINT_EXPIRED`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Flink's words, such as `Checkpoint expired before completing.`
            #[must_use]
            pub fn words(self) -> &'static str {
                match self { $(Self::$variant => $words,)* }
            }

            /// The reason that begins with Flink's words in a failure's message, which may have a cause behind them.
            #[must_use]
            pub fn of_words(message: &str) -> Option<Self> {
                let begins = |reason: &&Self| message.starts_with(reason.words());
                Self::ALL.iter().copied().filter(|reason| begins(&reason)).max_by_key(|reason| reason.words().len())
            }

            /// Whether it counts against the tolerable failures (rule 31).
            #[must_use]
            pub fn counts(self) -> bool {
                match self { $(Self::$variant => $counts,)* }
            }
        }
    };
}

reasons! {
    /// A periodic request while the scheduler is stopped.
    PeriodicSchedulerShutdown = "PERIODIC_SCHEDULER_SHUTDOWN", false,
        "Periodic checkpoint scheduler is shut down.";
    /// The queue of requests is full.
    TooManyCheckpointRequests = "TOO_MANY_CHECKPOINT_REQUESTS", false,
        "The maximum number of queued checkpoint requests exceeded";
    /// A periodic request within min-pause.
    MinimumTimeBetweenCheckpoints = "MINIMUM_TIME_BETWEEN_CHECKPOINTS", false,
        "The minimum time between checkpoints is still pending. Checkpoint will be triggered after the minimum time.";
    /// Its place could not be made.
    IoException = "IO_EXCEPTION", true,
        "An Exception occurred while triggering the checkpoint. IO-problem detected.";
    /// A task could not store its state.
    CheckpointAsyncException = "CHECKPOINT_ASYNC_EXCEPTION", true, "Asynchronous task checkpoint failed.";
    /// It took longer than the timeout.
    CheckpointExpired = "CHECKPOINT_EXPIRED", true, "Checkpoint expired before completing.";
    /// A later checkpoint completed before it.
    CheckpointSubsumed = "CHECKPOINT_SUBSUMED", false, "Checkpoint has been subsumed.";
    /// A task declined it.
    CheckpointDeclined = "CHECKPOINT_DECLINED", true, "Checkpoint was declined.";
    /// A task was not ready for it.
    CheckpointDeclinedTaskNotReady = "CHECKPOINT_DECLINED_TASK_NOT_READY", false,
        "Checkpoint was declined (tasks not ready)";
    /// The coordinator is gone for good.
    CheckpointCoordinatorShutdown = "CHECKPOINT_COORDINATOR_SHUTDOWN", false, "CheckpointCoordinator shutdown.";
    /// The job stopped running.
    CheckpointCoordinatorSuspend = "CHECKPOINT_COORDINATOR_SUSPEND", false, "Checkpoint Coordinator is suspending.";
    /// Its metadata could not be stored.
    FinalizeCheckpointFailure = "FINALIZE_CHECKPOINT_FAILURE", true, "Failure to finalize checkpoint.";
}

impl fmt::Display for FailureReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}
