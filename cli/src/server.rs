//! Which server is asked, and with which token.

use crate::args::Globals;
use crate::error::Error;
use crate::exit::Exit;
use ckpt_api::{ConfigurationList, parse_by};
use ckpt_client::local as paths;
use ckpt_client::{Answer, Client, ClientError, is_loopback};
use std::fmt;
use std::path::{Path, PathBuf};

/// What the environment says.
#[derive(Debug, Default)]
pub(crate) struct Environment {
    /// `CKPTCTL_SERVER`.
    server: Option<String>,
    /// `CKPTCTL_TOKEN_FILE`.
    token_file: Option<PathBuf>,
    /// Who is there: `CKPT_USER`, or else the user of `sudo` or of this session, and the machine's name.
    user: Option<String>,
}

impl Environment {
    /// Reads it; what is empty counts as not set.
    pub(crate) fn read() -> Self {
        let path = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        Self {
            server: std::env::var("CKPTCTL_SERVER").ok().filter(|value| !value.is_empty()),
            token_file: path("CKPTCTL_TOKEN_FILE"),
            user: user(),
        }
    }
}

/// Who is there, as far as that can be told; what cannot be sent is left out.
fn user() -> Option<String> {
    let named = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let found = named("CKPT_USER").or_else(|| {
        // A container or a unit may have none of them.
        let user = named("SUDO_USER").or_else(|| named("USER")).or_else(|| named("LOGNAME"));
        let user = user.unwrap_or_else(|| format!("uid {}", rustix::process::getuid()));
        let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        Some(match machine.trim() {
            "" => user,
            machine => format!("{user}@{machine}"),
        })
    });
    found.and_then(|name| parse_by(&name).ok())
}

/// Where the server's address comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    Flag,
    Environment,
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Flag => "from --server",
            Self::Environment => "from CKPTCTL_SERVER",
            Self::Default => "the default, neither --server nor CKPTCTL_SERVER is set",
        })
    }
}

/// What became of the token, for the advice after a 401.
#[derive(Debug, PartialEq, Eq)]
enum TokenUse {
    /// It was sent, from this file.
    Sent(PathBuf),
    /// A state directory's token is not sent to other machines.
    KeptBack(PathBuf),
    /// There is none that could be read.
    Missing { file: PathBuf, why: String },
    /// Not even a place to look.
    Nowhere,
}

/// The server that is asked.
#[derive(Debug)]
pub(crate) struct Server {
    /// The client that asks it.
    pub(crate) client: Client,
    origin: Origin,
    token: TokenUse,
}

impl Server {
    /// Settles address and token: flag before environment before default.
    pub(crate) fn choose(globals: &Globals, environment: Environment) -> Result<Self, Error> {
        let (url, origin) = match (&globals.server, environment.server) {
            (Some(url), _) => (url.clone(), Origin::Flag),
            (None, Some(url)) => (url, Origin::Environment),
            (None, None) => (format!("http://{}", paths::DEFAULT_LISTEN), Origin::Default),
        };
        let state_dir = globals.state_dir.clone().or_else(paths::default_state_dir);
        let (token, used) = token(environment.token_file, state_dir.as_deref(), is_loopback(&url))?;
        let client = Client::new(&url, token)
            .map_err(|error| {
                Error::new(Exit::of(&error), format!("{error} (the address is {origin})")).caused_by(error)
            })?
            .called(globals.by.clone().or(environment.user));
        Ok(Self { client, origin, token: used })
    }

    /// Its address.
    pub(crate) fn address(&self) -> &str {
        self.client.server()
    }

    /// Every job that the server knows, those that have ended too if `all`.
    pub(crate) async fn jobs(&self, all: bool) -> Result<Answer<ConfigurationList>, Error> {
        self.client.configurations(all).await.map_err(|error| self.failed_list(error))
    }

    /// A list cannot be missing: whoever says 404 to it is no ckptd.
    fn failed_list(&self, error: ClientError) -> Error {
        match error.status().map(|status| status.as_u16()) {
            Some(404) => Error::new(Exit::Error, format!("{} has no list of jobs: {error}", self.address()))
                .hint(format!("is it a ckptd? its address is {}", self.origin))
                .caused_by(error),
            _ => self.failed(error),
        }
    }

    /// Error of a server that does not know a path at all: it is too old to do `what`, or no ckptd.
    ///
    /// # Errors
    /// `error` itself, if the server knows the path.
    pub(crate) fn failed_as_older(&self, error: ClientError, what: &str) -> Result<Error, ClientError> {
        let message = error.to_string();
        let is_404 = error.status().is_some_and(|status| status.as_u16() == 404);
        if !is_404 || !message.starts_with("Not found: /") {
            return Err(error);
        }
        Ok(Error::new(Exit::Error, format!("{} cannot {what}: {message}", self.address()))
            .hint("is it a ckptd, and as new as this ckptctl?")
            .caused_by(error))
    }

    /// Error of a failed request, with what to type next.
    pub(crate) fn failed(&self, error: ClientError) -> Error {
        let exit = Exit::of(&error);
        let failure = match &error {
            ClientError::Unreachable { server, cause } => {
                Error::new(exit, format!("cannot reach {server} ({}): {cause}", self.origin))
                    .hint(self.how_to_start())
            }
            ClientError::Refused { status, .. } if status.as_u16() == 401 => {
                Error::new(exit, error.to_string()).hint(self.how_to_be_let_in())
            }
            ClientError::BadUrl { .. }
            | ClientError::BadAuthorities { .. }
            | ClientError::Refused { .. }
            | ClientError::Nonsense { .. } => Error::new(exit, error.to_string()),
        };
        failure.caused_by(error)
    }

    fn how_to_start(&self) -> String {
        let address = self.address();
        match (self.origin, address.strip_prefix("http://")) {
            (Origin::Default, _) => "start it with: ckptd serve".to_owned(),
            (_, Some(listen)) if is_loopback(address) => {
                format!("start it with: ckptd serve --listen {listen}")
            }
            _ => "start ckptd there, or name another server with --server".to_owned(),
        }
    }

    fn how_to_be_let_in(&self) -> String {
        let anyhow = "name the right token file in CKPTCTL_TOKEN_FILE";
        match &self.token {
            TokenUse::Sent(file) => {
                format!("the token in {} is not this server's; {anyhow}", file.display())
            }
            TokenUse::KeptBack(file) => format!(
                "the token in {} was not sent, since {} is not on this machine; {anyhow}",
                file.display(),
                self.address()
            ),
            TokenUse::Missing { file, why } => format!(
                "no token was sent, since {} cannot be read ({why}); run ckptctl as the user of ckptd, \
                 name its directory with --state-dir, or {anyhow}",
                file.display()
            ),
            TokenUse::Nowhere => {
                format!("no token was sent, since this user has no home directory; {anyhow}")
            }
        }
    }
}

/// The token to send, and what became of it. A file that was named for this purpose has to be readable,
/// and goes wherever the server is; one that is merely found stays on this machine.
fn token(
    named: Option<PathBuf>,
    state_dir: Option<&Path>,
    loopback: bool,
) -> Result<(Option<String>, TokenUse), Error> {
    if let Some(file) = named {
        return match paths::read_token(&file) {
            Ok(token) => Ok((Some(token), TokenUse::Sent(file))),
            Err(error) => Err(Error::new(
                Exit::Error,
                format!(
                    "cannot use {}, which CKPTCTL_TOKEN_FILE names as the token file: {error}",
                    file.display()
                ),
            )
            .hint("name another file, or unset CKPTCTL_TOKEN_FILE")
            .caused_by(error)),
        };
    }
    let Some(file) = state_dir.map(paths::token_file) else {
        return Ok((None, TokenUse::Nowhere));
    };
    if !loopback {
        return Ok((None, TokenUse::KeptBack(file)));
    }
    Ok(match paths::read_token(&file) {
        Ok(token) => (Some(token), TokenUse::Sent(file)),
        Err(error) => (None, TokenUse::Missing { file, why: error.to_string() }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_found_token_stays_on_this_machine_and_a_named_one_travels() {
        let dir = tempfile::tempdir().unwrap();
        let found = paths::token_file(dir.path());
        std::fs::write(&found, "found\n").unwrap();
        let named = dir.path().join("named");
        std::fs::write(&named, "named").unwrap();

        let here = token(None, Some(dir.path()), true).unwrap();
        assert_eq!(here, (Some("found".to_owned()), TokenUse::Sent(found.clone())));
        let there = token(None, Some(dir.path()), false).unwrap();
        assert_eq!(there, (None, TokenUse::KeptBack(found)));
        for loopback in [true, false] {
            let sent = token(Some(named.clone()), Some(dir.path()), loopback).unwrap();
            assert_eq!(sent.0.as_deref(), Some("named"));
        }
    }

    #[test]
    fn a_missing_token_is_an_error_only_when_it_was_named() {
        let dir = tempfile::tempdir().unwrap();
        let (sent, used) = token(None, Some(dir.path()), true).unwrap();
        assert_eq!(sent, None);
        assert!(matches!(used, TokenUse::Missing { .. }));
        let error = token(Some(dir.path().join("token")), None, true).unwrap_err();
        assert_eq!(error.exit(), Exit::Error);
        assert!(error.to_string().contains("CKPTCTL_TOKEN_FILE names"), "{error}");
    }

    #[test]
    fn the_flag_wins_over_the_environment_and_errors_say_so() {
        let globals = |server: Option<&str>| Globals {
            server: server.map(str::to_owned),
            state_dir: Some(PathBuf::from("/nonexistent")),
            by: None,
            output: None,
        };
        let environment =
            || Environment { server: Some("http://127.0.0.1:2".to_owned()), ..Environment::default() };
        let gone = |server: &Server| {
            let cause = "Connection refused".into();
            let server_name = server.address().to_owned();
            server.failed(ClientError::Unreachable { server: server_name, cause }).to_string()
        };
        let flag = Server::choose(&globals(Some("http://127.0.0.1:1/")), environment()).unwrap();
        assert_eq!(
            gone(&flag),
            "cannot reach http://127.0.0.1:1 (from --server): Connection refused\n  \
             start it with: ckptd serve --listen 127.0.0.1:1"
        );
        let from_environment = Server::choose(&globals(None), environment()).unwrap();
        assert!(gone(&from_environment).contains("http://127.0.0.1:2 (from CKPTCTL_SERVER)"));
        let default = Server::choose(&globals(None), Environment::default()).unwrap();
        assert!(gone(&default).contains("http://127.0.0.1:8571 (the default"));
        assert!(gone(&default).ends_with("start it with: ckptd serve"));
    }
}
