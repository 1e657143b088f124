//! A job of the fake cluster, and what is answered about it.

use super::now;
use crate::shape::recorded;
use serde_json::{Value, json};

/// A job of it.
#[derive(Debug, Clone)]
pub(crate) struct FakeJob {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) state: &'static str,
    /// When it was submitted, on the cluster's clock.
    pub(crate) started: i64,
    /// What `…/checkpoints/config` says.
    pub(crate) config: Value,
    /// What `…/checkpoints` says.
    pub(crate) checkpoints: Value,
}

impl FakeJob {
    /// A job with a checkpoint in flight, which two of four subtasks have acknowledged; the one before expired.
    pub(crate) fn new(id: &'static str, name: &'static str) -> Self {
        Self {
            id,
            name,
            state: "RUNNING",
            started: now() - 60_000,
            config: recorded("checkpoints-config"),
            checkpoints: recorded("checkpoints-in-progress"),
        }
    }

    pub(crate) fn in_state(self, state: &'static str) -> Self {
        Self { state, ..self }
    }

    /// The interval and the timeout.
    pub(super) fn values(&self) -> (Value, Value) {
        (self.config["interval"].clone(), self.config["timeout"].clone())
    }
}

impl FakeJob {
    pub(super) fn answer(
        &mut self,
        native: bool,
        now: i64,
        method: &str,
        rest: &[&str],
        body: &str,
    ) -> (u16, Value) {
        match (method, rest) {
            ("GET", []) => {
                let mut job = recorded("job");
                job["jid"] = json!(self.id);
                job["name"] = json!(self.name);
                job["now"] = json!(now);
                (200, job)
            }
            ("PATCH", []) => {
                self.state = "CANCELED";
                (202, json!({}))
            }
            ("GET", ["checkpoints"]) => (200, self.checkpoints.clone()),
            ("POST", ["checkpoints"]) => (202, recorded("trigger-checkpoint")),
            ("GET", ["checkpoints", "config"]) => (200, self.config.clone()),
            ("PATCH", ["checkpoints", "configuration"]) if native => match serde_json::from_str(body) {
                Ok(Value::Object(patch)) => {
                    for (flip, shown) in
                        [("checkpointInterval", "interval"), ("checkpointTimeout", "timeout")]
                    {
                        if let Some(value) = patch.get(flip) {
                            self.config[shown] = value.clone();
                        }
                    }
                    (200, json!({}))
                }
                _ => (400, json!({"errors": ["Request did not match expected format."]})),
            },
            ("GET", ["checkpoints", "details", "2"]) => (200, recorded("checkpoint-details-in-progress")),
            ("GET", ["checkpoints", "details", _]) => (404, recorded("checkpoint-details-unknown-id")),
            ("GET", ["checkpoints", "details", "2", "subtasks", "bc764cd8ddf7a0cff126f51c16239658"]) => {
                (200, recorded("checkpoint-subtasks-in-progress"))
            }
            ("GET", ["checkpoints", "da4412aaddc08438e00c9e2aebca2f2f"]) => {
                (200, recorded("trigger-status-first"))
            }
            ("GET", ["checkpoints", _]) => (404, recorded("trigger-status-unknown")),
            ("POST", ["savepoints"]) if body.contains("target-directory") => {
                (202, recorded("savepoints-and-cancel")["trigger"]["body"].clone())
            }
            ("POST", ["savepoints"]) => (400, recorded("savepoints-and-cancel")["no target"]["body"].clone()),
            ("GET", ["savepoints", "cccccccccccccccccccccccccccccccc"]) => {
                (200, recorded("savepoints-and-cancel")["status"]["body"].clone())
            }
            _ => (404, json!({"errors": [format!("Not found: /jobs/{}/{}", self.id, rest.join("/"))]})),
        }
    }
}
