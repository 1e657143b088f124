//! A verdict and its evidence in one sentence.

use super::case::Case;
use ckpt_estimate::{Because, Rest, Verdict};
use ckpt_types::duration::Rough;
use std::time::Duration;

/// Up to so many are named.
const NAMED: usize = 2;
/// How much of a vertex's name is said.
const LONGEST_NAME: usize = 40;

/// The sentence.
pub(super) fn of(case: &Case) -> String {
    let said = &case.assessment;
    let usual = said.usual.map(about).unwrap_or_default();
    let slowdown = said.slowdown.filter(|slowdown| *slowdown >= 1.2);
    let alike = slowdown.map_or(String::new(), |times| {
        format!("; those that have acknowledged took about {times:.1} times as long as usual")
    });
    match (said.verdict, because(case)) {
        (Verdict::CannotTell, Because::AllAcknowledged) => format!(
            "cannot tell: all have acknowledged, the last one {} ago, and it is not finished; whoever stores its \
             metadata may hang",
            about(quiet(case))
        ),
        (_, Because::AllAcknowledged) => "on track: all have acknowledged, it is being finished".to_owned(),
        (Verdict::OnTrack, _) => format!("on track, {}", done(case.rest())),
        (Verdict::Slow, _) => format!("slow, {}{alike}", done(case.rest())),
        (Verdict::Stuck, Because::Many) => {
            format!("stuck: {}, {}", many(case), since(case))
        }
        (Verdict::Stuck, _) => format!("stuck: {} {}{}", who(case), peers(case), again(case, true)),
        (Verdict::CannotTell, Because::NothingToCompare) => {
            "cannot tell: no completed checkpoint of as many subtasks is known, so nobody knows what is usual"
                .to_owned()
        }
        (Verdict::CannotTell, Because::FailedBefore) => format!(
            "cannot tell: nobody is late yet, but the last {} checkpoints failed{}",
            case.failed_before,
            again(case, false)
        ),
        (Verdict::CannotTell, Because::TooLate) => {
            format!("cannot tell: {} {}{alike}, and it should be done by now", who(case), peers(case))
        }
        (Verdict::CannotTell, Because::OnlyTheWhole) => format!(
            "cannot tell: it has taken {} and usually takes {usual}, and who is missing is not known",
            Rough(elapsed(case))
        ),
        (Verdict::CannotTell, Because::Many) => format!(
            "cannot tell: {}, {}; storage that stands still and a hang look the same",
            many(case),
            since(case)
        ),
        (Verdict::CannotTell, _) => {
            format!(
                "cannot tell: {} {}; one that is late and one that hangs look the same{}",
                who(case),
                peers(case),
                again(case, true)
            )
        }
    }
}

/// Who was missing in those that failed before, too; `is_named` if whoever is missing is named in front of it.
fn again(case: &Case, is_named: bool) -> String {
    let Some((times, who)) = case.missing_again() else { return String::new() };
    let named: Vec<_> = who.iter().filter_map(|place| case.place(*place)).collect();
    match named[..] {
        [_] if is_named && case.assessment.missing.len() == 1 => {
            format!("; it was missing in the last {times} that failed, too")
        }
        [(vertex, index)] => {
            let vertex = short(&case.anatomy.vertices[vertex].name);
            format!("; subtask {index} of `{vertex}` was missing in the last {times} that failed, too")
        }
        _ => format!("; the same {} subtasks were missing in the last {times} that failed, too", named.len()),
    }
}

/// Why, as it is said: in a small job a few are many, and they are named all the same.
pub(super) fn because(case: &Case) -> Because {
    let said = &case.assessment;
    match said.because {
        Because::Many if said.missing.len() <= NAMED && has_peers(case) => Because::AFew,
        other => other,
    }
}

fn has_peers(case: &Case) -> bool {
    case.subtasks.unwrap_or_default().iter().flatten().any(Option::is_some)
}

fn elapsed(case: &Case) -> Duration {
    Duration::from_millis(case.checkpoint.elapsed)
}

fn done(rest: Option<Rest>) -> String {
    let Some(Rest { low, likely, high }) = rest else { return "and it will be done".to_owned() };
    if high < Duration::from_secs(1) {
        return "likely done in a moment".to_owned();
    }
    match (about(low), about(high)) {
        (low, high) if low == high => format!("likely done in about {low}"),
        (low, high) => format!("likely done in about {} (between {low} and {high})", about(likely)),
    }
}

/// Who is waited for, and for how long.
fn who(case: &Case) -> String {
    let silent = Rough(elapsed(case));
    let first = case.assessment.missing.first().and_then(|place| case.place(*place));
    let Some((vertex, index)) = first else { return format!("it has been silent for {silent}") };
    let vertex = &case.anatomy.vertices[vertex];
    let others = case.assessment.missing.len() - 1;
    let (others, have) = match others {
        0 => (String::new(), "has"),
        1 => (" and 1 more".to_owned(), "have"),
        more => (format!(" and {more} more"), "have"),
    };
    format!("subtask {index} of `{}`{others} {have} been silent for {silent}", short(&vertex.name))
}

/// Flink makes a vertex's name of all that is chained in it.
fn short(name: &str) -> String {
    match name.char_indices().nth(LONGEST_NAME) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

/// What the others did.
fn peers(case: &Case) -> String {
    let took = |vertex: &[Option<crate::anatomy::SubtaskTimes>]| {
        let mut took: Vec<Duration> = vertex.iter().flatten().map(|times| times.took).collect();
        took.sort();
        took.last().copied()
    };
    let first = case.assessment.missing.first().and_then(|place| case.place(*place));
    let subtasks = case.subtasks.unwrap_or_default();
    let own = first.and_then(|(vertex, _)| took(subtasks.get(vertex)?));
    let all = || subtasks.iter().filter_map(|vertex| took(vertex)).max();
    let usual = first.and_then(|_| {
        case.assessment.usual_of_each.get(*case.assessment.missing.first()?).copied().flatten()
    });
    match (own, all(), usual) {
        (Some(peers), _, _) => format!("while its peers finished in {}", about(peers)),
        (None, Some(others), _) => format!("while the others finished in {}", about(others)),
        (None, None, Some(usual)) => format!("and usually takes {}", about(usual)),
        (None, None, None) => "and so are all others".to_owned(),
    }
}

fn many(case: &Case) -> String {
    let all: usize = case.anatomy.sizes().iter().sum();
    format!(
        "{} of {all} subtasks have been silent for {}",
        case.assessment.missing.len(),
        Rough(elapsed(case))
    )
}

/// Since when nobody has acknowledged, and what is usual.
fn since(case: &Case) -> String {
    let usual = case.assessment.usual.map(about).unwrap_or_default();
    match newest(case) {
        Some(_) => {
            format!("nobody has acknowledged for {}, and all usually do within {usual}", about(quiet(case)))
        }
        None => format!("nobody has acknowledged at all, and all usually do within {usual}"),
    }
}

/// When the last one acknowledged, after the trigger.
fn newest(case: &Case) -> Option<Duration> {
    let subtasks = case.subtasks.unwrap_or_default();
    subtasks.iter().flatten().flatten().map(|times| times.took).max()
}

/// For how long nobody has acknowledged.
fn quiet(case: &Case) -> Duration {
    case.seen_for.saturating_sub(newest(case).unwrap_or_default())
}

/// A duration as people say it when they do not know it exactly.
fn about(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        return format!("{}ms", duration.as_millis());
    }
    let nearest = |step: u64| {
        (duration.as_millis() + u128::from(step) * 500) / (u128::from(step) * 1_000) * u128::from(step)
    };
    let seconds = match duration.as_secs() {
        0..60 => nearest(1),
        60..600 => nearest(10),
        600..7_200 => nearest(60),
        _ => nearest(600),
    };
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let parts = [(hours, "h"), (minutes, "m"), (seconds, "s")];
    let parts: Vec<_> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count}{unit}")).collect();
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_said_as_roughly_as_they_are_known() {
        for (millis, said) in [
            (97, "97ms"),
            (7_600, "8s"),
            (59_800, "1m"),
            (64_000, "1m"),
            (247_000, "4m 10s"),
            (1_234_000, "21m"),
            (7_900_000, "2h 10m"),
        ] {
            assert_eq!(about(Duration::from_millis(millis)), said);
        }
    }
}
