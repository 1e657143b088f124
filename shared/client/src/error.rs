//! Who is asked, and why a request brought nothing.

use reqwest::StatusCode;
use rustls::CertificateError;
use std::error::Error;
use std::fmt;
use std::io;

/// Boxed cause of an error.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Why a request brought nothing.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The address of the server is none.
    #[error("'{url}' is not the address of a {peer}: {why}; write it like {}", .peer.example())]
    BadUrl {
        /// Whose it should be.
        peer: Peer,
        /// What was given.
        url: String,
        /// What is wrong with it.
        #[source]
        why: BoxError,
    },
    /// The certificates that are to be trusted are none.
    #[error("no certificate to trust can be read: {why}; it has to be in PEM form")]
    BadAuthorities {
        /// What is wrong with them.
        #[source]
        why: BoxError,
    },
    /// No answer came.
    #[error("cannot reach {server}: {cause}")]
    Unreachable {
        /// The server.
        server: String,
        /// Why.
        #[source]
        cause: BoxError,
    },
    /// The server said no. The message is its own sentence.
    #[error("{message}")]
    Refused {
        /// The HTTP status.
        status: StatusCode,
        /// The server's sentence.
        message: String,
    },
    /// The server answered something else than it should have.
    #[error("{server} gave an answer that is not understood: {cause}; is it a {peer}?")]
    Nonsense {
        /// What should be there.
        peer: Peer,
        /// The server.
        server: String,
        /// What is odd.
        #[source]
        cause: BoxError,
    },
}

impl ClientError {
    /// The HTTP status, when the server said no.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            Self::BadUrl { .. }
            | Self::BadAuthorities { .. }
            | Self::Unreachable { .. }
            | Self::Nonsense { .. } => None,
        }
    }
}

/// Who is at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// ckptd.
    Ckptd,
    /// A Flink cluster.
    Flink,
}

impl Peer {
    /// What its address looks like.
    fn example(self) -> &'static str {
        match self {
            Self::Ckptd => "http://127.0.0.1:8571",
            Self::Flink => "http://127.0.0.1:8081",
        }
    }

    /// What it says, without the stack traces that Flink sends along.
    pub(super) fn sentence(self, errors: &[String]) -> String {
        match self {
            Self::Ckptd => errors.join("; "),
            Self::Flink => errors.iter().map(|error| first_words(error)).collect::<Vec<_>>().join("; "),
        }
    }

    pub(super) fn user_agent(self) -> &'static str {
        match self {
            Self::Ckptd => concat!("ckptctl/", env!("CARGO_PKG_VERSION")),
            Self::Flink => concat!("ckptd/", env!("CARGO_PKG_VERSION")),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ckptd => "ckptd",
            Self::Flink => "Flink cluster",
        })
    }
}

/// The first line of a Java exception, without its class.
fn first_words(error: &str) -> &str {
    let line = error.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    match line.split_once(": ") {
        Some((class, words)) if class.ends_with("Exception") && !class.contains(' ') => words,
        _ => line,
    }
}

/// An error of reqwest in the words that tell what to do.
#[derive(Debug, thiserror::Error)]
#[error("{sentence}")]
pub(super) struct TransportError {
    sentence: String,
    #[source]
    error: reqwest::Error,
}

impl From<reqwest::Error> for TransportError {
    /// Takes the words of the innermost cause: "connection refused", not "error sending request".
    fn from(error: reqwest::Error) -> Self {
        let sentence = match error.is_timeout() {
            true => "no answer in time".to_owned(),
            false => innermost(&error).to_string(),
        };
        Self { sentence, error }
    }
}

impl TransportError {
    /// Puts errors of TLS in other words.
    pub(super) fn of_request(error: reqwest::Error, peer: Peer) -> Self {
        match tls(&error, peer) {
            Some(sentence) => Self { sentence, error },
            None => error.into(),
        }
    }
}

fn innermost(error: &reqwest::Error) -> &(dyn Error + 'static) {
    let mut innermost: &(dyn Error + 'static) = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost
}

/// What an error of TLS means, and what to do.
fn tls(error: &reqwest::Error, peer: Peer) -> Option<String> {
    let mut innermost = innermost(error);
    // An I/O error shows its cause's words, and not the cause as its source.
    while let Some(inside) = innermost.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        innermost = inside;
    }
    let trust = match peer {
        Peer::Flink => "name a file with its authority's certificate as ca-file in ckptd's configuration",
        Peer::Ckptd => "add its authority to those of this machine",
    };
    match innermost.downcast_ref::<rustls::Error>()? {
        rustls::Error::InvalidMessage(_) => {
            Some("what answers there does not speak TLS; write http:// if that is meant".to_owned())
        }
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            Some(format!("its certificate is from an authority that is not trusted here; {trust}"))
        }
        rustls::Error::InvalidCertificate(CertificateError::Other(other))
            if format!("{other:?}").contains("CaUsedAsEndEntity") =>
        {
            Some(
                "its certificate is an authority's (CA:TRUE), which is none for a server; let it show one \
                 with CA:FALSE"
                    .to_owned(),
            )
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flinks_stack_traces_are_left_out() {
        let trace =
            "org.apache.flink.runtime.rest.NotFoundException: Job 1 not found\n\tat a.b.C(D.java:1)\n";
        let errors = [trace.to_owned(), "Not found: /x".to_owned()];
        assert_eq!(Peer::Flink.sentence(&errors), "Job 1 not found; Not found: /x");
    }
}
