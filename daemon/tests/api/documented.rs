//! Every answer in these tests against the description of the API: its status, body and headers.

use crate::support::Answer;
use axum::http::{Method, Uri};
use jsonschema::Validator;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

/// The description, as it is served.
pub(crate) static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(ckptd::rest::document()).unwrap());

/// The headers that must be described where they are sent.
const HEADERS: [&str; 3] = ["etag", "ckpt-observed-at", "location"];

/// Fails unless the answer is one that the description allows. Unknown paths and methods are none of its.
#[track_caller]
pub(crate) fn check(method: &Method, uri: &Uri, answer: &Answer) {
    let Some((path, operation)) = operation(method, uri.path()) else { return };
    let status = answer.status.as_u16();
    let place = format!("{method} {path} ({uri}) answers {status}");
    let response = operation["responses"].get(status.to_string());
    let response = response.unwrap_or_else(|| {
        panic!("{place}, and its #[utoipa::path] does not say so: {}", answer.body);
    });
    let response = resolved(response);
    for header in HEADERS.iter().filter(|header| answer.header(header).is_some()) {
        assert!(response["headers"].get(header).is_some(), "{place} with {header}, which is not described");
    }
    let Some((kind, content)) = response["content"].as_object().and_then(|content| content.iter().next())
    else {
        assert_eq!(answer.body, "", "{place} with a body");
        return;
    };
    let sent = answer.header("content-type").unwrap_or_default();
    assert_eq!(sent.split(';').next(), Some(kind.as_str()), "{place}");
    match kind.as_str() {
        "application/json" => assert_fits(&answer.json(), &content["schema"], &place),
        "text/event-stream" => {
            for data in answer.body.lines().filter_map(|line| line.strip_prefix("data:")) {
                assert_fits(&serde_json::from_str(data).unwrap(), &content["schema"], &place);
            }
        }
        _ => {}
    }
}

/// Fails unless the value is as the schema says, without a field that is not described.
#[track_caller]
pub(crate) fn assert_fits(value: &Value, schema: &Value, place: &str) {
    if let Some(misfit) = misfit(value, schema) {
        panic!("{place} with what is not described: {misfit}\n{value:#}");
    }
}

/// What about the value is not as the schema says.
pub(crate) fn misfit(value: &Value, schema: &Value) -> Option<String> {
    let value = json!({"answer": value});
    let validator = validator(schema);
    let misfits: Vec<_> =
        validator.iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    (!misfits.is_empty()).then(|| misfits.join("; "))
}

/// What a reference refers to.
pub(crate) fn resolved(value: &'static Value) -> &'static Value {
    match value["$ref"].as_str() {
        Some(reference) => DOCUMENT
            .pointer(reference.trim_start_matches('#'))
            .unwrap_or_else(|| panic!("{reference} leads nowhere")),
        None => value,
    }
}

/// The operation that a request means: fixed parts of a path come before parameters.
fn operation(method: &Method, path: &str) -> Option<(&'static str, &'static Value)> {
    let path = path.strip_prefix("/v1").unwrap_or(path);
    let parts: Vec<_> = path.split('/').collect();
    let paths = DOCUMENT["paths"].as_object().unwrap().iter();
    let (template, item) = paths
        .filter(|(template, _)| {
            let template: Vec<_> = template.split('/').collect();
            let alike = |(template, part): (&&str, &&str)| match template.starts_with('{') {
                true => !part.is_empty(),
                false => template == part,
            };
            template.len() == parts.len() && template.iter().zip(&parts).all(alike)
        })
        .min_by_key(|(template, _)| template.matches('{').count())?;
    Some((template, item.get(method.as_str().to_ascii_lowercase())?))
}

fn validator(schema: &Value) -> Arc<Validator> {
    static VALIDATORS: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);
    let mut known = VALIDATORS.lock().unwrap();
    let validator = known.entry(schema.to_string()).or_insert_with(|| {
        let mut whole = json!({"properties": {"answer": schema}, "components": DOCUMENT["components"]});
        seal(&mut whole);
        Arc::new(jsonschema::draft202012::new(&whole).unwrap())
    });
    Arc::clone(validator)
}

/// Refuses fields that are not described, wherever an object is a value of its own and no part of another.
fn seal(schema: &mut Value) {
    let Some(fields) = schema.as_object_mut() else {
        return schema.as_array_mut().into_iter().flatten().for_each(seal);
    };
    for (name, part) in fields.iter_mut() {
        seal(part);
        match name.as_str() {
            "properties" => part.as_object_mut().into_iter().flatten().for_each(|(_, part)| close(part)),
            "items" | "additionalProperties" => close(part),
            _ => {}
        }
    }
}

fn close(part: &mut Value) {
    let takes_any = part["type"] == "object" && part.get("properties").is_none();
    if let Some(part) = part.as_object_mut().filter(|_| !takes_any) {
        part.insert("unevaluatedProperties".to_owned(), json!(false));
    }
}
