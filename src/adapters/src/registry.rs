//! The built-in adapters by kind.

use std::sync::Arc;

use crate::{Adapter, ProviderOptions, demo, gemini, ollama, openai_responses};

/// Makes the built-in adapter of a kind; `None` if there is none of that name. The error names the quirk
/// that is wrong.
pub fn builtin(kind: &str, options: &ProviderOptions) -> Option<Result<Arc<dyn Adapter>, String>> {
    fn shared<A: Adapter + 'static>(adapter: Result<A, String>) -> Result<Arc<dyn Adapter>, String> {
        adapter.map(|adapter| Arc::new(adapter) as Arc<dyn Adapter>)
    }
    Some(match kind {
        "demo" => shared(demo::Demo::new(options)),
        "gemini" => shared(gemini::Gemini::new(options)),
        "ollama" => shared(ollama::Ollama::new(options)),
        "openai-responses" => shared(openai_responses::OpenAiResponses::new(options)),
        _ => return None,
    })
}

/// Every built-in kind.
pub const KINDS: &[&str] = &["demo", "gemini", "ollama", "openai-responses"];
