//! The label of a translation note: what its field is about, of a closed set.

use super::models::OTHER;

/// Paths that are told apart, without indexes. What is below one of them is counted there.
const FIELDS: [&str; 43] = [
    "background",
    "citations",
    "conversation",
    "finish_reason",
    "frequency_penalty",
    "include",
    "input",
    "input.annotations",
    "input.compaction",
    "input.function_call_output",
    "input.phase",
    "input.reasoning",
    "input.role",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "output",
    "output.annotations",
    "output.media",
    "output.server_tools",
    "parallel_tool_calls",
    "presence_penalty",
    "prompt",
    "prompt_cache_key",
    "prompt_cache_retention",
    "reasoning",
    "reasoning.effort",
    "reasoning.summary",
    "safety_identifier",
    "service_tier",
    "stream_options",
    "temperature",
    "text.format",
    "text.verbosity",
    "tool_choice",
    "tools",
    "tools.parameters",
    "tools.strict",
    "top_logprobs",
    "top_p",
    "truncation",
    "user",
];

/// The longest of those that leads to `field`; `other` if none does, as for members that a client invented.
pub(super) fn field_label(field: &str) -> &'static str {
    let mut path = String::with_capacity(field.len());
    let mut inside = false;
    for c in field.chars() {
        inside = (inside || c == '[') && c != ']';
        if !inside && c != ']' {
            path.push(c);
        }
    }
    let mut path = path.as_str();
    loop {
        if let Ok(at) = FIELDS.binary_search(&path) {
            return FIELDS[at];
        }
        match path.rfind('.') {
            Some(dot) => path = &path[..dot],
            None => return OTHER,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(field: &str, want: &str) {
        assert_eq!(field_label(field), want);
    }

    #[test]
    fn a_note_is_counted_by_what_it_is_about() {
        assert!(FIELDS.is_sorted());
        check("temperature", "temperature");
        check("tools[3]", "tools");
        check("tools[3].strict", "tools.strict");
        check("input[12].content[0].image_url", "input");
        check("input.reasoning.encrypted_content", "input.reasoning");
        check("made_up", "other");
        check("made_up.temperature", "other");
        check("", "other");
        check("a[b.c", "other");
    }
}
