//! One turn of a loop: what the model is asked, and by whom.

use std::future::{Future, ready};
use std::rc::Rc;
use std::sync::Arc;

use futures_util::future::Either;
use or_adapters::{Adapter, AdapterError, ModelRequest, Note, ResponseTranslator, UpstreamCall};
use or_engine::ResponseLoop;
use or_middleware::TurnRequest;
use or_protocol::{ApiError, Item, Settings};
use tokio::sync::oneshot;

use crate::heavy::{Gone, Heavy};
use crate::limits::HEAVY;
use crate::provider::{Sample, SampleError, Sampled, Target};
use crate::response::attempts::Attempts;
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
    /// Whom the turn is asked of.
    pub(crate) attempts: Attempts,
    /// A turn that was translated before it begins, and for which target.
    ready: Option<(usize, Translated)>,
    /// Calls of the model so far.
    turns: u32,
    /// Notes that the last translation added; they are not kept if another target is asked.
    added: Vec<Note>,
}

impl Sampler {
    pub(crate) fn new(request: Rc<Request>, heavy: Heavy, attempts: Attempts) -> Self {
        Self { request, heavy, attempts, ready: None, turns: 0, added: Vec::new() }
    }

    /// Calls of the model that have begun.
    pub(crate) fn turns(&self) -> u32 {
        self.turns
    }

    /// A call begins. Answers with what was made ready for it.
    pub(crate) fn begin_turn(&mut self) -> Option<Translated> {
        self.turns += 1;
        self.attempts.begin();
        let asked = self.request.asked();
        self.ready.take().filter(|(target, _)| *target == asked).map(|(_, turn)| turn)
    }

    /// Keeps the first turn for its beginning.
    pub(crate) fn keep(&mut self, first: Translated) {
        self.ready = Some((self.request.asked(), first));
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
        let Some(target) = self.request.target() else {
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
    pub(crate) fn note(&mut self, call: &mut UpstreamCall, notes: &mut Vec<Note>) -> Result<(), ApiError> {
        self.added.clear();
        if self.request.strict && self.attempts.turns() <= 1 {
            strict::check(&call.notes)?;
            strict::check(notes)?;
        }
        // Both are few: the notes of a turn are bounded, and so are turns.
        for note in std::mem::take(&mut call.notes) {
            if !notes.contains(&note) {
                if self.request.route.targets.len() > 1 {
                    self.added.push(note.clone());
                }
                notes.push(note);
            }
        }
        Ok(())
    }

    /// The notes of another translation take the place of those of the last one.
    pub(crate) fn change_notes(&mut self, new: Vec<Note>, notes: &mut Vec<Note>) {
        self.take_back(notes);
        self.added = new.into_iter().filter(|note| !notes.contains(note)).collect();
        notes.extend_from_slice(&self.added);
    }

    /// Takes the notes of the last translation back: another target is asked.
    pub(crate) fn take_back(&mut self, notes: &mut Vec<Note>) {
        let added = std::mem::take(&mut self.added);
        notes.retain(|note| !added.contains(note));
    }

    /// Makes the call. Dropping the other end of `gone` closes the upstream connection at any time.
    pub(crate) fn ask(
        &self,
        turn: Translated,
        gone: oneshot::Receiver<()>,
    ) -> impl Future<Output = Result<Sampled, SampleError>> + use<> {
        let Translated { call, translator } = turn;
        let asked = match (self.attempts.provider(), self.request.target()) {
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
