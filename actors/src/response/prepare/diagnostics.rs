//! Where a request's prompt parts from that of a response that it names, `prompt_cache_options.comparison_response_id`.

use or_engine::{HistoryTurn, LoopSpec, Prompt, build_context, compare_prompts};
use or_protocol::{ApiError, PromptCacheDiagnostics, ResponseId};
use or_store::{ChainError, StoredResponse};

use super::begin::Preparation;
use crate::heavy::Gone;
use crate::tokenizer;

/// What the earlier response was made from: its record, and the chain it continued.
struct Earlier {
    id: ResponseId,
    record: StoredResponse,
    history: Vec<HistoryTurn>,
}

impl Preparation {
    /// What the engine is made of, with the comparison that its request asks for.
    ///
    /// # Errors
    /// When the work panicked. Whatever else stands against a comparison is its result.
    pub(super) async fn compared(&self, mut spec: LoopSpec) -> Result<LoopSpec, ApiError> {
        let options = spec.settings.prompt_cache_options();
        let Some(wanted) = options.and_then(|options| options.comparison_response_id) else {
            return Ok(spec);
        };
        let (node, owner) = (&self.neighbours.node, &self.request.facts.owner);
        // Decoding and counting are slow, so none of it is done by an arbiter.
        let place = node.heavy.place(owner).await;
        let earlier = match self.earlier(&wanted).await {
            Ok(earlier) => earlier,
            Err(why) => {
                spec.prompt_cache_diagnostics = Some(why);
                return Ok(spec);
            }
        };
        let held = self.request.held.clone();
        let work = move |gone: &Gone| {
            let _held = held;
            spec.prompt_cache_diagnostics = Some(earlier.compare(&spec, gone));
            spec
        };
        Ok(node.heavy.run_in(place, work).await?)
    }

    /// Reads what the earlier response was made from. It counts against the bytes of a context like what a request
    /// refers to.
    async fn earlier(&self, id: &str) -> Result<Earlier, PromptCacheDiagnostics> {
        let (request, store) = (&self.request, &self.neighbours.store);
        let (not_found, unavailable) =
            (PromptCacheDiagnostics::ComparisonResponseNotFound, PromptCacheDiagnostics::Unavailable);
        let Some(id) = ResponseId::parse(id) else { return Err(not_found) };
        let owner = || request.facts.owner.to_string();
        let limit = self.neighbours.node.limits.max_context_bytes;
        let left = limit.saturating_sub(request.bytes() as u64);
        let bytes = match store.chain_bytes(id.clone(), owner(), left).await {
            Ok(bytes) if bytes <= left => usize::try_from(bytes).unwrap_or(usize::MAX),
            Err(ChainError::NotFound(missing)) if missing == id.as_str() => return Err(not_found),
            Ok(_) | Err(_) => return Err(unavailable),
        };
        request.held.more(bytes).map_err(|_| unavailable.clone())?;
        let record = match store.load(id.clone(), owner()).await {
            Ok(Some(record)) => record,
            Ok(None) => return Err(not_found),
            Err(_) => return Err(unavailable),
        };
        let history = match record.previous_response_id.as_deref().and_then(ResponseId::parse) {
            Some(previous) => store.history(previous, owner()).await.map_err(|_| unavailable)?,
            None => Vec::new(),
        };
        Ok(Earlier { id, record, history })
    }
}

impl Earlier {
    fn compare(self, spec: &LoopSpec, gone: &Gone) -> PromptCacheDiagnostics {
        let Self { id, record, history } = self;
        let Ok(turn) = record.history_turn(id.as_str()) else { return PromptCacheDiagnostics::Unavailable };
        let Ok(context) = build_context(history, turn.input) else {
            return PromptCacheDiagnostics::Unavailable;
        };
        let prompt = Prompt { model: &spec.model, settings: &spec.settings, items: &spec.context };
        let count = |text: &str| tokenizer::count(text, || gone.is_set());
        compare_prompts(prompt, &record.response, &context.items, &spec.seal, &count)
    }
}
