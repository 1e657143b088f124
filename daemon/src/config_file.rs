//! ckptd's configuration file: which clusters are followed, what may be changed and for how long, and how the audit
//! log is kept. Unknown keys are mistakes: a guard rail that is misspelt is none.

use crate::audit;
use crate::durable::read_limited;
use crate::flink::FlinkSection;
use crate::job_file::{self, JobFileError};
use crate::policy::{OverridesSection, PolicySection, Rules};
use ckpt_api::LARGEST_BODY;
use serde::Deserialize;
use std::io;
use std::path::{Path, PathBuf};
use toml::Spanned;

/// The smallest file of the audit log that is rotated, in bytes.
const SMALLEST_ROTATION: u64 = 1_000;
/// The largest, in bytes: reading takes whole files, and an answer some of them.
const LARGEST_ROTATION: u64 = 64_000_000;

/// What the file says.
#[derive(Debug, Default)]
pub struct Config {
    /// About Flink's clusters.
    pub flink: FlinkSection,
    /// About changes.
    pub rules: Rules,
    /// About the audit log.
    pub audit: audit::Settings,
}

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("cannot read {path}: {cause}", path = .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// It has a mistake.
    #[error("{path} has a mistake: {cause}", path = .path.display())]
    Mistake {
        /// The file.
        path: PathBuf,
        /// Where and which.
        #[source]
        cause: JobFileError,
    },
}

/// The file as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct File {
    attach: Option<crate::flink::Attach>,
    attach_other_users: bool,
    flink: Vec<crate::flink::Entry>,
    overrides: OverridesSection,
    policy: PolicySection,
    audit: AuditSection,
}

/// `[audit]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct AuditSection {
    rotate_at: Option<Spanned<String>>,
    keep: Option<Spanned<u32>>,
}

impl Config {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let unreadable = |cause| ConfigError::Unreadable { path: path.to_owned(), cause };
        let content = read_limited(path, LARGEST_BODY as u64).map_err(unreadable)?;
        let text = String::from_utf8(content);
        let text = text.map_err(|error| unreadable(io::Error::new(io::ErrorKind::InvalidData, error)))?;
        Self::parse(path, &text)
    }

    /// Takes the file at `path`, whose text is `text`.
    ///
    /// # Errors
    /// [`ConfigError::Mistake`].
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let mistake = |cause| ConfigError::Mistake { path: path.to_owned(), cause };
        let file: File =
            toml::from_str(text).map_err(|error| mistake(JobFileError::from_toml(text, error)))?;
        let File { attach, attach_other_users, flink, overrides, policy, audit } = file;
        Ok(Self {
            flink: FlinkSection { attach, attach_other_users, clusters: flink },
            rules: Rules::of(path, text, overrides, policy).map_err(mistake)?,
            audit: audit_settings(text, audit).map_err(mistake)?,
        })
    }
}

fn audit_settings(text: &str, section: AuditSection) -> Result<audit::Settings, JobFileError> {
    let mut settings = audit::Settings::default();
    if let Some(size) = section.rotate_at {
        let at = |why: &str| job_file::at(text, size.span().start, why);
        // As in a job file: a bare number has no unit to be sure of.
        let has_unit = size.get_ref().ends_with(['B', 'b']);
        let bytes = size.get_ref().parse::<bytesize::ByteSize>().ok().filter(|_| has_unit);
        let Some(bytes) = bytes else {
            return Err(at(&format!(
                "'{}' is no size; write for example 10MB",
                size.get_ref().escape_debug()
            )));
        };
        if bytes.as_u64() < SMALLEST_ROTATION {
            return Err(at(&format!(
                "it is smaller than {SMALLEST_ROTATION} B, so that hardly a line would fit"
            )));
        }
        if bytes.as_u64() > LARGEST_ROTATION {
            return Err(at(
                "it is larger than 64 MB, and ckptctl audit reads whole files; write 64MB or less, \
                           as old files are kept anyway",
            ));
        }
        settings.rotate_at = bytes.as_u64();
    }
    if let Some(keep) = section.keep {
        if *keep.get_ref() == 0 {
            return Err(job_file::at(
                text,
                keep.span().start,
                "it is 0; leave it out to keep every file, or keep at least 1",
            ));
        }
        settings.keep = Some(keep.into_inner());
    }
    Ok(settings)
}
