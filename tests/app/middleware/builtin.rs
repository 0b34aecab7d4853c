//! The middlewares that a configuration can name.

use open_responses::tools::{FunctionTool, ToolSpec};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use super::{Bench, DELIVERIES, Delivery, body, weather};
use crate::stage::app::setup;
use or_test_support::provider::{FakeProvider, Script};
use or_test_support::wire::{self, CALL, KINDS, Turn, text};

const KIND: &str = "anthropic";
const FILTER: &str = "[[middleware]]\nkind = 'content_filter'\n[[middleware.rules]]\nname = 'keys'\n\
                      pattern = 'sk-[a-z0-9]{4,20}'\nreplacement = '[key]'\n";

fn bench(kind: &str, config: &str) -> Bench {
    let fake = FakeProvider::start();
    let config = format!("{}\n{config}", fake.provider(kind));
    let tool = FunctionTool::new(ToolSpec::new("get_weather", "Weather of a city"), weather);
    Bench { app: setup(config).with(|builder| builder.tool(tool)).start(), fake }
}

#[test]
fn a_match_that_is_cut_into_pieces_is_redacted_on_every_kind() {
    let pieces = Turn {
        thinking: "sk-think1 is it",
        text: &["My key is s", "k", "-ab", "cd12", " and no sk-."],
        ..CALL
    };
    for kind in KINDS {
        for delivery in DELIVERIES {
            let bench = bench(kind, &format!("{FILTER}action = 'redact'"));
            bench.fake.push(wire::answer(kind, pieces));
            bench.fake.push(wire::answer(kind, text(&["Seven sk-99", "99"])));
            let (answer, response) = bench.ask(kind, delivery);
            let output = response["output"].to_string();
            assert!(output.contains("My key is [key] and no sk-."), "{kind} {delivery:?} {output}");
            assert!(output.contains("Seven [key]"), "{kind} {delivery:?} {output}");
            for shown in [answer.text(), bench.app.stored(&response["id"]).text()] {
                assert!(
                    !shown.contains("sk-ab") && !shown.contains("-abcd") && !shown.contains("sk-think"),
                    "{shown}"
                );
            }
            // What the model is shown of its own words is what the client was shown.
            let again = bench.fake.request(1).body.to_string();
            assert!(!again.contains("sk-abcd12"), "{again}");
        }
    }
}

#[test]
fn what_is_denied_ends_the_answer_before_it() {
    for delivery in DELIVERIES {
        let bench = bench(KIND, &format!("{FILTER}action = 'deny'\non = ['output']"));
        bench.fake.push(wire::answer(KIND, text(&["My key is s", "k-ab", "cd12", " and more."])));
        let (answer, response) = bench.ask(KIND, delivery);
        assert_eq!(response["status"], "incomplete");
        assert_eq!(response["incomplete_details"]["reason"], "content_filter");
        assert!(!answer.text().contains("k-ab") && !answer.text().contains("more"), "{}", answer.text());
    }
}

#[test]
fn input_is_redacted_for_the_model_or_refused() {
    let mut request = body(KIND, Delivery::Whole);
    request["input"] = "Is sk-abcd12 good?".into();
    request["instructions"] = "Say sk-zzzz99.".into();
    let bench = bench(KIND, &format!("{FILTER}action = 'redact'\non = ['input']"));
    bench.fake.push(wire::answer(KIND, text(&["sk-abcd12 is"])));
    let answer = bench.app.post(&request);
    let asked = bench.fake.request(0).body.to_string();
    assert!(asked.contains("Is [key] good?") && asked.contains("Say [key]."), "{asked}");
    assert_eq!(answer.response()["output"][0]["content"][0]["text"], "sk-abcd12 is");
    assert!(answer.header("openresponses-translation").unwrap().contains("keys"));

    let bench = super::builtin::bench(KIND, &format!("{FILTER}action = 'deny'\non = ['input']"));
    let refused = bench.app.post(&request);
    let want = (400, "invalid_request_error".to_owned(), Some("content_filter".to_owned()), None);
    assert_eq!(refused.error(), want);
    assert_eq!(bench.fake.count(), 0);
}

#[test]
fn results_of_tools_are_redacted_before_anybody_sees_them() {
    let config = FILTER.replace("sk-[a-z0-9]{4,20}", "Oslo");
    for delivery in DELIVERIES {
        let bench = bench(KIND, &format!("{config}action = 'redact'\non = ['tool_results']"));
        bench.fake.push(wire::answer(KIND, CALL));
        bench.fake.push(wire::answer(KIND, text(&["Seven"])));
        let (_, response) = bench.ask(KIND, delivery);
        assert_eq!(response["output"][1]["output"], r#"{"city":"[key]","c":7}"#);
        assert!(bench.fake.request(1).body.to_string().contains(r#"\"city\":\"[key]\""#));
    }
}

#[test]
fn turns_are_limited_and_instructions_added() {
    let config = "[[middleware]]\nkind = 'turn_limit'\nmax_turns = 1\n[[middleware]]\nkind = 'system_prompt'\n\
                  text = 'Be brief.'\nposition = 'append'\nmodels = '^anthropic/'";
    for delivery in DELIVERIES {
        let bench = bench(KIND, config);
        bench.fake.push(wire::answer(KIND, CALL));
        let (_, response) = bench.ask(KIND, delivery);
        assert_eq!(response["incomplete_details"]["reason"], "turn_limit");
        assert_eq!(response["output"].as_array().unwrap().len(), 2);
        assert!(bench.fake.request(0).body.to_string().contains("Be brief."));
    }
}

#[test]
fn an_audit_log_has_a_line_for_each_response() {
    let folder = tempfile::tempdir().unwrap();
    let lines = |content: &str| {
        let path = folder.path().join(format!("{content}.jsonl"));
        let config = format!("[[middleware]]\nkind = 'audit_log'\npath = {path:?}\ncontent = '{content}'");
        let bench = bench(KIND, &config);
        bench.fake.push(wire::answer(KIND, CALL));
        bench.fake.push(wire::answer(KIND, text(&["Seven"])));
        bench.ask(KIND, Delivery::Stream);
        let request = json!({"model": "anthropic/m", "input": "Hi", "previous_response_id": "resp_x"});
        assert_eq!(bench.app.post(&request).status, 400);
        let Bench { app, .. } = bench;
        app.stop();
        // Its thread writes what is left.
        let end = std::time::Instant::now() + super::PATIENCE;
        loop {
            let text = std::fs::read_to_string(&path).unwrap();
            if text.lines().count() == 2 && text.ends_with('\n') {
                return text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>();
            }
            assert!(std::time::Instant::now() < end, "{text}");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    };
    let [done, refused] = &lines("off")[..] else { panic!("not two lines") };
    assert_eq!((&done["status"], &refused["status"]), (&json!("completed"), &json!("refused")));
    assert_eq!(refused["error_code"], "previous_response_not_found");
    assert_eq!((&done["client"], &done["model"]), (&json!("local"), &json!("anthropic/m")));
    assert_eq!((&done["turns"], &done["output_tokens"]), (&json!(2), &json!(14)));
    assert_eq!((&done["tools"], done.get("input")), (&json!(["get_weather"]), None));
    assert!(lines("hashed")[0]["output"].as_str().unwrap().starts_with("sha256:"));
    let on = &lines("on")[0];
    assert!(on["input"].as_str().unwrap().contains("How is it in Oslo?"), "{on}");
    assert!(on["output"].as_str().unwrap().contains("Seven"), "{on}");
}

fn webhook(hook: &FakeProvider, more: &str) -> String {
    format!(
        "[[middleware]]\nkind = 'webhook'\nurl = 'http://{}/policy'\ntimeout_ms = 1000\nheaders = {{ x-key = 'k' }}\n{more}",
        hook.address
    )
}

#[test]
fn an_endpoint_is_asked_and_changes_what_it_likes() {
    let hook = FakeProvider::start();
    hook.always(|request| {
        Script::json(
            200,
            &match request.body["hook"].as_str().unwrap() {
                "before_sample" => json!({"instructions": "Be kind.", "headers": {"x-policy": "3"}}),
                "after_sample" if request.body["turn"] == 2 => {
                    json!({"items": [{"type": "message", "role": "assistant",
                "content": [{"type": "output_text", "text": "Eight", "annotations": []}]}]})
                }
                "on_tool_result" => json!({"output": "warm"}),
                _ => json!({}),
            },
        )
    });
    let hooks = "hooks = ['before_sample', 'after_sample', 'on_tool_result', 'on_end']\ngathers = true";
    for delivery in DELIVERIES {
        let from = hook.count();
        let bench = bench(KIND, &webhook(&hook, hooks));
        bench.fake.push(wire::answer(KIND, CALL));
        bench.fake.push(wire::answer(KIND, text(&["Seven"])));
        let (answer, response) = bench.ask(KIND, delivery);
        assert_eq!(answer.header("x-policy"), Some("3"));
        assert_eq!(response["output"][1]["output"], "warm");
        assert_eq!(response["output"][2]["content"][0]["text"], "Eight", "{delivery:?}");
        assert!(bench.fake.request(1).body.to_string().contains("Be kind."));
        assert!(!answer.text().contains("Seven"));
        let end = hook.request(from + 5);
        assert_eq!((&end.body["hook"], &end.body["status"]), (&json!("on_end"), &json!("completed")));
        assert_eq!((end.header("x-key"), &end.body["client"]), (Some("k"), &json!("local")));
    }
}

#[test]
fn an_endpoint_halts_a_response() {
    let hook = FakeProvider::start();
    let halt = json!({"halt": {"status": 429, "code": "policy", "message": "Not now.", "retry_after_s": 9}});
    hook.always(move |_| Script::json(200, &halt));
    let bench = bench(KIND, &webhook(&hook, "hooks = ['before_sample']"));
    let answer = bench.app.post(&body(KIND, Delivery::Stream));
    assert_eq!(answer.error(), (429, "too_many_requests".to_owned(), Some("policy".to_owned()), None));
    assert_eq!(answer.header("retry-after"), Some("9"));
}

#[test]
fn an_endpoint_that_fails_fails_open_or_closed() {
    let scripts: [fn() -> Script; 4] = [
        || Script::json(500, &json!({})),
        || Script::json(200, &json!({"say": 1})),
        || Script::json(200, &json!({"items": [{"type": "message"}]})),
        Script::silent,
    ];
    for script in scripts {
        for (on_failure, want) in [("pass", 200), ("fail", 500)] {
            let hook = FakeProvider::start();
            hook.always(move |_| script());
            let more = format!("hooks = ['before_sample']\non_failure = '{on_failure}'");
            let bench = bench(KIND, &webhook(&hook, &more));
            bench.fake.push(wire::answer(KIND, text(&["Seven"])));
            let answer = bench.app.post(&body(KIND, Delivery::Whole));
            // 504 where it did not answer.
            assert_eq!(answer.status - answer.status % 100, want, "{}", answer.text());
        }
    }
}
