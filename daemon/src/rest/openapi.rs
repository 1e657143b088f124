//! The API's description, made of the routes and the types of their bodies. What holds for many paths, since the
//! guard, the name of a job or the form of errors says so, is added here and not repeated at each.

use super::{Api, guard};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use ckpt_api::flink::{Errors, FailureCause, NO_INTERVAL};
use ckpt_api::{Failures, HOSTED, OBSERVED_AT, SCHEMA};
use serde_json::{Value, json};
use std::sync::LazyLock;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

/// What is no path.
#[derive(OpenApi)]
#[openapi(
    info(title = "ckptd", description = ABOUT),
    servers((url = "/"), (url = "/v1")),
    components(schemas(Errors, FailureCause)),
    tags(
        (name = "configuration", description = "FLIP-571: the checkpoint interval and timeout of a running job"),
        (name = "tasks", description = "The task protocol: programs that are a job's tasks (docs/tasks.md)"),
        (name = "jobs", description = "Jobs that ckptd hosts"),
        (name = "flink", description = "Flink's own paths, as Flink 2.3.0 answers them, with the values in force"),
        (name = "ckptd", description = "ckptd itself"),
    ),
)]
struct Frame;

const ABOUT: &str = "Checkpoint intervals and timeouts that can be changed while a job runs. Durations are whole \
    milliseconds, points in time milliseconds since the epoch; in `ckpt/v1` what is absent is `null`, in Flink's \
    bodies −1. Programs ignore fields that they do not know.";

/// The parameters in paths: name, schema, description.
const IN_PATHS: [(&str, &str, &str); 5] = [
    ("job", "", "A job's id, its name, or `CLUSTER/NAME` with the slash as `%2F`."),
    ("id", "CheckpointId", "A checkpoint."),
    ("vertex", "VertexId", "A vertex, as the job's details list them."),
    ("trigger", "TriggerId", "A request for a checkpoint or savepoint, as the answer to it named it."),
    ("session", "SessionId", "A process that holds subtasks, as the answer to its claim named it."),
];

/// The headers of answers.
const HEADERS: [(&str, &str); 2] = [
    ("etag", "The revision, for `If-Match`."),
    (OBSERVED_AT, "When what the answer holds was seen, in milliseconds since the epoch."),
];

/// Constants that the types' documentation names.
static CONSTANTS: LazyLock<[(&str, Value); 4]> = LazyLock::new(|| {
    [
        ("SCHEMA", SCHEMA.into()),
        ("HOSTED", HOSTED.into()),
        ("Failures::UNLIMITED", Failures::UNLIMITED.into()),
        ("NO_INTERVAL", NO_INTERVAL.into()),
    ]
});

static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
    let routes: OpenApiRouter<Api> = super::paths().merge(super::supervision());
    let openapi = Frame::openapi().merge_from(routes.into_openapi());
    let mut document = serde_json::to_value(openapi).unwrap_or_default();
    let mut components = document["components"].take();
    components["securitySchemes"]["token"] = json!({
        "type": "http",
        "scheme": "bearer",
        "description": "What is in the file `token` in ckptd's state directory. Changes want it, and reading from \
                        another machine.",
    });
    for (path, item) in document["paths"].as_object_mut().into_iter().flatten() {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            complete(path, method, operation, &mut components);
        }
        if guard::is_health(path) || path == "/metrics" {
            item["servers"] = json!([{"url": "/"}]);
        }
    }
    document["components"] = components;
    in_plain_text(&mut document);
    format!("{document:#}\n")
});

/// The description of the API in OpenAPI 3.1, as JSON.
pub fn document() -> &'static str {
    &DOCUMENT
}

/// This description.
#[utoipa::path(get, path = "/openapi.json", operation_id = "openapi", tag = "ckptd", responses((status = 200, body = Object)))]
pub(super) async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], document()).into_response()
}

/// Adds to an operation what it does not say itself.
fn complete(path: &str, method: &str, operation: &mut Value, components: &mut Value) {
    let summary = operation["summary"].clone();
    let mut parameters: Vec<Value> = IN_PATHS
        .iter()
        .filter(|(name, ..)| path.contains(&format!("{{{name}}}")))
        .map(|(name, schema, description)| {
            let schema = match *schema {
                "" => json!({"type": "string"}),
                schema => reference("schemas", schema),
            };
            components["parameters"][name] = json!({
                "name": name, "in": "path", "description": description, "required": true, "schema": schema
            });
            reference("parameters", name)
        })
        .collect();
    for mut own in operation["parameters"].as_array().into_iter().flatten().cloned() {
        // What may be left out is never null.
        if let Some(kind) = own["schema"]["type"].get(0).cloned() {
            own["schema"]["type"] = kind;
        }
        parameters.push(own);
    }
    operation["parameters"] = parameters.into();
    operation["security"] = match method {
        _ if guard::is_health(path) => json!([]),
        "get" => json!([{}, {"token": []}]),
        _ => json!([{"token": []}]),
    };
    let has_body = operation.get("requestBody").is_some();
    let Some(responses) = operation["responses"].as_object_mut() else { return };
    for (status, name, sentence) in errors(path, method, has_body) {
        match responses.get_mut(status) {
            Some(own) => {
                let both = format!("{sentence} Or: {}", own["description"].as_str().unwrap_or_default());
                own["description"] = both.into();
            }
            None => {
                components["responses"][name] = with_errors(sentence);
                responses.insert(status.to_owned(), reference("responses", name));
            }
        }
    }
    responses.sort_keys();
    for (status, response) in responses.iter_mut().filter(|(_, response)| response.get("$ref").is_none()) {
        let said = response["description"].as_str().unwrap_or_default();
        if status.as_str() >= "400" {
            *response = with_errors(said);
        } else if said.is_empty() {
            response["description"] = description_of(response, components).unwrap_or_else(|| summary.clone());
        }
        for (name, header) in response.get_mut("headers").and_then(Value::as_object_mut).into_iter().flatten()
        {
            if let Some((_, description)) = HEADERS.iter().find(|(known, _)| known == name) {
                header["description"] = (*description).into();
                components["headers"][name] = header.take();
                *header = reference("headers", name);
            }
        }
    }
}

fn reference(kind: &str, name: &str) -> Value {
    json!({"$ref": format!("#/components/{kind}/{name}")})
}

/// An answer that is an error.
fn with_errors(description: &str) -> Value {
    json!({
        "description": description,
        "content": {"application/json": {"schema": reference("schemas", "Errors")}},
    })
}

/// The errors that a path answers whatever its handler does: status, name, description.
fn errors(path: &str, method: &str, has_body: bool) -> Vec<(&'static str, &'static str, &'static str)> {
    let mut errors = vec![
        ("400", "BadRequest", "The request is not understood."),
        (
            "403",
            "Forbidden",
            "ckptd is not known by the name in `Host`, or a page in a browser asks for a change.",
        ),
    ];
    if !guard::is_health(path) {
        errors.push(("401", "Unauthorized", "The token is missing, or it is another one."));
    }
    if path.contains("{session}") {
        errors.extend([
            ("404", "UnknownSession", "There is no such job, or the session is over: claim again."),
            ("410", "EndedJob", "The job has ended."),
        ]);
    } else if path.contains("{job}") {
        errors.push(("404", "UnknownJob", "There is no such job."));
    }
    if path.contains("{job}") {
        errors.extend([
            ("409", "AmbiguousJob", "Several jobs are meant; they are listed."),
            ("503", "SilentJob", "The job's coordinator or its cluster does not answer."),
        ]);
    }
    if method != "get" {
        errors.push(("415", "UnsupportedMediaType", "The content type is not the one that is wanted."));
    }
    if has_body {
        errors.extend([
            ("408", "RequestTimeout", "The body did not come in time."),
            ("413", "PayloadTooLarge", "The body is too large."),
        ]);
    }
    errors
}

/// What the documentation of an answer's type says.
fn description_of(response: &Value, components: &Value) -> Option<Value> {
    let (_, content) = response["content"].as_object()?.iter().next()?;
    let name = content["schema"]["$ref"].as_str()?.rsplit('/').next()?;
    components["schemas"][name].get("description").cloned()
}

/// Makes plain text of what was written for rustdoc, all the way down.
fn in_plain_text(value: &mut Value) {
    match value {
        Value::Object(fields) => fields.iter_mut().for_each(|(name, value)| match value {
            Value::String(text) if matches!(name.as_str(), "description" | "summary") => *text = plain(text),
            value => in_plain_text(value),
        }),
        Value::Array(values) => values.iter_mut().for_each(in_plain_text),
        _ => {}
    }
}

/// Without links, the constants by their values, and one line for each paragraph.
fn plain(text: &str) -> String {
    let paragraphs: Vec<_> = text.split("\n\n").map(|lines| lines.replace('\n', " ")).collect();
    let text = paragraphs.join("\n\n");
    let mut parts = text.split("[`");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let Some((name, rest)) = part.split_once("`]") else {
            plain.push_str(&format!("[`{part}"));
            continue;
        };
        let rest = match rest.strip_prefix('(') {
            Some(target) => target.split_once(')').map_or("", |(_, rest)| rest),
            None => rest,
        };
        let value = CONSTANTS.iter().find(|(constant, _)| *constant == name).map(|(_, value)| value);
        let shown =
            value.map_or(name.to_owned(), |value| value.as_str().map_or(value.to_string(), str::to_owned));
        plain.push_str(&format!("`{shown}`{rest}"));
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documentation_becomes_plain_text() {
        assert_eq!(
            plain("Always [`SCHEMA`](crate::SCHEMA),\nor [`Other::X`].\n\nMore."),
            "Always `ckpt/v1`, or `Other::X`.\n\nMore."
        );
        assert_eq!(plain("a list [`x"), "a list [`x");
    }
}
