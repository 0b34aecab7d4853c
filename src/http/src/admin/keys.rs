//! `/admin/v1/keys`: the stored client keys.

use std::future::Future;

use actix_web::rt::spawn;
use actix_web::{HttpRequest, HttpResponse, web};
use or_keys::{KeyView, NewKey};
use or_protocol::{ApiError, ErrorKind};
use serde_json::{Value, json};

use super::Audited;
use crate::body::{self, Upload};
use crate::gate::unix_now;
use crate::respond::error_response;
use crate::routes::page;
use crate::state::{AppState, State};

/// Longest body, in bytes; a key's settings are shorter.
const MAX_BODY: usize = 64 * 1024;

/// Makes a key. The answer is the only one with its secret.
pub(super) async fn create(payload: web::Payload, request: HttpRequest, state: State) -> HttpResponse {
    let body = match read(&request, payload, &state).await {
        Ok(body) => body,
        Err(error) => return answer("create", None, Err(error)),
    };
    let name = body.get("name").and_then(Value::as_str).map(|name| name.chars().take(100).collect());
    let now = unix_now();
    let made = match NewKey::parse(body, now) {
        Ok(new) => {
            apart(async move {
                let is_running =
                    |name: &str| state.node.running.list().iter().any(|response| response.owner == name);
                state.keys.create(new, is_running, now).await
            })
            .await
        }
        Err(error) => Err(error.to_api()),
    };
    answer("create", name, made)
}

/// One page of the keys, in the order of their names.
pub(super) async fn list(query: web::Query<Vec<(String, String)>>, state: State) -> HttpResponse {
    let (mut limit, mut after) = (Ok(20), None);
    for (name, value) in &*query {
        match name.as_str() {
            "limit" => limit = page::limit(value),
            "after" => after = Some(value.as_str()),
            _ => {}
        }
    }
    let listed = match limit {
        Ok(limit) => state.keys.list(after, limit, unix_now()).await,
        Err(error) => Err(error),
    };
    let listed = listed.map(|(data, has_more)| {
        let id = |key: Option<&KeyView>| key.map(|key| key.id);
        let (first_id, last_id) = (id(data.first()), id(data.last()));
        json!({"object": "list", "data": data, "first_id": first_id, "last_id": last_id, "has_more": has_more})
    });
    told("list", None, listed)
}

/// One key.
pub(super) async fn show(key: web::Path<String>, state: State) -> HttpResponse {
    answer("show", Some(key.to_string()), state.keys.show(&key, unix_now()).await)
}

/// Changes a key's settings by a merge patch.
pub(super) async fn update(
    key: web::Path<String>,
    payload: web::Payload,
    request: HttpRequest,
    state: State,
) -> HttpResponse {
    let name = key.to_string();
    let made = match read(&request, payload, &state).await {
        Ok(patch) => apart(async move { state.keys.update(&key, &patch, unix_now()).await }).await,
        Err(error) => Err(error),
    };
    answer("update", Some(name), made)
}

/// Gives a key another secret. The answer is the only one with it.
pub(super) async fn rotate(
    key: web::Path<String>,
    payload: web::Payload,
    request: HttpRequest,
    state: State,
) -> HttpResponse {
    let name = key.to_string();
    let made = match read(&request, payload, &state).await.and_then(|body| overlap(&body)) {
        Ok(overlap_s) => apart(async move { state.keys.rotate(&key, overlap_s, unix_now()).await }).await,
        Err(error) => Err(error),
    };
    answer("rotate", Some(name), made)
}

/// The one member of a rotation, which may be left out.
fn overlap(body: &Value) -> Result<u64, ApiError> {
    let bad = |param: &str, text: &str| Err(ApiError::invalid("invalid_value", param, text));
    let Value::Object(members) = body else { return bad("body", "The body must be a JSON object.") };
    if let Some(other) = members.keys().find(|name| *name != "overlap_s") {
        let other: String = other.chars().take(100).collect();
        return bad(&other, "A rotation takes 'overlap_s' and nothing else.");
    }
    match members.get("overlap_s") {
        None | Some(Value::Null) => Ok(0),
        Some(value) => match value.as_u64() {
            Some(overlap_s) => Ok(overlap_s),
            None => bad("overlap_s", "'overlap_s' must be a whole number of seconds."),
        },
    }
}

/// Revokes a key for good.
pub(super) async fn revoke(key: web::Path<String>, state: State) -> HttpResponse {
    let name = key.to_string();
    answer("revoke", Some(name), apart(async move { state.keys.revoke(&key, unix_now()).await }).await)
}

/// Forgets a key.
pub(super) async fn delete(key: web::Path<String>, state: State) -> HttpResponse {
    let name = key.to_string();
    let deleted = apart(async move { state.keys.delete(&key, unix_now()).await }).await;
    let deleted = deleted
        .map(|key| json!({"object": "client_key.deleted", "id": key.id, "name": key.name, "deleted": true}));
    told("delete", Some(name), deleted)
}

/// The body as JSON; an empty one is an object without members.
async fn read(request: &HttpRequest, mut payload: web::Payload, state: &AppState) -> Result<Value, ApiError> {
    let Upload { bytes, .. } = body::read_up_to(MAX_BODY, request, &mut payload, state).await?;
    if bytes.trim_ascii().is_empty() {
        return Ok(json!({}));
    }
    serde_json::from_slice(&bytes).map_err(|error| {
        let text = format!("The request body is not valid JSON: {error}.");
        ApiError::new(ErrorKind::InvalidRequest, text).with_code("invalid_json")
    })
}

/// Carries out a change to its end, also when its client leaves.
async fn apart<T: 'static>(
    change: impl Future<Output = Result<T, ApiError>> + 'static,
) -> Result<T, ApiError> {
    spawn(change).await.unwrap_or_else(|_| Err(ApiError::internal()))
}

fn answer(action: &'static str, key: Option<String>, made: Result<KeyView, ApiError>) -> HttpResponse {
    let made = made.and_then(|view| serde_json::to_value(view).map_err(|_| ApiError::internal()));
    told(action, key, made)
}

fn told(action: &'static str, key: Option<String>, made: Result<Value, ApiError>) -> HttpResponse {
    let error = made.as_ref().err().map(|error| error.code().to_owned());
    let mut response = match made {
        Ok(body) => HttpResponse::Ok().json(body),
        Err(error) => error_response(&error),
    };
    response.extensions_mut().insert(Audited { action, key, error });
    response
}
