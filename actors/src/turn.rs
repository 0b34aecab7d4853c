//! One turn of a loop: translate, wait for the provider's head, pull its events.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use actix_rt::task::spawn_blocking;
use or_adapters::{ModelEvent, ModelRequest, ResponseTranslator, UpstreamCall};
use or_engine::{Input, Output, ResponseLoop};
use or_protocol::ApiError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::client::{Interrupt, interrupted};
use crate::drive::{Drive, Next, unix_now};
use crate::{Batch, ProviderKey, Sample, SampleError, Sampled, strict};

/// How often a unary client is looked after while its answer is collected from a stream.
const LEFT_CHECK: Duration = Duration::from_millis(500);
/// An SSE comment, ignored by every parser.
const KEEPALIVE: &[u8] = b": keep-alive\n\n";

impl Drive {
    /// Translates the turn, off the arbiter if it is large.
    async fn translate(&mut self) -> Result<(UpstreamCall, Box<dyn ResponseTranslator>), ApiError> {
        let adapter = Arc::clone(&self.request.provider.adapter);
        let (model, stream) = (self.request.upstream_model.clone(), self.request.stream);
        let work = move |engine: &ResponseLoop| {
            let request = ModelRequest {
                model: &model,
                context: engine.context(),
                settings: engine.settings(),
                stream,
            };
            adapter.request(&request).map(|call| (call, adapter.translator(&request)))
        };
        let Some(engine) = self.engine.take() else { return Err(ApiError::internal()) };
        let (engine, result) = if self.request.heavy {
            let heavy = move || {
                let result = work(&engine);
                (engine, result)
            };
            spawn_blocking(heavy).await.map_err(|_| ApiError::internal())?
        } else {
            let result = work(&engine);
            (engine, result)
        };
        self.engine = Some(engine);
        let client_key = matches!(self.request.key, ProviderKey::Client(_));
        let (mut call, translator) = result.map_err(|e| e.to_api(client_key))?;
        for note in std::mem::take(&mut call.notes) {
            if !self.notes.contains(&note) {
                self.notes.push(note);
            }
        }
        if self.request.strict {
            strict::check(&self.notes)?;
        }
        Ok((call, translator))
    }

    /// One call of the model, from translation to its last event.
    pub(crate) async fn turn(&mut self) -> Next {
        let (call, translator) = match self.translate().await {
            Ok(translated) => translated,
            Err(error) => return self.fail_with(error).await,
        };
        // Held for the turn; dropping it closes the upstream connection.
        let (_here, gone) = oneshot::channel();
        let key = self.request.key.clone();
        let sampling = self.links.provider.send(Sample { call, translator, key, gone });
        let sampled = match self.head(sampling).await {
            Ok(sampled) => sampled,
            Err(next) => return next,
        };
        match sampled {
            Ok(Sampled::Whole(events)) => {
                if self.request.stream {
                    self.client.open(&self.notes);
                }
                self.batch(events).await
            }
            Ok(Sampled::Stream(events)) => {
                if self.request.stream {
                    self.client.open(&self.notes);
                }
                self.pull(events).await
            }
            Err(error) => self.fail(&error).await,
        }
    }

    /// Waits for the head of the provider's answer. A stream's own head goes out when that takes long.
    async fn head(
        &mut self,
        sampling: impl Future<Output = Result<Result<Sampled, SampleError>, actix::MailboxError>>,
    ) -> Result<Result<Sampled, SampleError>, Next> {
        let mut sampling = pin!(sampling);
        let keepalive = self.links.node.limits.keepalive;
        loop {
            let cancelled = self.links.cancelled.clone();
            let why = tokio::select! {
                biased;
                // Closed: the provider actor died of a panic outside its guard.
                sampled = &mut sampling => return Ok(sampled.unwrap_or(Err(SampleError::Panicked))),
                why = interrupted(self.client.left(), cancelled, self.deadline) => Some(why),
                () = tokio::time::sleep(keepalive), if self.request.stream => None,
            };
            match why {
                Some(why) => return Err(self.interrupt(why).await),
                None => {
                    self.client.open(&self.notes);
                    let patience = self.links.node.limits.client_write_timeout;
                    self.client.send(KEEPALIVE.to_vec(), patience).await;
                }
            }
        }
    }

    /// Pulls the turn's events until it is over.
    async fn pull(&mut self, mut events: mpsc::Receiver<Batch>) -> Next {
        let period = if self.client.is_waiting() { LEFT_CHECK } else { self.links.node.limits.keepalive };
        let mut tick = interval_at(Instant::now() + period, period);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let cancelled = self.links.cancelled.clone();
        let mut interrupt = pin!(interrupted(self.client.watch(), cancelled, self.deadline));
        let mut last = Instant::now();
        loop {
            let next = tokio::select! {
                biased;
                batch = events.recv() => {
                    last = Instant::now();
                    match batch {
                        Some(Ok(batch)) => self.batch(batch).await,
                        Some(Err(error)) => self.fail(&error).await,
                        None => return Next::More,
                    }
                }
                why = &mut interrupt => self.interrupt(why).await,
                now = tick.tick() => {
                    if self.client.has_left() {
                        self.interrupt(Interrupt::ClientLeft).await
                    } else if now.duration_since(last) >= period {
                        last = now;
                        self.keep_alive().await
                    } else {
                        Next::More
                    }
                }
            };
            if !matches!(next, Next::More) {
                return next;
            }
        }
    }

    async fn keep_alive(&mut self) -> Next {
        let patience = self.links.node.limits.client_write_timeout;
        let open = !self.client.is_waiting();
        if open && !self.client.send(KEEPALIVE.to_vec(), patience).await {
            return self.cancel();
        }
        Next::More
    }

    /// Feeds the events of one read; their frames go out in one write.
    async fn batch(&mut self, events: Vec<ModelEvent>) -> Next {
        let mut out = Output::default();
        let now = unix_now();
        let Some(engine) = &mut self.engine else { return Next::End(None) };
        for event in events {
            engine.handle(Input::Model(event), now, &mut out);
        }
        if self.summary.first_token() {
            let (provider, after) = (&self.request.provider.name, self.summary.age());
            self.links.node.metrics.first_token(provider, after);
        }
        self.carry_out(out).await
    }
}
