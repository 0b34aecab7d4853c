//! The readers of `or_test_support::recording` against every recorded answer: what they find must agree with the
//! features that the corpus lists for a case, which another program computed. Exceptions are named, each with
//! its reason, and an exception that has become needless is an error too.

use or_test_support::recording::{self, End, Expected, Usage5};
use or_test_support::shared::{self, Case};
use serde_json::json;

/// A case that breaks a rule, and why that is right.
type Exception = (&'static str, &'static str);

/// Checks `holds` on every case that a provider answered, `HttpError`s left out.
#[track_caller]
fn check_answers(exceptions: &[Exception], holds: impl Fn(&Case, &Expected) -> bool) {
    check(exceptions, |case| {
        let expected = recording::expected(case);
        matches!(expected.end, End::HttpError(_)) || holds(case, &expected)
    });
}

#[track_caller]
fn check(exceptions: &[Exception], holds: impl Fn(&Case) -> bool) {
    let Some(cases) = shared::cases() else { return };
    let breaking: Vec<String> = cases.iter().filter(|case| !holds(case)).map(Case::id).collect();
    let named = |id: &String| exceptions.iter().any(|(name, _)| name == id);
    let unnamed: Vec<_> = breaking.iter().filter(|id| !named(id)).collect();
    assert!(unnamed.is_empty(), "these recordings break the rule: {unnamed:#?}");
    let needless: Vec<_> =
        exceptions.iter().filter(|(name, _)| !breaking.iter().any(|id| id == name)).collect();
    assert!(needless.is_empty(), "these exceptions hold the rule: {needless:#?}");
}

/// Compares one recording with values that were read off it by hand.
#[track_caller]
fn check_case(provider: &str, name: &str, holds: impl Fn(&Expected)) {
    if let Some(case) = shared::case(provider, name) {
        holds(&recording::expected(case));
    }
}

#[test]
fn the_corpus_is_whole() {
    let Some(cases) = shared::cases() else { return };
    assert!(cases.len() >= 348, "only {} recordings", cases.len());
    for (provider, least) in shared::PROVIDERS.into_iter().zip([70, 70, 44, 94, 70]) {
        let count = cases.iter().filter(|case| case.provider == provider).count();
        assert!(count >= least, "only {count} recordings of {provider}");
    }
}

#[test]
fn every_payload_is_json() {
    check(&[], |case| recording::documents(case.kind, &case.response).broken.is_empty());
}

#[test]
fn an_http_error_is_nothing_but_its_status() {
    check(&[], |case| {
        let refused = Expected::empty(End::HttpError(case.status));
        (case.status >= 400) == (recording::expected(case) == refused)
    });
}

#[test]
fn an_answer_says_something() {
    let silent = ["empty_output", "safety", "error", "server_tool"];
    check_answers(
        &[
            (
                "gemini/pydantic-gemini-google-model-max-tokens-thinking-model-empty-response",
                "the budget went into thoughts that were not asked for",
            ),
            (
                "openai-responses/rig-openai-truncated-turn-matrix-cross-surface-truncation-parity",
                "the budget went into encrypted reasoning",
            ),
            (
                "openai-responses/rig-openai-truncated-turn-matrix-responses-streaming-reasoning-budget",
                "the budget went into encrypted reasoning",
            ),
        ],
        |case, expected| expected.says_something() || silent.iter().any(|feature| case.has(feature)),
    );
}

#[test]
fn client_tool_calls_are_found_exactly_where_the_corpus_has_them() {
    check_answers(&[], |case, expected| case.has("tool_call") != expected.tool_calls.is_empty());
}

#[test]
fn parallel_calls_are_counted() {
    check_answers(
        &[
            (
                "openai-responses/vercel-azure-reasoning-encrypted-content-1",
                "the file holds four responses, one call each; only the first is read",
            ),
            (
                "gemini/vercel-gemini-google-vertex-stream-tool-call-arguments-nested-1",
                "the corpus counted the argument pieces of one call",
            ),
        ],
        |case, expected| case.has("parallel_tools") == (expected.tool_calls.len() > 1),
    );
}

#[test]
fn arguments_parse_unless_the_answer_was_cut() {
    check_answers(
        &[
            (
                "openai-chat/rig-deepseek-truncation-matrix-blocking-parallel-calls-keep-the-comple",
                "the budget ran out inside the second call",
            ),
            ("openai-responses/vercel-openai-custom-tool-1", "a custom tool takes free text"),
            ("openai-responses/vercel-openai-custom-tool-1-2", "a custom tool takes free text"),
        ],
        |_, expected| expected.tool_calls.iter().all(|(_, arguments)| arguments.is_object()),
    );
}

#[test]
fn text_is_found_exactly_where_the_corpus_has_it() {
    let leak = "all of the content is leaked thinking; the corpus takes it for text";
    let refusal = "the corpus counts a refusal as text here";
    check_answers(
        &[
            ("ollama/rig-ollama-agentic-streaming-structured-output-with-tools-t1", leak),
            ("ollama/rig-ollama-agentic-streaming-structured-output-with-tools-t2", leak),
            ("ollama/rig-ollama-raw-capture-agent-matrix-multi-turn-tool-run-records-distin-t1", leak),
            ("ollama/rig-ollama-streaming-grammar-parallel-tool-calls", leak),
            ("ollama/rig-ollama-streaming-tools-streaming-tools-smoke-t1", leak),
            ("ollama/rig-ollama-tools-two-tools-nonstreaming-t3", leak),
            (
                "openai-chat/rubyllm-with-params-perplexity-sonar-supports-json-schema-response-for",
                "the corpus looked at the empty `delta` beside the message",
            ),
            ("openai-responses/rig-openai-refusal-matrix-cross-surface-refusal-parity", refusal),
            (
                "openai-responses/rig-openai-refusal-matrix-responses-agent-streaming-refusal-surfaces",
                refusal,
            ),
            (
                "openai-responses/vercel-azure-reasoning-encrypted-content-1",
                "the text is in the fourth response of the file; only the first is read",
            ),
        ],
        |case, expected| case.has("text") != expected.text.is_empty(),
    );
}

/// Not the other way round: the corpus says `thinking` also for encrypted, redacted and merely counted
/// thoughts.
#[test]
fn readable_reasoning_is_found_only_where_the_corpus_has_thinking() {
    check_answers(&[], |case, expected| case.has("thinking") || expected.reasoning.is_empty());
}

#[test]
fn refusals_are_found_exactly_where_the_corpus_has_them() {
    check_answers(&[], |case, expected| case.has("refusal") != expected.refusal.is_empty());
}

#[test]
fn an_answer_fails_exactly_where_the_corpus_has_an_error() {
    check_answers(
        &[(
            "openai-responses/pydantic-openai-background-mode-reasoning-vcr",
            "a queued background answer is not an end; we never ask for one",
        )],
        |case, expected| case.has("error") == (expected.end == End::Failed),
    );
}

#[test]
fn an_answer_is_cut_exactly_where_the_corpus_has_max_tokens() {
    let advisor = "the advisor's own answer was cut, not the message";
    check_answers(
        &[
            ("anthropic/vercel-anthropic-advisor-stop-reasons", advisor),
            ("anthropic/vercel-anthropic-advisor-stop-reasons-2", advisor),
            ("openai-chat/pydantic-openrouter-stream-error", "an error follows the cut: the answer failed"),
        ],
        |case, expected| case.has("max_tokens") == (expected.end == End::MAX_OUTPUT_TOKENS),
    );
}

#[test]
fn an_answer_is_filtered_exactly_where_the_corpus_has_safety() {
    check_answers(
        &[("anthropic/vercel-anthropic-refusal", "Anthropic's stop reason `refusal` is a content filter")],
        |case, expected| case.has("safety") == (expected.end == End::CONTENT_FILTER),
    );
}

#[test]
fn usage_is_there_when_the_answer_came_to_its_end() {
    check_answers(
        &[
            (
                "gemini/pydantic-vertex-google-model-armor-prompt-template-text-gets-blocked",
                "a blocked prompt has no counts",
            ),
            (
                "openai-chat/openllmetry-vllm-trace-propagation-stream-chatopenai",
                "include_usage was not asked for",
            ),
            ("openai-chat/prism-xai-stream-with-tools-responses-2", "include_usage was not asked for"),
        ],
        |_, expected| expected.usage.is_some() || expected.end == End::Failed,
    );
}

#[test]
fn usage_adds_up() {
    check_answers(&[], |_, expected| {
        expected.usage.is_none_or(|usage| usage.total == usage.input + usage.output)
    });
    check_answers(
        &[
            (
                "openai-chat/pydantic-openrouter-stream-error",
                "the host counts 11 reasoning tokens among 10 output tokens",
            ),
            (
                "openai-chat/rubyllm-streaming-responses-azure-grok-4-1-fast-non-reasoning-supports",
                "the host counts 161 cached tokens among 7 prompt tokens",
            ),
        ],
        |_, expected| {
            expected.usage.is_none_or(|usage| usage.cached <= usage.input && usage.reasoning <= usage.output)
        },
    );
}

/// The two sides of an openai-responses stream, deltas and done items, are read by different code here.
#[test]
fn the_deltas_of_a_responses_stream_are_its_text() {
    check_answers(
        &[
            (
                "openai-responses/vercel-azure-reasoning-encrypted-content-1",
                "the deltas are those of the fourth response in the file",
            ),
            (
                "openai-responses/vercel-openai-shell-container-1",
                "the file was shortened by hand: one delta is left of a longer text",
            ),
        ],
        |case, expected| {
            if case.provider != "openai-responses" || case.kind != shared::Kind::Sse {
                return true;
            }
            let body = recording::documents(case.kind, &case.response);
            let of = |kind: &str| -> String {
                let events = body.documents.iter().filter(|event| event["type"] == kind);
                events.filter_map(|event| event["delta"].as_str()).collect()
            };
            let reasoning =
                of("response.reasoning_summary_text.delta") + &of("response.reasoning_text.delta");
            of("response.output_text.delta") == expected.text
                && of("response.refusal.delta") == expected.refusal
                && reasoning == expected.reasoning
        },
    );
}

#[test]
fn leaked_thinking_is_marked() {
    let Some(cases) = shared::cases_of("ollama") else { return };
    let leaks = cases.filter(|case| recording::ollama::leaks_thinking(case)).count();
    assert_eq!(leaks, 12);
    check_case("ollama", "rig-ollama-streaming-grammar-chat-sourced-history-replay", |expected| {
        assert_eq!(expected.text, "The result of 2 + 3 is 5.");
        assert!(expected.reasoning.starts_with("Okay, let's see."), "{}", expected.reasoning);
    });
}

#[test]
fn partial_arguments_of_vertex_are_put_together() {
    check_case("gemini", "vercel-gemini-google-stream-no-args-tool-call", |expected| {
        let screen = |id: &str| ("read_screen".to_owned(), json!({"id": id}));
        let theme = ("read_theme".to_owned(), json!({}));
        assert_eq!(expected.tool_calls, [theme, screen("A"), screen("B"), screen("C")]);
    });
    check_case("gemini", "vercel-gemini-google-vertex-stream-tool-call-arguments-nested-1", |expected| {
        let recipe = &expected.tool_calls[0].1["recipe"];
        assert_eq!(recipe["name"], "Lasagna");
        assert_eq!(recipe["ingredients"].as_array().map(Vec::len), Some(10));
        assert_eq!(recipe["ingredients"][9], json!({"amount": "1/2 tsp", "name": "Pepper"}));
        let noodles = "Cook lasagna noodles according to package directions, drain and set aside.";
        assert_eq!(recipe["steps"][1], noodles);
    });
}

#[test]
fn usage_is_in_our_counting() {
    check_case("anthropic", "pydantic-anthropic-web-search-tool-stream", |expected| {
        assert_eq!(expected.usage.map(|usage| usage.input), Some(31772));
    });
    let xai = Usage5 { input: 12, output: 291, total: 303, cached: 11, reasoning: 290 };
    check_case("openai-chat", "vercel-xai-text", |expected| assert_eq!(expected.usage, Some(xai)));
    let groq = Usage5 { input: 5003, output: 359, total: 5362, cached: 0, reasoning: 0 };
    check_case("openai-chat", "pydantic-groq-model-web-search-tool-stream", |expected| {
        assert_eq!(expected.usage, Some(groq));
    });
    let vertex = Usage5 { input: 31, output: 1710, total: 1741, cached: 0, reasoning: 1026 };
    check_case("gemini", "vercel-gemini-google-vertex-stream-tool-call-arguments-nested-1", |expected| {
        assert_eq!(expected.usage, Some(vertex));
    });
}

#[test]
fn only_the_first_candidate_counts() {
    check_case(
        "openai-chat",
        "rig-openai-terminal-metadata-matrix-streaming-gpt-4-1-mini-tiny-plain",
        |expected| {
            assert_eq!(expected.text.len(), 1);
        },
    );
    // The first candidate itself says it twice, with a thought in between.
    check_case("gemini", "rig-gemini-thought-text-matrix-text-response-across-two-candidates", |expected| {
        assert_eq!(expected.text, "RedRed");
    });
}

#[test]
fn odd_shapes_of_chat_hosts_are_read() {
    // Both calls of this unary answer claim index 0.
    check_case("openai-chat", "prism-ollama-structured-with-multiple-tools-structured-mode-1", |expected| {
        let search = ("search".to_owned(), json!({"query": "tigers game time today"}));
        let weather = ("weather".to_owned(), json!({"city": "Detroit"}));
        assert_eq!(expected.tool_calls, [search, weather]);
    });
    // An empty `delta` stands beside the message.
    let name = "rubyllm-with-params-perplexity-sonar-supports-json-schema-response-for";
    check_case("openai-chat", name, |expected| assert_eq!(expected.text, r#"{"result":8}"#));
    // The content turns into a list of parts for the thinking, then back.
    let name = "rubyllm-mistral-hybrid-reasoning-streams-thinking-separately-from-cont";
    check_case("openai-chat", name, |expected| {
        assert_eq!(expected.text, "144");
        assert!(expected.reasoning.starts_with("The user is asking for the product of 12"));
    });
}

#[test]
fn turns_of_a_conversation_are_numbered() {
    let case = shared::case("openai-responses", "openllmetry-openai-responses-tool-calls-t2");
    let Some(case) = case else { return };
    assert_eq!(case.turn, Some(("openllmetry-openai-responses-tool-calls".to_owned(), 2)));
}
