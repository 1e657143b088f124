//! Many jobs, and what needs attention around them.

use super::checkpoint::named;
use super::line::{Span, Tone};
use super::name::{label, quoted};
use super::override_status::{sentence, tone, trouble};
use super::text::{age, at, clean};
use ckpt_api::{ClusterState, Configuration, Pace, Pause};

/// Sentence in place of an empty list of jobs.
pub(crate) fn nothing(clusters: &[ClusterState]) -> &'static str {
    match clusters.iter().all(|cluster| cluster.trouble.is_none()) {
        true => "no jobs; submit one with: ckptctl submit FILE",
        false => "no jobs are known, as not every cluster answers as it should",
    }
}

/// Pauses of reconciliation, and the overrides that do not hold, the worst first: a sentence for each.
pub(crate) fn overrides<'a>(
    jobs: impl IntoIterator<Item = &'a Configuration>,
    pauses: &[Pause],
    now: u64,
) -> Vec<Span> {
    let told = |job| Some(Span::new(sentence(job, now)?, tone(trouble(job)?)));
    let mut overrides: Vec<_> = jobs.into_iter().filter_map(told).collect();
    overrides.sort_by_key(|span| span.tone != Tone::Bad);
    self::pauses(pauses, now).into_iter().chain(overrides).collect()
}

/// The server's warnings about a job.
pub(crate) fn warnings(job: &Configuration) -> impl Iterator<Item = Span> + '_ {
    let warning = |warning: &String| format!("{}: {}", label(job), clean(warning));
    job.warnings.iter().map(move |text| Span::new(warning(text), Tone::Notice))
}

/// Verdicts on a job's checkpoints in flight that are not on track.
pub(crate) fn verdicts(job: &Configuration) -> impl Iterator<Item = Span> + '_ {
    job.in_flight.iter().filter_map(move |checkpoint| {
        let estimate = checkpoint.estimate.as_ref().filter(|it| it.verdict != Pace::OnTrack)?;
        let text = format!("{} {}: {}", label(job), named(checkpoint), clean(&estimate.sentence));
        Some(Span::new(text, Tone::Notice))
    })
}

/// Sentence for each pause of reconciliation, with the command that resumes it.
pub(crate) fn pauses(pauses: &[Pause], now: u64) -> Vec<Span> {
    let sentence = |pause: &Pause| {
        let (what, argument) = match &pause.cluster {
            Some(cluster) => (format!(" for cluster {}", clean(cluster)), format!(" {}", quoted(cluster))),
            None => (String::new(), String::new()),
        };
        let reason = pause.reason.as_deref().map(|reason| format!(": {}", clean(reason)));
        let text = format!(
            "reconcile is paused{what} since {}{}; end that with: ckptctl reconcile resume{}",
            age(pause.since, now),
            reason.unwrap_or_default(),
            clean(&argument)
        );
        Span::new(text, Tone::Notice)
    };
    pauses.iter().map(sentence).collect()
}

/// Sentence for each cluster that has trouble.
pub(crate) fn clusters(clusters: &[ClusterState], now: u64) -> Vec<Span> {
    let sentence = |cluster: &ClusterState| {
        let trouble = clean(cluster.trouble.as_deref()?);
        let since = match cluster.observed_at {
            Some(seen) => format!("last good answer at {} UTC, {} ago", at(seen, now), age(seen, now)),
            None => "no good answer so far".to_owned(),
        };
        let (name, url) = (clean(&cluster.name), clean(&cluster.url));
        Some(Span::new(format!("cluster {name} ({url}): {trouble}; {since}"), Tone::Bad))
    };
    clusters.iter().filter_map(sentence).collect()
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    const NOW: u64 = 1_790_000_040_900;

    #[test]
    fn pause_tells_how_to_resume() {
        let texts = |pauses: &[Pause], now| -> Vec<_> {
            super::pauses(pauses, now).into_iter().map(|pause| pause.text).collect()
        };
        let pause = |cluster: Option<&str>, reason: Option<&str>| Pause {
            cluster: cluster.map(str::to_owned),
            since: NOW - 185_000,
            reason: reason.map(str::to_owned),
        };
        assert_eq!(
            texts(&[pause(None, Some("upgrade\n")), pause(Some("eu west"), None)], NOW),
            [
                "reconcile is paused since 3m 5s: upgrade\\n; end that with: ckptctl reconcile resume",
                "reconcile is paused for cluster eu west since 3m 5s; \
                 end that with: ckptctl reconcile resume 'eu west'",
            ]
        );
    }

    #[test]
    fn cluster_trouble_tells_since_when() {
        let well = ClusterState { trouble: None, ..fixture::troubled("dev", true) };
        let clusters = [fixture::troubled("staging\u{1b}", true), well, fixture::troubled("test", false)];
        assert_eq!(
            super::clusters(&clusters, NOW).into_iter().map(|cluster| cluster.text).collect::<Vec<_>>(),
            [
                "cluster staging\\u{1b} (http://staging\\u{1b}:8081): it does not answer: Connection refused; \
                 last good answer at 14:13:20 UTC, 40s ago",
                "cluster test (http://test:8081): it does not answer: Connection refused; no good answer so far",
            ]
        );
    }
}
