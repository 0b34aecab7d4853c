//! What of a tool's result the provider can be given.
//!
//! One provider takes no PDF files, another no URLs of images. A request that brings one is refused, but when a tool does
//! it has run already: a text stands in for what cannot be translated, and the response goes on.

use std::sync::Arc;

use actix_rt::task::spawn_blocking;
use or_adapters::{Adapter, AdapterError, ModelRequest};
use or_engine::ToolResult;
use or_protocol::{ContentPart, FunctionCall, FunctionCallOutput, Item, Message, Output, Role, Settings};

use crate::drive::Drive;

/// What the model is told if the adapter panicked.
const BROKEN: &str = "Error: the result could not be read because of a fault of the server.";

impl Drive {
    /// The result as the provider can be given it.
    pub(crate) async fn fitted(&self, result: ToolResult) -> ToolResult {
        let ToolResult { output: Output::Parts(parts), failed } = result else { return result };
        let Some(engine) = &self.engine else { return ToolResult { output: Output::Parts(parts), failed } };
        let trial = Trial {
            adapter: Arc::clone(&self.request.provider.adapter),
            model: self.request.upstream_model.clone(),
            settings: engine.turn_settings().into_owned(),
        };
        // Media can be large: not on an arbiter.
        let parts = spawn_blocking(move || parts.into_iter().map(|part| trial.fitted(part)).collect()).await;
        match parts {
            Ok(parts) => ToolResult { output: Output::Parts(parts), failed },
            Err(_) => ToolResult { output: Output::Text(BROKEN.to_owned()), failed: true },
        }
    }
}

/// Asks an adapter for a request with one part of a result in it, to see whether it can be made.
struct Trial {
    adapter: Arc<dyn Adapter>,
    model: String,
    settings: Settings,
}

impl Trial {
    fn fitted(&self, part: ContentPart) -> ContentPart {
        if matches!(part, ContentPart::InputText { .. }) {
            return part;
        }
        match self.refusal(&part) {
            Some(why) => {
                let text = format!("[Left out here, because this model cannot be given it: {why}]");
                ContentPart::InputText { text }
            }
            None => part,
        }
    }

    fn refusal(&self, part: &ContentPart) -> Option<String> {
        let request = ModelRequest {
            model: &self.model,
            context: &context(part.clone()),
            settings: &self.settings,
            stream: true,
        };
        match self.adapter.request(&request) {
            Err(AdapterError::Unsupported { message, .. }) => Some(message),
            // What else may be wrong is not the part's fault.
            Ok(_) | Err(_) => None,
        }
    }
}

/// The shortest conversation that has a result.
fn context(part: ContentPart) -> [Item; 3] {
    let call_id = || "call_1".to_owned();
    let text = ContentPart::InputText { text: "?".into() };
    [
        Item::Message(Message { id: None, status: None, role: Role::User, content: vec![text], phase: None }),
        Item::FunctionCall(FunctionCall {
            id: None,
            call_id: call_id(),
            name: "tool".into(),
            namespace: None,
            arguments: "{}".into(),
            status: None,
        }),
        Item::FunctionCallOutput(FunctionCallOutput {
            id: None,
            call_id: call_id(),
            output: Output::Parts(vec![part]),
            status: None,
        }),
    ]
}
