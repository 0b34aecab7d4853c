//! Images and speech in an answer.

use serde_json::{Map, Value, json};

use crate::openai_chat::wire::WireImage;

/// An image of an answer.
#[derive(Debug, PartialEq)]
pub(super) enum Image {
    /// The item of an image that was made.
    Item(Map<String, Value>),
    /// An image behind an address.
    At(String),
}

impl Image {
    /// Reads an image in the forms of OpenRouter and others: a URL in `image_url` or in its `url`, or plain base64.
    pub(super) fn read(image: &WireImage<'_>) -> Option<Self> {
        let base64 = image.b64_json.as_str();
        if !base64.is_empty() {
            return Some(Self::made(base64, None));
        }
        let url = [image.image_url.url(), image.url.as_str()].into_iter().find(|url| !url.is_empty())?;
        let Some((head, data)) = url.strip_prefix("data:").and_then(|rest| rest.split_once(',')) else {
            return Some(Self::At(url.to_owned()));
        };
        let format = head.split(';').next().and_then(|media_type| media_type.strip_prefix("image/"));
        head.ends_with(";base64").then(|| Self::made(data, format))
    }

    fn made(base64: &str, format: Option<&str>) -> Self {
        let mut item = Map::new();
        item.insert("type".into(), json!("image_generation_call"));
        item.insert("status".into(), json!("completed"));
        item.insert("result".into(), json!(base64));
        item.extend(format.map(|format| ("output_format".to_owned(), json!(format))));
        Self::Item(item)
    }
}
