//! What holds for whatever is put in.
#![allow(missing_docs)]

use ckpt_estimate::{Assessment, Because, Ended, Pending, Verdict, assess};
use proptest::collection::vec;
use proptest::prelude::*;
use std::time::Duration;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn completed(took: &[u64]) -> Ended {
    let took: Vec<_> = took.iter().map(|took| Some(seconds(*took))).collect();
    Ended { completed: true, lasted: took.iter().flatten().max().copied().unwrap_or_default(), took }
}

/// Checkpoints of a source of two subtasks and a sink of six, a little different each time.
fn steady() -> Vec<Ended> {
    (0..8).map(|nth| completed(&[3, 3, 30, 31 + nth % 3, 32, 33, 34 - nth % 2, 35 + nth % 4])).collect()
}

const VERTICES: [usize; 2] = [2, 6];

/// What is said after so long of a checkpoint whose subtasks take so long.
fn said(past: &[Ended], takes: &[Option<u64>], elapsed: u64) -> Assessment {
    let took = takes.iter().map(|took| took.filter(|took| *took <= elapsed).map(seconds)).collect();
    assess(&VERTICES, past, &Pending { elapsed: seconds(elapsed), took, failed_before: 0 })
}

#[test]
fn a_checkpoint_that_goes_as_usual_is_on_track_all_the_time() {
    let takes = [3, 3, 30, 31, 32, 33, 34, 36].map(Some);
    for elapsed in 0..36 {
        let said = said(&steady(), &takes, elapsed);
        assert_eq!(said.verdict, Verdict::OnTrack, "after {elapsed}s: {said:?}");
        let rest = said.rest.unwrap();
        assert!(rest.low <= rest.likely && rest.likely <= rest.high, "{rest:?}");
    }
}

#[test]
fn a_hang_among_peers_that_are_done_is_stuck_and_named() {
    let takes = [Some(3), Some(3), Some(30), Some(31), None, Some(33), Some(34), Some(36)];
    let long = said(&steady(), &takes, 400);
    assert_eq!((long.verdict, long.because), (Verdict::Stuck, Because::AFew));
    assert_eq!((long.missing, long.rest), (vec![4], None));
    assert_eq!(said(&steady(), &takes, 100).verdict, Verdict::CannotTell);
}

/// As when storing its metadata hangs.
#[test]
fn what_all_have_acknowledged_and_is_not_finished_is_not_on_track_for_ever() {
    let takes = [3, 3, 30, 31, 32, 33, 34, 36].map(Some);
    assert_eq!(said(&steady(), &takes, 60).verdict, Verdict::OnTrack);
    let late = said(&steady(), &takes, 100);
    assert_eq!(
        (late.verdict, late.because, late.rest),
        (Verdict::CannotTell, Because::AllAcknowledged, None)
    );
}

#[test]
fn one_that_was_very_late_once_is_not_waited_for_as_long_again_but_twice_is_its_way() {
    let takes = [Some(3), Some(3), Some(30), Some(31), None, Some(33), Some(34), Some(36)];
    let mut past = steady();
    let late = completed(&[3, 3, 30, 31, 900, 33, 34, 35]);
    past[2] = late.clone();
    assert_eq!(said(&past, &takes, 400).verdict, Verdict::Stuck);
    past[5] = late;
    // It may be as late again; but nobody knows.
    assert_eq!(said(&past, &takes, 100).verdict, Verdict::OnTrack);
    assert_eq!(said(&past, &takes, 400).verdict, Verdict::CannotTell);
}

#[test]
fn slow_as_the_others_holds_only_while_it_may_still_be() {
    let takes = [Some(20), Some(20), Some(200), Some(210), None, Some(230), Some(240), Some(250)];
    let early = said(&steady(), &takes, 220);
    assert_eq!(early.verdict, Verdict::Slow, "{early:?}");
    for elapsed in [300, 330, 400] {
        let late = said(&steady(), &takes, elapsed);
        assert_eq!(late.verdict, Verdict::CannotTell, "after {elapsed}s: {late:?}");
    }
}

#[test]
fn those_that_wait_behind_a_hang_do_not_hide_it() {
    let past: Vec<_> = steady();
    let vertices = [2, 4, 2];
    let took = [Some(3), Some(3), Some(30), Some(31), Some(32), None, None, None];
    let took = took.map(|took: Option<u64>| took.map(seconds)).to_vec();
    let said = assess(&vertices, &past, &Pending { elapsed: seconds(400), took, failed_before: 0 });
    assert_eq!((said.verdict, said.missing[0]), (Verdict::Stuck, 5), "{said:?}");
}

#[test]
fn what_is_slow_alike_is_slow_and_the_range_holds() {
    let takes = [12, 12, 120, 124, 128, 132, 136, 144].map(Some);
    for elapsed in [125, 130, 135, 140] {
        let said = said(&steady(), &takes, elapsed);
        assert_eq!(said.verdict, Verdict::Slow, "after {elapsed}s: {said:?}");
        let rest = said.rest.unwrap();
        let done = seconds(144 - elapsed);
        assert!(rest.high >= done, "after {elapsed}s: {rest:?}");
    }
}

#[test]
fn nobody_can_tell_while_nobody_acknowledges() {
    let takes = [None; 8];
    for elapsed in [50, 100, 200] {
        let said = said(&steady(), &takes, elapsed);
        assert!(said.verdict == Verdict::CannotTell || elapsed < 60, "after {elapsed}s: {said:?}");
        assert!(said.verdict != Verdict::Stuck && said.verdict != Verdict::Slow, "{said:?}");
    }
}

#[test]
fn without_a_completed_checkpoint_of_the_same_shape_nobody_can_tell() {
    let takes = [3, 3, 30, 31, 32, 33, 34, 36].map(Some);
    for past in
        [Vec::new(), vec![completed(&[3, 30])], vec![Ended { completed: false, ..completed(&[3; 8]) }]]
    {
        let said = said(&past, &takes, 20);
        assert_eq!((said.verdict, said.because), (Verdict::CannotTell, Because::NothingToCompare));
        assert_eq!((said.rest, said.completed), (None, 0));
    }
}

#[test]
fn of_durations_as_a_whole_only_what_is_usual_can_be_told() {
    let past: Vec<_> = steady().into_iter().map(|ended| Ended { took: Vec::new(), ..ended }).collect();
    let said = |elapsed| {
        assess(&[], &past, &Pending { elapsed: seconds(elapsed), took: Vec::new(), failed_before: 0 })
    };
    let early = said(10);
    assert_eq!(early.verdict, Verdict::OnTrack);
    assert!(early.rest.unwrap().high < seconds(60), "{early:?}");
    for late in [120, 3_600] {
        assert_eq!((said(late).verdict, said(late).because), (Verdict::CannotTell, Because::OnlyTheWhole));
    }
}

prop_compose! {
    fn history()(sizes in vec(1usize..6, 1..4), number in 0usize..24)
        (took in vec((any::<bool>(), 0u64..4_000_000, vec(proptest::option::weighted(0.9, 0u64..4_000_000), sizes.iter().sum::<usize>())), number),
         now in vec(proptest::option::of(0u64..4_000_000), sizes.iter().sum::<usize>()),
         sizes in Just(sizes)) -> (Vec<usize>, Vec<Ended>, Vec<Option<Duration>>) {
        let of = |took: Vec<Option<u64>>| took.into_iter().map(|took| took.map(Duration::from_millis)).collect();
        let past = took.into_iter().map(|(completed, lasted, took)| Ended { completed, lasted: Duration::from_millis(lasted), took: of(took) });
        (sizes, past.collect(), of(now))
    }
}

proptest! {
    #[test]
    fn whatever_is_put_in_something_is_said((vertices, past, took) in history(), elapsed in 0u64..40_000_000) {
        let silent = took.iter().filter(|took| took.is_none()).count();
        let said = assess(&vertices, &past, &Pending { elapsed: Duration::from_millis(elapsed), took, failed_before: 0 });
        let promised = matches!(said.verdict, Verdict::OnTrack | Verdict::Slow);
        prop_assert_eq!(promised, said.rest.is_some());
        if let Some(rest) = said.rest {
            prop_assert!(rest.low <= rest.likely && rest.likely <= rest.high, "{:?}", rest);
        }
        prop_assert!(said.missing.len() <= silent);
    }

    #[test]
    fn who_is_stuck_stays_stuck_as_long_as_nobody_acknowledges((vertices, past, took) in history(), elapsed in 1_000u64..4_000_000) {
        let at = |times: u32| assess(&vertices, &past, &Pending { elapsed: Duration::from_millis(elapsed) * times, took: took.clone(), failed_before: 0 });
        let mut was_stuck = false;
        for times in [1, 2, 4, 8, 16] {
            let verdict = at(times).verdict;
            prop_assert!(!was_stuck || verdict == Verdict::Stuck);
            was_stuck = verdict == Verdict::Stuck;
        }
    }

    #[test]
    fn a_hang_is_never_on_track_or_slow_when_it_is_late(who in 0usize..8, spread in 0u64..6, elapsed in 120u64..4_000) {
        let past: Vec<_> = (0..9).map(|nth| completed(&[3, 3, 30 + nth * spread % 7, 31, 32 + nth % 3, 33, 34, 36])).collect();
        let mut takes = [3, 3, 30, 31, 32, 33, 34, 36].map(Some);
        takes[who] = None;
        let said = said(&past, &takes, elapsed);
        prop_assert!(matches!(said.verdict, Verdict::CannotTell | Verdict::Stuck), "{:?}", said);
        prop_assert_eq!(said.missing.first(), Some(&who));
    }
}
