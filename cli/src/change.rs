//! The way of every change: look the job up, see what would expire, ask, change, tell, wait.

use crate::args::{ChangeArgs, Output};
use crate::console;
use crate::error::Error;
use crate::exit::Exit;
use crate::name::{is_hosted, label, quoted, reference, typed};
use crate::resolve::{self, Job};
use crate::sentence::{Change, named};
use crate::server::Server;
use crate::wait;
use ckpt_shared::api::{Configuration, ConfigurationPatch, Field, InFlight, Outcome};
use ckpt_shared::client::{Answer, ChangeOptions, ClientError};
use ckpt_shared::duration::{Exact, Rough};
use std::time::Duration;

/// Makes a change of `job` and tells of it in one line.
pub(crate) async fn run(
    server: &Server,
    output: Option<Output>,
    job: &str,
    mut patch: ConfigurationPatch,
    args: &ChangeArgs,
) -> Result<Exit, Error> {
    let mut args = args.clone();
    patch.reason.clone_from(&args.reason);
    let before = resolve::job(server, job, (&args.matching).into()).await?;
    if !args.dry_run && !args.yes && could_expire(&before.configuration, &patch) {
        let preview = send(server, &before, &patch, &args, true).await?;
        confirm(&preview.value).await?;
        // What was agreed to holds for what was shown.
        args.if_revision = args.if_revision.or(Some(preview.value.revision));
    }
    let args = &args;
    let Answer { value: mut configuration, mut body } =
        send(server, &before, &patch, args, args.dry_run).await?;
    for warning in &configuration.warnings {
        console::warn(warning);
    }
    let (dry_run, before) = (args.dry_run, &before.configuration);
    let unchanged = Change { patch: &patch, before, after: &configuration, dry_run }.is_none();
    let mut applied = args.dry_run || configuration.applied;
    if !applied
        && args.wait
        && let Some(job) = wait_until_applied(server, &configuration, args.limit.wait_timeout).await?
    {
        (configuration, body) = (job.configuration, job.body);
        applied = configuration.applied;
    }
    match output {
        Some(Output::Json) => console::data(&body)?,
        Some(Output::Name) => console::data(&label(before))?,
        Some(Output::Wide) | None => {
            console::data(&Change { patch: &patch, before, after: &configuration, dry_run }.line())?;
        }
    }
    match (applied, unchanged && args.error_unchanged) {
        (false, _) => {
            console::note(&in_vain(&configuration, args));
            Ok(Exit::InVain)
        }
        (true, true) => Ok(Exit::Unchanged),
        (true, false) => Ok(Exit::Done),
    }
}

async fn send(
    server: &Server,
    job: &Job,
    patch: &ConfigurationPatch,
    args: &ChangeArgs,
    dry_run: bool,
) -> Result<Answer<Configuration>, Error> {
    let options = ChangeOptions { dry_run, if_revision: args.if_revision };
    server.client.change(&job.reference(), patch, options).await.map_err(|error| {
        let failure = server.failed(&error);
        let look = format!("ckptctl get {}", typed(&job.configuration));
        match (&error, error.status().map(|status| status.as_u16())) {
            (_, Some(412)) => failure.hint(format!("see what it is now with: {look}")),
            (_, Some(501)) if !is_hosted(&job.configuration) => {
                let cluster = quoted(&job.configuration.cluster);
                failure.hint(format!("see why with: ckptctl doctor {cluster}"))
            }
            (ClientError::Unreachable { .. }, _) if !dry_run => {
                failure.hint(format!("whether the change was made is not known; see with: {look}"))
            }
            _ => failure,
        }
    })
}

/// Whether a checkpoint could lose time: a timeout that does not shrink expires nothing, and its change
/// should not cost a second request when a checkpoint is about to be lost.
fn could_expire(before: &Configuration, patch: &ConfigurationPatch) -> bool {
    let now = before.checkpoint_timeout;
    let then = match patch.timeout {
        Field::Keep => return false,
        Field::Clear => now.submitted,
        Field::Set(timeout) => Some(timeout.as_millis()),
    };
    match (then, now.effective) {
        (Some(then), Some(now)) => then < now,
        _ => true,
    }
}

/// Lets nothing in flight expire unless a person says so.
async fn confirm(preview: &Configuration) -> Result<(), Error> {
    let Some(cost) = what_would_expire(preview) else {
        return Ok(());
    };
    let refused = |why: &str| Error::new(Exit::Conflict, format!("{cost}; {why}nothing was changed"));
    if !console::can_ask() {
        return Err(refused("").hint("say --yes to let it expire, or --dry-run to see the whole change"));
    }
    match console::ask(&format!("{}. Change it all the same?", console::clean(&cost))).await? {
        true => Ok(()),
        false => Err(refused("you said no, ")),
    }
}

/// The sentence that names what a change would throw away.
fn what_would_expire(preview: &Configuration) -> Option<String> {
    let is_lost =
        |checkpoint: &&InFlight| checkpoint.change.is_some_and(|change| change.outcome == Outcome::Expired);
    let lost: Vec<_> = preview.in_flight.iter().filter(is_lost).map(loss).collect();
    if lost.is_empty() {
        return None;
    }
    let what = format!("{} loses {} at once", label(preview), lost.join(" and "));
    Some(match preview.checkpoint_timeout.effective {
        Some(timeout) => format!("with a timeout of {}, {what}", Exact(Duration::from_millis(timeout))),
        None => format!("with this change, {what}"),
    })
}

fn loss(checkpoint: &InFlight) -> String {
    format!(
        "{} ({} of {} acknowledged after {})",
        named(checkpoint),
        checkpoint.acknowledged,
        checkpoint.subtasks,
        Rough(Duration::from_millis(checkpoint.elapsed))
    )
}

/// Waits until the job's coordinator has what was stored, or until the job cannot get one any more.
async fn wait_until_applied(
    server: &Server,
    stored: &Configuration,
    limit: Duration,
) -> Result<Option<Job>, Error> {
    console::note(&format!("stored; waiting until {} applies it", label(stored)));
    let job = reference(stored);
    wait::until(limit, async || {
        let job = resolve::show(server, &job).await.map_err(|error| server.failed(&error))?;
        let is_there = job.configuration.applied && job.configuration.revision >= stored.revision;
        Ok((is_there || job.configuration.state.has_ended()).then_some(job))
    })
    .await
}

fn in_vain(after: &Configuration, args: &ChangeArgs) -> String {
    let job = label(after);
    if after.state.has_ended() {
        format!("ckptctl: {job} has ended ({}) before the change was applied", after.state)
    } else if args.wait {
        let limit = Exact(args.limit.wait_timeout);
        let now = match &after.stale {
            Some(why) => console::clean(why),
            None => format!("it is {}", after.state),
        };
        format!("ckptctl: the change was not applied to {job} within {limit}; {now}")
    } else {
        format!(
            "ckptctl: stored; ckptd applies it when {job} has a coordinator again (--wait waits for that)"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::fixture;
    use ckpt_shared::api::{InFlightChange, Value};

    #[test]
    fn only_a_shorter_timeout_is_previewed() {
        let mut job = fixture::configuration();
        job.checkpoint_timeout =
            Value { submitted: Some(10_000), overridden: Some(60_000), effective: Some(60_000) };
        let set = |text: &str| ConfigurationPatch {
            timeout: Field::Set(text.parse().unwrap()),
            ..ConfigurationPatch::default()
        };
        assert!(could_expire(&job, &set("59s")));
        assert!(!could_expire(&job, &set("60s")));
        assert!(could_expire(&job, &ConfigurationPatch::clear_all()));
        let interval = ConfigurationPatch { interval: Field::Clear, ..ConfigurationPatch::default() };
        assert!(!could_expire(&job, &interval));
    }

    #[test]
    fn what_would_be_lost_is_named() {
        let mut preview = fixture::configuration();
        preview.checkpoint_timeout.effective = Some(5_000);
        let mut lost = fixture::in_flight(7);
        lost.change = Some(InFlightChange { previous_remaining: Some(988), outcome: Outcome::Expired });
        preview.in_flight = vec![lost];
        assert_eq!(
            what_would_expire(&preview).unwrap(),
            "with a timeout of 5s, job/job123 loses checkpoint 7 (19 of 20 acknowledged after 9.0s) at once"
        );
        preview.checkpoint_timeout.effective = None;
        preview.cluster = "prod".to_owned();
        let unknown = what_would_expire(&preview).unwrap();
        assert!(unknown.starts_with("with this change, job/prod/job123 loses checkpoint 7"), "{unknown}");
        preview.in_flight[0].change = None;
        assert_eq!(what_would_expire(&preview), None);
    }
}
