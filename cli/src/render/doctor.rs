//! Whether clusters can be changed, and if not, why.

use super::TextStyle;
use super::table::{build_of, cell, lines, plain};
use crate::view::line::Tone;
use crate::view::text::clean;
use ckpt_api::{Check, ClusterDiagnosis, Verdict};
use comfy_table::{ColumnConstraint, Row};

/// All of it: a table for each cluster, with advice below it.
pub(crate) fn text(clusters: &[ClusterDiagnosis], style: TextStyle) -> String {
    clusters.iter().map(|cluster| one(cluster, style).join("\n")).collect::<Vec<_>>().join("\n\n")
}

fn one(cluster: &ClusterDiagnosis, style: TextStyle) -> Vec<String> {
    let (sum, paint) = match cluster.changeable {
        true => (format!("a change would work via {}", cluster.via), Tone::Strong),
        false => ("cannot be changed from here".to_owned(), Tone::Bad),
    };
    let heading = format!("cluster {} ({}): {sum}", clean(&cluster.cluster), clean(&cluster.url));
    let mut all = style.lines(&heading, paint);
    if !cluster.checks.is_empty() {
        let rows = cluster.checks.iter().map(row).collect();
        let mut table = build_of(&["CHECK", "RESULT", "FOUND"], rows, style);
        // Only what was found is broken into lines.
        for column in table.column_iter_mut().take(2) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
        all.extend(lines(&table));
    }
    for check in &cluster.checks {
        if let (Verdict::Failed | Verdict::Noted, Some(advice)) = (check.verdict, &check.advice) {
            let advice = format!("{}: {}", clean(&check.check), clean(advice));
            all.extend(style.indented(&advice, "  ", Tone::Plain));
        }
    }
    all
}

/// Of any height: what was found is the evidence, and has to be whole.
fn row(check: &Check) -> Row {
    let (result, paint) = match check.verdict {
        Verdict::Passed => ("ok", Tone::Plain),
        Verdict::Failed => ("FAILED", Tone::Bad),
        Verdict::Noted => ("note", Tone::Notice),
        Verdict::Skipped => ("skipped", Tone::Muted),
    };
    vec![plain(clean(&check.check)), cell(result, paint), plain(clean(&check.found))].into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ckpt_api::Via;
    use unicode_width::UnicodeWidthStr;

    fn check(check: &str, verdict: Verdict, found: &str, advice: Option<&str>) -> Check {
        Check { check: check.to_owned(), verdict, found: found.to_owned(), advice: advice.map(str::to_owned) }
    }

    fn clusters() -> [ClusterDiagnosis; 2] {
        let good = ClusterDiagnosis {
            cluster: "prod".to_owned(),
            url: "http://10.0.0.1:8081".to_owned(),
            changeable: true,
            via: Via::Attach,
            checks: vec![
                check("version", Verdict::Passed, "Flink 1.20.5", Some("not said")),
                check("scheduler", Verdict::Noted, "adaptive", Some("a rebuilt job keeps what was changed")),
            ],
        };
        let bad = ClusterDiagnosis {
            cluster: "staging".to_owned(),
            url: "http://10.0.0.2:8081".to_owned(),
            changeable: false,
            via: Via::None,
            checks: vec![
                check("process", Verdict::Passed, "pid 1234, StandaloneSessionClusterEntrypoint", None),
                check(
                    "JVM flags",
                    Verdict::Failed,
                    "-XX:+DisableAttachMechanism is set in the environment of the process that listens on port 8081",
                    Some(
                        "take -XX:+DisableAttachMechanism out of env.java.opts.jobmanager, and restart the JobManager",
                    ),
                ),
                check("class layout", Verdict::Skipped, "not looked at\u{1b}[2J", None),
            ],
        };
        [good, bad]
    }

    #[test]
    fn diagnosis_fits_eighty_columns() {
        let shown = text(&clusters(), TextStyle { colours: false, width: Some(80), cut: false });
        let expected = "\
cluster prod (http://10.0.0.1:8081): a change would work via attach
CHECK      RESULT  FOUND
version    ok      Flink 1.20.5
scheduler  note    adaptive
  scheduler: a rebuilt job keeps what was changed

cluster staging (http://10.0.0.2:8081): cannot be changed from here
CHECK         RESULT   FOUND
process       ok       pid 1234, StandaloneSessionClusterEntrypoint
JVM flags     FAILED   -XX:+DisableAttachMechanism is set in the environment of
                       the process that listens on port 8081
class layout  skipped  not looked at\\u{1b}[2J
  JVM flags: take -XX:+DisableAttachMechanism out of env.java.opts.jobmanager,
    and restart the JobManager";
        assert_eq!(shown, expected);
    }

    #[test]
    fn diagnosis_fits_any_width() {
        for width in [20, 40, 80, 200] {
            let shown = text(&clusters(), TextStyle { colours: false, width: Some(width), cut: false });
            assert!(shown.lines().all(|line| line.width() <= width.max(40).into()), "{width}\n{shown}");
            assert!(width < 40 || shown.contains("8081"), "{width}\n{shown}");
        }
        let whole = text(&clusters(), TextStyle { colours: true, width: None, cut: false });
        assert!(whole.contains("in the environment of the process that listens on port 8081"), "{whole}");
        assert!(whole.contains("\u{1b}[") && !whole.contains("\u{1b}[2J"), "{whole}");
    }
}
