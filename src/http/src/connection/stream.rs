//! The socket of a client, with clocks.
//!
//! The framework waits for ever for a client that takes nothing, and for the second head of one that stops in its
//! middle. Here every byte passes, whatever it belongs to, so that there is one rule for all.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use or_telemetry::{ClientFault, Metrics};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

use super::presence::Presence;

/// Bytes that the kernel takes of an answer beyond what the client has room for. More would only hide how far a slow
/// client is.
#[cfg(any(target_os = "linux", target_os = "android"))]
const UNSENT: u32 = 16 * 1024;
/// How much later than our own clock the kernel's strikes. It is for what the kernel holds alone: the rest of an
/// answer, and clients whose network is gone.
#[cfg(any(target_os = "linux", target_os = "android"))]
const KERNEL_LATER: Duration = Duration::from_secs(5);
/// Bytes of requests that are taken in at once.
const AHEAD: usize = 8 * 1024;
/// A client that takes all there is for so long has caught up.
const CAUGHT_UP: Duration = Duration::from_secs(10);

/// The patience of a server with its clients.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clocks {
    /// With one that takes nothing although there is something for it.
    pub(crate) write: Duration,
    /// With one that is behind all the time, however steadily it takes something.
    pub(crate) behind: Duration,
}

/// A connection that is closed by itself when its client is too slow.
#[derive(Debug)]
pub(crate) struct ClientStream {
    io: TcpStream,
    presence: Rc<Presence>,
    clocks: Clocks,
    lag: Option<Lag>,
    /// Rings at what is due next or before; made when it is first needed.
    alarm: Option<Pin<Box<Sleep>>>,
    /// Bytes that came since the framework last had a look at them, or while it was at work for an earlier request.
    ahead: usize,
    metrics: Metrics,
}

/// That a client takes less than there is for it.
#[derive(Clone, Copy, Debug)]
struct Lag {
    /// When it first did.
    begun: Instant,
    /// When it last took something.
    took: Instant,
    /// Whether the kernel takes nothing more at the moment.
    blocked: bool,
}

impl ClientStream {
    pub(crate) fn new(io: TcpStream, listener: SocketAddr, clocks: Clocks, metrics: Metrics) -> Self {
        // Small events must not wait for ACKs; and without these options the clocks below still work, so a socket
        // that refuses one is no worse than a system that has none.
        let _ = io.set_nodelay(true);
        #[cfg(any(target_os = "linux", target_os = "android"))]
        {
            let socket = SockRef::from(&io);
            let _ = socket.set_tcp_notsent_lowat(UNSENT);
            let _ = socket.set_tcp_user_timeout(Some(clocks.write + KERNEL_LATER));
        }
        let presence = Presence::new(listener);
        Self { io, presence, clocks, lag: None, alarm: None, ahead: 0, metrics }
    }

    pub(crate) fn presence(&self) -> &Rc<Presence> {
        &self.presence
    }

    /// What ends the connection next unless the client does something.
    fn due(&self) -> Option<(Instant, ClientFault)> {
        match self.lag {
            Some(lag) if lag.blocked => {
                let due = (lag.took + self.clocks.write).min(lag.begun + self.clocks.behind);
                Some((due, ClientFault::SlowReader))
            }
            Some(_) | None => self.presence.due().map(|due| (due, ClientFault::SlowRequest)),
        }
    }

    /// Makes sure that the task is woken when something is due.
    ///
    /// # Errors
    /// When it is over.
    fn watch(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let Some((due, fault)) = self.due() else { return Ok(()) };
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(due)));
        // One that rings too early is left alone: setting it anew for each answer costs more than the ring.
        if alarm.deadline() > due {
            alarm.as_mut().reset(due);
        }
        while alarm.as_mut().poll(cx).is_ready() {
            if due <= Instant::now() {
                return Err(self.give_up(fault));
            }
            alarm.as_mut().reset(due);
        }
        Ok(())
    }

    /// Whether the client may send more. The framework would take in and answer requests without end for one that does
    /// not read the answers, and it turns in circles when its buffer is full of requests that have to wait.
    fn may_send(&mut self, cx: &mut Context<'_>) -> bool {
        if self.presence.is_uploading() {
            self.ahead = 0;
            return true;
        }
        if self.lag.is_some_and(|lag| lag.blocked) || (self.presence.is_busy() && self.ahead > 0) {
            self.presence.hold_back(cx.waker());
            return false;
        }
        if self.ahead >= AHEAD {
            // It has a look, and comes back.
            self.ahead = 0;
            cx.waker().wake_by_ref();
            return false;
        }
        true
    }

    fn give_up(&self, fault: ClientFault) -> io::Error {
        self.metrics.client_dropped(fault);
        let peer = self.io.peer_addr().ok().map(|peer| peer.to_string());
        tracing::info!(peer, reason = fault.as_str(), "a client was dropped");
        // What the kernel still holds for it goes too.
        let _ = SockRef::from(&self.io).set_linger(Some(Duration::ZERO));
        io::Error::new(io::ErrorKind::TimedOut, fault.as_str())
    }

    fn failed(&self, error: io::Error) -> io::Error {
        if error.kind() == io::ErrorKind::TimedOut { self.give_up(ClientFault::SlowReader) } else { error }
    }

    /// What is left of the count when nothing more is there: requests that wait for an earlier one are still ahead.
    fn ahead_of_work(&self) -> usize {
        if self.presence.is_busy() { self.ahead } else { 0 }
    }

    fn blocked(&mut self) {
        let now = Instant::now();
        match &mut self.lag {
            Some(lag) if lag.blocked => {}
            Some(lag) if now < lag.took + CAUGHT_UP => *lag = Lag { took: now, blocked: true, ..*lag },
            Some(_) | None => self.lag = Some(Lag { begun: now, took: now, blocked: true }),
        }
    }

    fn took(&mut self) {
        if let Some(lag) = &mut self.lag {
            *lag = Lag { took: Instant::now(), blocked: false, ..*lag };
        }
        self.presence.went_on();
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let read = if this.may_send(cx) {
            let before = buf.filled().len();
            let read = Pin::new(&mut this.io).poll_read(cx, buf);
            this.ahead =
                if read.is_ready() { this.ahead + buf.filled().len() - before } else { this.ahead_of_work() };
            read
        } else {
            Poll::Pending
        };
        match read {
            Poll::Ready(Ok(())) => {
                // Bytes that come make no request yet, and a flood of them never lets the alarm ring.
                match this.due() {
                    Some((due, fault)) if due <= Instant::now() => Poll::Ready(Err(this.give_up(fault))),
                    Some(_) | None => Poll::Ready(Ok(())),
                }
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(this.failed(error))),
            Poll::Pending => match this.watch(cx) {
                Ok(()) => Poll::Pending,
                Err(error) => Poll::Ready(Err(error)),
            },
        }
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        match Pin::new(&mut this.io).poll_write(cx, buf) {
            Poll::Ready(Ok(count)) => {
                this.took();
                Poll::Ready(Ok(count))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(this.failed(error))),
            Poll::Pending => {
                this.blocked();
                match this.watch(cx) {
                    Ok(()) => Poll::Pending,
                    Err(error) => Poll::Ready(Err(error)),
                }
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}
