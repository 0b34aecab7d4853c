//! What a model is asked and answers: the first look, and the standard's own cases.

use serde_json::{Value, json};

use super::{Case, Ended, Run, broken, legal, require, says, skip, text_of};
use crate::exchange::Request;
use crate::order;

/// One red pixel, as PNG.
const PIXEL: &str = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC";

/// Asks for more than a few tokens, even of a model that only repeats it.
const LONG: &str =
    "Write out the numbers from one to one hundred as words, with a comma behind each of them, please.";

pub(super) const CASES: &[Case] = &[
    Case {
        name: "first/text",
        rule: "a text gets a completed response with an assistant message",
        check: text,
    },
    Case {
        name: "first/stream",
        rule: "a stream is legal from response.created to response.completed and [DONE]",
        check: stream,
    },
    Case { name: "first/system-prompt", rule: "a system message reaches the model", check: system_prompt },
    Case {
        name: "first/tool-call",
        rule: "with tool_choice `required` the output has a function_call with JSON arguments",
        check: tool_call,
    },
    Case { name: "first/multi-turn", rule: "earlier turns in one input reach the model", check: multi_turn },
    Case {
        name: "first/recall",
        rule: "previous_response_id brings back what was said before, and is echoed",
        check: recall,
    },
    Case {
        name: "suite/tool-stream",
        rule: "a streamed function call is legal, and its arguments are the sum of their deltas",
        check: tool_stream,
    },
    Case {
        name: "suite/tool-result",
        rule: "a function_call_output is taken, and answered with a message",
        check: tool_result,
    },
    Case { name: "suite/image", rule: "an image as a data URL is taken", check: image },
    Case { name: "suite/phase", rule: "assistant messages with a phase are taken back", check: phase },
    Case {
        name: "suite/instructions",
        rule: "instructions reach the model and are echoed",
        check: instructions,
    },
    Case {
        name: "suite/compaction",
        rule: "compact answers a response.compaction with a compaction item",
        check: compaction,
    },
    Case { name: "suite/websocket", rule: "a response can be created over a WebSocket", check: websocket },
    Case {
        name: "fields/all",
        rule: "a response has all fields of the standard, null only where they may be, and those that go with its status",
        check: all_fields,
    },
    Case { name: "fields/echo", rule: "settings of the request are those of the response", check: echo },
    Case {
        name: "fields/limit",
        rule: "what max_output_tokens cuts off is incomplete, with its reason",
        check: limit,
    },
];

fn tools() -> Value {
    json!([{
        "type": "function", "name": "get_weather", "description": "Tells the weather of a city", "strict": false,
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    }])
}

fn has_message(response: &Value) -> Ended {
    require(!text_of(response).is_empty(), || format!("no text in the output {}", response["output"]))
}

fn text(run: &mut Run<'_>) -> Ended {
    has_message(&run.response(&json!({"input": "Say hello in three words."}))?)
}

fn stream(run: &mut Run<'_>) -> Ended {
    let events = run.stream(&json!({"input": "Count from 1 to 5."}))?;
    let Some((_, last)) = events.last() else { return broken("there are no events") };
    require(last["type"] == "response.completed", || format!("the last event is {}", last["type"]))?;
    let deltas = events.iter().filter(|(_, data)| data["type"] == "response.output_text.delta").count();
    require(deltas > 0, || "no text came as a delta".to_owned())?;
    has_message(&last["response"])
}

fn system_prompt(run: &mut Run<'_>) -> Ended {
    let input = json!([
        {"type": "message", "role": "system", "content": "End every answer with the word ahoy."},
        {"type": "message", "role": "user", "content": "Say hello."}
    ]);
    says(&run.response(&json!({ "input": input }))?, "ahoy")
}

fn instructions(run: &mut Run<'_>) -> Ended {
    let order = "End every answer with the word ahoy.";
    let response = run.response(&json!({"input": "Say hello.", "instructions": order}))?;
    require(response["instructions"] == order, || format!("instructions are {}", response["instructions"]))?;
    says(&response, "ahoy")
}

/// A response that calls the tool, and the call.
fn call(run: &mut Run<'_>) -> Result<(Value, Value), super::Miss> {
    let response = run.response(&json!({
        "input": "What is the weather in Oslo?", "tools": tools(), "tool_choice": "required"
    }))?;
    let calls = response["output"].as_array().into_iter().flatten();
    match calls.into_iter().find(|item| item["type"] == "function_call").cloned() {
        Some(call) => Ok((response, call)),
        None => broken(format!("no call in the output {}", response["output"])),
    }
}

fn is_call(call: &Value) -> Ended {
    let arguments = call["arguments"].as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
    let whole = call["name"] == "get_weather"
        && call["call_id"].as_str().is_some_and(|id| !id.is_empty())
        && call["id"].as_str().is_some_and(|id| !id.is_empty())
        && arguments.is_some_and(|arguments| arguments.is_object());
    require(whole, || format!("the call is {call}"))
}

fn tool_call(run: &mut Run<'_>) -> Ended {
    is_call(&call(run)?.1)
}

fn tool_stream(run: &mut Run<'_>) -> Ended {
    let members =
        json!({"input": "What is the weather in Oslo?", "tools": tools(), "tool_choice": "required"});
    let events = run.stream(&members)?;
    let items = events.last().and_then(|(_, data)| data["response"]["output"].as_array());
    match items.into_iter().flatten().find(|item| item["type"] == "function_call") {
        Some(call) => is_call(call),
        None => broken("the last snapshot has no call"),
    }
}

fn tool_result(run: &mut Run<'_>) -> Ended {
    let (_, call) = call(run)?;
    let input = json!([
        {"type": "message", "role": "user", "content": "What is the weather in Oslo?"},
        {"type": "function_call", "call_id": call["call_id"], "name": call["name"], "arguments": call["arguments"]},
        {"type": "function_call_output", "call_id": call["call_id"], "output": "It is 17 degrees."}
    ]);
    says(&run.response(&json!({"input": input, "tools": tools()}))?, "17")
}

fn multi_turn(run: &mut Run<'_>) -> Ended {
    let input = json!([
        {"type": "message", "role": "user", "content": "My cat is called Zorro."},
        {"type": "message", "role": "assistant", "content": "A fine name."},
        {"type": "message", "role": "user", "content": "What is my cat called?"}
    ]);
    says(&run.response(&json!({ "input": input }))?, "zorro")
}

fn recall(run: &mut Run<'_>) -> Ended {
    let first = run.response(&json!({"input": "My cat is called Zorro.", "store": true}))?;
    let second = run.response(&json!({
        "input": "What is my cat called?", "previous_response_id": first["id"], "store": true
    }))?;
    require(second["previous_response_id"] == first["id"], || {
        format!("previous_response_id is {}", second["previous_response_id"])
    })?;
    says(&second, "zorro")
}

fn image(run: &mut Run<'_>) -> Ended {
    let content = json!([
        {"type": "input_text", "text": "What colour is this?"},
        {"type": "input_image", "image_url": PIXEL, "detail": "auto"}
    ]);
    has_message(&run.response(&json!({"input": [{"type": "message", "role": "user", "content": content}]}))?)
}

fn phase(run: &mut Run<'_>) -> Ended {
    let said = |phase: &str, text: &str| {
        json!({"type": "message", "role": "assistant", "phase": phase,
               "content": [{"type": "output_text", "text": text, "annotations": []}]})
    };
    let input = json!([
        {"type": "message", "role": "user", "content": "Look it up."},
        said("commentary", "I am looking."), said("final_answer", "It is there."),
        {"type": "message", "role": "user", "content": "Thank you."}
    ]);
    has_message(&run.response(&json!({ "input": input }))?)
}

fn compaction(run: &mut Run<'_>) -> Ended {
    let body = run.body(&json!({"input": "My cat is called Zorro."})).to_string();
    let request = Request { body: Some(body), ..Request::new("POST", "/v1/responses/compact") };
    let answer = run.send(&request)?;
    if matches!(answer.status, 404 | 405 | 501) {
        return skip(format!("the server has no compact (HTTP {})", answer.status));
    }
    let whole = answer.json();
    let items = whole["output"].as_array().into_iter().flatten();
    let compacted = items.into_iter().any(|item| {
        item["type"] == "compaction" && item["id"].is_string() && item["encrypted_content"].is_string()
    });
    require(answer.status == 200 && whole["object"] == "response.compaction" && compacted, || answer.seen())
}

fn websocket(_: &mut Run<'_>) -> Ended {
    skip("not tested: this command speaks HTTP only")
}

fn all_fields(run: &mut Run<'_>) -> Ended {
    legal(order::check_response(&run.response(&json!({"input": "Say hello."}))?))
}

fn echo(run: &mut Run<'_>) -> Ended {
    let settings = json!({
        "temperature": 0.5, "top_p": 0.5, "max_output_tokens": 500, "metadata": {"a": "b"}, "store": false,
        "parallel_tool_calls": false, "tool_choice": "none"
    });
    let mut members = settings.clone();
    members["input"] = json!("Say hello.");
    let response = run.response(&members)?;
    for (name, want) in settings.as_object().into_iter().flatten() {
        require(response[name] == *want, || format!("{name} is {}, not {want}", response[name]))?;
    }
    Ok(())
}

fn limit(run: &mut Run<'_>) -> Ended {
    let body = run.body(&json!({"input": LONG, "max_output_tokens": 16}));
    let answer = run.send(&Request::create(&body))?;
    let response = answer.json();
    require(answer.status == 200, || answer.seen())?;
    match (response["status"].as_str(), response["incomplete_details"]["reason"].as_str()) {
        (Some("incomplete"), Some("max_output_tokens")) => Ok(()),
        (Some("completed"), _) => skip("the model was done within 16 tokens"),
        _ => broken(answer.seen()),
    }
}
