//! An HTTP client for ckptd, and for whatever else speaks Flink's REST API.
//!
//! Every request has a limit of time and every answer one of size. Proxies of the environment are not
//! used: the token must not travel through them.

mod error;
mod events;
pub mod local;
mod paths;
mod tasks;

use ckpt_api::flink;
use ckpt_api::{
    AdoptRequest, Audit, BY, CheckpointDiagnosis, CheckpointHistory, Configuration, ConfigurationList,
    ConfigurationPatch, Diagnosis, Reconcile, ReconcileRequest, Submission,
};
use ckpt_types::ids::{CheckpointId, TriggerId};
use reqwest::{Method, header};
use serde::de::DeserializeOwned;
use std::time::Duration;

use error::TransportError;
pub use error::{BoxError, ClientError, Peer};
pub use events::events_of;
pub use paths::{configuration_path, configurations_path, escape, is_loopback};
pub use reqwest::StatusCode;

/// The longest wait for a connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// Time that an idle connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest wait for a whole answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// The longest wait for a diagnosis, for which ckptd asks other machines and processes one after another
/// and takes a minute at most.
const DIAGNOSIS_LIMIT: Duration = Duration::from_secs(75);
/// The largest answer that is read, in bytes.
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;

/// How a server is reached, and for how long.
#[derive(Debug, Clone)]
pub struct Access {
    /// Who should be there.
    pub peer: Peer,
    /// Sent with every change, and with every request to another machine.
    pub token: Option<String>,
    /// Certificates in PEM form that are trusted besides those of this machine.
    pub authorities: Option<Vec<u8>>,
    /// The longest wait for a whole answer.
    pub limit: Duration,
}

/// How a change is to be made.
#[derive(Debug, Clone, Copy, Default)]
pub struct ChangeOptions {
    /// Only say what would happen.
    pub dry_run: bool,
    /// Refuse when the job's revision is another one.
    pub if_revision: Option<u64>,
}

/// An answer, parsed and as it came.
#[derive(Debug, Clone)]
pub struct Answer<T> {
    /// What it says.
    pub value: T,
    /// Its body as it came, for whoever passes it on.
    pub body: String,
}

/// A client for one server.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    server: String,
    token: Option<String>,
    peer: Peer,
    limit: Duration,
    by: Option<String>,
}

impl Client {
    /// A client for the ckptd at `url`, which sends `token` with every change, and with every request to
    /// another machine.
    ///
    /// # Errors
    /// [`ClientError::BadUrl`] when `url` is no HTTP address.
    pub fn new(url: &str, token: Option<String>) -> Result<Self, ClientError> {
        Self::with(url, Access { peer: Peer::Ckptd, token, authorities: None, limit: ANSWER_LIMIT })
    }

    /// A client for the server at `url`.
    ///
    /// # Errors
    /// [`ClientError::BadUrl`] when `url` is no HTTP address, [`ClientError::BadAuthorities`] when the
    /// certificates are none.
    pub fn with(url: &str, access: Access) -> Result<Self, ClientError> {
        let Access { peer, token, authorities, limit } = access;
        let bad = |why: BoxError| ClientError::BadUrl { peer, url: url.to_owned(), why };
        let parsed = reqwest::Url::parse(url).map_err(|error| bad(error.into()))?;
        if !matches!(parsed.scheme(), "http" | "https") {
            return Err(bad(format!("'{}' is not a protocol that is spoken here", parsed.scheme()).into()));
        }
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(ClientError::BadUrl {
                peer,
                url: "the given one".to_owned(),
                why: "it has a user name or a password in it, which would be shown and logged".into(),
            });
        }
        if parsed.query().is_some() || parsed.fragment().is_some() {
            return Err(bad("it has a query; give the address alone".into()));
        }
        if !parsed.has_host() {
            return Err(bad("it names no host".into()));
        }
        // Whoever comes first settles it for the process; it is always the same one.
        drop(rustls::crypto::ring::default_provider().install_default());
        let authorities = authorities.map(|pem| reqwest::Certificate::from_pem_bundle(&pem)).transpose();
        let unusable = |why| ClientError::BadAuthorities { why };
        let authorities = authorities.map_err(|error| unusable(TransportError::from(error).into()))?;
        if authorities.as_ref().is_some_and(Vec::is_empty) {
            return Err(unusable("there is none".into()));
        }
        let authorities = authorities.unwrap_or_default();
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_LIMIT.min(limit))
            // ckptd closes idle connections after 10 s: a request must not be sent into one that is being closed.
            .pool_idle_timeout(IDLE_TIMEOUT)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .tls_certs_merge(authorities)
            .user_agent(peer.user_agent())
            .build()
            .map_err(|error| bad(TransportError::from(error).into()))?;
        Ok(Self { http, server: url.trim_end_matches('/').to_owned(), token, peer, limit, by: None })
    }

    /// The same client, which says with every change who makes it; see [`parse_by`](ckpt_api::parse_by).
    #[must_use]
    pub fn called(self, by: Option<String>) -> Self {
        Self { by, ..self }
    }

    /// The server's address.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The host and the port of its address.
    #[must_use]
    pub fn host_and_port(&self) -> Option<(String, u16)> {
        let url = reqwest::Url::parse(&self.server).ok()?;
        let host = url.host_str()?.trim_start_matches('[').trim_end_matches(']');
        Some((host.to_owned(), url.port_or_known_default()?))
    }

    /// Whether the server is on this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.server)
    }

    /// `GET path`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Answer<T>, ClientError> {
        self.ask(self.request(Method::GET, path), self.limit).await
    }

    /// Every job's configuration; `all` includes those that have ended.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn configurations(&self, all: bool) -> Result<Answer<ConfigurationList>, ClientError> {
        self.get(&configurations_path(all)).await
    }

    /// One job's configuration.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn configuration(&self, job: &str) -> Result<Answer<Configuration>, ClientError> {
        self.get(&configuration_path(job)).await
    }

    /// Whether a job's checkpoint in flight is slow or stuck, and all that this rests on.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn checkpoint_diagnosis(&self, job: &str) -> Result<Answer<CheckpointDiagnosis>, ClientError> {
        self.get(&paths::checkpoint_diagnosis(job)).await
    }

    /// A job's checkpoints that have ended, as ckptd remembers them. An older ckptd, or a Flink, answers 404.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn history(&self, job: &str) -> Result<Answer<CheckpointHistory>, ClientError> {
        self.get(&paths::history(job)).await
    }

    /// Changes a job's configuration: one change, whole or not at all.
    ///
    /// # Errors
    /// See [`ClientError`]; 202 is no error, see [`Configuration::applied`].
    pub async fn change(
        &self,
        job: &str,
        patch: &ConfigurationPatch,
        options: ChangeOptions,
    ) -> Result<Answer<Configuration>, ClientError> {
        let mut path = configuration_path(job);
        if options.dry_run {
            path.push_str("?dryRun=true");
        }
        let mut request = self
            .request(Method::PATCH, &path)
            .header(header::CONTENT_TYPE, "application/json")
            .body(patch.to_json().to_string());
        if let Some(revision) = options.if_revision {
            request = request.header(header::IF_MATCH, format!("\"{revision}\""));
        }
        self.ask(request, self.limit).await
    }

    /// Carries the override that an earlier job of the same name left behind over to this one.
    ///
    /// # Errors
    /// See [`ClientError`]; 202 is no error, see [`Configuration::applied`].
    pub async fn adopt(
        &self,
        job: &str,
        what: &AdoptRequest,
        dry_run: bool,
    ) -> Result<Answer<Configuration>, ClientError> {
        let query = if dry_run { "?dryRun=true" } else { "" };
        self.post(&format!("{}/adopt{query}", configuration_path(job)), what).await
    }

    /// Where reconcile is paused.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn reconcile(&self) -> Result<Answer<Reconcile>, ClientError> {
        self.get(paths::RECONCILE).await
    }

    /// Pauses reconcile.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn pause_reconcile(&self, what: &ReconcileRequest) -> Result<Answer<Reconcile>, ClientError> {
        self.post(&format!("{}/pause", paths::RECONCILE), what).await
    }

    /// Lets reconcile go on.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn resume_reconcile(&self, what: &ReconcileRequest) -> Result<Answer<Reconcile>, ClientError> {
        self.post(&format!("{}/resume", paths::RECONCILE), what).await
    }

    /// Who changed what: of this job if one is named, since then in milliseconds since the epoch, and so many
    /// entries at most.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn audit(
        &self,
        job: Option<&str>,
        since: Option<u64>,
        limit: Option<usize>,
    ) -> Result<Answer<Audit>, ClientError> {
        self.get(&paths::audit(job, since, limit)).await
    }

    /// Submits a job file.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn submit(&self, job_file: String) -> Result<Answer<Submission>, ClientError> {
        self.submit_from(job_file, None).await
    }

    /// Submits a job file; a new job starts from this savepoint on ckptd's machine, or from nothing.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn submit_from(
        &self,
        job_file: String,
        from_savepoint: Option<&str>,
    ) -> Result<Answer<Submission>, ClientError> {
        let request = self
            .request(Method::POST, &paths::submission(from_savepoint))
            .header(header::CONTENT_TYPE, "application/toml")
            .body(job_file);
        self.ask(request, self.limit).await
    }

    /// Asks for a checkpoint now.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn trigger(
        &self,
        job: &str,
        what: &flink::TriggerRequest,
    ) -> Result<Answer<flink::TriggerResponse>, ClientError> {
        self.post(&paths::checkpoints(job), what).await
    }

    /// What became of a checkpoint that was asked for.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn trigger_status(
        &self,
        job: &str,
        request: TriggerId,
    ) -> Result<Answer<flink::TriggerStatus>, ClientError> {
        self.get(&format!("{}/{request}", paths::checkpoints(job))).await
    }

    /// Asks for a savepoint now.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn savepoint(
        &self,
        job: &str,
        what: &flink::SavepointRequest,
    ) -> Result<Answer<flink::TriggerResponse>, ClientError> {
        self.post(&paths::savepoints(job), what).await
    }

    /// What became of a savepoint that was asked for.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn savepoint_status(
        &self,
        job: &str,
        request: TriggerId,
    ) -> Result<Answer<flink::SavepointStatus>, ClientError> {
        self.get(&format!("{}/{request}", paths::savepoints(job))).await
    }

    /// A job's recent checkpoints.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn checkpoints(&self, job: &str) -> Result<Answer<flink::CheckpointStatistics>, ClientError> {
        self.get(&paths::checkpoints(job)).await
    }

    /// One checkpoint of a job.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn checkpoint(
        &self,
        job: &str,
        id: CheckpointId,
    ) -> Result<Answer<flink::Checkpoint>, ClientError> {
        self.get(&format!("{}/details/{id}", paths::checkpoints(job))).await
    }

    /// `PATCH path` with a body of JSON; what is answered does not matter.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn send_patch(&self, path: &str, json: String) -> Result<(), ClientError> {
        let request = self.request(Method::PATCH, path).timeout(self.limit);
        self.text(request.header(header::CONTENT_TYPE, "application/json").body(json)).await.map(drop)
    }

    /// Cancels a job.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn cancel(&self, job: &str) -> Result<Answer<flink::Nothing>, ClientError> {
        let path = format!("/jobs/{}?mode=cancel", escape(job));
        self.ask(self.request(Method::PATCH, &path), self.limit).await
    }

    /// Whether the cluster of this name can be changed from where the server runs, or whether each one can
    /// be; and if not, why. It may take a minute.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn diagnose(&self, cluster: Option<&str>) -> Result<Answer<Diagnosis>, ClientError> {
        self.ask(self.request(Method::POST, &paths::doctor(cluster)), DIAGNOSIS_LIMIT).await
    }

    async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &(impl serde::Serialize + ?Sized),
    ) -> Result<Answer<T>, ClientError> {
        let request = self
            .request(Method::POST, path)
            .header(header::CONTENT_TYPE, "application/json")
            .body(serde_json::to_string(body).unwrap_or_default());
        self.ask(request, self.limit).await
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        // Reading on this machine needs no token, and whoever listens there may not be ckptd.
        let needs_token = method != Method::GET || !self.is_loopback();
        let is_change = method != Method::GET;
        let request = self.http.request(method, format!("{}{path}", self.server));
        let request = match &self.by {
            Some(by) if is_change => request.header(BY, by.as_bytes()),
            _ => request,
        };
        match &self.token {
            Some(token) if needs_token => request.bearer_auth(token),
            _ => request,
        }
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        request: reqwest::RequestBuilder,
        limit: Duration,
    ) -> Result<Answer<T>, ClientError> {
        let body = self.text(request.timeout(limit)).await?;
        let value = serde_json::from_str(&body).map_err(|error| self.nonsense(error))?;
        Ok(Answer { value, body })
    }

    async fn text(&self, request: reqwest::RequestBuilder) -> Result<String, ClientError> {
        let answer = request.send().await.map_err(|error| self.unreachable(error))?;
        self.read(answer).await
    }

    async fn read(&self, mut answer: reqwest::Response) -> Result<String, ClientError> {
        let status = answer.status();
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| self.unreachable(error))? {
            if body.len() + chunk.len() > LARGEST_ANSWER {
                return Err(self.nonsense("it is larger than 64 MiB"));
            }
            body.extend_from_slice(&chunk);
        }
        let body = String::from_utf8(body).map_err(|_| self.nonsense("it is not UTF-8"))?;
        if status.is_success() {
            return Ok(body);
        }
        match serde_json::from_str::<flink::Errors>(&body) {
            Ok(errors) => Err(ClientError::Refused { status, message: self.peer.sentence(&errors.errors) }),
            Err(_) => Err(self.nonsense(format!("status {status} without a reason"))),
        }
    }

    fn unreachable(&self, error: reqwest::Error) -> ClientError {
        self.broke_off(TransportError::of_request(error, self.peer))
    }

    fn broke_off(&self, cause: impl Into<BoxError>) -> ClientError {
        ClientError::Unreachable { server: self.server.clone(), cause: cause.into() }
    }

    fn nonsense(&self, cause: impl Into<BoxError>) -> ClientError {
        ClientError::Nonsense { peer: self.peer, server: self.server.clone(), cause: cause.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_checked_before_it_is_used() {
        for (url, part) in [
            ("127.0.0.1:8571", "not the address"),
            ("ftp://x", "'ftp'"),
            ("http://operator:secret@x", "a password in it"),
        ] {
            let message = Client::new(url, None).unwrap_err().to_string();
            assert!(message.contains(part), "{url} gave {message}");
        }
    }
}
