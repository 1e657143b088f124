//! What a change did to one value, in words.

use ckpt_api::{Field, Value};
use ckpt_types::duration::Exact;
use std::time::Duration;

/// What was asked of one value, and what became of it.
pub(super) struct Part<'a> {
    pub(super) name: &'static str,
    pub(super) asked: Field<u64>,
    pub(super) before: &'a Value,
    pub(super) after: &'a Value,
}

impl Part<'_> {
    /// Whether it is as it was.
    pub(super) fn is_unchanged(&self) -> bool {
        let until = |value: &Value| value.origin.as_ref().and_then(|origin| origin.until);
        self.before.overridden == self.after.overridden
            && self.before.effective == self.after.effective
            && until(self.before) == until(self.after)
    }

    /// Old and new value.
    pub(super) fn sentence(&self) -> String {
        let name = self.name;
        let old = exact(self.before.effective);
        let new = exact(self.after.effective);
        let same = self.before.effective == self.after.effective;
        match self.asked {
            Field::Set(asked) if self.after.effective != Some(asked) => {
                let asked = exact(Some(asked));
                match self.is_unchanged() {
                    true => format!("{name} is {asked} already, in force {new}"),
                    false => format!("{name} {old} → {asked}, in force {new}"),
                }
            }
            Field::Set(_) if self.is_unchanged() => format!("{name} is {new} already"),
            Field::Set(_) if same && self.before.overridden == self.after.overridden => {
                let ends = self.after.origin.as_ref().is_some_and(|origin| origin.until.is_some());
                let end = if ends { "with another end" } else { "and does not end by itself any more" };
                format!("{name} stays {new}, {end}")
            }
            Field::Set(_) if same => format!("{name} stays {new}, now as an override"),
            Field::Keep | Field::Set(_) => format!("{name} {old} → {new}"),
            Field::Clear if self.is_unchanged() => format!("{name} is {new} as submitted already"),
            Field::Clear if same => format!("{name} stays {new}, now as submitted"),
            Field::Clear => format!("{name} {old} → {new} as submitted"),
        }
    }
}

/// What was asked, in milliseconds.
pub(super) fn millis<T>(field: Field<T>, millis: impl Fn(T) -> u64) -> Field<u64> {
    match field {
        Field::Keep => Field::Keep,
        Field::Clear => Field::Clear,
        Field::Set(value) => Field::Set(millis(value)),
    }
}

fn exact(millis: Option<u64>) -> String {
    millis.map_or("<none>".to_owned(), |millis| Exact(Duration::from_millis(millis)).to_string())
}
