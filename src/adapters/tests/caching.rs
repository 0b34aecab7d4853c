//! What a provider caches: its own marks for the breakpoints of a request, and a prompt that grows at its end only.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::collections::BTreeMap;

use or_adapters::{KINDS, ModelRequest, Note, ProviderOptions, builtin};
use or_protocol::{CreateResponseBody, Envelope, update_settings};
use pretty_assertions::assert_eq;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// Where the prompt stands in the body of each kind: what stays as it is, and the list that grows.
fn prompt(kind: &str) -> (&'static [&'static str], &'static str) {
    match kind {
        "openai-responses" => (&["instructions", "tools"], "input"),
        "anthropic" => (&["system", "tools"], "messages"),
        "gemini" => (&["systemInstruction", "tools"], "contents"),
        "demo" => (&["instructions", "tools"], "messages"),
        _ => (&["tools"], "messages"),
    }
}

fn model(kind: &str) -> &'static str {
    match kind {
        "openai-responses" => "gpt-5.4",
        "anthropic" => "claude-sonnet-4-6",
        "gemini" => "gemini-3-pro",
        "ollama" => "qwen3",
        "demo" => "demo",
        _ => "m",
    }
}

/// The call's body as text, and its notes as `kind field`.
fn send(kind: &str, base_url: &str, quirks: Value, body: &Value) -> (String, Vec<String>) {
    let mut body = CreateResponseBody::from_value(body.clone()).unwrap();
    update_settings(&mut body.settings, &body.input).unwrap();
    let quirks = quirks.as_object().unwrap().clone();
    let options = ProviderOptions { base_url: base_url.into(), quirks, ..ProviderOptions::default() };
    let (model, context, settings) = (model(kind), &body.input[..], &body.settings);
    let request = ModelRequest { model, context, settings, stream: true };
    let call = builtin(kind, &options).unwrap().unwrap().request(&request).unwrap();
    let note = |note: &Note| format!("{} {}", note.kind.as_str(), note.field);
    (String::from_utf8(call.body).unwrap(), call.notes.iter().map(note).collect())
}

/// Reasoning as the adapter of a kind seals it.
fn reasoning(kind: &str, call: &str, turn: usize) -> Value {
    let blob = match kind {
        "anthropic" => format!(r#"{{"type":"thinking","thinking":"hm {turn}","signature":"s{turn}="}}"#),
        "gemini" => format!(r#"{{"calls":[{{"call":"{call}","sig":"AAA{turn}"}}]}}"#),
        "openai-chat" => format!("host.example\n[{{\"type\":\"reasoning.text\",\"text\":\"hm {turn}\"}}]"),
        _ => format!("hm {turn}"),
    };
    let sealed = Envelope::seal(kind, model(kind), &blob);
    json!({"type": "reasoning", "summary": [], "encrypted_content": sealed,
        "content": [{"type": "reasoning_text", "text": format!("hm {turn}")}]})
}

/// The items of a turn: a question, thoughts, two calls, their results, one with an image, thoughts, an answer, and what
/// a local shell did.
fn turn(kind: &str, sealed_by: &str, turn: usize) -> Vec<Value> {
    // Ids in more than one form: some hosts have rules for them.
    let call = if turn.is_multiple_of(2) { format!("call_{turn:016x}") } else { format!("toolu.{turn}") };
    let mut result = json!([{"type": "input_text", "text": format!("Seen {turn}")}]);
    if kind != "demo" {
        let image = json!({"type": "input_image", "image_url": "data:image/png;base64,iVBORw0K"});
        result.as_array_mut().unwrap().push(image);
    }
    vec![
        json!({"role": "user", "content": [{"type": "input_text", "text": format!("Question {turn}")}]}),
        reasoning(sealed_by, &call, turn),
        json!({"type": "function_call", "call_id": call, "name": "look", "arguments": format!("{{\"n\": {turn}.0}}")}),
        json!({"type": "custom_tool_call", "call_id": "same", "name": "free", "input": format!("go {turn}")}),
        json!({"type": "function_call_output", "call_id": call, "output": format!("Result {turn}")}),
        json!({"type": "custom_tool_call_output", "call_id": "same", "output": result}),
        reasoning(sealed_by, "", turn),
        json!({"role": "assistant", "content": format!("Answer {turn}")}),
        json!({"type": "shell_call", "call_id": format!("s{turn}"), "action": {"commands": ["ls"]}}),
        json!({"type": "shell_call_output", "call_id": format!("s{turn}"), "output": [
            {"stdout": "total 7", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}]}),
        json!({"role": "assistant", "content": format!("And more {turn}")}),
    ]
}

/// The bodies of ten turns, each asked twice: for the call, and for what follows its result.
fn conversation(kind: &str, sealed_by: &str) -> Vec<Value> {
    let tool = json!({"type": "function", "name": "look", "parameters": {"type": "object", "properties": {"n": {}}}});
    let custom = json!({"type": "custom", "name": "free"});
    let body = |input: &[Value]| {
        json!({"model": model(kind), "instructions": "Be kind.", "reasoning": {"effort": "low"},
            "tools": [tool, custom], "input": input})
    };
    let mut input = vec![json!({"role": "developer", "content": "Know all."})];
    let mut bodies = Vec::new();
    for n in 0..10 {
        let before = input.len();
        input.extend(turn(kind, sealed_by, n));
        bodies.extend([1, 6].map(|more| body(&input[..before + more])));
    }
    bodies
}

/// Sends each body, and checks that the prompt of each is the beginning of the next one's. Gives the last.
#[track_caller]
fn check_prefixes(kind: &str, base_url: &str, bodies: &[Value]) -> String {
    let (same, grows) = prompt(kind);
    let mut earlier: Option<BTreeMap<String, Box<RawValue>>> = None;
    let mut last = String::new();
    for (at, body) in bodies.iter().enumerate() {
        (last, _) = send(kind, base_url, json!({}), body);
        let now: BTreeMap<String, Box<RawValue>> = serde_json::from_str(&last).unwrap();
        let Some(before) = earlier.replace(now.clone()) else { continue };
        for name in same {
            let [then, now] = [&before, &now].map(|body| body.get(*name).map(|value| value.get()));
            assert_eq!(now, then, "{kind}, {base_url}: {name} of body {at}");
        }
        let [then, now] = [&before, &now].map(|body| or_protocol::elements(&body[grows]));
        assert!(now.len() > then.len(), "{kind}: {now:?}");
        for (place, (now, then)) in now.iter().zip(&then).enumerate() {
            assert_eq!(now.get(), then.get(), "{kind}, {base_url}: {grows}[{place}] of body {at}");
        }
    }
    last
}

#[test]
fn the_prompt_of_a_turn_is_the_beginning_of_the_next_ones() {
    let base_url = "https://host.example/v1";
    for kind in KINDS {
        let last = check_prefixes(kind, base_url, &conversation(kind, kind));
        // The thoughts of the first turn go back, in the middle of the prompt.
        let state = if *kind == "gemini" { "AAA0" } else { "hm 0" };
        assert!(last.contains(state), "{kind}: {last}");
        for foreign in ["anthropic", "gemini"] {
            check_prefixes(kind, base_url, &conversation(kind, foreign));
        }
    }
}

/// Hosts with rules of their own for roles, ids and thoughts.
#[test]
fn it_is_so_on_every_host_of_chat_completions() {
    let hosts = [
        "api.openai.com",
        "api.mistral.ai",
        "api.groq.com",
        "api.deepseek.com",
        "api.x.ai",
        "openrouter.ai",
        "api.fireworks.ai",
        "api.perplexity.ai",
        "api.moonshot.ai",
        "api.z.ai",
        "dashscope.aliyuncs.com",
    ];
    for host in hosts {
        let base_url = format!("https://{host}/v1");
        check_prefixes("openai-chat", &base_url, &conversation("openai-chat", "openai-chat"));
    }
}

/// A user message of parts, those that begin with `*` with a breakpoint and a lifetime behind it.
fn marked(texts: &[&str]) -> Value {
    let part = |text: &&str| match text.strip_prefix('*') {
        None => json!({"type": "input_text", "text": text}),
        Some(rest) => {
            let (text, ttl) = rest.split_once('@').unwrap_or((rest, ""));
            let mut mark = json!({"mode": "explicit"});
            if !ttl.is_empty() {
                mark["ttl"] = json!(ttl);
            }
            json!({"type": "input_text", "text": text, "prompt_cache_breakpoint": mark})
        }
    };
    json!({"role": "user", "content": texts.iter().map(part).collect::<Vec<_>>()})
}

/// The texts that are marked, each with its lifetime, as `text@ttl`.
fn marks(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::Array(list) => list.iter().for_each(|value| marks(value, out)),
        Value::Object(object) => {
            if let Some(mark) = object.get("cache_control") {
                assert_eq!(mark["type"], "ephemeral");
                let text = object.get("text").or(object.get("content")).and_then(Value::as_str);
                let ttl = mark.get("ttl").and_then(Value::as_str).unwrap_or("5m");
                out.push(format!("{}@{ttl}", text.unwrap_or("?")));
            }
            object.iter().filter(|(name, _)| *name != "cache_control").for_each(|(_, v)| marks(v, out));
        }
        _ => {}
    }
}

/// `want`: the mark of the provider's own choice, where one is sent, and the texts that are marked.
#[track_caller]
fn check_anthropic(body: Value, want: &[&str], notes: &[&str]) {
    let (sent, got_notes) = send("anthropic", "https://api.anthropic.com/v1", json!({}), &body);
    let mut sent: Value = serde_json::from_str(&sent).unwrap();
    let own = sent.as_object_mut().unwrap().remove("cache_control");
    let mut got = Vec::new();
    marks(&sent["system"], &mut got);
    marks(&sent["messages"], &mut got);
    if let Some(own) = own {
        got.push(format!("own@{}", own.get("ttl").and_then(Value::as_str).unwrap_or("5m")));
    }
    assert_eq!((got, got_notes), (to_strings(want), to_strings(notes)));
}

fn to_strings(list: &[&str]) -> Vec<String> {
    list.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn anthropic_gets_the_latest_marks_and_its_own() {
    let said = json!({"role": "assistant", "content": "ok"});
    check_anthropic(json!({"input": [marked(&["a"])]}), &["own@5m"], &[]);
    let many = json!([marked(&["*a", "b"]), said, marked(&["*c", "*d", "*e", "f"])]);
    check_anthropic(json!({"input": many}), &["c@5m", "d@5m", "e@5m", "own@5m"], &[]);
    let explicit = json!({"mode": "explicit"});
    let body = json!({"input": many, "prompt_cache_options": explicit});
    check_anthropic(body, &["a@5m", "c@5m", "d@5m", "e@5m"], &[]);
    // Nothing is cached.
    check_anthropic(json!({"input": [marked(&["a"])], "prompt_cache_options": explicit}), &[], &[]);
    // The end has one mark only.
    check_anthropic(json!({"input": [marked(&["a", "*b"])]}), &["b@5m"], &[]);
}

#[test]
fn anthropic_gets_the_nearest_lifetimes_the_longer_first() {
    let ttl = "emulated prompt_cache_options.ttl";
    let breakpoint = "emulated input.content.prompt_cache_breakpoint";
    let body =
        |options: Value, texts: &[&str]| json!({"input": [marked(texts)], "prompt_cache_options": options});
    check_anthropic(body(json!({"ttl": "30m"}), &["a"]), &["own@5m"], &[ttl]);
    check_anthropic(body(json!({"ttl": "12h"}), &["*a", "b"]), &["a@1h", "own@1h"], &[ttl]);
    check_anthropic(body(json!({}), &["*a@12h", "*b@30m", "c"]), &["a@1h", "b@5m", "own@5m"], &[breakpoint]);
    check_anthropic(body(json!({}), &["*a@30m", "*b@12h", "c"]), &["a@1h", "b@1h", "own@5m"], &[breakpoint]);
    let retention = json!({"input": "Hi", "prompt_cache_retention": "24h"});
    check_anthropic(retention, &["own@1h"], &["emulated prompt_cache_retention"]);
    check_anthropic(json!({"input": "Hi", "prompt_cache_retention": "in_memory"}), &["own@5m"], &[]);
}

/// A mark stays with its text wherever that goes, and none stands where the provider takes none.
#[test]
fn marks_move_with_their_blocks() {
    let order = |text: &str| {
        let mut message = marked(&[text]);
        message["role"] = json!("developer");
        message
    };
    let call = json!({"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"});
    let output =
        json!({"type": "function_call_output", "call_id": "c", "output": marked(&["*r", "s"])["content"]});
    let input = json!([order("*A"), order("B"), marked(&["q"]), call, marked(&["* ", "later"]), output]);
    // The result comes first, and is marked as a whole.
    check_anthropic(
        json!({"instructions": "I", "input": input}),
        &["A@5m", "?@5m", "own@5m"],
        &["dropped input.content.prompt_cache_breakpoint"],
    );
    let wrapped = json!([marked(&["q"]), order("*A"), marked(&["b"])]);
    check_anthropic(json!({"input": wrapped}), &["<system>\nA\n</system>@5m", "own@5m"], &["emulated input"]);
}

#[test]
fn hosts_of_chat_completions_get_marks_in_their_words() {
    let body = json!({"input": [marked(&["*a", "b"]), {"role": "assistant", "content": "ok"}, marked(&["*c", "*d@12h", "*e"])]});
    let sent = |host: &str, body: &Value| {
        let (sent, notes) = send("openai-chat", &format!("https://{host}/v1"), json!({}), body);
        (serde_json::from_str::<Value>(&sent).unwrap(), notes)
    };
    let breakpoint = |kind: &str| vec![format!("{kind} input.content.prompt_cache_breakpoint")];
    let check = |host: &str, want: &[&str], notes: Vec<String>| {
        let (body, got_notes) = sent(host, &body);
        let mut got = Vec::new();
        marks(&body["messages"], &mut got);
        assert_eq!((got, got_notes), (to_strings(want), notes), "{host}");
    };
    check("openrouter.ai", &["c@1h", "d@1h", "e@5m"], breakpoint("emulated"));
    check("dashscope.aliyuncs.com", &["c@5m", "d@5m", "e@5m"], breakpoint("emulated"));
    check("api.deepseek.com", &[], breakpoint("emulated"));
    check("host.example", &[], breakpoint("dropped"));
    // A message without marks stays a plain text.
    let (plain, _) = sent("openrouter.ai", &json!({"input": [marked(&["a", "b"])]}));
    assert_eq!(plain["messages"][0]["content"], "a\n\nb");
    let (openai, notes) = sent("api.openai.com", &body);
    let content = &openai["messages"][0]["content"];
    assert_eq!(
        content[0],
        json!({"type": "text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit"}})
    );
    assert_eq!((content[1].clone(), notes), (json!({"type": "text", "text": "b"}), breakpoint("emulated")));
    let options = json!({"input": "Hi", "prompt_cache_retention": "24h",
        "prompt_cache_options": {"mode": "explicit", "ttl": "12h", "comparison_response_id": "resp_1"}});
    let (openai, notes) = sent("api.openai.com", &options);
    assert_eq!(openai["prompt_cache_options"], json!({"mode": "explicit"}));
    assert_eq!(
        (openai["prompt_cache_retention"].clone(), notes),
        (json!("24h"), vec!["emulated prompt_cache_options".into()])
    );
}

#[test]
fn openais_own_wire_gets_all_but_our_response() {
    let body = json!({"input": [marked(&["*a@12h"])],
        "prompt_cache_options": {"mode": "explicit", "comparison_response_id": "resp_1"}});
    let (sent, notes) = send("openai-responses", "https://api.openai.com/v1", json!({}), &body);
    let sent: Value = serde_json::from_str(&sent).unwrap();
    assert_eq!(sent["prompt_cache_options"], json!({"mode": "explicit"}));
    let mark = json!({"mode": "explicit", "ttl": "12h"});
    assert_eq!(sent["input"][0]["content"][0]["prompt_cache_breakpoint"], mark);
    assert_eq!(notes, [""; 0]);
    let alone = json!({"input": "Hi", "prompt_cache_options": {"comparison_response_id": "resp_1"}});
    let (sent, _) = send("openai-responses", "https://api.openai.com/v1", json!({}), &alone);
    assert!(!sent.contains("prompt_cache_options"), "{sent}");
}

#[test]
fn providers_that_cache_by_themselves_are_told_nothing() {
    let body = json!({"input": [marked(&["*a"])], "prompt_cache_key": "k", "prompt_cache_options": {"mode": "explicit"}});
    for kind in ["gemini", "ollama"] {
        let (_, notes) = send(kind, "https://host.example/v1", json!({}), &body);
        let want = ["prompt_cache_key", "prompt_cache_options", "input.content.prompt_cache_breakpoint"];
        assert_eq!(notes, want.map(|field| format!("emulated {field}")), "{kind}");
    }
}
