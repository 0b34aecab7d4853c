//! Which hooks are called when, and what becomes of their changes.

use pretty_assertions::assert_eq;
use serde_json::json;

use super::{Act, DELIVERIES, Delivery, Log, Probe, bench, lines};
use or_test_support::wire::{self, CALL, KINDS, text};

const KIND: &str = "anthropic";

#[test]
fn hooks_are_called_in_order_in_every_turn_and_on_every_delivery() {
    for delivery in DELIVERIES {
        let log = Log::default();
        let probes = ["a", "b"].map(|name| Probe::new(name, &log, |_, _| Act::Go));
        let [a, b] = probes;
        let bench = bench(KIND, vec![a, b.apart()]);
        bench.fake.push(wire::answer(KIND, CALL));
        bench.fake.push(wire::answer(KIND, text(&["Seven"])));
        let (_, response) = bench.ask(KIND, delivery);
        assert_eq!(response["status"], "completed", "{delivery:?}");
        let of_both = |what: &str| ["a", "b"].map(|name| format!("{name} {what}"));
        let want: Vec<_> = [
            "begin anthropic/m",
            "before 1 (1 items)",
            "after 1 [function_call] 7 tokens",
            r#"tool get_weather {"city":"Oslo"}"#,
            "before 2 (3 items)",
            r#"event "Seven""#,
            "after 2 [message] 7 tokens",
            "end completed, 14 tokens",
        ]
        .into_iter()
        .flat_map(of_both)
        .collect();
        assert_eq!(lines(&log, 2), want, "{delivery:?}");
    }
}

#[test]
fn the_model_is_asked_what_middlewares_made_of_the_request() {
    for kind in KINDS {
        for delivery in DELIVERIES {
            let log = Log::default();
            let bench = bench(
                kind,
                vec![Probe::new("a", &log, |hook, _| match hook {
                    "before" => Act::Change,
                    _ => Act::Go,
                })],
            );
            bench.fake.push(wire::answer(kind, text(&["Hi"])));
            let (answer, response) = bench.ask(kind, delivery);
            let asked = bench.fake.request(0).body.to_string();
            assert!(asked.contains("CHANGED") && asked.contains("Be loud."), "{asked}");
            assert!(!asked.contains("How is it in Oslo?"), "{asked}");
            assert_eq!(answer.header("x-probe"), Some("turn 1"));
            assert!(answer.header("openresponses-translation").unwrap().contains("it was changed"));
            // The request is shown and kept as it came.
            assert_eq!(response["instructions"], json!(null));
            let path = format!("/v1/responses/{}/input_items", response["id"].as_str().unwrap());
            assert!(bench.app.get(&path).text().contains("How is it in Oslo?"));
        }
    }
}

#[test]
fn deltas_texts_and_record_are_made_of_what_hooks_let_through() {
    for kind in KINDS {
        for apart in [false, true] {
            for delivery in DELIVERIES {
                let log = Log::default();
                let script = |hook: &str, _| if hook == "event" { Act::Change } else { Act::Go };
                let probe = Probe::new("a", &log, script);
                let bench = bench(kind, vec![if apart { probe.apart() } else { probe }]);
                bench.fake.push(wire::answer(kind, text(&["Seven ", "degrees"])));
                let (answer, response) = bench.ask(kind, delivery);
                assert_eq!(response["output"][0]["content"][0]["text"], "SEVEN DEGREES");
                assert!(!answer.text().contains("degrees"), "{}", answer.text());
                assert_eq!(bench.app.stored(&response["id"]).response()["output"], response["output"]);
            }
        }
    }
}

#[test]
fn who_gathers_changes_items_before_anybody_sees_them() {
    for kind in KINDS {
        for delivery in DELIVERIES {
            let log = Log::default();
            let script = |hook: &str, _| if hook == "after" { Act::Change } else { Act::Go };
            let probe = Probe::new("a", &log, script).with(|spec| spec.wants.gathers = true);
            let bench = bench(kind, vec![probe]);
            bench.fake.push(wire::answer(kind, text(&["Seven ", "degrees"])));
            let (answer, response) = bench.ask(kind, delivery);
            assert_eq!(response["output"][0]["content"][0]["text"], "SEVEN DEGREES", "{kind} {delivery:?}");
            assert!(!answer.text().contains("degrees"), "{}", answer.text());
            let header = (delivery == Delivery::Whole).then_some("1");
            assert_eq!(answer.header("x-probe-after"), header);
        }
    }
}

#[test]
fn what_nobody_changed_is_the_same_whether_it_was_gathered_or_not() {
    for kind in KINDS {
        let shown = [false, true].map(|gathers| {
            let probe =
                Probe::new("a", &Log::default(), |_, _| Act::Go).with(|spec| spec.wants.gathers = gathers);
            let bench = bench(kind, vec![probe]);
            let turn = wire::Turn { thinking: "Hm", text: &["One ", "two"], ..CALL };
            bench.fake.push(wire::answer(kind, turn));
            bench.fake.push(wire::answer(kind, text(&["Seven"])));
            let (_, response) = bench.ask(kind, Delivery::Stream);
            let mut output = response["output"].clone();
            for item in output.as_array_mut().unwrap() {
                item["id"] = json!(null);
                item["call_id"] = json!(null);
            }
            output
        });
        assert_eq!(shown[0], shown[1], "{kind}");
    }
}

#[test]
fn a_result_of_a_tool_is_changed_before_anybody_sees_it() {
    for delivery in DELIVERIES {
        let log = Log::default();
        let script = |hook: &str, _| if hook == "tool" { Act::Change } else { Act::Go };
        let bench = bench(KIND, vec![Probe::new("a", &log, script).apart()]);
        bench.fake.push(wire::answer(KIND, CALL));
        bench.fake.push(wire::answer(KIND, text(&["Seven"])));
        let (answer, response) = bench.ask(KIND, delivery);
        assert_eq!(response["output"][1]["output"], "a secret");
        assert!(bench.fake.request(1).body.to_string().contains("a secret"));
        for text in [answer.text(), bench.fake.request(1).body.to_string()] {
            assert!(!text.contains(r#"\"c\":7"#), "{text}");
        }
    }
}

#[test]
fn a_middleware_is_for_the_models_and_clients_that_it_names() {
    for (model, client, begins) in
        [("^anthropic/", "local", true), ("^anthropic/", "ann", false), ("^openai/", "local", false)]
    {
        let log = Log::default();
        let probe = Probe::new("a", &log, |_, _| Act::Go).with(|spec| {
            spec.models = Some(regex::Regex::new(model).unwrap());
            spec.clients = vec![client.into()];
        });
        let bench = bench(KIND, vec![probe]);
        bench.fake.push(wire::answer(KIND, text(&["Hi"])));
        bench.ask(KIND, Delivery::Whole);
        assert_eq!(!lines(&log, usize::from(begins)).is_empty(), begins, "{model} {client}");
    }
}

#[test]
fn what_is_refused_before_the_model_is_asked_has_an_end() {
    let log = Log::default();
    let bench = bench(KIND, vec![Probe::new("a", &log, |_, _| Act::Go)]);
    let request = json!({"model": "anthropic/m", "input": "Hi", "previous_response_id": "resp_x"});
    assert_eq!(bench.app.post(&request).status, 400);
    assert_eq!(lines(&log, 1)[1..], ["a end refused previous_response_not_found, 0 tokens"]);
}

#[test]
fn what_is_large_is_looked_at_where_it_holds_nobody_up() {
    for (bytes, apart) in [(1000, false), (100_000, true)] {
        let (log, seen) = (Log::default(), Log::default());
        let threads = Log::clone(&seen);
        let script = move |hook: &str, _: u32| {
            let here = std::thread::current().name().unwrap_or_default().to_owned();
            threads.lock().unwrap().push(format!("{hook} {}", here.starts_with("middleware")));
            Act::Go
        };
        let bench = bench(KIND, vec![Probe::new("a", &log, script)]);
        let long: &str = "word ".repeat(bytes / 5).leak();
        bench.fake.push(wire::answer(KIND, text(vec![long].leak())));
        let (_, response) = bench.ask(KIND, Delivery::Whole);
        assert_eq!(response["output"][0]["content"][0]["text"], long);
        lines(&log, 1);
        let seen = seen.lock().unwrap();
        let of = |hook: &str| seen.iter().find_map(|line| line.strip_prefix(hook)).map(str::to_owned);
        // Before it was known, and from then on.
        let want = [("before ", false), ("event ", apart), ("after ", apart), ("end ", apart)];
        for (hook, apart) in want {
            assert_eq!(of(hook), Some(apart.to_string()), "{hook}of {bytes} bytes: {seen:?}");
        }
    }
}
