//! Ends a response for its owner, wherever its loop is.

use std::time::Duration;

use bytes::Bytes;
use or_protocol::ResponseId;
use or_store::{StoreError, StoredResponse};
use tokio::time::sleep;

use super::messages::EndAsked;
use super::registry::Running;
use crate::store::StoreHandle;

/// A response that a process before left is on its way to a loop: the server has just started.
const TRIES: u32 = 50;
const BETWEEN_TRIES: Duration = Duration::from_millis(100);

/// What came of the wish that a response ends.
#[derive(Debug)]
pub enum Ending {
    /// It is over, by this wish or before it. Its last record.
    Over(Box<StoredResponse>),
    /// It is over, but the disk does not take its record. The response object, JSON.
    Unwritten(Bytes),
    /// There is none, it is not stored, or it is another owner's.
    NotFound,
    /// It is not a background response.
    Foreground,
    /// It is on its way to its end, but waits for the disk.
    Slow,
    /// It is not over and has no loop that could end it.
    Left,
    /// Its record does not read.
    Unreadable(StoreError),
}

impl Running {
    /// Ends a response of this owner if it is in progress, and waits until that is recorded. One that is over stays
    /// as it is. `background_only`: one that its client waits for is left alone.
    pub async fn end_and_load(
        &self,
        store: &StoreHandle,
        id: &ResponseId,
        owner: &str,
        background_only: bool,
    ) -> Ending {
        for _ in 0..TRIES {
            // Before its loop is looked for, so that it is not missed between the two.
            let is_coming = self.is_coming(id);
            let asked = self.end(id, owner, background_only).await;
            // A loop whose response is to be removed ends without its record where the disk does not take that.
            let gone = asked == Some(EndAsked::Over) && !background_only;
            let has_none = asked.is_none() && !is_coming;
            match asked {
                Some(EndAsked::NotFound) => return Ending::NotFound,
                Some(EndAsked::Foreground) => return Ending::Foreground,
                Some(EndAsked::Slow) => return Ending::Slow,
                Some(EndAsked::Unwritten(json)) => return Ending::Unwritten(json),
                Some(EndAsked::Over) | None => {}
            }
            match store.load(id.clone(), owner.to_owned()).await {
                Err(error) => return Ending::Unreadable(error),
                Ok(None) => return Ending::NotFound,
                Ok(Some(record)) if background_only && !record.background => return Ending::Foreground,
                Ok(Some(record)) if record.is_over() => return Ending::Over(Box::new(record)),
                Ok(Some(_)) if gone || has_none || self.stopping() => break,
                Ok(Some(_)) => sleep(BETWEEN_TRIES).await,
            }
        }
        Ending::Left
    }
}
