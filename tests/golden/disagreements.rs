//! Recordings that we and their readers disagree about, on purpose.
//!
//! Each must fail, and with exactly these words: a case that passes, or fails in another way, fails the
//! test. The list may hold at most 2 % of the recordings.

use or_test_support::shared;

struct Disagreement {
    case: &'static str,
    /// The checks that fail, in their order: the name, and words that the finding must have.
    fails: &'static [(&'static str, &'static str)],
    #[expect(dead_code, reason = "for the reader of this table")]
    reason: &'static str,
}

/// Answers.
const ANSWERS: &[Disagreement] = &[Disagreement {
    case: "openai-responses/vercel-openai-shell-container-1",
    fails: &[
        ("text", r#"we have "The command ran successfully.""#),
        ("items", r#"item 2 is ["message","The command ran successfully.""#),
    ],
    reason: "The file was shortened by hand: one delta is left of a longer text. A client was sent the \
             delta, so the text of the `done` event is not taken in its place.",
}];

/// Requests that follow on an answer.
const REQUESTS: &[Disagreement] = &[
    Disagreement {
        case: "gemini/rubyllm-function-calling-vertexai-gemini-2-5-flash-can-handle-multiple-t3",
        fails: &[(
            "next request",
            r#"we say ["call",null,"dice_roll",{}], the recorded client ["state","Cr0B"#,
        )],
        reason: "Gemini signed the first of three calls. The client put the signature on the second one too.",
    },
    Disagreement {
        case: "openai-responses/pydantic-openai-native-tool-search-streaming-t2",
        fails: &[(
            "next request",
            r#"we say ["state",["tool_search_output","completed"]], the recorded client ["call""#,
        )],
        reason: "The client left out what the provider's own tool search had found. We send back what we \
                 were given.",
    },
    Disagreement {
        case: "openai-responses/pydantic-openai-responses-stream-t2",
        fails: &[("next request", r#"we say ["call","call_kL0PCQV7M2WMoVX8V8OtYSAL""#)],
        reason: "The client sent the item's id as the call's id. We keep the call's id.",
    },
    Disagreement {
        case: "openai-responses/rubyllm-providers-bedrock-mantle-responses-chat-calls-tools-through-th-t2",
        fails: &[("next request", r#"we say ["state",["","The user asks:"#)],
        reason: "The client left the reasoning item out, which has a raw trace and no sealed state. We send \
                 back what we were given.",
    },
];

/// Whether an answer fails exactly as its table says; one outside the table must not fail at all.
pub(crate) fn agree_on_answer(id: &str, findings: &[(&'static str, String)]) -> bool {
    agree(ANSWERS, id, findings)
}

/// The same for the request of a case that follows on an answer.
pub(crate) fn agree_on_request(id: &str, findings: &[(&'static str, String)]) -> bool {
    agree(REQUESTS, id, findings)
}

fn agree(table: &[Disagreement], id: &str, findings: &[(&'static str, String)]) -> bool {
    let wanted = table.iter().find(|entry| entry.case == id).map_or(&[][..], |entry| entry.fails);
    wanted.len() == findings.len()
        && wanted
            .iter()
            .zip(findings)
            .all(|((name, words), (check, what))| name == check && what.contains(words))
}

#[test]
fn disagreements_are_few_and_name_recordings() {
    let Some(cases) = shared::cases() else { return };
    let all = || ANSWERS.iter().chain(REQUESTS);
    assert!(all().count() * 50 <= cases.len(), "{} of {}", all().count(), cases.len());
    for entry in all() {
        assert!(cases.iter().any(|case| case.id() == entry.case), "{} is no recording", entry.case);
    }
}
