//! Which clusters are followed, and what is allowed there: from the command line and a file.

use crate::config_file::{Config, ConfigError};
use crate::durable::read_limited;
use ckpt_api::{HOSTED, LARGEST_BODY};
use ckpt_client::local as paths;
use ckpt_client::{Access, Client, ClientError, Peer};
use clap::ValueEnum;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The longest wait for an answer of a cluster.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// In place of an address: the JobManagers of this machine.
const AUTO: &str = "auto";

/// What `ckptd serve` takes about Flink.
#[derive(Debug, Clone, Default, clap::Args)]
#[group(id = "flink-options")]
pub struct Options {
    /// A Flink cluster to follow, such as http://127.0.0.1:8081 or prod=http://jm:8081; auto follows
    /// those whose JobManagers run on this machine. May be given several times.
    #[arg(long = "flink", value_name = "[NAME=]URL")]
    pub flink: Vec<String>,
    /// When a library may be loaded into a JobManager of this machine.
    #[arg(long, value_enum, value_name = "WHEN")]
    pub attach: Option<Attach>,
    /// Load it also into JobManagers of other users, which only root can.
    #[arg(long)]
    pub attach_other_users: bool,
    /// A file with clusters and what is allowed for each, with a policy for changes, and more.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// When a library may be loaded into a JobManager.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Attach {
    /// Never: nothing can be changed that way.
    Never,
    /// To make a change, or to keep one.
    #[default]
    OnChange,
    /// To look as well, which is fresher than Flink's REST API.
    Always,
}

/// One cluster.
#[derive(Debug, Clone)]
pub struct ClusterSettings {
    /// Its name.
    pub name: String,
    /// The address of its REST API.
    pub url: String,
    /// What is allowed there.
    pub consent: Consent,
    /// The client for it.
    pub client: Client,
}

/// What is allowed in JobManagers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Consent {
    /// When a library may be loaded.
    pub attach: Attach,
    /// Whether it may be loaded into JVMs of other users.
    pub other_users: bool,
}

/// Everything about Flink.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The clusters.
    pub clusters: Vec<ClusterSettings>,
    /// Whether those of this machine are looked for, and what is allowed there.
    pub auto: Option<Consent>,
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The configuration file cannot be used, or one that it names cannot be read.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A file that it names has a mistake.
    #[error("{path} has a mistake: {cause}", path = .path.display())]
    Mistake {
        /// The file.
        path: PathBuf,
        /// Where and which.
        #[source]
        cause: ClientError,
    },
    /// A name cannot be one.
    #[error(
        "'{0}' cannot be the name of a cluster; use letters, digits, '.', '-', '_' and ':', and neither 'hosted' nor 'job'"
    )]
    BadName(String),
    /// Two clusters have the same name.
    #[error("two clusters are named '{0}'; name one of them otherwise, with NAME=URL")]
    NamedTwice(String),
    /// Two clusters have the same address: they would undo each other's changes.
    #[error("the clusters '{0}' and '{1}' have the same address; name it once")]
    SamePlace(String, String),
    /// An address is none.
    #[error(transparent)]
    BadUrl(#[from] ClientError),
}

/// What the configuration file says about Flink.
#[derive(Debug, Default)]
pub struct FlinkSection {
    /// When a library may be loaded, unless a cluster says otherwise.
    pub attach: Option<Attach>,
    /// Whether it may be loaded into JVMs of other users.
    pub attach_other_users: bool,
    /// The clusters.
    pub clusters: Vec<Entry>,
}

/// A cluster in the configuration file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Entry {
    name: Option<String>,
    url: String,
    attach: Option<Attach>,
    attach_other_users: Option<bool>,
    token_file: Option<PathBuf>,
    ca_file: Option<PathBuf>,
}

impl Options {
    /// Reads the configuration file, if one is named.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn configured(&self) -> Result<Config, ConfigError> {
        self.config.as_deref().map(Config::load).transpose().map(Option::unwrap_or_default)
    }

    /// Reads the file, if one is named, and puts the command line over it.
    ///
    /// # Errors
    /// [`SettingsError`].
    pub fn settings(&self) -> Result<Settings, SettingsError> {
        self.over(self.configured()?.flink)
    }

    /// Puts the command line over what the file says.
    ///
    /// # Errors
    /// [`SettingsError`].
    pub fn over(&self, file: FlinkSection) -> Result<Settings, SettingsError> {
        let default = Consent {
            attach: self.attach.or(file.attach).unwrap_or_default(),
            other_users: self.attach_other_users || file.attach_other_users,
        };
        let typed = self.flink.iter().map(|text| {
            let (name, url) = split(text);
            Entry { name: name.map(str::to_owned), url: url.to_owned(), ..Entry::default() }
        });
        let mut settings = Settings::default();
        for entry in file.clusters.into_iter().chain(typed) {
            let consent = Consent {
                attach: entry.attach.unwrap_or(default.attach),
                other_users: entry.attach_other_users.unwrap_or(default.other_users),
            };
            if entry.url == AUTO {
                settings.auto = Some(consent);
                continue;
            }
            let cluster = cluster(entry, consent)?;
            if settings.clusters.iter().any(|other| other.name == cluster.name) {
                return Err(SettingsError::NamedTwice(cluster.name));
            }
            if let Some(same) = settings.clusters.iter().find(|other| place(other) == place(&cluster)) {
                return Err(SettingsError::SamePlace(same.name.clone(), cluster.name));
            }
            settings.clusters.push(cluster);
        }
        Ok(settings)
    }
}

impl ClusterSettings {
    /// A cluster that was found and not named.
    ///
    /// # Errors
    /// [`SettingsError`] when `url` is none.
    pub(super) fn found(url: String, consent: Consent) -> Result<Self, SettingsError> {
        cluster(Entry { url, ..Entry::default() }, consent)
    }
}

fn cluster(entry: Entry, consent: Consent) -> Result<ClusterSettings, SettingsError> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |cause| SettingsError::from(ConfigError::Unreadable { path, cause })
    };
    let token = entry.token_file.as_deref();
    let token = token.map(|path| paths::read_token(path).map_err(unreadable(path))).transpose()?;
    let authorities = entry.ca_file.as_deref();
    let authorities = authorities
        .map(|path| read_limited(path, LARGEST_BODY as u64).map_err(unreadable(path)))
        .transpose()?;
    let access = Access { peer: Peer::Flink, token, authorities, limit: ANSWER_LIMIT };
    let client = Client::with(&entry.url, access).map_err(|error| match (error, entry.ca_file) {
        (cause @ ClientError::BadAuthorities { .. }, Some(path)) => SettingsError::Mistake { path, cause },
        (error, _) => error.into(),
    })?;
    let url = client.server().to_owned();
    let name = entry.name.unwrap_or_else(|| address_of(&url).to_owned());
    let allowed = |c: char| c.is_ascii_alphanumeric() || ".-_:[]".contains(c);
    // What names jobs begins with these: `hosted/NAME`, and `job/NAME` as ckptctl prints it.
    if [HOSTED, "job", ""].contains(&name.as_str()) || !name.chars().all(allowed) {
        return Err(SettingsError::BadName(name.escape_debug().to_string()));
    }
    Ok(ClusterSettings { name, url, consent, client })
}

/// Where a cluster is, however it is written.
fn place(cluster: &ClusterSettings) -> Option<(String, u16)> {
    let (host, port) = cluster.client.host_and_port()?;
    Some((if host == "localhost" { "127.0.0.1".to_owned() } else { host }, port))
}

/// Host and port of an address, the name of a cluster that has none.
fn address_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split('/').next().unwrap_or(rest);
    host.rsplit_once('@').map_or(host, |(_, host)| host)
}

/// `NAME=URL`, or only a URL, which may have a `=` of its own.
fn split(text: &str) -> (Option<&str>, &str) {
    match text.split_once('=') {
        Some((name, url)) if !name.contains("//") => (Some(name), url),
        _ => (None, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(flink: &[&str]) -> Options {
        Options { flink: flink.iter().map(|text| (*text).to_owned()).collect(), ..Options::default() }
    }

    fn from_file(content: &str, options: Options) -> Result<Settings, String> {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("ckptd.toml");
        std::fs::write(&path, content).unwrap();
        Options { config: Some(path), ..options }.settings().map_err(|error| error.to_string())
    }

    #[test]
    fn a_cluster_is_named_after_its_address_when_nobody_names_it() {
        let settings =
            options(&["http://127.0.0.1:8081/", "prod=https://jm.example/flink"]).settings().unwrap();
        let names: Vec<_> = settings.clusters.iter().map(|cluster| cluster.name.as_str()).collect();
        assert_eq!(names, ["127.0.0.1:8081", "prod"]);
        assert_eq!(settings.clusters[0].url, "http://127.0.0.1:8081");
        assert_eq!(settings.clusters[0].consent, Consent { attach: Attach::OnChange, other_users: false });
        assert_eq!(settings.auto, None);
        assert!(options(&["auto"]).settings().unwrap().auto.is_some());
    }

    #[test]
    fn what_cannot_be_a_cluster_is_refused_in_one_sentence() {
        for (flink, part) in [
            (vec!["8081"], "'8081' is not the address of a Flink cluster"),
            (vec!["ftp://x"], "'ftp'"),
            (vec!["hosted=http://x:1"], "'hosted' cannot be the name"),
            (vec!["a/b=http://x:1"], "'a/b' cannot be the name"),
            (vec!["a=http://x:1", "a=http://x:2"], "two clusters are named 'a'"),
            (vec!["a=http://localhost:1", "b=http://127.0.0.1:1/"], "'a' and 'b' have the same address"),
        ] {
            let error = options(&flink).settings().unwrap_err().to_string();
            assert!(error.contains(part), "{flink:?} gave {error}");
        }
    }

    #[test]
    fn the_file_says_what_is_allowed_where_and_the_command_line_adds_to_it() {
        let file = "attach = 'never'\n[[flink]]\nname = 'a'\nurl = 'http://x:1'\nattach = 'always'\n\
                    attach-other-users = true\n[[flink]]\nurl = 'http://x:2'\n";
        let settings = from_file(file, options(&["b=http://x:3"])).unwrap();
        let seen: Vec<_> = settings.clusters.iter().map(|c| (c.name.as_str(), c.consent)).collect();
        let consent = |attach, other_users| Consent { attach, other_users };
        assert_eq!(
            seen,
            [
                ("a", consent(Attach::Always, true)),
                ("x:2", consent(Attach::Never, false)),
                ("b", consent(Attach::Never, false))
            ]
        );
        let error = from_file("[[flink]]\nurl = 'http://x'\natach = 'never'\n", options(&[])).unwrap_err();
        assert!(error.contains("line 3") && error.contains("atach"), "{error}");
        let error = from_file("[[flink]]\nurl = 'http://x'\ntoken-file = '/nonexistent'\n", options(&[]));
        assert!(error.unwrap_err().contains("/nonexistent"));
    }
}
