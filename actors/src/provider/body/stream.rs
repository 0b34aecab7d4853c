//! Reads a stream for one loop, as fast as the loop takes it and no faster.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt as _, StreamExt as _};
use or_adapters::{AdapterError, Frame, FrameDecoder, Framing, ModelEvent, ResponseTranslator};
use or_wire::{Body, BodyError};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout, timeout_at};

use super::shape::{MARK, Shape};
use super::silence::Silence;
use super::whole::{no_answer, whole};
use crate::limits::HEAVY;
use crate::provider::error::SampleError;
use crate::provider::http::Upstream;
use crate::provider::messages::Batch;
use crate::provider::permit::Permit;
use crate::provider::redact::mask;
use crate::provider::spec::ProviderKey;

/// Bytes that are taken in before what they hold is passed on.
const GATHER: usize = 32 * 1024;
/// The same, in pieces of the body. Short ones take many times their length as events, and wait as long as the client
/// is slow.
const GATHER_PIECES: usize = 64;
/// How long the rest of a finished stream is read, so that its connection can be used again.
const DRAIN: Duration = Duration::from_secs(1);

/// How long counts are waited for behind the end mark of an answer that has none. Hosts that send them there do it at
/// once; most end the body, which ends the waiting.
const LATE_COUNTS: Duration = Duration::from_millis(250);

/// Reads a stream for one loop, as fast as the loop takes it and no faster.
pub(crate) struct StreamReader {
    pub(crate) upstream: Upstream,
    pub(crate) key: ProviderKey,
    pub(crate) body: Body,
    pub(crate) translator: Box<dyn ResponseTranslator>,
    pub(crate) sender: mpsc::Sender<Batch>,
    pub(crate) gone: oneshot::Receiver<()>,
    pub(crate) permit: Permit,
}

/// Where a reader is.
struct Place {
    decoder: FrameDecoder,
    silence: Silence,
    /// Blank bytes that came before any other; none once it is known what the body is.
    blank: Option<BytesMut>,
    /// The first bytes are those of no answer; nothing of one came since.
    is_nothing: bool,
    /// Bytes that came in all.
    taken: usize,
    /// An end of the body that was found while gathering.
    ended: Option<Option<Result<Bytes, BodyError>>>,
    /// Until when an answer that is whole may still be counted.
    counted_by: Option<Instant>,
}

impl StreamReader {
    pub(crate) async fn run(self: Box<Self>) {
        let sender = self.sender.clone();
        let (upstream, key) = (self.upstream.clone(), self.key.clone());
        let result = AssertUnwindSafe(self.read()).catch_unwind().await;
        let error = match result {
            Ok(Ok(())) => return,
            Ok(Err(error)) => mask(upstream.spec(), &key, error),
            Err(_) => SampleError::Panicked,
        };
        // If the loop is gone, nobody needs the error.
        let _ = sender.send(Err(Box::new(error))).await;
    }

    /// Ends with `Ok` when the loop has all it needs or is gone; dropping the body closes the connection.
    async fn read(mut self: Box<Self>) -> Result<(), SampleError> {
        let mut place = Place {
            decoder: FrameDecoder::new(self.upstream.spec().adapter.framing()),
            silence: Silence::new(self.upstream.spec().idle_timeout, self.upstream.spec().first_byte_timeout),
            blank: Some(BytesMut::new()),
            is_nothing: false,
            taken: 0,
            ended: None,
            counted_by: None,
        };
        loop {
            if !self.has_room(&mut place).await {
                return Ok(());
            }
            let next = match self.translator.is_whole() {
                true => self.late(&mut place).await,
                false => self.next(&mut place).await?,
            };
            let Some(chunk) = next else { return Ok(()) };
            let mut batch = Vec::new();
            let (result, ended) = match chunk {
                Some(Err(error @ BodyError::Broken(_))) => {
                    return Err(SampleError::Broken(error.to_string()));
                }
                Some(Ok(mut bytes)) => {
                    if place.taken == 0 && bytes.starts_with(MARK) {
                        bytes = bytes.slice(MARK.len()..);
                    }
                    if place.blank.is_some() && self.is_object(&mut place, &bytes) {
                        return self.collect(place, bytes).await;
                    }
                    self.take(&mut place, &bytes)?;
                    self.gather(&mut place, bytes.len())?;
                    let result = self.translate(&mut place, &mut batch).await?;
                    (result.map_err(|error| no_answer(place.is_nothing, error)), false)
                }
                None | Some(Err(BodyError::Cut)) => (self.finish(&mut place, &mut batch).await, true),
            };
            match &result {
                _ if !batch.is_empty() => {
                    place.is_nothing = false;
                    place.silence.came_to_something();
                }
                Ok(frames) if *frames > 0 || place.decoder.in_frame() => place.silence.came_to_life(),
                Ok(_) | Err(_) => {}
            }
            // What came before an error is passed on before it: the client is shown all that there was.
            let finished = matches!(batch.last(), Some(ModelEvent::Finished { .. }));
            if finished && let Some(note) = place.decoder.note() {
                batch.insert(batch.len() - 1, ModelEvent::Note(note));
            }
            if !batch.is_empty() && self.sender.send(Ok(batch)).await.is_err() {
                if finished && !ended {
                    self.drain(&place).await;
                }
                return Ok(());
            }
            result?;
            if ended {
                return Ok(());
            }
            if finished {
                self.drain(&place).await;
                return Ok(());
            }
        }
    }

    /// The end of the body, or of the connection in the middle of it: whether that was all, the provider's own end of
    /// the stream says.
    async fn finish(&mut self, place: &mut Place, batch: &mut Vec<ModelEvent>) -> Result<usize, SampleError> {
        place.decoder.close();
        place.is_nothing &= self.translate(place, batch).await?? == 0;
        let end = self.translator.finish(place.decoder.stray(), batch);
        end.map(|()| 0).map_err(|error| no_answer(place.is_nothing, error))
    }

    /// Gives the translator the frames that are there, a long one elsewhere; says how many there were.
    ///
    /// # Errors
    /// When that panicked.
    async fn translate(
        &mut self,
        place: &mut Place,
        batch: &mut Vec<ModelEvent>,
    ) -> Result<Result<usize, AdapterError>, SampleError> {
        if !place.decoder.has_long(HEAVY) {
            return Ok(translate(&mut place.decoder, self.translator.as_mut(), batch));
        }
        let framing = self.upstream.spec().adapter.framing();
        let mut decoder = std::mem::replace(&mut place.decoder, FrameDecoder::new(framing));
        let mut translator = std::mem::replace(&mut self.translator, Box::new(Lent));
        let work = move || {
            let mut events = Vec::new();
            let result = translate(&mut decoder, translator.as_mut(), &mut events);
            // The buffer of a long frame is not kept for short ones.
            decoder.shrink();
            (decoder, translator, events, result)
        };
        let (decoder, translator, events, result) = self.upstream.sized(HEAVY, work).await?;
        (place.decoder, self.translator, *batch) = (decoder, translator, events);
        Ok(result)
    }

    /// Waits until the loop takes another batch: what is not read waits at the provider. `false`: the loop is gone.
    async fn has_room(&self, place: &mut Place) -> bool {
        match self.sender.try_reserve() {
            Ok(_) => true,
            Err(TrySendError::Closed(())) => false,
            Err(TrySendError::Full(())) => {
                // As long as a slow client lets it wait.
                place.decoder.shrink();
                self.sender.reserve().await.is_ok()
            }
        }
    }

    /// What comes next; none if the loop is gone.
    async fn next(
        &mut self,
        place: &mut Place,
    ) -> Result<Option<Option<Result<Bytes, BodyError>>>, SampleError> {
        if let Some(ended) = place.ended.take() {
            return Ok(Some(ended));
        }
        let silence = &mut place.silence;
        silence.begin();
        loop {
            tokio::select! {
                biased;
                chunk = self.body.next() => {
                    silence.end();
                    return Ok(Some(chunk));
                }
                _ = &mut self.gone => return Ok(None),
                () = silence.tick() => if let Some(limit) = silence.over() {
                    return Err(SampleError::Silent(limit.as_secs()));
                },
            }
        }
    }

    /// The same for an answer that is whole: whatever happens to its connection, it ends well.
    async fn late(&mut self, place: &mut Place) -> Option<Option<Result<Bytes, BodyError>>> {
        let until = *place.counted_by.get_or_insert_with(|| Instant::now() + LATE_COUNTS);
        match timeout_at(until, self.next(place)).await {
            Ok(Ok(Some(Some(Ok(bytes))))) => Some(Some(Ok(bytes))),
            Ok(Ok(None)) => None,
            Ok(Ok(Some(None | Some(Err(_)))) | Err(_)) | Err(_) => Some(None),
        }
    }

    /// Whether the body is one object, whatever its label says. Decides it with the first byte that is not blank.
    fn is_object(&self, place: &mut Place, bytes: &[u8]) -> bool {
        let Some(blank) = &mut place.blank else { return false };
        let framing = self.upstream.spec().adapter.framing();
        let shape = if blank.is_empty() {
            Shape::of(bytes, framing)
        } else {
            let mut all = blank.clone();
            all.extend_from_slice(bytes);
            Shape::of(&all, framing)
        };
        match shape {
            // Blank bytes are of no use to anybody; the first few may be half of a byte order mark.
            None if blank.len() < 16 => blank.extend_from_slice(bytes),
            None => {}
            Some(Shape::Object) => return true,
            Some(Shape::Events) => {
                let mut decoder = FrameDecoder::new(Framing::Sse);
                decoder.feed(blank);
                (place.decoder, place.blank) = (decoder, None);
            }
            Some(shape @ (Shape::Lines | Shape::Other)) => {
                place.blank = None;
                place.is_nothing = shape == Shape::Other;
            }
        }
        false
    }

    /// Reads the rest of an answer that is one object.
    async fn collect(self: Box<Self>, mut place: Place, bytes: Bytes) -> Result<(), SampleError> {
        let Self { upstream, mut body, translator, sender, mut gone, permit: _permit, .. } = *self;
        let mut begin = place.blank.take().unwrap_or_default();
        begin.extend_from_slice(&bytes);
        let events = tokio::select! {
            biased;
            _ = &mut gone => return Ok(()),
            events = whole(&upstream, &mut body, begin, translator) => events?,
        };
        // A loop that is gone needs no events.
        let _ = sender.send(Ok(events)).await;
        Ok(())
    }

    fn take(&self, place: &mut Place, bytes: &[u8]) -> Result<(), SampleError> {
        place.taken = place.taken.saturating_add(bytes.len());
        if place.taken > self.upstream.spec().max_answer_bytes {
            return Err(SampleError::TooLarge(self.upstream.spec().max_answer_bytes));
        }
        place.decoder.feed(bytes);
        Ok(())
    }

    /// Takes in what has arrived already: one read of the socket may hold many pieces of a chunked body,
    /// and what comes together shall travel together.
    fn gather(&mut self, place: &mut Place, mut size: usize) -> Result<(), SampleError> {
        let mut pieces = 1;
        while size < GATHER && pieces < GATHER_PIECES && place.blank.is_none() {
            pieces += 1;
            match self.body.next().now_or_never() {
                Some(Some(Ok(bytes))) => {
                    size += bytes.len();
                    self.take(place, &bytes)?;
                }
                // An end or an error is for the next turn of the reading loop.
                ended => {
                    place.ended = ended;
                    break;
                }
            }
        }
        Ok(())
    }

    /// Reads what is left after the last event, so that the connection goes back to the pool.
    async fn drain(&mut self, place: &Place) {
        if place.ended.is_some() {
            return;
        }
        let mut left = self.upstream.spec().max_answer_bytes.saturating_sub(place.taken);
        let rest = async {
            while let Some(Ok(bytes)) = self.body.next().await
                && left > 0
            {
                left = left.saturating_sub(bytes.len());
            }
        };
        let _ = timeout(DRAIN, rest).await;
    }
}

/// In the place of a translator that works elsewhere. Nobody asks it.
struct Lent;

impl ResponseTranslator for Lent {
    fn push(&mut self, _: Frame<'_>, _: &mut Vec<ModelEvent>) -> Result<(), AdapterError> {
        Ok(())
    }

    fn finish(&mut self, _: &[u8], _: &mut Vec<ModelEvent>) -> Result<(), AdapterError> {
        Ok(())
    }
}

/// Gives the translator the frames that are there; says how many there were.
fn translate(
    decoder: &mut FrameDecoder,
    translator: &mut dyn ResponseTranslator,
    batch: &mut Vec<ModelEvent>,
) -> Result<usize, AdapterError> {
    let mut frames = 0;
    while let Some(frame) = decoder.next()? {
        frames += 1;
        translator.push(frame, batch)?;
    }
    Ok(frames)
}
