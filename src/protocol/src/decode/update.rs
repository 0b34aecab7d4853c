//! What items of the context do to a request's settings: some bring tools, some change the configuration.

use std::collections::HashMap;

use crate::bounds::{MAX_TOOLS, MAX_TOOLS_BYTES};
use crate::decode::settings::decode_update;
use crate::decode::tool::decode_tool;
use crate::{ApiError, Item, Path, ReasoningConfig, Settings, Tool, elements};

/// Types of items that bring tools. Source: the `openai` packages of November 2026.
const BRING_TOOLS: &[&str] = &["additional_tools", "tool_search_output"];

/// The tools that items bring, in their order. Of two of one name the later one counts, in the place of the first.
///
/// # Errors
/// If they are more than a request may have.
pub fn brought_tools(items: &[Item]) -> Result<Vec<Tool>, ApiError> {
    let (mut tools, mut places): (Vec<Tool>, HashMap<String, usize>) = (Vec::new(), HashMap::new());
    let (mut count, mut bytes) = (0, 0);
    for item in items {
        let Item::Other(other) = item else { continue };
        if !BRING_TOOLS.contains(&other.kind()) {
            continue;
        }
        let Some(list) = other.member("tools") else { continue };
        for raw in elements(list) {
            // What a client says itself was checked when it came in, and a provider's own is left to the provider.
            let Ok(tool) = decode_tool(raw, Path::Root) else { continue };
            count += tool.count();
            bytes += tool.size();
            if count > MAX_TOOLS || bytes > MAX_TOOLS_BYTES {
                let text = format!(
                    "Invalid 'input': its items bring more than {MAX_TOOLS} tools or {MAX_TOOLS_BYTES} bytes of them."
                );
                return Err(ApiError::invalid("array_above_max_length", "input", text));
            }
            match tool.name().and_then(|name| places.get(name)).and_then(|at| tools.get_mut(*at)) {
                Some(earlier) => *earlier = tool,
                None => {
                    places.extend(tool.name().map(|name| (name.to_owned(), tools.len())));
                    tools.push(tool);
                }
            }
        }
    }
    Ok(tools)
}

/// Carries out in the settings what items of the context ask for: tools that they bring are there, and the effort and
/// the form of the text are those of the last `configuration_update`.
///
/// # Errors
/// As [`brought_tools`].
pub fn update_settings(settings: &mut Settings, items: &[Item]) -> Result<(), ApiError> {
    settings.brought = brought_tools(items)?;
    for item in items {
        let Item::Other(other) = item else { continue };
        if other.kind() != "configuration_update" {
            continue;
        }
        // It was checked when it came in.
        let Ok((effort, format)) = decode_update(other.members().as_raw(), Path::Root) else { continue };
        if effort.is_some() {
            settings.reasoning = Some(ReasoningConfig { effort, ..settings.reasoning.unwrap_or_default() });
        }
        if let Some(format) = format {
            settings.text.format = format;
        }
    }
    Ok(())
}
