//! The built-in adapters by kind.

use std::sync::Arc;

use crate::{Adapter, ProviderOptions, anthropic, demo, gemini, ollama, openai_chat, openai_responses};

/// Makes the built-in adapter of a kind; `None` if there is none of that name. The error names the quirk
/// that is wrong.
pub fn builtin(kind: &str, options: &ProviderOptions) -> Option<Result<Arc<dyn Adapter>, String>> {
    fn shared<A: Adapter + 'static>(adapter: Result<A, String>) -> Result<Arc<dyn Adapter>, String> {
        adapter.map(|adapter| Arc::new(adapter) as Arc<dyn Adapter>)
    }
    Some(match kind {
        "anthropic" => shared(anthropic::Anthropic::new(options)),
        "demo" => shared(demo::Demo::new(options)),
        "gemini" => shared(gemini::Gemini::new(options)),
        "ollama" => shared(ollama::Ollama::new(options)),
        "openai-chat" => shared(openai_chat::OpenAiChat::new(options)),
        "openai-responses" => shared(openai_responses::OpenAiResponses::new(options)),
        _ => return None,
    })
}

/// Every built-in kind.
pub const KINDS: &[&str] = &["anthropic", "demo", "gemini", "ollama", "openai-chat", "openai-responses"];
