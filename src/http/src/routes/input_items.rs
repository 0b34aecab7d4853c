//! `GET /v1/responses/{id}/input_items`.

use actix_web::rt::task::spawn_blocking;
use actix_web::{HttpRequest, HttpResponse, web};
use or_actors::HEAVY;
use or_protocol::ApiError;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::page;
use crate::respond::error_response;
use crate::state::Worker;
use crate::stored::{find, include, unreadable};
use crate::whole;

/// One page of the input that the response was made with: its own, without that of its predecessors.
pub(crate) async fn list(
    request: HttpRequest,
    id: web::Path<String>,
    query: web::Query<Vec<(String, String)>>,
    worker: web::Data<Worker>,
) -> HttpResponse {
    match load(&request, &id, &query, &worker).await {
        Ok(json) => whole::json(HttpResponse::Ok(), json.into_bytes(), &worker.node().budget),
        Err(error) => error_response(&error),
    }
}

async fn load(
    request: &HttpRequest,
    id: &str,
    query: &[(String, String)],
    worker: &Worker,
) -> Result<String, ApiError> {
    let wanted = Wanted::parse(query)?;
    let input = find(request, id, worker).await?.input;
    if input.get().len() < HEAVY {
        return page(input.get(), &wanted);
    }
    let work = spawn_blocking(move || page(input.get(), &wanted));
    work.await.unwrap_or_else(|_| Err(ApiError::internal()))
}

/// Which part of the list.
#[derive(Debug, PartialEq)]
struct Wanted {
    limit: usize,
    newest_first: bool,
    after: Option<String>,
}

impl Wanted {
    /// The last one of a name wins; unknown names are left alone.
    fn parse(query: &[(String, String)]) -> Result<Self, ApiError> {
        let mut wanted = Self { limit: 20, newest_first: true, after: None };
        for (name, value) in query {
            match name.as_str() {
                "limit" => wanted.limit = page::limit(value)?,
                "order" => wanted.newest_first = newest_first(value)?,
                "after" => wanted.after = Some(value.clone()),
                "include" | "include[]" => {
                    // Nothing of an input item is held back, so there is nothing to add.
                    include(value)?;
                }
                _ => {}
            }
        }
        Ok(wanted)
    }
}

fn newest_first(value: &str) -> Result<bool, ApiError> {
    match value {
        "desc" => Ok(true),
        "asc" => Ok(false),
        other => {
            let other: String = other.chars().take(100).collect();
            let text = format!("Invalid value: '{other}'. Supported values are: 'asc', 'desc'.");
            Err(ApiError::invalid("invalid_value", "order", text))
        }
    }
}

#[derive(Deserialize)]
struct IdOnly {
    id: String,
}

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    data: &'a [&'a RawValue],
    first_id: Option<String>,
    last_id: Option<String>,
    has_more: bool,
}

/// The list object. `input`: a JSON array of items with ids.
fn page(input: &str, wanted: &Wanted) -> Result<String, ApiError> {
    let damaged = |error: serde_json::Error| {
        tracing::error!(%error, "the input of a stored response does not read");
        unreadable()
    };
    let id = |item: &&RawValue| serde_json::from_str(item.get()).map(|IdOnly { id }| id).map_err(damaged);
    let mut items: Vec<&RawValue> = serde_json::from_str(input).map_err(damaged)?;
    if wanted.newest_first {
        items.reverse();
    }
    let begin = match &wanted.after {
        None => 0,
        Some(after) => {
            let mut begin = None;
            // From the end, so that a list in which an id stands twice comes to its end too.
            for (n, item) in items.iter().enumerate().rev() {
                if id(item)? == *after {
                    begin = Some(n + 1);
                    break;
                }
            }
            begin.ok_or_else(|| unknown(after))?
        }
    };
    let rest = items.get(begin..).unwrap_or_default();
    let data = rest.get(..wanted.limit).unwrap_or(rest);
    let list = List {
        object: "list",
        data,
        first_id: data.first().map(id).transpose()?,
        last_id: data.last().map(id).transpose()?,
        has_more: data.len() < rest.len(),
    };
    serde_json::to_string(&list).map_err(|_| ApiError::internal())
}

fn unknown(after: &str) -> ApiError {
    let after: String = after.chars().take(100).collect();
    let text = format!("Invalid value: '{after}'. No input item of this response has this id.");
    ApiError::invalid("invalid_value", "after", text)
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    fn parse(query: &str) -> Result<Wanted, ApiError> {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        Wanted::parse(&pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect::<Vec<_>>())
    }

    /// Five items, `a` to `e`. `want`: the ids of the page, and whether there is more.
    #[track_caller]
    fn check(query: &str, want: &str, more: bool) {
        let items: Vec<_> = "abcde".chars().map(|id| serde_json::json!({"n": [1.0], "id": id})).collect();
        let items = serde_json::to_string(&items).unwrap();
        let list: serde_json::Value =
            serde_json::from_str(&page(&items, &parse(query).unwrap()).unwrap()).unwrap();
        let ids: Vec<_> = want.chars().map(String::from).collect();
        let data: Vec<_> = ids.iter().map(|id| serde_json::json!({"n": [1.0], "id": id})).collect();
        let want = serde_json::json!({"object": "list", "data": data, "first_id": ids.first(),
                                      "last_id": ids.last(), "has_more": more});
        assert_eq!(list, want, "{query}");
    }

    #[track_caller]
    fn check_error(query: &str, code: &str, param: &str, message: &str) {
        let error = parse(query).and_then(|wanted| page(r#"[{"id":"a"}]"#, &wanted)).unwrap_err();
        assert_eq!(
            (error.status(), error.code.as_deref(), error.param.as_deref()),
            (400, Some(code), Some(param))
        );
        assert_eq!(error.message, message);
    }

    #[test]
    fn a_page_is_cut_from_the_list_in_its_order() {
        check("", "edcba", false);
        check("order=asc", "abcde", false);
        check("limit=2", "ed", true);
        check("limit=2&order=asc", "ab", true);
        check("limit=5", "edcba", false);
        check("limit=100", "edcba", false);
    }

    #[test]
    fn a_page_begins_behind_its_cursor() {
        check("after=d", "cba", false);
        check("after=d&limit=2", "cb", true);
        check("after=b&order=asc&limit=3", "cde", false);
        check("after=a", "", false);
        check("after=e&order=asc", "", false);
    }

    #[test]
    fn the_last_value_of_a_name_wins() {
        check("limit=1&order=asc&after=e&limit=2&after=b", "cd", true);
    }

    #[test]
    fn nothing_has_null_ids() {
        let list = page("[]", &parse("").unwrap()).unwrap();
        assert_eq!(list, r#"{"object":"list","data":[],"first_id":null,"last_id":null,"has_more":false}"#);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let below = "Invalid 'limit': integer below minimum value. Expected a value >= 1, but got 0 instead.";
        check_error("limit=0", "integer_below_min_value", "limit", below);
        let above =
            "Invalid 'limit': integer above maximum value. Expected a value <= 100, but got 101 instead.";
        check_error("limit=101", "integer_above_max_value", "limit", above);
        let no_number = "Invalid type for 'limit': expected an integer, but got something else instead.";
        for word in ["limit=", "limit=ten", "limit=1.5", "limit=99999999999999999999"] {
            check_error(word, "invalid_type", "limit", no_number);
        }
        let order = "Invalid value: 'up'. Supported values are: 'asc', 'desc'.";
        check_error("order=up", "invalid_value", "order", order);
        let after = "Invalid value: 'msg_x'. No input item of this response has this id.";
        check_error("after=msg_x", "invalid_value", "after", after);
        check_error("after=", "invalid_value", "after", &after.replace("msg_x", ""));
        assert_eq!(parse("include[]=nonsense").unwrap_err().param.as_deref(), Some("include"));
        assert!(parse("include=reasoning.encrypted_content").is_ok());
    }
}
