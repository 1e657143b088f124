//! The body of `PATCH /jobs/:job/checkpoints/configuration`: strict in what it takes, because a
//! misread number costs a checkpoint.

use ckpt_types::bounds::{BoundsError, CheckpointInterval, CheckpointTimeout, LONGEST, SHORTEST};
use ckpt_types::duration::{Exact, millis};
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;
use std::time::Duration;

/// The longest `reason`, in characters.
pub const LONGEST_REASON: usize = 500;

/// What a change does with one of the two values (JSON merge patch, RFC 7396).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Field<T> {
    /// Left out: it stays as it is.
    #[default]
    Keep,
    /// `null`: its override is cleared.
    Clear,
    /// A number: it is overridden with it.
    Set(T),
}

impl<T: Copy> Field<T> {
    /// What becomes of an override of `current`.
    #[must_use]
    pub fn merge(self, current: Option<T>) -> Option<T> {
        match self {
            Self::Keep => current,
            Self::Clear => None,
            Self::Set(value) => Some(value),
        }
    }
}

/// A change of a job's checkpoint configuration. Both values change together or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConfigurationPatch {
    /// `checkpointInterval`.
    pub interval: Field<CheckpointInterval>,
    /// `checkpointTimeout`.
    pub timeout: Field<CheckpointTimeout>,
    /// `pullIn`: bring the pending trigger forward to now + interval.
    pub pull_in: bool,
    /// `for`: how long what is set lasts.
    pub lasting: Lasting,
    /// `reason`: why, for whoever comes after.
    pub reason: Option<String>,
}

/// How long an override lasts before it ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lasting {
    /// Left out: as ckptd is configured, and without that, for ever.
    #[default]
    AsConfigured,
    /// `null`: until somebody ends it.
    Forever,
    /// So long, from [`Self::SHORTEST`] to [`LONGEST`].
    For(Duration),
}

impl Lasting {
    /// The shortest time for which a value can be overridden.
    pub const SHORTEST: Duration = Duration::from_secs(1);

    /// So long.
    ///
    /// # Errors
    /// [`PatchError`] when it is shorter than [`Self::SHORTEST`] or longer than [`LONGEST`].
    pub fn of(time: Duration) -> Result<Self, PatchError> {
        match time {
            time if time < Self::SHORTEST || time > LONGEST => Err(PatchError(format!(
                "an override cannot be made for {}; it lasts from {} to {}, or until somebody ends it",
                Exact(time),
                Exact(Self::SHORTEST),
                Exact(LONGEST)
            ))),
            time => Ok(Self::For(time)),
        }
    }
}

/// Why a body is no [`ConfigurationPatch`]. One clear sentence each.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PatchError(String);

impl From<BoundsError> for PatchError {
    fn from(error: BoundsError) -> Self {
        Self(error.to_string())
    }
}

impl ConfigurationPatch {
    /// Clears both overrides, as `DELETE` does.
    #[must_use]
    pub fn clear_all() -> Self {
        Self { interval: Field::Clear, timeout: Field::Clear, ..Self::default() }
    }

    /// Whether it touches neither value.
    #[must_use]
    pub fn changes_nothing(&self) -> bool {
        self.interval == Field::Keep && self.timeout == Field::Keep
    }

    /// Whether it sets one of the two values, and does not only clear.
    #[must_use]
    pub fn sets_something(&self) -> bool {
        matches!(self.interval, Field::Set(_)) || matches!(self.timeout, Field::Set(_))
    }

    /// Parses a request body.
    ///
    /// # Errors
    /// Anything but one JSON object with at least one of the two values: wrong types, fractions,
    /// values out of bounds, unknown or repeated fields, something after the object.
    pub fn from_json(body: &[u8]) -> Result<Self, PatchError> {
        if body.iter().all(u8::is_ascii_whitespace) {
            return Err(PatchError(format!("the body is empty; {WANTED}")));
        }
        let mut json = serde_json::Deserializer::from_slice(body);
        let fields =
            json.deserialize_any(Fields).and_then(|fields| json.end().map(|()| fields)).map_err(|error| {
                PatchError(format!("the body is not the JSON that is wanted: {error}; {WANTED}"))
            })?;
        let mut patch = Self::default();
        for (name, value) in fields {
            match name.as_str() {
                "checkpointInterval" => {
                    patch.interval = field(&name, &value, CheckpointInterval::from_millis)?;
                }
                "checkpointTimeout" => {
                    patch.timeout = field(&name, &value, CheckpointTimeout::from_millis)?;
                }
                "pullIn" => {
                    patch.pull_in = value.as_bool().ok_or_else(|| {
                        PatchError(format!("pullIn is {}; it must be true or false", kind(&value)))
                    })?;
                }
                "for" => patch.lasting = lasting(&value)?,
                "reason" => patch.reason = Some(reason(&value)?).filter(|reason| !reason.is_empty()),
                _ => {
                    return Err(PatchError(format!(
                        "unknown field '{}'; the fields are checkpointInterval, checkpointTimeout, pullIn, for and reason",
                        name.escape_debug()
                    )));
                }
            }
        }
        if patch.changes_nothing() {
            return Err(PatchError(format!("the body changes neither value; {WANTED}")));
        }
        if patch.lasting != Lasting::AsConfigured && !patch.sets_something() {
            return Err(PatchError(
                "for says how long a value lasts, and none is set; leave it out".to_owned(),
            ));
        }
        Ok(patch)
    }

    /// The body that [`Self::from_json`] reads back.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut body = Map::new();
        let interval = as_json(self.interval, CheckpointInterval::as_millis);
        let timeout = as_json(self.timeout, CheckpointTimeout::as_millis);
        body.extend(interval.map(|value| ("checkpointInterval".to_owned(), value)));
        body.extend(timeout.map(|value| ("checkpointTimeout".to_owned(), value)));
        if self.pull_in {
            body.insert("pullIn".to_owned(), Value::Bool(true));
        }
        match self.lasting {
            Lasting::AsConfigured => {}
            Lasting::Forever => drop(body.insert("for".to_owned(), Value::Null)),
            Lasting::For(time) => drop(body.insert("for".to_owned(), Value::from(millis(time)))),
        }
        if let Some(reason) = &self.reason {
            body.insert("reason".to_owned(), Value::String(reason.clone()));
        }
        Value::Object(body)
    }
}

const WANTED: &str = r#"send for example {"checkpointTimeout": 1200000}, in milliseconds"#;

fn as_json<T>(field: Field<T>, millis: impl Fn(T) -> u64) -> Option<Value> {
    match field {
        Field::Keep => None,
        Field::Clear => Some(Value::Null),
        Field::Set(value) => Some(Value::from(millis(value))),
    }
}

fn field<T>(
    name: &str,
    value: &Value,
    make: impl Fn(u64) -> Result<T, BoundsError>,
) -> Result<Field<T>, PatchError> {
    match value {
        Value::Null => Ok(Field::Clear),
        Value::Number(number) if number.is_u64() => Ok(Field::Set(make(number.as_u64().unwrap_or(0))?)),
        _ => Err(PatchError(format!(
            "{name} is {}; it must be a whole number of milliseconds from {} to {}, or null to clear the override",
            kind(value),
            millis(SHORTEST),
            millis(LONGEST)
        ))),
    }
}

fn lasting(value: &Value) -> Result<Lasting, PatchError> {
    match value {
        Value::Null => Ok(Lasting::Forever),
        Value::Number(number) if number.is_u64() => {
            Lasting::of(Duration::from_millis(number.as_u64().unwrap_or(0)))
        }
        _ => Err(PatchError(format!(
            "for is {}; it must be a whole number of milliseconds from {} to {}, or null for an override that does \
             not end by itself",
            kind(value),
            millis(Lasting::SHORTEST),
            millis(LONGEST)
        ))),
    }
}

fn reason(value: &Value) -> Result<String, PatchError> {
    let text =
        value.as_str().ok_or_else(|| PatchError(format!("reason is {}; it must be a text", kind(value))))?;
    parse_reason(text)
}

/// Takes a reason: one plain line of at most [`LONGEST_REASON`] characters, without what surrounds it.
///
/// # Errors
/// [`PatchError`] for anything else.
pub fn parse_reason(text: &str) -> Result<String, PatchError> {
    let text = text.trim();
    let length = text.chars().count();
    if length > LONGEST_REASON {
        return Err(PatchError(format!("reason has {length} characters; at most {LONGEST_REASON} are kept")));
    }
    if text.chars().any(char::is_control) {
        return Err(PatchError("reason has control characters; write it on one plain line".to_owned()));
    }
    Ok(text.to_owned())
}

/// The longest name of somebody, in characters.
pub const LONGEST_BY: usize = 100;

/// Takes what somebody calls themselves: one plain word or line of at most [`LONGEST_BY`] characters.
///
/// # Errors
/// [`PatchError`] for anything else.
pub fn parse_by(text: &str) -> Result<String, PatchError> {
    let text = text.trim();
    let length = text.chars().count();
    if length == 0 || length > LONGEST_BY || text.chars().any(char::is_control) {
        return Err(PatchError(format!(
            "who makes a change is named in 1 to {LONGEST_BY} printable characters, such as ada@laptop"
        )));
    }
    Ok(text.to_owned())
}

fn kind(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => format!("{flag}"),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) => {
            format!("the text \"{}\"", text.chars().take(40).collect::<String>().escape_debug())
        }
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

/// The fields of an object in order; a derived struct would also read a list, and a map would hide
/// that a field came twice.
struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = Vec<(String, Value)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields: Vec<(String, Value)> = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            if fields.iter().any(|(seen, _)| *seen == name) {
                return Err(serde::de::Error::custom(format_args!(
                    "the field '{}' is repeated",
                    name.escape_debug()
                )));
            }
            fields.push((name, value));
        }
        Ok(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str) -> Result<ConfigurationPatch, String> {
        ConfigurationPatch::from_json(body.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn every_field_is_optional_and_null_clears() {
        let patch =
            parse(r#" {"checkpointTimeout": 1200000, "pullIn": true, "reason": "S3 is slow"} "#).unwrap();
        assert_eq!(patch.timeout, Field::Set(CheckpointTimeout::from_millis(1_200_000).unwrap()));
        assert_eq!(patch.interval, Field::Keep);
        assert!(patch.pull_in);
        assert_eq!(parse(r#"{"checkpointInterval": null}"#).unwrap().interval, Field::Clear);
        assert_eq!(ConfigurationPatch::from_json(patch.to_json().to_string().as_bytes()), Ok(patch));
    }

    #[test]
    fn how_long_it_lasts_is_left_out_null_or_a_time() {
        for (body, lasting) in [
            (r#"{"checkpointTimeout": 60000}"#, Lasting::AsConfigured),
            (r#"{"checkpointTimeout": 60000, "for": null}"#, Lasting::Forever),
            (r#"{"checkpointTimeout": 60000, "for": 14400000}"#, Lasting::For(Duration::from_secs(14_400))),
        ] {
            let patch = parse(body).unwrap();
            assert_eq!(patch.lasting, lasting);
            assert_eq!(ConfigurationPatch::from_json(patch.to_json().to_string().as_bytes()), Ok(patch));
        }
    }

    #[test]
    fn anything_else_is_refused_with_a_sentence() {
        for (body, part) in [
            ("", "the body is empty"),
            ("  \n", "the body is empty"),
            ("{}", "changes neither"),
            ("[]", "invalid type: sequence"),
            ("[60000, 60000]", "invalid type: sequence"),
            ("60000", "invalid type: integer"),
            ("null", "invalid type: null"),
            ("{\"checkpointTimeout\": 60000", "EOF"),
            (r#"{"checkpointTimeout": "20m"}"#, "the text \"20m\""),
            (r#"{"checkpointTimeout": 60000.0}"#, "the number 60000.0"),
            (r#"{"checkpointTimeout": 6e4}"#, "whole number"),
            (r#"{"checkpointTimeout": true}"#, "is true"),
            (r#"{"checkpointTimeout": -1}"#, "the number -1"),
            (r#"{"checkpointTimeout": 9}"#, "9ms is too short"),
            (r#"{"checkpointInterval": 9223372036854775807}"#, "too long"),
            (r#"{"checkpointInterval": 31536000001}"#, "too long"),
            (r#"{"checkpointTimeout": 60000, "checkpointInterval": 1}"#, "1ms is too short"),
            (r#"{"checkpointTimeout": 60000, "checkpointTimeout": 60000}"#, "repeated"),
            (r#"{"timeout": 60000}"#, "unknown field 'timeout'"),
            (r#"{"checkpointTimeout": 60000} x"#, "trailing"),
            (r#"{"checkpointTimeout": 60000}{}"#, "trailing"),
            (r#"{"pullIn": true}"#, "changes neither"),
            (r#"{"reason": "because"}"#, "changes neither"),
            (r#"{"checkpointTimeout": 60000, "pullIn": 1}"#, "true or false"),
            (r#"{"checkpointTimeout": 60000, "for": 999}"#, "lasts from 1s to"),
            (r#"{"checkpointTimeout": 60000, "for": 31536000001}"#, "lasts from 1s to"),
            (r#"{"checkpointTimeout": 60000, "for": "4h"}"#, "for is the text"),
            (r#"{"checkpointTimeout": null, "for": 60000}"#, "none is set"),
            (r#"{"checkpointTimeout": 60000, "reason": 7}"#, "must be a text"),
            (r#"{"checkpointTimeout": 60000, "reason": "a\u001b[2Jb"}"#, "control characters"),
            ("{\"checkpointTimeout\": 60000, \"reason\": \"\u{7f}\"}", "control characters"),
        ] {
            let message = parse(body).unwrap_err();
            assert!(message.contains(part), "{body:?} gave {message:?}");
        }
        let long = format!(r#"{{"checkpointTimeout": 60000, "reason": "{}"}}"#, "x".repeat(501));
        assert!(parse(&long).unwrap_err().contains("501 characters"));
    }

    proptest::proptest! {
        #[test]
        fn no_body_makes_it_panic(body: Vec<u8>) {
            let _ = ConfigurationPatch::from_json(&body);
        }
    }
}
