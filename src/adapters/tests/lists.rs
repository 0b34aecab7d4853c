//! Lists of models: what each provider is asked, and what its answer says.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::Arc;

use or_adapters::{Abilities, Adapter, ModelInfo, ModelPage, ProviderOptions, builtin};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

fn adapter_at(kind: &str, base_url: &str) -> Arc<dyn Adapter> {
    let options =
        ProviderOptions { name: "p".into(), base_url: base_url.into(), ..ProviderOptions::default() };
    builtin(kind, &options).unwrap().unwrap()
}

fn adapter(kind: &str) -> Arc<dyn Adapter> {
    adapter_at(kind, "https://host.example/v1")
}

fn model(name: &str, created: Option<i64>, abilities: Abilities) -> ModelInfo {
    ModelInfo { name: name.into(), created, abilities }
}

#[track_caller]
fn check(kind: &str, body: &Value, models: &[ModelInfo], next: Option<&str>) {
    let want = ModelPage { models: models.to_vec(), next: next.map(str::to_owned) };
    assert_eq!(adapter(kind).read_list(body.to_string().as_bytes()).unwrap(), want);
}

/// The paths of the first page and of the one behind `page`.
#[track_caller]
fn check_paths(kind: &str, page: &str, want: [&str; 2]) {
    for (page, want) in [None, Some(page)].into_iter().zip(want) {
        let call = adapter(kind).list(page).unwrap();
        assert_eq!((call.path.as_str(), call.body.is_empty(), call.stream), (want, true, false));
    }
}

#[test]
fn each_kind_asks_at_its_own_place() {
    check_paths("openai-chat", "", ["/models", "/models"]);
    check_paths("openai-responses", "", ["/models", "/models"]);
    check_paths("ollama", "", ["/api/tags", "/api/tags"]);
    check_paths("anthropic", "claude-x", ["/models?limit=1000", "/models?limit=1000&after_id=claude-x"]);
    check_paths("gemini", "a/b=", ["/models?pageSize=1000", "/models?pageSize=1000&pageToken=a%2Fb%3D"]);
    let headers = adapter("anthropic").list(None).unwrap().headers;
    assert_eq!(headers, [("anthropic-version", "2023-06-01".to_owned())]);
}

#[test]
fn the_demo_and_vertex_have_no_list() {
    assert!(adapter("demo").list(None).is_none());
    assert!(adapter_at("gemini", "https://aiplatform.googleapis.com/v1").list(None).is_none());
}

#[test]
fn openais_list_tells_names_and_dates() {
    let body = json!({"object": "list", "data": [
        {"id": "gpt-5.1", "object": "model", "created": 1762800000, "owned_by": "system"},
        {"id": "no-date", "created": 0}, {"object": "model"}]});
    let want = [
        model("gpt-5.1", Some(1_762_800_000), Abilities::default()),
        model("no-date", None, Abilities::default()),
    ];
    check("openai-responses", &body, &want, None);
    check("openai-chat", &body, &want, None);
    check("openai-chat", &body["data"], &want, None);
}

#[test]
fn compatible_hosts_tell_more() {
    let body = json!({"data": [
        {"id": "maker/a", "context_length": 200_000, "created": 1,
         "architecture": {"input_modalities": ["image", "text", "smell"]},
         "supported_parameters": ["tools", "reasoning", "temperature"],
         "top_provider": {"max_completion_tokens": 64_000}},
        {"id": "vllm", "max_model_len": 32_768},
        {"id": "groq", "context_window": 131_072, "max_completion_tokens": 8_192},
        {"id": "mistral", "max_context_length": 128_000,
         "capabilities": {"completion_chat": true, "function_calling": true, "vision": false}},
        {"id": "mistral-embed", "capabilities": {"completion_chat": false}}]});
    let a = Abilities {
        input_modalities: Some(vec!["text", "image"]),
        tools: Some(true),
        reasoning: Some(true),
        structured_output: Some(false),
        context_length: Some(200_000),
        max_output_tokens: Some(64_000),
    };
    let vllm = Abilities { context_length: Some(32_768), ..Abilities::default() };
    let groq =
        Abilities { context_length: Some(131_072), max_output_tokens: Some(8_192), ..Abilities::default() };
    let mistral = Abilities {
        input_modalities: Some(vec!["text"]),
        tools: Some(true),
        context_length: Some(128_000),
        ..Abilities::default()
    };
    let want = [
        model("maker/a", Some(1), a),
        model("vllm", None, vllm),
        model("groq", None, groq),
        model("mistral", None, mistral),
    ];
    check("openai-chat", &body, &want, None);
}

#[test]
fn anthropics_list_tells_limits_and_capabilities_in_pages() {
    let full = json!({"type": "model", "id": "claude-x", "display_name": "X", "created_at": "2025-09-29T00:00:00Z",
        "max_input_tokens": 200_000, "max_tokens": 64_000,
        "capabilities": {"image_input": {"supported": true}, "pdf_input": {"supported": true},
                         "structured_outputs": {"supported": false}, "thinking": {"supported": true, "types": {}}}});
    let bare = json!({"type": "model", "id": "glm-x", "created_at": "soon"});
    let abilities = Abilities {
        input_modalities: Some(vec!["text", "image", "file"]),
        tools: None,
        reasoning: Some(true),
        structured_output: Some(false),
        context_length: Some(200_000),
        max_output_tokens: Some(64_000),
    };
    let want =
        [model("claude-x", Some(1_759_104_000), abilities), model("glm-x", None, Abilities::default())];
    let mut body =
        json!({"data": [full, bare], "has_more": true, "first_id": "claude-x", "last_id": "glm-x"});
    check("anthropic", &body, &want, Some("glm-x"));
    body["has_more"] = json!(false);
    check("anthropic", &body, &want, None);
    check("anthropic", &json!({"data": [], "has_more": true, "last_id": "x"}), &[], None);
}

#[test]
fn geminis_list_leaves_out_what_does_not_answer() {
    let body = json!({"models": [
        {"name": "models/gemini-x", "inputTokenLimit": 1_048_576, "outputTokenLimit": 65_536, "thinking": true,
         "supportedGenerationMethods": ["generateContent", "countTokens"]},
        {"name": "models/embedding-x", "supportedGenerationMethods": ["embedContent"]},
        {"name": "tunedModels/mine"}], "nextPageToken": "p2"});
    let abilities = Abilities {
        reasoning: Some(true),
        context_length: Some(1_048_576),
        max_output_tokens: Some(65_536),
        ..Abilities::default()
    };
    let want = [model("gemini-x", None, abilities), model("tunedModels/mine", None, Abilities::default())];
    check("gemini", &body, &want, Some("p2"));
    check("gemini", &json!({"nextPageToken": ""}), &[], None);
}

#[test]
fn ollamas_list_tells_names() {
    let body = json!({"models": [{"name": "qwen3:8b", "model": "qwen3:8b", "modified_at": "2026-01-01T00:00:00Z",
                                  "size": 1, "digest": "x", "details": {"family": "qwen3"}}]});
    check("ollama", &body, &[model("qwen3:8b", None, Abilities::default())], None);
}

#[test]
fn an_answer_that_is_no_list_is_refused() {
    for kind in ["openai-chat", "openai-responses", "anthropic", "gemini", "ollama", "demo"] {
        for body in ["nonsense", r#"{"data": 7, "models": 7}"#, "7"] {
            assert!(adapter(kind).read_list(body.as_bytes()).is_err(), "{kind} {body}");
        }
    }
}

#[test]
fn the_demo_knows_its_own_models() {
    let demo = adapter("demo");
    assert_eq!(demo.abilities("nobody"), Abilities::default());
    assert_eq!(demo.abilities("demo").reasoning, Some(false));
    assert_eq!(demo.abilities("demo-reasoning").reasoning, Some(true));
}
