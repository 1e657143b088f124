//! Sentences for the agent's refusals.

use ckpt_agent::protocol::Refusal;

/// Sentence for a refusal: what happened, why, and what to do next.
#[must_use]
pub fn describe_refusal(refusal: &Refusal) -> String {
    match refusal {
        Refusal::NotFlink => {
            "no Flink JobManager runs in this JVM; name the process or the REST address of the JobManager"
                .to_owned()
        }
        Refusal::NotLeading { what, leader: Some(leader) } => {
            format!("this JobManager does not lead ({what}); the one that does is at {leader}, ask there")
        }
        Refusal::NotLeading { what, leader: None } => format!(
            "this JobManager does not lead, or not yet ({what}); try again in a few seconds, or ask the one \
             that leads"
        ),
        Refusal::NoSuchJob => {
            "this JobManager leads and has no such job; look at its jobs for the right id".to_owned()
        }
        Refusal::NoCoordinator { what } => format!(
            "the job has no checkpoint coordinator at the moment, as while it starts or restarts ({what}); \
             try again when it runs"
        ),
        Refusal::NoCheckpoints => {
            "the job does not use checkpoints, so it has no coordinator; enable them in its configuration \
             and start it again"
                .to_owned()
        }
        Refusal::ShutDown => {
            "the job's checkpoint coordinator has been shut down, since the job has ended; there is nothing \
             to change"
                .to_owned()
        }
        Refusal::Unexpected { what } => format!(
            "this release of Flink is not one that ckptd knows ({what}), so nothing was touched; update \
             ckptd, or change the job's configuration and start it again from a savepoint"
        ),
        Refusal::TooLate => {
            "the JVM got to the question after its deadline and did nothing; it is busy, try again".to_owned()
        }
        Refusal::Failed { what } => format!(
            "the agent could not do it ({what}), and changed nothing; try again, and report it when it stays so"
        ),
    }
}
