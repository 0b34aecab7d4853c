//! What is wrong with a request is said in one shape.

use serde_json::{Value, json};

use super::{Case, Ended, Run, require};
use crate::exchange::{Answer, Request};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "errors/missing-model",
        rule: "a request without a model is refused with 400, and the error names `model`",
        check: missing_model,
    },
    Case {
        name: "errors/bad-json",
        rule: "a body that is no JSON is refused with 400 and an error object",
        check: bad_json,
    },
    Case {
        name: "errors/wrong-type",
        rule: "a member of the wrong type is refused with 400, and the error names it",
        check: wrong_type,
    },
    Case {
        name: "errors/bad-enum",
        rule: "a value outside of an enumeration is refused with 400, and the error names it",
        check: bad_enum,
    },
    Case {
        name: "errors/unknown-previous",
        rule: "an unknown previous_response_id is refused with 400 or 404, and the error names it",
        check: unknown_previous,
    },
    Case {
        name: "errors/orphan-result",
        rule: "a function_call_output without its call is refused with 400",
        check: orphan_result,
    },
    Case {
        name: "errors/unknown-response",
        rule: "an unknown response is answered with 404 and an error object",
        check: unknown_response,
    },
    Case {
        name: "errors/stream",
        rule: "what is refused before a stream begins is answered with JSON, not with events",
        check: before_stream,
    },
];

/// The nested error object, all four members of it.
fn is_error(answer: &Answer, statuses: &[u16], param: Option<&str>) -> Ended {
    require(statuses.contains(&answer.status), || answer.seen())?;
    require(answer.content_type.starts_with("application/json"), || {
        format!("the content type is `{}`", answer.content_type)
    })?;
    let error = &answer.json()["error"];
    let text = |key: &str| error[key].as_str().is_some_and(|text| !text.is_empty());
    let text_or_null = |key: &str| error.get(key).is_some_and(|value| value.is_null() || value.is_string());
    let whole = text("type") && text("message") && text_or_null("code") && text_or_null("param");
    require(whole && param.is_none_or(|param| error["param"] == param), || answer.seen())
}

fn refused(run: &mut Run<'_>, body: &Value, statuses: &[u16], param: Option<&str>) -> Ended {
    let answer = run.send(&Request::create(body))?;
    is_error(&answer, statuses, param)
}

fn missing_model(run: &mut Run<'_>) -> Ended {
    refused(run, &json!({"input": "Hello"}), &[400], Some("model"))
}

fn bad_json(run: &mut Run<'_>) -> Ended {
    let request = Request { body: Some("{\"model\": ".into()), ..Request::create(&Value::Null) };
    let answer = run.send(&request)?;
    is_error(&answer, &[400], None)
}

fn wrong_type(run: &mut Run<'_>) -> Ended {
    let body = run.body(&json!({"input": "Hello", "temperature": "warm"}));
    refused(run, &body, &[400], Some("temperature"))
}

fn bad_enum(run: &mut Run<'_>) -> Ended {
    let body = run.body(&json!({"input": "Hello", "truncation": "sometimes"}));
    refused(run, &body, &[400], Some("truncation"))
}

fn unknown_previous(run: &mut Run<'_>) -> Ended {
    let id = "resp_00000000000000000000000000000000";
    let body = run.body(&json!({"input": "Hello", "previous_response_id": id}));
    refused(run, &body, &[400, 404], Some("previous_response_id"))
}

fn orphan_result(run: &mut Run<'_>) -> Ended {
    let output = json!([{"type": "function_call_output", "call_id": "call_nobody_made", "output": "1"}]);
    let body = run.body(&json!({ "input": output }));
    refused(run, &body, &[400], None)
}

fn unknown_response(run: &mut Run<'_>) -> Ended {
    let answer = run.get("/v1/responses/resp_00000000000000000000000000000000")?;
    is_error(&answer, &[404], None)
}

fn before_stream(run: &mut Run<'_>) -> Ended {
    refused(run, &json!({"input": "Hello", "stream": true}), &[400], Some("model"))
}
