//! Reads the event log of a background response for one client: what is on disk, then along with the loop.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use or_protocol::ResponseId;
use tokio::time::{Instant, sleep};

use crate::client_queue::{ClientFrames, ToClient, client_queue};
use crate::node::Node;
use crate::running::{Read, ReaderPlace};
use crate::store::StoreHandle;
use or_protocol::DONE;
use or_store::LogPlace;

/// An SSE comment, ignored by every parser.
pub(super) const KEEPALIVE: &[u8] = b": keep-alive\n\n";
/// Frames that come longer than this from the loop are read from disk in pieces: they are not kept for those who are slow.
const SHORT: usize = 32 * 1024;
/// Between two looks for the loop of a response that is on its way, since the server has just started.
const LOOP_CHECK: Duration = Duration::from_millis(50);

/// Frames of a response's log from sequence number `from` on, to the end of the response. The caller has made
/// sure that the log is there and whose it is. Runs on the calling arbiter and ends when the receiver is dropped.
pub fn read_along(
    node: &Arc<Node>,
    store: &StoreHandle,
    id: ResponseId,
    from: u64,
    place: ReaderPlace,
) -> ClientFrames {
    let (client, frames) = client_queue(&node.budget);
    let at = LogPlace { frame: from, skip: 0 };
    let reader = LogReader { node: Arc::clone(node), store: store.clone(), id, at, client, _place: place };
    actix_rt::spawn(reader.run());
    frames
}

struct LogReader {
    node: Arc<Node>,
    store: StoreHandle,
    id: ResponseId,
    /// What comes next for the client.
    at: LogPlace,
    client: ToClient,
    _place: ReaderPlace,
}

impl LogReader {
    /// Ends early, without `[DONE]`, if the client left or the log does not go on.
    ///
    /// The order of each round counts: whether a loop is on its way is asked before it is looked for, the watch is taken before the tail is read, how far the disk holds is asked before
    /// the disk is read, and the log is let go before waiting, because its end is what ends the watch.
    async fn run(mut self) {
        let _counted = self.node.metrics.reader();
        let mut quiet_since = Instant::now();
        loop {
            let is_coming = self.node.running.is_coming(&self.id);
            let log = self.node.running.event_log(&self.id);
            // What is published from here on is not slept over.
            let news = log.as_ref().map(|log| log.watch());
            let read = log.as_ref().map_or(Read::OnDisk, |log| log.read(self.at.frame));
            let durable = log.as_ref().map(|log| log.durable());
            drop(log);
            let frames = match read {
                Read::Frames(frames) if self.at.skip == 0 && frames.bytes.len() <= SHORT => {
                    Some(frames.bytes)
                }
                Read::Frames(_) | Read::OnDisk => match self.read_disk(durable).await {
                    Ok(frames) => frames,
                    Err(()) => return,
                },
                Read::UpToDate => None,
            };
            match (frames, news) {
                (Some(frames), _) => {
                    quiet_since = Instant::now();
                    let over = frames.ends_with(DONE.as_bytes());
                    self.at = self.at.behind(&frames);
                    if !self.client.send(frames).await || over {
                        return;
                    }
                }
                (None, Some(mut news)) => {
                    let keepalive = self.node.limits.keepalive;
                    tokio::select! {
                        _ = news.changed() => {}
                        () = self.client.closed() => return,
                        () = sleep(keepalive) => if !self.client.send(Bytes::from_static(KEEPALIVE)).await {
                            return;
                        },
                    }
                }
                // There is no loop and the end of the log is not there: it was deleted, or will never be.
                (None, None) if !is_coming || self.node.running.stopping() => return,
                (None, None) => {
                    tokio::select! {
                        () = self.client.closed() => return,
                        () = sleep(LOOP_CHECK) => {}
                    }
                    if quiet_since.elapsed() >= self.node.limits.keepalive {
                        quiet_since = Instant::now();
                        if !self.client.send(Bytes::from_static(KEEPALIVE)).await {
                            return;
                        }
                    }
                }
            }
        }
    }

    /// What is on disk for good. The store also shows rows whose append is still under way, which a crash would undo.
    async fn read_disk(&self, durable: Option<u64>) -> Result<Option<Bytes>, ()> {
        let until = durable.unwrap_or(u64::MAX);
        match self.store.read_log_piece(self.id.clone(), self.at, until).await {
            // A loop has begun meanwhile, and knows how far it goes.
            Ok(_) if durable.is_none() && self.node.running.event_log(&self.id).is_some() => Ok(None),
            Ok(frames) => Ok(Some(frames).filter(|frames| !frames.is_empty())),
            Err(error) => {
                tracing::error!(response_id = %self.id, %error, "the event log could not be read");
                Err(())
            }
        }
    }
}
