//! One turn of a loop: what the model is asked, and by whom.

use std::future::{Future, ready};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::Addr;
use futures_util::future::Either;
use or_adapters::{Adapter, AdapterError, ModelRequest, Note, ResponseTranslator, UpstreamCall};
use or_engine::ResponseLoop;
use or_middleware::TurnRequest;
use or_protocol::{ApiError, Item, Settings};
use tokio::sync::oneshot;

use crate::heavy::{Gone, Heavy};
use crate::limits::{HEAVY, Limits};
use crate::provider::policy::{self, Patience, Verdict};
use crate::provider::{ProviderActor, Sample, SampleError, Sampled, Target};
use crate::response::prepare::strict;
use crate::response::request::Request;
use crate::response::tool_media;

/// A turn as the provider is asked for it, and what reads the answer.
pub(crate) struct Translated {
    pub(crate) call: UpstreamCall,
    pub(crate) translator: Box<dyn ResponseTranslator>,
}

/// Asks the model, turn by turn.
pub(crate) struct Sampler {
    request: Rc<Request>,
    heavy: Heavy,
    /// Of the first target.
    provider: Option<Addr<ProviderActor>>,
    /// A turn that was translated before it begins.
    ready: Option<Translated>,
    /// Turns so far.
    turns: u32,
    /// Calls that were made again.
    retries: u32,
}

impl Sampler {
    pub(crate) fn new(request: Rc<Request>, heavy: Heavy, provider: Option<Addr<ProviderActor>>) -> Self {
        Self { request, heavy, provider, ready: None, turns: 0, retries: 0 }
    }

    /// Turns that have begun.
    pub(crate) fn turns(&self) -> u32 {
        self.turns
    }

    /// Calls that were made again.
    pub(crate) fn retries(&self) -> u32 {
        self.retries
    }

    /// A turn begins. Answers with what was made ready for it.
    pub(crate) fn begin_turn(&mut self) -> Option<Translated> {
        self.turns += 1;
        self.ready.take()
    }

    /// Keeps the first turn for its beginning.
    pub(crate) fn keep(&mut self, first: Translated) {
        self.ready = Some(first);
    }

    /// What was made ready has not seen what came meanwhile.
    pub(crate) fn forget(&mut self) {
        self.ready = None;
    }

    /// Translates the next turn, off the arbiter if it is large. The work holds nothing of the loop. `asked`: what
    /// middlewares made of the turn.
    pub(crate) fn translate(
        &self,
        engine: &ResponseLoop,
        asked: Option<&TurnRequest>,
    ) -> impl Future<Output = Result<Translated, ApiError>> + use<> {
        let Some(target) = self.request.route.first() else {
            return Either::Left(ready(Err(ApiError::interrupted())));
        };
        let translation = Translation {
            adapter: Arc::clone(&target.provider.adapter),
            model: target.model.clone(),
            // What a background response has made so far is kept when it is cancelled, so it comes piece by piece.
            stream: self.request.facts.stream || self.request.facts.background,
            client_key: target.uses_client_key(),
        };
        if self.request.bytes() < HEAVY {
            return Either::Left(ready(match asked {
                Some(asked) => translation.translate(asked.items(), asked.settings()),
                None => translation.translate(engine.context(), &engine.turn_settings()),
            }));
        }
        let (context, settings) = match asked {
            Some(asked) => asked.shared(),
            None => (engine.shared_context(), Arc::new(engine.turn_settings().into_owned())),
        };
        let (heavy, request) = (self.heavy.clone(), Rc::clone(&self.request));
        Either::Right(async move {
            let held = request.held.clone();
            let work = move |_: &Gone| {
                let _held = held;
                translation.translate(&context, &settings)
            };
            heavy.run(&request.facts.owner, work).await?
        })
    }

    /// Adds the notes of a translation to those of the response.
    ///
    /// # Errors
    /// In strict mode, what the request itself could not keep. Later turns have only what was made meanwhile beside it:
    /// that an answer cannot go back as it came is no reason to refuse what was begun.
    pub(crate) fn note(&self, call: &mut UpstreamCall, notes: &mut Vec<Note>) -> Result<(), ApiError> {
        if self.request.strict && self.turns <= 1 {
            strict::check(&call.notes)?;
            strict::check(notes)?;
        }
        // Both are few: the notes of a turn are bounded, and so are turns.
        for note in std::mem::take(&mut call.notes) {
            if !notes.contains(&note) {
                notes.push(note);
            }
        }
        Ok(())
    }

    /// Makes the call. Dropping the other end of `gone` closes the upstream connection at any time.
    pub(crate) fn ask(
        &self,
        turn: Translated,
        gone: oneshot::Receiver<()>,
    ) -> impl Future<Output = Result<Sampled, SampleError>> + use<> {
        let Translated { call, translator } = turn;
        let asked = match (&self.provider, self.request.route.first()) {
            (Some(provider), Some(Target { key, .. })) => {
                let owner = self.request.facts.owner.clone();
                Some(provider.send(Sample { call, translator, key: key.clone(), owner, gone }))
            }
            _ => None,
        };
        async {
            match asked {
                // Closed: the provider actor died of a panic outside its guard.
                Some(asked) => asked.await.unwrap_or(Err(SampleError::Panicked)),
                None => Err(SampleError::Gone),
            }
        }
    }

    /// What the policy says to a failed call of which nothing came; `fresh`: whether that is so. Counts the retries.
    pub(crate) fn after(
        &mut self,
        error: &SampleError,
        fresh: bool,
        left: Duration,
        limits: &Limits,
    ) -> Option<Duration> {
        if !self.request.facts.background || !fresh {
            return None;
        }
        let patience =
            Patience { retries: limits.background_max_retries, delay: limits.background_max_retry_delay };
        match policy::after(error, self.retries, left, patience) {
            Verdict::Again { after, counts } => {
                self.retries += u32::from(counts);
                Some(after)
            }
            Verdict::Next | Verdict::Stop => None,
        }
    }
}

/// How a turn is to be translated.
pub(crate) struct Translation {
    pub(crate) adapter: Arc<dyn Adapter>,
    /// Name that the provider knows.
    pub(crate) model: String,
    pub(crate) stream: bool,
    /// Whether the call is made with a key of the client.
    pub(crate) client_key: bool,
}

impl Translation {
    /// The call for a turn with this context. Media in the results of tools are told in words where the provider does
    /// not take them.
    pub(crate) fn translate(&self, context: &[Item], settings: &Settings) -> Result<Translated, ApiError> {
        let request = ModelRequest { model: &self.model, context, settings, stream: self.stream };
        let (call, words) = tool_media::translate(&*self.adapter, &request);
        let call = call.map_err(|error: AdapterError| error.to_api(self.client_key))?;
        let seen = ModelRequest { context: words.as_deref().unwrap_or(context), ..request };
        Ok(Translated { call, translator: self.adapter.translator(&seen) })
    }
}
