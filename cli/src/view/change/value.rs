//! Effect of a change on one value, in words.

use crate::view::text::exact_or_none;
use ckpt_api::{Field, Value};

/// A requested change of one value, with the value before and after.
pub(super) struct ValueChange<'a> {
    pub(super) name: &'static str,
    pub(super) asked: Field<u64>,
    pub(super) before: &'a Value,
    pub(super) after: &'a Value,
}

impl ValueChange<'_> {
    /// Whether it is as it was.
    pub(super) fn is_unchanged(&self) -> bool {
        let until = |value: &Value| value.origin.as_ref().and_then(|origin| origin.until);
        self.before.overridden == self.after.overridden
            && self.before.effective == self.after.effective
            && until(self.before) == until(self.after)
    }

    /// Old and new value, in words.
    pub(super) fn sentence(&self) -> String {
        let name = self.name;
        let old = exact_or_none(self.before.effective);
        let new = exact_or_none(self.after.effective);
        let same = self.before.effective == self.after.effective;
        match self.asked {
            Field::Set(asked) if self.after.effective != Some(asked) => {
                let asked = exact_or_none(Some(asked));
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

/// Requested value, in milliseconds.
pub(super) fn millis<T>(field: Field<T>, millis: impl Fn(T) -> u64) -> Field<u64> {
    match field {
        Field::Keep => Field::Keep,
        Field::Clear => Field::Clear,
        Field::Set(value) => Field::Set(millis(value)),
    }
}
