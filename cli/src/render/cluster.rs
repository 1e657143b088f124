//! What is wrong with the clusters that are followed.

use super::below::below;
use super::text::{age, at};
use super::{Paint, Style};
use crate::console::clean;
use ckpt_api::ClusterState;

/// One sentence for each cluster that has trouble.
pub(crate) fn troubles(clusters: &[ClusterState], now: u64) -> Vec<String> {
    let sentence = |cluster: &ClusterState| {
        let trouble = clean(cluster.trouble.as_deref()?);
        let since = match cluster.observed_at {
            Some(seen) => format!("last good answer at {} UTC, {} ago", at(seen, now), age(seen, now)),
            None => "no good answer so far".to_owned(),
        };
        Some(format!("cluster {} ({}): {trouble}; {since}", clean(&cluster.name), clean(&cluster.url)))
    };
    clusters.iter().filter_map(sentence).collect()
}

/// The clusters that have trouble, below an empty line: `room` lines at most with that.
pub(super) fn lines(clusters: &[ClusterState], now: u64, room: usize, style: Style) -> Vec<String> {
    let all: Vec<_> = troubles(clusters, now).into_iter().map(|sentence| (sentence, Paint::Alarm)).collect();
    below(&all, room, style, |told, others| {
        let more = match (told, others) {
            (0, 1) => "1 cluster has".to_owned(),
            (0, _) => format!("{others} clusters have"),
            (_, 1) => "1 more cluster has".to_owned(),
            (_, _) => format!("{others} more clusters have"),
        };
        format!("{more} trouble; see with: ckptctl get")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::fixture;

    #[test]
    fn only_trouble_is_told_and_since_when() {
        let well = ClusterState { trouble: None, ..fixture::troubled("dev", true) };
        let clusters = [fixture::troubled("staging\u{1b}", true), well, fixture::troubled("test", false)];
        assert_eq!(
            troubles(&clusters, 1_790_000_040_900),
            [
                "cluster staging\\u{1b} (http://staging\\u{1b}:8081): it does not answer: Connection refused; \
                 last good answer at 14:13:20 UTC, 40s ago",
                "cluster test (http://test:8081): it does not answer: Connection refused; no good answer so far",
            ]
        );
    }
}
