//! Submitting the job to a cluster.

use crate::cluster::Cluster;
use crate::http::{self, HttpError};
use crate::job::{CLASS, JobError, SlowJob, jar};
use serde_json::{Map, Value, json};

/// Between the parts of an upload; it is in no jar.
const BOUNDARY: &str = "ckptd-local-flink-7e971619b025780f";

impl SlowJob {
    /// Submits it; its id.
    ///
    /// # Errors
    /// See [`JobError`].
    pub async fn submit(&self, cluster: &Cluster) -> Result<String, JobError> {
        self.run(cluster, &Uploaded::new(cluster).await?).await
    }

    /// Submits it with a jar that the cluster has already; its id.
    ///
    /// # Errors
    /// See [`JobError`].
    pub async fn run(&self, cluster: &Cluster, jar: &Uploaded) -> Result<String, JobError> {
        let run = json!({"entryClass": CLASS, "programArgsList": self.arguments()});
        let path = format!("/jars/{}/run", jar.id);
        let started = cluster.call("POST", &path, &run).await?.ok(&path)?;
        let id = started["jobid"].as_str().map(str::to_owned);
        id.ok_or_else(|| JobError::Nonsense(started.to_string()))
    }
}

/// The job's jar on a cluster, for as many jobs as wished.
#[derive(Debug, Clone)]
pub struct Uploaded {
    id: String,
}

impl Uploaded {
    /// Builds it, if need be, and uploads it.
    ///
    /// # Errors
    /// See [`JobError`].
    pub async fn new(cluster: &Cluster) -> Result<Self, JobError> {
        let jar = jar(cluster.distribution()).await?;
        let content = std::fs::read(&jar).map_err(|cause| JobError::File { path: jar.clone(), cause })?;
        let head = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"jarfile\"; filename=\"slow-job.jar\"\r\n\
             Content-Type: application/x-java-archive\r\n\r\n"
        );
        let body = [head.as_bytes(), &content, format!("\r\n--{BOUNDARY}--\r\n").as_bytes()].concat();
        let kind = format!("Content-Type: multipart/form-data; boundary={BOUNDARY}");
        let uploaded = http::call(&cluster.address(), "POST", "/jars/upload", &[&kind], &body).await?;
        let uploaded = uploaded.ok("POST /jars/upload")?;
        let file = uploaded["filename"].as_str().and_then(|file| file.rsplit('/').next());
        let id = file.ok_or_else(|| JobError::Nonsense(uploaded.to_string()))?;
        Ok(Self { id: id.to_owned() })
    }
}

/// Lets an adaptive scheduler run a job with so many subtasks of each vertex.
///
/// # Errors
/// [`HttpError`], also when the scheduler is not an adaptive one.
pub async fn rescale(cluster: &Cluster, job: &str, parallelism: u32) -> Result<(), HttpError> {
    let seen = cluster.get(&format!("/jobs/{job}")).await?;
    let vertices = seen["vertices"].as_array().into_iter().flatten();
    let ids = vertices.filter_map(|vertex| vertex["id"].as_str());
    let bounds = json!({"parallelism": {"lowerBound": 1, "upperBound": parallelism}});
    let wanted: Map<String, Value> = ids.map(|id| (id.to_owned(), bounds.clone())).collect();
    let path = format!("/jobs/{job}/resource-requirements");
    cluster.call("PUT", &path, &Value::Object(wanted)).await?.ok(&path).map(drop)
}
