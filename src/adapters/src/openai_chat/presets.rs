//! Quirks of known hosts. Chosen by the end of `base_url`'s host, or by name with the key `preset`.

use crate::shared::quirks::is_at;

/// Fields that only OpenAI takes, or that tell the host of our users: left out unless a preset says else.
pub(super) const PRIVATE_PARAMS: &[&str] =
    &["store", "service_tier", "safety_identifier", "prompt_cache_key", "verbosity", "user"];

/// Name, host endings, and quirks as JSON.
pub(super) const PRESETS: &[(&str, &[&str], &str)] = &[
    (
        "openai",
        &["api.openai.com"],
        r#"{"prompt_caching":"openai",
            "developer_role":"developer","max_tokens_field":"max_completion_tokens","allowed_tools":true,
            "strict_tools":true,"tool_call_id":"max40","model_rules":"openai","refusal_field":true,
            "reasoning_efforts":["none","minimal","low","medium","high","xhigh"],"reasoning_echo":"none",
            "finish_reason_optional":false,"video_parts":false,"drop_params":[]}"#,
    ),
    (
        "azure",
        &["openai.azure.com", "services.ai.azure.com", "cognitiveservices.azure.com"],
        r#"{"prompt_caching":"by_prefix",
            "auth_header":"api-key","developer_role":"developer","max_tokens_field":"max_completion_tokens",
            "strict_tools":true,"tool_call_id":"max40","model_rules":"openai","refusal_field":true,
            "reasoning_efforts":["none","minimal","low","medium","high","xhigh"],"reasoning_echo":"none",
            "file_parts":"none","video_parts":false}"#,
    ),
    (
        "mistral",
        &["api.mistral.ai"],
        r#"{"required_word":"any","tool_call_id":"alnum9","stream_usage":false,
            "reasoning_efforts":["none","high"],"file_parts":"document_url","reasoning_echo":"none"}"#,
    ),
    (
        "groq",
        &["api.groq.com"],
        r#"{"prompt_caching":"by_prefix",
            "reasoning_efforts":["none","low","medium","high"],"reasoning_echo":"none","drop_params":["store",
            "service_tier","safety_identifier","prompt_cache_key","verbosity","user","logprobs",
            "top_logprobs"]}"#,
    ),
    (
        "deepseek",
        &["api.deepseek.com"],
        r#"{"prompt_caching":"by_prefix","tool_choice":"auto_when_thinking","json_schema":"as_json_object",
            "reasoning_param":"thinking_type","reasoning_efforts":["low","high","max"],
            "reasoning_echo":"reasoning_content","echo_empty":true,"file_parts":"none"}"#,
    ),
    (
        "xai",
        &["api.x.ai"],
        r#"{"prompt_caching":"by_prefix",
            "reasoning_efforts":["none","low","medium","high"],"drop_params":["store","service_tier",
            "safety_identifier","prompt_cache_key","verbosity","user","presence_penalty",
            "frequency_penalty"]}"#,
    ),
    (
        "openrouter",
        &["openrouter.ai"],
        r#"{"prompt_caching":"cache_control_ttl",
            "developer_role":"developer","strict_tools":true,"reasoning_param":"openrouter",
            "reasoning_efforts":["none","minimal","low","medium","high","xhigh"],
            "reasoning_echo":"reasoning_details"}"#,
    ),
    ("together", &["api.together.xyz", "api.together.ai"], "{}"),
    (
        "fireworks",
        &["api.fireworks.ai"],
        r#"{"prompt_caching":"by_prefix",
            "merge_system":true,"later_system":"user","required_word":"any","tools_with_format":false,
            "reasoning_echo":"reasoning_content"}"#,
    ),
    (
        "perplexity",
        &["api.perplexity.ai"],
        r#"{"merge_system":true,"later_system":"user","alternate_roles":true,"json_schema":"bare_schema","drop_params":["store",
            "service_tier","safety_identifier","prompt_cache_key","verbosity","user","tools","tool_choice",
            "parallel_tool_calls"]}"#,
    ),
    ("cerebras", &["api.cerebras.ai"], r#"{"reasoning_efforts":["none","low","medium","high"]}"#),
    (
        "moonshot",
        &["api.moonshot.ai", "api.moonshot.cn"],
        r#"{"prompt_caching":"by_prefix",
            "tool_choice":"auto_when_thinking","reasoning_param":"thinking_type","reasoning_efforts":[],
            "reasoning_echo":"reasoning_content","echo_empty":true,"drop_params":["store","service_tier",
            "safety_identifier","prompt_cache_key","verbosity","user","temperature","top_p"]}"#,
    ),
    (
        "zai",
        &["api.z.ai", "open.bigmodel.cn"],
        r#"{"prompt_caching":"by_prefix",
            "tool_choice":"auto_or_named","json_schema":"as_json_object","reasoning_param":"thinking_type",
            "reasoning_efforts":["high","max"],"reasoning_echo":"reasoning_content"}"#,
    ),
    (
        "dashscope",
        &["aliyuncs.com"],
        r#"{"prompt_caching":"cache_control",
            "merge_system":true,"later_system":"user","tool_choice":"auto_when_thinking",
            "reasoning_param":"enable_thinking","reasoning_efforts":[],"file_parts":"none"}"#,
    ),
    (
        "snowflake",
        &["snowflakecomputing.com"],
        r#"{"reasoning_param":"openrouter","reasoning_echo":"reasoning_details"}"#,
    ),
    (
        "vllm",
        &[],
        r#"{"prompt_caching":"by_prefix",
            "merge_system":true,"later_system":"user","reasoning_echo":"reasoning"}"#,
    ),
    (
        "sglang",
        &[],
        r#"{"prompt_caching":"by_prefix",
            "merge_system":true,"later_system":"user","reasoning_echo":"reasoning_content"}"#,
    ),
    (
        "llamacpp",
        &[],
        r#"{"prompt_caching":"by_prefix",
            "merge_system":true,"later_system":"user","reasoning_echo":"reasoning_content"}"#,
    ),
    (
        "lmstudio",
        &[],
        r#"{"prompt_caching":"by_prefix",
            "merge_system":true,"later_system":"user","tool_choice":"strings","json_object":false}"#,
    ),
];

/// The preset for a host; `{}` where none is known.
pub(super) fn by_host(host: &str) -> &'static str {
    PRESETS
        .iter()
        .find(|(_, hosts, _)| hosts.iter().any(|h| is_at(host, h)))
        .map_or("{}", |(_, _, text)| text)
}

/// The preset of a name.
pub(super) fn by_name(name: &str) -> Option<&'static str> {
    PRESETS.iter().find(|(n, _, _)| *n == name).map(|(_, _, text)| *text)
}

/// All names, for error messages.
pub(super) fn names() -> String {
    PRESETS.iter().map(|(name, _, _)| *name).collect::<Vec<_>>().join(", ")
}
