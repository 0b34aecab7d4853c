//! Answers that are whole from the beginning. Long ones are written in pieces from one copy of their bytes, which counts
//! among the bytes in flight until the last client has them.

use std::collections::HashMap;
use std::convert::Infallible;
use std::hash::Hash;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use actix_web::{HttpResponse, HttpResponseBuilder};
use bytes::Bytes;
use or_bounds::{Budget, Reservation};
use or_protocol::{ApiError, ResponseId};
use tokio::sync::OwnedMutexGuard;

/// From this length on an answer is written in pieces.
const LONG: usize = 64 * 1024;
/// One piece: the framework copies it before it is written.
const PIECE: usize = 16 * 1024;

/// Bytes of one long answer, for all who get it.
#[derive(Debug)]
pub(crate) struct Long {
    bytes: Bytes,
    _held: Option<Reservation>,
}

/// Long answers that are being written, so that who asks for the same one again gets the same bytes.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    long: Mutex<HashMap<String, Weak<Long>>>,
    /// Who reads which response from disk.
    turns: Mutex<HashMap<ResponseId, Weak<Turn>>>,
}

type Turn = tokio::sync::Mutex<()>;

impl Answers {
    /// A turn at reading this response: one that is long must not be in memory once for each of many who ask at the
    /// same time.
    pub(crate) async fn turn(&self, id: &ResponseId) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            match turns.get(id).and_then(Weak::upgrade) {
                Some(turn) => turn,
                None => {
                    sweep(&mut turns);
                    let turn = Arc::new(Turn::default());
                    turns.insert(id.clone(), Arc::downgrade(&turn));
                    turn
                }
            }
        };
        turn.lock_owned().await
    }

    /// `json`, or the equal bytes that somebody else is being sent under this name.
    fn share(&self, name: String, json: Bytes, budget: &Budget) -> Result<Arc<Long>, ApiError> {
        let mut known = self.long.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(long) = known.get(&name).and_then(Weak::upgrade).filter(|long| long.bytes == json) {
            return Ok(long);
        }
        sweep(&mut known);
        let held = budget.reserve(json.len())?;
        let long = Arc::new(Long { bytes: json, _held: Some(held) });
        known.insert(name, Arc::downgrade(&long));
        Ok(long)
    }

    /// A stored object as an answer; 503 if there is no room for one as long as this.
    pub(crate) fn stored(
        &self,
        name: String,
        json: Bytes,
        budget: &Budget,
    ) -> Result<HttpResponse, ApiError> {
        let mut response = HttpResponse::Ok();
        response.content_type("application/json");
        if json.len() < LONG {
            return Ok(response.body(json));
        }
        Ok(response.body(Pieces::of(self.share(name, json, budget)?)))
    }
}

/// Takes out what nobody has any more. Not each time: that would be work for all who are there.
fn sweep<K: Eq + Hash, V>(known: &mut HashMap<K, Weak<V>>) {
    if known.len() >= 64 && known.len().is_power_of_two() {
        known.retain(|_, value| value.strong_count() > 0);
    }
}

/// A JSON answer that was made for this request. It is given also when there is no room for more bytes: the work for
/// it is done.
pub(crate) fn json(mut response: HttpResponseBuilder, json: Vec<u8>, budget: &Budget) -> HttpResponse {
    response.content_type("application/json");
    if json.len() < LONG {
        return response.body(json);
    }
    let held = budget.reserve(json.len()).ok();
    response.body(Pieces::of(Arc::new(Long { bytes: json.into(), _held: held })))
}

/// The body of a long answer.
struct Pieces {
    rest: Bytes,
    _long: Arc<Long>,
}

impl Pieces {
    fn of(long: Arc<Long>) -> Self {
        Self { rest: long.bytes.clone(), _long: long }
    }
}

impl MessageBody for Pieces {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.rest.len() as u64)
    }

    fn poll_next(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        let rest = &mut self.get_mut().rest;
        let piece = rest.split_to(PIECE.min(rest.len()));
        Poll::Ready((!piece.is_empty()).then_some(Ok(piece)))
    }
}

#[cfg(test)]
mod tests {
    use actix_web::body::to_bytes;

    use super::*;

    #[actix_web::test]
    async fn a_long_answer_counts_once_for_all_who_are_sent_it() {
        let (answers, budget) = (Answers::default(), Budget::new(3 * LONG));
        let json = Bytes::from(vec![b'x'; 2 * LONG]);
        let send = |json: &Bytes| answers.stored("one".into(), Bytes::copy_from_slice(json), &budget);
        let (first, second) = (send(&json).unwrap(), send(&json).unwrap());
        assert_eq!(budget.used(), json.len());
        // Other bytes under the same name are another answer, and there is no room for them.
        assert_eq!(
            send(&vec![b'y'; 2 * LONG].into()).unwrap_err().code.as_deref(),
            Some("server_overloaded")
        );
        assert_eq!(to_bytes(first.into_body()).await.unwrap(), json);
        assert_eq!(budget.used(), json.len());
        drop(second);
        assert_eq!(budget.used(), 0);
    }

    #[actix_web::test]
    async fn an_answer_that_was_worked_for_is_given_in_any_case() {
        let budget = Budget::new(LONG);
        for len in [0, 1, LONG - 1, LONG, 3 * LONG + 1] {
            let answer = json(HttpResponse::Ok(), vec![b'x'; len], &budget);
            assert_eq!(to_bytes(answer.into_body()).await.unwrap().len(), len);
        }
        assert_eq!(budget.used(), 0);
    }
}
