//! Images of the model's on their way back.

use std::borrow::Cow;

use or_protocol::{Envelope, Item, string};

use crate::gemini::seal::ImageState;
use crate::gemini::wire::KIND;
use crate::gemini::wire::body::{InlineData, Part};

/// Whether an item is an image that this provider made.
pub(in crate::gemini) fn is_own(item: &Item) -> bool {
    let Item::Other(other) = item else { return false };
    let state = || Envelope::open(&other.state()?).ok();
    other.kind() == "image_generation_call" && state().is_some_and(|envelope| envelope.kind == KIND)
}

/// The part as it came.
pub(super) fn part<'a>(item: &'a Item, image: &ImageState) -> Option<Part<'a>> {
    let Item::Other(other) = item else { return None };
    let data = other.member("result").and_then(string)?;
    let format = other.member("output_format").and_then(string)?;
    let inline_data = InlineData { mime_type: Cow::Owned(format!("image/{format}")), data };
    let thought_signature = image.sig.clone().map(Cow::Owned);
    Some(Part { inline_data: Some(inline_data), thought_signature, ..Part::default() })
}
