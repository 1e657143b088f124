//! Whether a cluster can be changed from here, and if not, why.

use super::facts::ClusterFacts;
use super::job::FlinkJob;
use super::link::Link;
use super::owner::Cluster;
use super::route_search::{JVM_TIMEOUT, Search, behind, candidates};
use super::settings::Attach;
use ckpt_agent::protocol::{Answered, Ask, LedJob, Refusal};
use ckpt_api::{Check, ClusterDiagnosis, OverrideState, Verdict, Via};
use ckpt_attach::{AttachError, AttachPolicy, Jvm};

/// The releases whose classes are known.
const OLDEST: (u32, u32) = (1, 15);
const NEWEST: (u32, u32) = (2, 3);
const KNOWN: &str = "1.15 to 2.3";
/// The check whether a JobManager leads.
const LEADER: &str = "leader";

/// Looks at everything that a change needs. With the cluster's consent it loads the agent; it writes
/// nothing.
pub(super) async fn diagnose(cluster: &Cluster) -> ClusterDiagnosis {
    let (link, facts, jobs) = (&*cluster.link, cluster.facts(), cluster.jobs());
    let mut checks = vec![rest_api(&facts)];
    checks.extend(release(&facts));
    let live = jobs.iter().find(|job| job.is_live());
    let mut search = Search::new(link, &facts);
    let native = search.is_native(live.map(FlinkJob::id)).await;
    let forbidden = search.forbidden();
    cluster.teach(search.lessons());
    checks.push(match (native, live) {
        (Some(true), _) => passed("FLIP-571", "the cluster offers it itself"),
        (Some(false), _) => {
            let usual = || "the cluster does not offer it itself, as no released Flink does".to_owned();
            noted("FLIP-571", forbidden.unwrap_or_else(usual), None)
        }
        (None, None) => skipped("FLIP-571", "it cannot be asked for without a job that runs"),
        (None, Some(_)) => skipped("FLIP-571", "the cluster does not answer"),
    });
    let via = if native == Some(true) {
        Via::Native
    } else {
        checks.extend(attachable(link).await);
        match checks.iter().any(|check| check.verdict == Verdict::Failed) {
            true => Via::None,
            false => Via::Attach,
        }
    };
    let changeable = checks.iter().all(|check| check.verdict != Verdict::Failed);
    // These say whether changes hold, and not whether one can be made.
    checks.push(reconciled(&facts));
    checks.push(overrides(link, &jobs));
    let (cluster, url) = (link.name().to_owned(), link.settings.url.clone());
    ClusterDiagnosis { cluster, url, changeable, via, checks }
}

fn rest_api(facts: &ClusterFacts) -> Check {
    match (facts.health.trouble.clone(), &facts.health.version) {
        (None, Some(version)) => passed("REST API", format!("Flink {version} answers")),
        (trouble, _) => failed(
            "REST API",
            trouble.unwrap_or_else(|| "it was not asked yet".to_owned()),
            "see that the address is that of Flink's REST API, and that the JobManager runs",
        ),
    }
}

/// Whether its release is one whose classes are known; what counts is what the agent finds.
fn release(facts: &ClusterFacts) -> Option<Check> {
    let version = facts.health.version.as_ref()?;
    let mut numbers = version.split('.').map(|number| number.parse::<u32>().ok());
    let (major, minor) = (numbers.next()??, numbers.next()??);
    Some(match (OLDEST..=NEWEST).contains(&(major, minor)) {
        true => passed("release", format!("{version} is one of those that ckptd knows ({KNOWN})")),
        false => noted(
            "release",
            format!("{version} is none of those that ckptd knows ({KNOWN})"),
            Some("its classes decide: anything unexpected in them is refused, and nothing is touched"),
        ),
    })
}

fn reconciled(facts: &ClusterFacts) -> Check {
    match &facts.pause {
        None => passed("reconcile", "overrides that stop holding are applied again"),
        Some(why) => noted("reconcile", "overrides that stop holding are not applied again", Some(why)),
    }
}

/// How the overrides of its jobs stand.
fn overrides(link: &Link, jobs: &[FlinkJob]) -> Check {
    let standing: Vec<_> = jobs.iter().filter_map(FlinkJob::named_status).collect();
    let all = standing.len();
    let worst = standing.into_iter().filter(|(_, status)| status.state != OverrideState::Applied);
    let mut worst: Vec<_> = worst.collect();
    worst.sort_by_key(|(_, status)| status.state == OverrideState::Waiting);
    match worst.first() {
        None if all == 0 => passed("overrides", "there are none"),
        None => passed("overrides", format!("{all} of {all} hold")),
        Some((name, status)) => {
            let holding = all - worst.len();
            let state = match status.state {
                OverrideState::Applied => "applied",
                OverrideState::Waiting => "waits for a coordinator",
                OverrideState::NotApplied => "is not applied",
                OverrideState::Conflict => "is in conflict",
                OverrideState::Orphaned => "is orphaned",
            };
            let found = format!("{holding} of {all} hold; that of {name} {state}");
            let why = status
                .why
                .clone()
                .unwrap_or_else(|| format!("ckptctl get {}/{name} tells more", link.name()));
            noted("overrides", found, Some(&why))
        }
    }
}

async fn attachable(link: &Link) -> Vec<Check> {
    let consent = link.settings.consent;
    let mut checks = vec![match consent.attach {
        Attach::Never => failed(
            "consent",
            "attach = never: no library may be loaded into this cluster's JobManager",
            "start ckptd with --attach on-change, or say so for this cluster in its configuration",
        ),
        Attach::OnChange => passed("consent", "attach = on-change: a library may be loaded to make a change"),
        Attach::Always => passed("consent", "attach = always: a library may be loaded to look, too"),
    }];
    if consent.attach == Attach::Never {
        return checks;
    }
    let jvms = match candidates(link).await {
        Ok(jvms) => jvms,
        Err(why) => {
            let (found, advice) = why.split_once("; ").map_or((why.as_str(), None), |(f, a)| (f, Some(a)));
            checks.push(Check { advice: advice.map(str::to_owned), ..failed("process", found, "") });
            return checks;
        }
    };
    // The one that can be reached, or else what is in the way of the first.
    let mut best = first_good(link, &jvms).await;
    if let Some(leader) = best.leader.take()
        && let Ok(mut beside) = behind(&leader).await
    {
        // Behind the address is a standby: a change goes to the leader, if that is here too.
        beside.retain(|jvm| !jvms.contains(jvm));
        if !beside.is_empty() {
            best = first_good(link, &beside).await;
        }
    }
    checks.extend(best.checks);
    checks
}

/// What there is to say of the first of them that can be changed, or else of the first.
async fn first_good(link: &Link, jvms: &[Jvm]) -> Inside {
    let mut best: Option<Inside> = None;
    for jvm in jvms {
        let looked = inside(link, *jvm).await;
        let good = looked.checks.iter().all(|check| check.verdict != Verdict::Failed);
        if good || best.is_none() {
            best = Some(looked);
        }
        if good {
            break;
        }
    }
    best.unwrap_or_default()
}

/// What there is to say of one JVM.
#[derive(Default)]
struct Inside {
    checks: Vec<Check>,
    /// The address of whoever leads in its place, if it knows.
    leader: Option<String>,
}

async fn inside(link: &Link, jvm: Jvm) -> Inside {
    let consent: AttachPolicy = link.settings.consent.into();
    let preflight = tokio::task::spawn_blocking(move || ckpt_attach::preflight(&jvm, &consent).checks).await;
    let mut checks = preflight.unwrap_or_default();
    if checks.iter().any(|check| check.verdict == Verdict::Failed) {
        checks.push(skipped("agent", "not loaded, since the above would fail"));
        return Inside { checks, leader: None };
    }
    let mut leads_elsewhere = None;
    match ckpt_attach::ask(&jvm, &consent, Ask::Jobs, JVM_TIMEOUT).await {
        Ok(Answered::Jobs(jobs)) => {
            checks.push(passed("agent", "it was loaded and answered; nothing was written"));
            checks.push(layout(&jobs));
        }
        Ok(Answered::Read(_) | Answered::Changed { .. }) => {
            checks.push(failed("agent", "it answered something else than it was asked", "report this"));
        }
        Err(AttachError::Refusal(Refusal::NotLeading { what, leader })) => {
            checks.push(passed("agent", "it was loaded and answered; nothing was written"));
            let named = leader.as_deref().unwrap_or("not known");
            let found = format!("this JobManager does not lead ({what}); the leader is {named}");
            leads_elsewhere = leader;
            checks.push(failed(
                LEADER,
                found,
                "run ckptd where the leader runs, or wait until it has started",
            ));
        }
        Err(error) => checks.push(failed("agent", error.to_string(), "see the JobManager's log")),
    }
    Inside { checks, leader: leads_elsewhere }
}

/// Whether the classes on the way are as they are known, for every job.
fn layout(jobs: &[LedJob]) -> Check {
    let broken = jobs.iter().find_map(|job| match &job.refusal {
        Some(refusal @ (Refusal::Unexpected { .. } | Refusal::Failed { .. })) => {
            Some(format!("job {}: {}", job.job, ckpt_attach::describe_refusal(refusal)))
        }
        _ => None,
    });
    let ready = jobs.iter().filter(|job| job.refusal.is_none()).count();
    match (broken, jobs.len()) {
        (Some(found), _) => failed("class layout", found, "this release of Flink is not known; report it"),
        (None, 0) => noted(
            "class layout",
            "there is no job to look at",
            Some("ask again when a job runs: its classes are looked at then"),
        ),
        (None, all) if ready < all => noted(
            "class layout",
            format!("as known for {ready} of {all} jobs; the others have no coordinator now"),
            None,
        ),
        (None, all) => passed("class layout", format!("as known, for {all} of {all} jobs")),
    }
}

fn check(check: &str, verdict: Verdict, found: impl Into<String>, advice: Option<&str>) -> Check {
    Check { check: check.to_owned(), verdict, found: found.into(), advice: advice.map(str::to_owned) }
}

fn passed(name: &str, found: impl Into<String>) -> Check {
    check(name, Verdict::Passed, found, None)
}

fn noted(name: &str, found: impl Into<String>, advice: Option<&str>) -> Check {
    check(name, Verdict::Noted, found, advice)
}

fn skipped(name: &str, found: impl Into<String>) -> Check {
    check(name, Verdict::Skipped, found, None)
}

fn failed(name: &str, found: impl Into<String>, advice: &str) -> Check {
    check(name, Verdict::Failed, found, Some(advice))
}
