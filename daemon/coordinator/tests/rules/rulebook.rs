//! `RULES.md` and the tests name each other.

use std::collections::BTreeSet;

const RULES: &str = include_str!("../../RULES.md");
const MODULES: [(&str, &str); 12] = [
    ("completion", include_str!("completion.rs")),
    ("configuration", include_str!("configuration.rs")),
    ("failures", include_str!("failures.rs")),
    ("messages", include_str!("messages.rs")),
    ("pacing", include_str!("pacing.rs")),
    ("periodic", include_str!("periodic.rs")),
    ("queue", include_str!("queue.rs")),
    ("retention", include_str!("retention.rs")),
    ("shutdown", include_str!("shutdown.rs")),
    ("triggering", include_str!("triggering.rs")),
    ("updates", include_str!("updates.rs")),
    ("updates_in_flight", include_str!("updates_in_flight.rs")),
];

fn tests() -> BTreeSet<String> {
    let mut tests = BTreeSet::new();
    for (module, text) in MODULES {
        let names = text.lines().filter_map(|line| line.strip_prefix("fn ")?.strip_suffix("() {"));
        let named = names.filter(|name| name.starts_with("rule_") || name.starts_with("update_"));
        tests.extend(named.map(|name| format!("{module}::{name}")));
    }
    tests
}

#[test]
fn every_test_is_in_the_rules_and_every_one_in_the_rules_exists() {
    let named = RULES.split('`').filter(|word| word.contains("::rule_") || word.contains("::update_"));
    assert_eq!(named.map(str::to_owned).collect::<BTreeSet<_>>(), tests());
}

#[test]
fn every_rule_has_its_tests_below_it() {
    let mut rule = 0;
    for line in RULES.lines() {
        if line.starts_with(&format!("{}. ", rule + 1)) {
            rule += 1;
        }
        let number = line.split_once("::rule_").and_then(|(_, name)| name.split('_').next());
        assert!(number.is_none_or(|number| number == rule.to_string()), "{line} below rule {rule}");
    }
    assert_eq!(rule, 37);
    for rule in (1..=37).filter(|rule| *rule != 7) {
        assert!(RULES.contains(&format!("::rule_{rule}_")), "rule {rule} has no test");
    }
}
