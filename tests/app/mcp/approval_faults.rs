//! Approved calls in unlucky moments.

use std::time::Duration;

use pretty_assertions::assert_eq;
use serde_json::json;

use super::approvals::{asking, refused, stateless, yes};
use crate::stage::mcp::{bench, going_on, good, item, types};
use or_test_support::mcp::Does;
use or_test_support::provider::{Gate, Script};
use or_test_support::wire::{self, text};

#[test]
fn two_at_once_make_one_call() {
    let bench = bench("");
    for store in [true, false] {
        let before = bench.server.count("tools/call");
        let gate = Gate::default();
        bench.server.does("get_weather", Does::Waits(gate.clone(), "seven".into()));
        let (mut request, first, asked) = asking(&bench, "anthropic");
        bench.fake.always(wire::answer("anthropic", text(&["Seven"])));
        request["store"] = json!(store);
        let next = stateless(&first, &request, &[yes(&asked)]);
        let connections: Vec<_> = (0..8).map(|_| bench.app.open(&next)).collect();
        bench.server.until("tools/call", before + 1);
        std::thread::sleep(Duration::from_millis(100));
        gate.open();
        let mut outputs = Vec::new();
        for connection in connections {
            let answer = connection.finish();
            if answer.status == 200 {
                outputs.push(item(&good(&answer), "mcp_call")["output"].clone());
            } else {
                refused(&answer, "approval_already_answered");
            }
        }
        assert_eq!(outputs.iter().filter(|output| *output == "seven").count(), 1, "{outputs:?}");
        assert_eq!(bench.server.count("tools/call"), before + 1);
    }
}

#[test]
fn a_client_that_left_in_the_middle_may_ask_again_and_the_call_is_not_made_again() {
    let bench = bench("");
    for stream in [false, true] {
        let before = bench.server.count("tools/call");
        let gate = Gate::default();
        bench.server.does("get_weather", Does::Waits(gate.clone(), "seven".into()));
        let (mut request, first, asked) = asking(&bench, "openai-chat");
        request["stream"] = json!(stream);
        let next = going_on(&first, &request, &[yes(&asked)]);
        let connection = bench.app.open(&next);
        bench.server.until("tools/call", before + 1);
        connection.leave();
        while !bench.app.get("/metrics").text().contains("openresponses_running_responses 0") {
            std::thread::sleep(Duration::from_millis(5));
        }
        gate.open();
        bench.push_text("openai-chat");
        let again = bench.ask(&next);
        let error = item(&again, "mcp_call")["error"]["content"][0]["text"].as_str().unwrap();
        assert!(error.contains("unknown; it was not run again"), "{error}");
        assert!(!error.contains("restart"), "nobody restarted anything: {error}");
        assert_eq!(bench.server.count("tools/call"), before + 1);
    }
}

#[test]
fn a_result_is_not_lost_with_the_response_that_failed_behind_it() {
    let bench = bench("");
    let (request, first, asked) = asking(&bench, "openai-chat");
    let next = going_on(&first, &request, &[yes(&asked)]);
    bench.fake.script(Script::json(500, &wire::error("openai-chat", 500, "no")));
    assert_eq!(bench.app.post(&next).status, 502);
    let answer = bench.app.post(&next);
    refused(&answer, "approval_already_answered");
    // The error names the response, which has the result.
    let words = answer.message();
    let id = words.split('\'').find(|word| word.starts_with("resp_")).unwrap();
    let failed = good(&bench.app.stored(&json!(id)));
    assert_eq!(
        (&failed["status"], &item(&failed, "mcp_call")["output"]),
        (&json!("failed"), &json!("seven"))
    );
    bench.push_text("openai-chat");
    let more = going_on(&failed, &request, &[json!({"role": "user", "content": "Go on"})]);
    assert_eq!(types(&bench.ask(&more)), ["message"]);
    assert!(bench.told_last().contains("seven"));
    assert_eq!(bench.server.count("tools/call"), 1);
}

#[test]
fn a_stream_shows_the_approved_call_while_it_runs() {
    let bench = bench("");
    let gate = Gate::default();
    bench.server.does("get_weather", Does::Waits(gate.clone(), "seven".into()));
    let (mut request, first, asked) = asking(&bench, "openai-chat");
    request["stream"] = json!(true);
    let mut connection = bench.app.open(&going_on(&first, &request, &[yes(&asked)]));
    let call = connection.until("response.mcp_call.in_progress");
    bench.server.until("tools/call", 1);
    assert_eq!((bench.fake.count(), &call["output_index"]), (1, &json!(0)));
    // What goes wrong behind it is told in the stream.
    bench.fake.script(Script::json(500, &wire::error("openai-chat", 500, "no")));
    gate.open();
    let failed = good(&connection.finish());
    assert_eq!(
        (&failed["status"], &item(&failed, "mcp_call")["output"]),
        (&json!("failed"), &json!("seven"))
    );
    assert_eq!(good(&bench.app.stored(&failed["id"])), failed);
}
