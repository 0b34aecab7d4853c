//! What an answer says, in short.

use or_adapters::{AdapterError, FrameDecoder, ModelEvent, ModelRequest, ProviderOptions, builtin};
use or_protocol::Settings;

/// How an answer ended.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum End {
    Finished(String),
    Disconnected,
    Failed(String),
}

/// What the client learns; notes are left out.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Said {
    pub(crate) text: String,
    /// Names and arguments.
    pub(crate) calls: Vec<(String, String)>,
    pub(crate) usage: Option<(u64, u64)>,
    pub(crate) end: End,
}

pub(crate) fn said_by_stream<'b>(kind: &str, chunks: impl IntoIterator<Item = &'b [u8]>) -> Said {
    run(kind, true, |framing, translator, out| {
        let mut decoder = FrameDecoder::new(framing);
        for chunk in chunks.into_iter().map(Some).chain([None]) {
            match chunk {
                Some(chunk) => decoder.feed(chunk),
                None => decoder.close(),
            }
            while let Some(frame) = decoder.next()? {
                translator.push(frame, out)?;
            }
        }
        translator.finish(decoder.stray(), out)
    })
}

pub(crate) fn said_by_whole(kind: &str, body: &[u8]) -> Said {
    run(kind, false, |_, translator, out| translator.unary(body, out))
}

fn run(
    kind: &str,
    stream: bool,
    work: impl FnOnce(
        or_adapters::Framing,
        &mut dyn or_adapters::ResponseTranslator,
        &mut Vec<ModelEvent>,
    ) -> Result<(), AdapterError>,
) -> Said {
    let base_url = "http://host.example/v1".to_owned();
    let options = ProviderOptions { base_url, ..ProviderOptions::default() };
    let adapter = builtin(kind, &options).unwrap().unwrap();
    let settings = Settings::default();
    let request = ModelRequest { model: "m", context: &[], settings: &settings, stream };
    let mut out = Vec::new();
    let end = work(adapter.framing(), &mut *adapter.translator(&request), &mut out);
    said(&out, end)
}

fn said(events: &[ModelEvent], end: Result<(), AdapterError>) -> Said {
    let end = match end {
        Err(AdapterError::Truncated { .. }) => End::Disconnected,
        Err(error) => End::Failed(error.to_string()),
        Ok(()) => End::Failed("no end".to_owned()),
    };
    let mut said = Said { text: String::new(), calls: Vec::new(), usage: None, end };
    let mut blocks = Vec::new();
    for event in events {
        match event {
            ModelEvent::TextDelta { text, .. } => said.text.push_str(text),
            ModelEvent::ToolCallStart { block, name, .. } => {
                blocks.push(*block);
                said.calls.push((name.clone(), String::new()));
            }
            ModelEvent::ToolArgsDelta { block, delta } => {
                let at = blocks.iter().position(|b| b == block).unwrap();
                said.calls[at].1.push_str(delta);
            }
            ModelEvent::Usage(usage) => said.usage = Some((usage.input_tokens, usage.output_tokens)),
            ModelEvent::Finished { reason } => said.end = End::Finished(format!("{reason:?}")),
            _ => {}
        }
    }
    said
}
