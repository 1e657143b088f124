//! The shape of a job file, and the checks that need more than one value of it.

use super::{
    Fault, FaultKind, HEARTBEAT_TIMEOUT, JobSpec, LONGEST_HEARTBEAT_TIMEOUT, MAX_SUBTASKS, Rehearsal,
    SHORTEST_HEARTBEAT_TIMEOUT, Tasks, VertexSpec, names,
};
use ckpt_api::Failures;
use ckpt_coordinator::config::{Mode, RetentionPolicy, SubmittedConfig, Tolerable};
use ckpt_types::bounds::{CheckpointInterval, CheckpointTimeout};
use ckpt_types::duration::{self, Exact};
use ckpt_types::ids::VertexId;
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};
use std::fmt;
use std::marker::PhantomData;
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;
use toml::Spanned;

/// The longest name of a job or vertex, in characters.
const LONGEST_NAME: usize = 200;

/// An offset into the text, and what is wrong there.
type Mistake = (usize, String);

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct File {
    name: Spanned<String>,
    vertices: Spanned<Vec<Vertex>>,
    #[serde(default)]
    checkpointing: Checkpointing,
    #[serde(default)]
    restart: Restart,
    rehearsal: Option<RawRehearsal>,
    tasks: Option<Spanned<RawTasks>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vertex {
    name: String,
    parallelism: NonZeroU32,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Checkpointing {
    interval: Option<Text<CheckpointInterval>>,
    timeout: Option<Text<CheckpointTimeout>>,
    min_pause: Option<Text<AnyDuration>>,
    max_concurrent: Option<NonZeroU32>,
    tolerable_failures: Option<TolerableFailures>,
    retained: Option<NonZeroUsize>,
    #[serde(default)]
    mode: RawMode,
    #[serde(default)]
    on_end: RawPolicy,
    directory: Option<Spanned<PathBuf>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
enum RawMode {
    #[default]
    ExactlyOnce,
    AtLeastOnce,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
enum RawPolicy {
    #[default]
    NeverRetain,
    RetainOnFailure,
    RetainOnCancellation,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Restart {
    delay: Option<Text<AnyDuration>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRehearsal {
    size: Option<Text<Size>>,
    speed: Option<Text<Speed>>,
    #[serde(default)]
    faults: Vec<Spanned<RawFault>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawTasks {
    heartbeat_timeout: Option<Text<HeartbeatTimeout>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFault {
    vertex: Option<Spanned<String>>,
    subtask: Option<Spanned<u32>>,
    from: Option<NonZeroU64>,
    to: Option<NonZeroU64>,
    every: Option<NonZeroU64>,
    kind: RawKind,
    speed: Option<Text<Speed>>,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum RawKind {
    Straggler,
    Decline,
    Hang,
}

impl File {
    /// Checks what no single value can tell.
    pub(super) fn check(self) -> Result<JobSpec, Mistake> {
        check_name(self.name.get_ref(), "job").map_err(|message| (self.name.span().start, message))?;
        let vertices_at = self.vertices.span().start;
        let vertices =
            check_vertices(self.vertices.into_inner()).map_err(|message| (vertices_at, message))?;
        let tasks = match (self.rehearsal, self.tasks) {
            (Some(rehearsal), None) => Tasks::Rehearsal(rehearsal.check(&vertices)?),
            (None, Some(tasks)) => tasks.into_inner().into(),
            (Some(_), Some(tasks)) => {
                let message =
                    "the job has both [tasks] and [rehearsal]; its tasks are either programs or simulated";
                return Err((tasks.span().start, message.to_owned()));
            }
            (None, None) => {
                let message = "the job has neither [tasks] nor [rehearsal]; with [tasks] programs are its tasks, and \
                               [rehearsal] simulates them";
                return Err((0, message.to_owned()));
            }
        };
        let directory = self.checkpointing.directory.as_ref();
        if let Some(relative) = directory.filter(|directory| directory.get_ref().is_relative()) {
            return Err((relative.span().start, "the directory must be an absolute path".to_owned()));
        }
        Ok(JobSpec {
            name: self.name.into_inner(),
            vertices,
            directory: directory.map(|directory| directory.get_ref().clone()),
            restart_delay: self.restart.delay.map_or(Duration::from_secs(1), |delay| delay.value.0),
            tasks,
            checkpointing: self.checkpointing.into(),
        })
    }
}

impl From<Checkpointing> for SubmittedConfig {
    fn from(raw: Checkpointing) -> Self {
        let default = Self::default();
        Self {
            interval: raw.interval.map(|interval| interval.value),
            timeout: raw.timeout.map_or(default.timeout, |timeout| timeout.value),
            min_pause: raw.min_pause.map_or(default.min_pause, |pause| pause.value.0),
            max_concurrent: raw.max_concurrent.unwrap_or(default.max_concurrent),
            tolerable_failures: raw
                .tolerable_failures
                .map_or(default.tolerable_failures, |tolerable| tolerable.0),
            retained: raw.retained.unwrap_or(default.retained),
            mode: match raw.mode {
                RawMode::ExactlyOnce => Mode::ExactlyOnce,
                RawMode::AtLeastOnce => Mode::AtLeastOnce,
            },
            retention_policy: match raw.on_end {
                RawPolicy::NeverRetain => RetentionPolicy::NeverRetain,
                RawPolicy::RetainOnFailure => RetentionPolicy::RetainOnFailure,
                RawPolicy::RetainOnCancellation => RetentionPolicy::RetainOnCancellation,
            },
        }
    }
}

impl From<RawTasks> for Tasks {
    fn from(raw: RawTasks) -> Self {
        let heartbeat_timeout = raw.heartbeat_timeout.map_or(HEARTBEAT_TIMEOUT, |timeout| timeout.value.0);
        Self::Programs { heartbeat_timeout }
    }
}

impl RawRehearsal {
    fn check(self, vertices: &[VertexSpec]) -> Result<Rehearsal, Mistake> {
        let faults = self.faults.into_iter().map(|fault| {
            let at = fault.span().start;
            fault.into_inner().check(at, vertices)
        });
        Ok(Rehearsal {
            size: self.size.map_or(1_000_000, |size| size.value.0),
            speed: self.speed.map_or(10_000_000, |speed| speed.value.0),
            faults: faults.collect::<Result<_, _>>()?,
        })
    }
}

impl RawFault {
    fn check(self, at: usize, vertices: &[VertexSpec]) -> Result<Fault, Mistake> {
        let vertex = self.vertex.map(|name| find_vertex(&name, vertices)).transpose()?;
        if let Some(subtask) = &self.subtask {
            let (index, most) = (
                *subtask.get_ref(),
                vertex.map_or_else(
                    || vertices.iter().map(|vertex| vertex.parallelism).max().unwrap_or(0),
                    |vertex| vertex.parallelism,
                ),
            );
            if index >= most {
                let message = match vertex {
                    Some(vertex) => format!("'{}' has the subtasks 0 to {}", vertex.name, most - 1),
                    None => format!("no vertex has a subtask {index}"),
                };
                return Err((subtask.span().start, message));
            }
        }
        let kind = match (self.kind, self.speed) {
            (RawKind::Straggler, Some(speed)) => FaultKind::Straggler { speed: speed.value.0 },
            (RawKind::Straggler, None) => {
                return Err((at, "a straggler needs a speed, such as \"100kB/s\"".to_owned()));
            }
            (_, Some(_)) => return Err((at, "only a straggler has a speed".to_owned())),
            (RawKind::Decline, None) => FaultKind::Decline,
            (RawKind::Hang, None) => FaultKind::Hang,
        };
        Ok(Fault {
            vertex: vertex.map(|vertex| vertex.id),
            subtask: self.subtask.map(Spanned::into_inner),
            from: self.from.map_or(1, NonZeroU64::get),
            to: self.to.map_or(u64::MAX, NonZeroU64::get),
            every: self.every.map_or(1, NonZeroU64::get),
            kind,
        })
    }
}

fn find_vertex<'a>(name: &Spanned<String>, vertices: &'a [VertexSpec]) -> Result<&'a VertexSpec, Mistake> {
    vertices.iter().find(|vertex| vertex.name == *name.get_ref()).ok_or_else(|| {
        let message = format!("no vertex is named '{}'; there are: {}", name.get_ref(), names(vertices));
        (name.span().start, message)
    })
}

fn check_vertices(raw: Vec<Vertex>) -> Result<Vec<VertexSpec>, String> {
    let mut vertices: Vec<VertexSpec> = Vec::new();
    for (place, vertex) in raw.into_iter().enumerate() {
        check_name(&vertex.name, "vertex")?;
        if vertices.iter().any(|other| other.name == vertex.name) {
            return Err(format!("two vertices are named '{}'", vertex.name));
        }
        vertices.push(VertexSpec::new(place, vertex.name, vertex.parallelism.get()));
    }
    let subtasks = vertices.iter().fold(0_u32, |sum, vertex| sum.saturating_add(vertex.parallelism));
    match subtasks {
        0 => Err("a job has at least one vertex".to_owned()),
        1..=MAX_SUBTASKS => Ok(vertices),
        _ => Err(format!("{subtasks} subtasks are too many; at most {MAX_SUBTASKS} are hosted")),
    }
}

fn check_name(name: &str, what: &str) -> Result<(), String> {
    if name.trim().is_empty() {
        Err(format!("the name of the {what} is empty"))
    } else if name.chars().count() > LONGEST_NAME {
        Err(format!("the name of the {what} is longer than {LONGEST_NAME} characters"))
    } else if name.chars().any(char::is_control) {
        Err(format!("the name of the {what} has control characters"))
    } else if what == "job" && matches!(name, "." | "..") {
        Err("the name of the job means a directory in a path; choose another one".to_owned())
    } else if what == "job" && name.contains('/') {
        Err("the name of the job has a slash, which separates a cluster from a name".to_owned())
    } else if name.parse::<VertexId>().is_ok() {
        Err(format!("the name of the {what} looks like an id (32 hexadecimal digits)"))
    } else {
        Ok(())
    }
}

/// A value that is written as a text; its parser says what is wrong with it.
struct Text<T> {
    value: T,
}

/// What a value looks like when it is written right.
trait Example {
    const EXAMPLE: &str;
}

impl<'de, T: FromStr<Err: fmt::Display> + Example> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Parser<T>(PhantomData<T>);
        impl<T: FromStr<Err: fmt::Display> + Example> Visitor<'_> for Parser<T> {
            type Value = T;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(T::EXAMPLE)
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
                text.parse().map_err(E::custom)
            }
        }
        Ok(Self { value: from.deserialize_str(Parser(PhantomData))? })
    }
}

const A_DURATION: &str = "a duration as a text, such as \"20m\"";

impl Example for CheckpointInterval {
    const EXAMPLE: &str = A_DURATION;
}

impl Example for CheckpointTimeout {
    const EXAMPLE: &str = A_DURATION;
}

/// A duration without bounds, zero included.
struct AnyDuration(Duration);

impl Example for AnyDuration {
    const EXAMPLE: &str = A_DURATION;
}

impl FromStr for AnyDuration {
    type Err = duration::DurationError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        duration::parse(text).map(Self)
    }
}

/// How long a process may be silent.
struct HeartbeatTimeout(Duration);

impl Example for HeartbeatTimeout {
    const EXAMPLE: &str = A_DURATION;
}

impl FromStr for HeartbeatTimeout {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let timeout = duration::parse(text).map_err(|error| error.to_string())?;
        match (SHORTEST_HEARTBEAT_TIMEOUT..=LONGEST_HEARTBEAT_TIMEOUT).contains(&timeout) {
            true => Ok(Self(timeout)),
            false => Err(format!(
                "the heartbeat timeout '{text}' is not from {} to {}",
                Exact(SHORTEST_HEARTBEAT_TIMEOUT),
                Exact(LONGEST_HEARTBEAT_TIMEOUT)
            )),
        }
    }
}

/// A number of bytes.
struct Size(u64);

impl Example for Size {
    const EXAMPLE: &str = "a size as a text, such as \"1400kB\" or \"4MiB\"";
}

impl FromStr for Size {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let size = text.parse::<bytesize::ByteSize>();
        size.map(|size| Self(size.as_u64())).map_err(|_| format!("'{text}' is not {}", Self::EXAMPLE))
    }
}

/// Bytes a second, never zero.
struct Speed(u64);

impl Example for Speed {
    const EXAMPLE: &str = "a speed as a text, such as \"100kB/s\" or \"2MiB/s\"";
}

impl FromStr for Speed {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let size = text.trim().strip_suffix("/s").map(str::trim).and_then(|size| size.parse::<Size>().ok());
        match size {
            Some(Size(0)) => Err("the speed must be more than zero; use kind = \"hang\" for none".to_owned()),
            Some(Size(speed)) => Ok(Self(speed)),
            None => Err(format!("'{text}' is not {}", Self::EXAMPLE)),
        }
    }
}

/// A number, or `"unlimited"`.
struct TolerableFailures(Tolerable);

impl<'de> Deserialize<'de> for TolerableFailures {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Parser;
        impl Visitor<'_> for Parser {
            type Value = TolerableFailures;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number from 0, or \"unlimited\"")
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Self::Value, E> {
                match u32::try_from(number) {
                    Ok(Failures::UNLIMITED) => Ok(TolerableFailures(Tolerable::Unlimited)),
                    Ok(number) if number < Failures::UNLIMITED => {
                        Ok(TolerableFailures(Tolerable::AtMost(number)))
                    }
                    _ => Err(E::invalid_value(de::Unexpected::Signed(number), &self)),
                }
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                match text {
                    "unlimited" => Ok(TolerableFailures(Tolerable::Unlimited)),
                    _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }
        }
        from.deserialize_any(Parser)
    }
}
