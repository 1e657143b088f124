//! The override of one value as a stack: a temporary one lies on what was there, and ends by itself.

use serde::{Deserialize, Serialize};

/// The most layers of one value: nobody reads more.
pub const MOST_LAYERS: usize = 8;

/// One override of one value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layer {
    /// The value, in milliseconds.
    pub value: u64,
    /// When it ends by itself, in milliseconds since the epoch; `None` when it does not.
    pub until: Option<u64>,
    /// Who made it, as they called themselves.
    pub by: Option<String>,
    /// Why, as they put it.
    pub reason: Option<String>,
    /// Since when, in milliseconds since the epoch.
    pub since: u64,
}

impl Layer {
    /// Whether it is over at `now`.
    #[must_use]
    pub fn has_ended(&self, now: u64) -> bool {
        self.until.is_some_and(|until| until <= now)
    }

    /// Whether it ends no later than at `until`.
    fn ends_by(&self, until: Option<u64>) -> bool {
        match (self.until, until) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(own), Some(until)) => own <= until,
        }
    }
}

/// The layers of one value, the lowest first. Each ends before the one below it, so that the topmost is the one
/// that holds, and the first to end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Layers(Vec<Layer>);

/// There is no room for one more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooDeep;

impl Layers {
    /// These layers, the lowest first.
    ///
    /// # Errors
    /// What is wrong with them, for whoever repairs the file.
    pub fn checked(layers: Vec<Layer>) -> Result<Self, String> {
        if layers.len() > MOST_LAYERS {
            return Err(format!("it has {} layers, and {MOST_LAYERS} are the most", layers.len()));
        }
        for pair in layers.windows(2) {
            if pair[0].ends_by(pair[1].until) {
                return Err("a layer ends no later than the one above it".to_owned());
            }
        }
        Ok(Self(layers))
    }

    /// One that was made before there were layers.
    #[must_use]
    pub fn plain(value: Option<u64>, reason: Option<&String>, since: u64) -> Self {
        let layer = |value| Layer { value, until: None, by: None, reason: reason.cloned(), since };
        Self(value.map(layer).into_iter().collect())
    }

    /// All of them, the lowest first.
    #[must_use]
    pub fn all(&self) -> &[Layer] {
        &self.0
    }

    /// The one that holds at `now`, and the one that does after it.
    #[must_use]
    pub fn at(&self, now: u64) -> Option<(&Layer, Option<&Layer>)> {
        let top = self.0.iter().rposition(|layer| !layer.has_ended(now))?;
        Some((&self.0[top], top.checked_sub(1).map(|below| &self.0[below])))
    }

    /// The value that holds at `now`, in milliseconds.
    #[must_use]
    pub fn value(&self, now: u64) -> Option<u64> {
        self.at(now).map(|(layer, _)| layer.value)
    }

    /// Lays one on top. What would end under it can never show, and goes; the same value as that of a temporary
    /// one on top is that one with another end.
    ///
    /// # Errors
    /// [`TooDeep`].
    pub fn push(&mut self, layer: Layer) -> Result<(), TooDeep> {
        let top = self.0.last().filter(|top| top.value == layer.value && top.until.is_some());
        let keep = self.0.len() - usize::from(top.is_some());
        let mut kept: Vec<_> = self.0[..keep].to_vec();
        kept.retain(|below| !below.ends_by(layer.until));
        if kept.len() >= MOST_LAYERS {
            return Err(TooDeep);
        }
        kept.push(layer);
        self.0 = kept;
        Ok(())
    }

    /// Takes away what has ended. Whether there was something.
    pub fn end(&mut self, now: u64) -> bool {
        let before = self.0.len();
        self.0.retain(|layer| !layer.has_ended(now));
        self.0.len() < before
    }

    /// Takes away all of them.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Lets none last longer than to `until`. Of those that would have, the topmost is left: the ones below it can
    /// never show.
    pub fn end_by(&mut self, until: u64) {
        if let Some(longest) = self.0.iter().rposition(|layer| layer.until.is_none_or(|own| own >= until)) {
            self.0.drain(..longest);
            self.0[0].until = Some(until);
        }
    }

    /// When the next one ends.
    #[must_use]
    pub fn next_end(&self) -> Option<u64> {
        self.0.last().and_then(|layer| layer.until)
    }

    /// Gives another reason for all of them.
    pub fn explain(&mut self, reason: &str) {
        self.0.iter_mut().for_each(|layer| layer.reason = Some(reason.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn layer(value: u64, until: Option<u64>) -> Layer {
        Layer { value, until, by: None, reason: None, since: 0 }
    }

    fn values(layers: &Layers) -> Vec<u64> {
        layers.all().iter().map(|layer| layer.value).collect()
    }

    #[test]
    fn what_was_in_force_before_applies_again_when_a_layer_ends() {
        let mut layers = Layers::default();
        layers.push(layer(10, None)).unwrap();
        layers.push(layer(20, Some(100))).unwrap();
        layers.push(layer(30, Some(50))).unwrap();
        let seen = [0, 49, 50, 99, 100].map(|now| layers.value(now));
        assert_eq!(seen, [Some(30), Some(30), Some(20), Some(20), Some(10)]);
        assert_eq!(layers.next_end(), Some(50));
        assert!(!layers.end(49));
        assert!(layers.end(70));
        assert_eq!(values(&layers), [10, 20]);
        layers.push(layer(40, None)).unwrap();
        assert_eq!(values(&layers), [40], "one that does not end replaces all");
    }

    #[test]
    fn what_can_never_show_is_dropped_and_the_same_value_gets_another_end() {
        let mut layers = Layers::default();
        layers.push(layer(10, Some(100))).unwrap();
        layers.push(layer(20, Some(100))).unwrap();
        assert_eq!(values(&layers), [20]);
        layers.push(layer(20, Some(60))).unwrap();
        assert_eq!((values(&layers), layers.next_end()), (vec![20], Some(60)));
        layers.push(layer(20, None)).unwrap();
        layers.push(layer(20, Some(60))).unwrap();
        assert_eq!(values(&layers), [20, 20], "it ends, and the other one does not");
    }

    #[test]
    fn what_is_to_end_by_a_time_keeps_the_ends_before_it() {
        let mut layers = Layers::default();
        for (value, until) in [(10, None), (20, Some(100)), (30, Some(50)), (40, Some(20))] {
            layers.push(layer(value, until)).unwrap();
        }
        let ends =
            |layers: &Layers| layers.all().iter().map(|layer| (layer.value, layer.until)).collect::<Vec<_>>();
        let all = layers.clone();
        layers.end_by(50);
        assert_eq!(ends(&layers), [(30, Some(50)), (40, Some(20))]);
        layers = all.clone();
        layers.end_by(70);
        assert_eq!(ends(&layers), [(20, Some(70)), (30, Some(50)), (40, Some(20))]);
        layers.end_by(10);
        assert_eq!(ends(&layers), [(40, Some(10))]);
        layers.end_by(10);
        assert_eq!(ends(&layers), [(40, Some(10))]);
        let mut none = Layers::default();
        none.end_by(10);
        assert_eq!(none, Layers::default());
    }

    #[test]
    fn there_is_no_room_for_more_than_anybody_reads() {
        let mut layers = Layers::default();
        for nth in 0..8 {
            layers.push(layer(nth, Some(1_000 - nth))).unwrap();
        }
        let full = layers.clone();
        assert_eq!(layers.push(layer(9, Some(10))), Err(TooDeep));
        assert_eq!(layers, full);
        layers.push(layer(9, Some(2_000))).unwrap();
        assert_eq!(values(&layers), [9]);
    }

    #[test]
    fn damaged_layers_are_named() {
        let wrong = |layers| Layers::checked(layers).unwrap_err();
        assert!(wrong(vec![layer(1, Some(5)), layer(2, None)]).contains("no later"));
        assert!(wrong(vec![layer(1, Some(5)), layer(2, Some(5))]).contains("no later"));
        assert!(wrong((0..9).map(|nth| layer(nth, Some(100 - nth))).collect()).contains("9 layers"));
    }

    proptest! {
        /// The model keeps all that was ever pushed: what holds is the last one that has not ended.
        #[test]
        fn the_topmost_that_has_not_ended_holds(
            pushes in prop::collection::vec((prop::option::weighted(0.9, 1..60_u64), 0..10_u64), 0..20),
            later in 0..200_u64,
        ) {
            let (mut layers, mut model, mut now) = (Layers::default(), Vec::<Layer>::new(), 0);
            for (value, (lasts, passes)) in (1..).zip(pushes) {
                now += passes;
                if passes % 2 == 0 {
                    layers.end(now);
                }
                prop_assert_eq!(layers.value(now), shown(&model, now));
                // As the store does before every edit.
                layers.end(now);
                model.retain(|layer| !layer.has_ended(now));
                let pushed = layer(value, lasts.map(|lasts| now + lasts));
                if layers.push(pushed.clone()).is_ok() {
                    if pushed.until.is_none() {
                        model.clear();
                    }
                    model.push(pushed);
                }
                prop_assert!(Layers::checked(layers.all().to_vec()).is_ok());
            }
            prop_assert_eq!(layers.value(now + later), shown(&model, now + later));
        }
    }

    fn shown(model: &[Layer], now: u64) -> Option<u64> {
        model.iter().rev().find(|layer| !layer.has_ended(now)).map(|layer| layer.value)
    }
}
