//! Drives an adapter and the engine as the server does, without a network.

use std::sync::Arc;

use or_adapters::{Adapter, AdapterError, FrameDecoder, ModelEvent, ModelRequest, ProviderOptions, builtin};
use or_engine::{Action, Input, LoopSpec, Output, ReasoningEvents, ResponseLoop};
use or_protocol::{CreateResponseBody, Item, ResponseId, decode_stored_items};
use serde_json::{Value, json};

use crate::requests;
use or_test_support::shared::{Case, Kind};
use or_test_support::{Options, recording};

/// Unix seconds at which every replay happens.
pub(crate) const NOW: i64 = 1_770_000_000;

/// One exchange, ready to be replayed: the adapter as the recorded host needs it, and our request.
pub(crate) struct Replay {
    pub(crate) adapter: Arc<dyn Adapter>,
    pub(crate) request: CreateResponseBody,
}

/// What a translator made of some bytes.
#[derive(Debug, PartialEq)]
pub(crate) struct Translated {
    pub(crate) events: Vec<ModelEvent>,
    pub(crate) end: Result<(), AdapterError>,
}

/// What the client gets, and what the store keeps.
#[derive(Clone)]
pub(crate) struct Answer {
    /// The whole SSE body; empty for a unary answer.
    pub(crate) frames: Vec<u8>,
    pub(crate) response: Value,
    /// Sealed state that the response does not show, by output index.
    pub(crate) sealed: Vec<(usize, String)>,
}

impl Answer {
    /// The output with its sealed state, as a later request of the chain sees it.
    ///
    /// # Panics
    /// When we would not take our own output as input.
    #[expect(clippy::panic, reason = "a helper of tests")]
    pub(crate) fn output(&self) -> Vec<Item> {
        let output = json!(self.stored());
        decode_stored_items(&output.to_string())
            .unwrap_or_else(|error| panic!("our output is no input: {error}\n{output}"))
    }

    /// The same as plain JSON.
    pub(crate) fn stored(&self) -> Vec<Value> {
        let mut output = self.response["output"].as_array().cloned().unwrap_or_default();
        for (index, sealed) in &self.sealed {
            output[*index]["encrypted_content"] = json!(sealed);
        }
        output
    }
}

impl Replay {
    /// # Panics
    /// When our server would refuse the request.
    pub(crate) fn of(case: &Case) -> Self {
        let body = requests::create_body(case);
        Self::new(&case.provider, &base_url(case), quirks(case), body)
    }

    #[expect(clippy::panic, reason = "a helper of tests")]
    pub(crate) fn new(kind: &str, base_url: &str, quirks: Value, body: Value) -> Self {
        let request = CreateResponseBody::from_value(body.clone())
            .unwrap_or_else(|error| panic!("we refuse the request: {error}\n{body}"));
        Self { adapter: adapter(kind, base_url, quirks), request }
    }

    pub(crate) fn model_request(&self) -> ModelRequest<'_> {
        ModelRequest {
            model: self.request.model.as_deref().unwrap_or_default(),
            context: &self.request.input,
            settings: &self.request.settings,
            stream: self.request.stream,
        }
    }

    /// What of our answer may lie outside the official unions.
    pub(crate) fn options(&self) -> Options {
        let plain = |tool: &or_protocol::Tool| matches!(tool, or_protocol::Tool::Function(_));
        if self.request.settings.tools.iter().all(plain) { Options::STRICT } else { Options::HOSTED }
    }

    /// Translates a recorded body in one piece.
    pub(crate) fn translate(&self, case: &Case) -> Translated {
        self.translate_body(case.kind, [case.response.as_slice()])
    }

    pub(crate) fn translate_body<'a>(
        &self,
        kind: Kind,
        chunks: impl IntoIterator<Item = &'a [u8]>,
    ) -> Translated {
        let mut translator = self.adapter.translator(&self.model_request());
        let mut events = Vec::new();
        if !matches!(kind, Kind::Sse | Kind::Ndjson) {
            let body: Vec<u8> = chunks.into_iter().flatten().copied().collect();
            let end = translator.unary(&body, &mut events);
            return Translated { events, end };
        }
        let mut decoder = FrameDecoder::new(self.adapter.framing());
        let mut read = |decoder: &mut FrameDecoder, last: bool| -> Result<(), AdapterError> {
            while let Some(frame) = decoder.next()? {
                translator.push(frame, &mut events)?;
            }
            if last { translator.finish(decoder.stray(), &mut events) } else { Ok(()) }
        };
        let mut end = Ok(());
        for chunk in chunks {
            decoder.feed(chunk);
            end = read(&mut decoder, false);
            if end.is_err() {
                break;
            }
        }
        if end.is_ok() {
            decoder.close();
            end = read(&mut decoder, true);
        }
        Translated { events, end }
    }

    /// Lets the engine make a response of a translation.
    pub(crate) fn respond(&self, translated: &Translated, stream: bool) -> Answer {
        let mut engine = Engine::new(self, stream);
        for event in &translated.events {
            engine.feed(Input::Model(event.clone()));
        }
        match &translated.end {
            Err(error) => engine.feed(Input::Failed(error.to_api(false))),
            Ok(()) if !engine.ended => engine.feed(Input::Failed(or_protocol::ApiError::internal())),
            Ok(()) => {}
        }
        engine.answer()
    }
}

/// Whether the engine waits for more, and all that it has put out.
struct Engine {
    response: ResponseLoop,
    frames: Vec<u8>,
    ended: bool,
}

impl Engine {
    fn new(replay: &Replay, stream: bool) -> Self {
        let request = &replay.request;
        let mut engine = Self {
            response: ResponseLoop::new(LoopSpec {
                id: ResponseId::new(),
                created_at: NOW,
                model: request.model.clone().unwrap_or_default(),
                previous_response_id: request.previous_response_id.clone(),
                store: request.store,
                background: request.background,
                stream,
                settings: request.settings.clone(),
                context: request.input.clone(),
                reasoning_events: ReasoningEvents::Spec,
                server_tools: Default::default(),
                mcp: or_engine::Mcp { all_of_provider: true, ..or_engine::Mcp::default() },
                seal: or_engine::Seal::default(),
                prompt_cache_diagnostics: None,
                limits: Default::default(),
            }),
            frames: Vec::new(),
            ended: false,
        };
        engine.feed(Input::Start);
        engine
    }

    fn feed(&mut self, input: Input) {
        let mut out = Output::default();
        self.response.handle(input, NOW + 1, &mut out);
        self.frames.extend(out.frames);
        match out.next {
            // A turn that the provider paused is not sampled again: there is one recorded answer.
            Some(Action::Begin | Action::CallModel | Action::RunTools) | None => {}
            Some(Action::Commit) => self.feed(Input::Committed(Ok(()))),
            Some(Action::End(_)) => self.ended = true,
        }
    }

    #[expect(clippy::panic, reason = "a helper of tests")]
    fn answer(self) -> Answer {
        let response: Value = serde_json::from_slice(self.response.response_json())
            .unwrap_or_else(|error| panic!("there is no whole response: {error}"));
        let sealed = self.response.record().sealed.to_vec();
        Answer { frames: self.frames, response, sealed }
    }
}

#[expect(clippy::panic, reason = "a helper of tests")]
fn adapter(kind: &str, base_url: &str, quirks: Value) -> Arc<dyn Adapter> {
    let quirks = quirks.as_object().cloned().unwrap_or_default();
    let options = ProviderOptions { name: kind.to_owned(), base_url: base_url.to_owned(), quirks };
    match builtin(kind, &options) {
        Some(Ok(adapter)) => adapter,
        other => panic!("no adapter of kind {kind}: {:?}", other.map(|made| made.err())),
    }
}

/// What a user would configure for the recorded host: how it wants thinking back, and which ids it takes.
fn quirks(case: &Case) -> Value {
    match case.meta["vendor"].as_str().unwrap_or_default() {
        _ if case.provider != "openai-chat" => json!({}),
        "crusoe" | "ollama-cloud" => json!({"reasoning_echo": "reasoning"}),
        "doubleword" | "gpustack" => json!({"reasoning_echo": "reasoning_content"}),
        "groq" => json!({"reasoning_echo": "think_tags"}),
        // The recorder made the ids longer than Mistral has them.
        "mistral" => json!({"tool_call_id": "any"}),
        _ => json!({}),
    }
}

/// Where the recorded host lives, for adapters that know hosts by their name.
fn base_url(case: &Case) -> String {
    let host = match case.meta["vendor"].as_str().unwrap_or_default() {
        "openai" | "codex" | "chatgpt" => "api.openai.com",
        "azure" => "x.openai.azure.com",
        "mistral" => "api.mistral.ai",
        "groq" => "api.groq.com",
        "deepseek" => "api.deepseek.com",
        "xai" => "api.x.ai",
        "openrouter" => "openrouter.ai",
        "perplexity" => "api.perplexity.ai",
        "cerebras" => "api.cerebras.ai",
        "moonshotai" => "api.moonshot.ai",
        "zai" => "api.z.ai",
        "alibaba" => "dashscope.aliyuncs.com",
        "snowflake" => "x.snowflakecomputing.com",
        "anthropic" => "api.anthropic.com",
        "gemini" => "generativelanguage.googleapis.com",
        _ => "localhost",
    };
    format!("https://{host}/v1")
}

/// The recorded answer as JSON documents, for readers of requests that have none.
pub(crate) fn documents(case: &Case) -> Vec<Value> {
    recording::documents(case.kind, &case.response).documents
}
