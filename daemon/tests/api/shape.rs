//! Whether two JSON values have the same fields and types, all the way down.

use serde_json::Value;

/// What is different about `ours`, if anything; `place` says where.
pub(crate) fn difference(ours: &Value, recorded: &Value, place: &str) -> Option<String> {
    match (ours, recorded) {
        (Value::Object(ours), Value::Object(recorded)) => {
            if is_keyed_by_id(ours) && is_keyed_by_id(recorded) {
                let example = recorded.values().next();
                return ours.iter().find_map(|(key, value)| match example {
                    Some(example) => difference(value, example, &format!("{place}.{key}")),
                    None => Some(format!("{place} is empty in Flink")),
                });
            }
            let (mut names, mut wanted): (Vec<_>, Vec<_>) =
                (ours.keys().collect(), recorded.keys().collect());
            names.sort();
            wanted.sort();
            if names != wanted {
                return Some(format!("{place} has the fields {names:?}, and not {wanted:?}"));
            }
            ours.iter().find_map(|(key, value)| difference(value, &recorded[key], &format!("{place}.{key}")))
        }
        // Entries of one list may be of several kinds; each of ours must be one of theirs.
        (Value::Array(ours), Value::Array(recorded)) => ours.iter().enumerate().find_map(|(index, entry)| {
            let place = format!("{place}[{index}]");
            let differences: Vec<_> = recorded.iter().map(|kind| difference(entry, kind, &place)).collect();
            if differences.iter().any(Option::is_none) {
                return None;
            }
            Some(differences.into_iter().flatten().collect::<Vec<_>>().join("; or "))
        }),
        _ if kind(ours) == kind(recorded) => None,
        _ => Some(format!("{place} is {ours}, and in Flink {recorded}")),
    }
}

#[track_caller]
pub(crate) fn assert_same(ours: &Value, recorded: &Value) {
    if let Some(difference) = difference(ours, recorded, "$") {
        panic!("{difference}\nours: {ours:#}");
    }
}

/// An object whose keys are ids (no object at all is one too, when it is empty).
fn is_keyed_by_id(object: &serde_json::Map<String, Value>) -> bool {
    object.keys().all(|key| key.len() == 32 && key.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "quantile",
        Value::Number(_) => "integer",
        // Flink's way to write a quantile without a sample.
        Value::String(text) if text == "NaN" => "quantile",
        Value::String(_) => "text",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    }
}

/// The body of a recorded answer of a real Flink.
pub(crate) fn recorded(name: &str) -> Value {
    let path = format!("{}/../shared/api/tests/flink-rest/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    file.get("body").cloned().unwrap_or(file)
}

#[test]
fn a_difference_is_found_wherever_it_is() {
    use serde_json::json;
    let recorded = json!({"a": [{"kind": "x", "n": 1}, {"kind": "y", "q": "NaN"}], "t": {}});
    for (ours, same) in [
        (json!({"a": [{"kind": "y", "q": 0.5}], "t": {}}), true),
        (json!({"a": [], "t": {}}), true),
        (json!({"a": [{"kind": "x", "n": 1.5}], "t": {}}), false),
        (json!({"a": [{"kind": "x", "n": 1, "more": 1}], "t": {}}), false),
        (json!({"a": [{"kind": "x"}], "t": {}}), false),
        (json!({"a": null, "t": {}}), false),
        (json!({"a": []}), false),
        (json!({"a": [], "t": {"00000000000000000000000000000000": 1}}), false),
    ] {
        assert_eq!(difference(&ours, &recorded, "$").is_none(), same, "{ours}");
    }
}
