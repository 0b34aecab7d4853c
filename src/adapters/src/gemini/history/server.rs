//! Parts of the provider's own tools on their way back.

use std::borrow::Cow;

use crate::gemini::seal::{ServerPart, ServerPartKind};
use crate::gemini::wire::body::Part;

/// The part as it came.
pub(super) fn part(server: &ServerPart) -> Part<'static> {
    let value = Some(server.value.clone());
    let part = Part { thought_signature: server.sig.clone().map(Cow::Owned), ..Part::default() };
    match server.part {
        ServerPartKind::ExecutableCode => Part { executable_code: value, ..part },
        ServerPartKind::CodeExecutionResult => Part { code_execution_result: value, ..part },
        ServerPartKind::ToolCall => Part { tool_call: value, ..part },
        ServerPartKind::ToolResponse => Part { tool_response: value, ..part },
    }
}
