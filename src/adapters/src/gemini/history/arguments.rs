//! Arguments of calls on their way back.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::note::Notes;

/// Arguments as an object.
pub(super) fn arguments<'a>(text: &'a str, notes: &mut Notes) -> Cow<'a, RawValue> {
    if text.trim().is_empty() {
        return empty();
    }
    if let Ok(raw) = serde_json::from_str::<&RawValue>(text)
        && raw.get().starts_with('{')
    {
        return Cow::Borrowed(raw);
    }
    notes.emulated("input.arguments", "arguments that are no JSON object are sent as {\"_raw\": text}");
    let json = serde_json::json!({ "_raw": text }).to_string();
    RawValue::from_string(json).map_or_else(|_| empty(), Cow::Owned)
}

pub(super) fn empty() -> Cow<'static, RawValue> {
    serde_json::from_str::<&RawValue>("{}")
        .map_or_else(|_| Cow::Owned(RawValue::NULL.to_owned()), Cow::Borrowed)
}
