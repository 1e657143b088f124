//! Whether Flink clusters can be changed from here, and if not, why.

use super::Api;
use super::error::ApiError;
use super::input::Known;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use ckpt_api::Diagnosis;
use serde::Deserialize;
use std::time::Duration;
use tokio::time::timeout;
use utoipa::IntoParams;

/// The longest diagnosis.
const LIMIT: Duration = Duration::from_secs(50);

/// The query of a diagnosis.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub(super) struct DoctorQuery {
    /// Which cluster; all of them if it is left out.
    cluster: Option<String>,
}

/// Whether Flink clusters can be changed from here, and if not, why.
///
/// It may load the agent, so it is no `GET`.
#[utoipa::path(
    post,
    path = "/doctor",
    tag = "ckptd",
    params(DoctorQuery),
    responses(
        (status = 200, body = Diagnosis),
        (status = 404, description = "No cluster of this name is followed."),
        (status = 503, description = "The diagnosis took too long."),
    )
)]
pub(super) async fn diagnose(
    State(api): State<Api>,
    Known(DoctorQuery { cluster }): Known<DoctorQuery>,
) -> Result<Response, ApiError> {
    let diagnosis = timeout(LIMIT, api.registry.clusters().diagnose(cluster.as_deref())).await;
    let diagnosis = diagnosis.map_err(|_| {
        ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "the diagnosis took too long; ask about one cluster alone",
        )
    })?;
    let unknown = || api.not_followed(cluster.as_deref().unwrap_or_default());
    Ok(Json(diagnosis.ok_or_else(unknown)?).into_response())
}
