//! One request and its answer over a connection, as awc sees them.
//!
//! awc reads HTTP well, but takes the first head for the answer and a body without a length for empty, and uses a
//! connection again without knowing what may still come on it. So it gets a connection for one exchange only, and
//! reads what is left when all that was taken care of: one head, and a body with an end. Body bytes go through as
//! they are, without being copied.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use actix_rt::net::{ActixStream, Ready};
use awc::http::uri::Authority;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::answer::Incoming;
use super::fault::Fault;
use super::pool::Pool;
use super::request::Outgoing;
use super::socket::Socket;

/// A connection for one request. When it is dropped and exactly its answer was read, it waits for another.
#[derive(Debug)]
pub(crate) struct Exchange {
    /// Away only while this is dropped.
    socket: Option<Socket>,
    pool: Rc<Pool>,
    host: Authority,
    born: Instant,
    /// Another request was sent on the connection before.
    used: bool,
    request: Outgoing,
    answer: Incoming,
    /// For awc to read before anything else.
    ready: Vec<u8>,
    /// So much of `ready` was read.
    read: usize,
    /// For awc once `ready` was read.
    fault: Option<Fault>,
    /// The rest of the request is thrown away: the answer is there, or nobody listens any more.
    deaf: bool,
    ended: bool,
}

impl Exchange {
    pub(crate) fn new(socket: Socket, pool: Rc<Pool>, host: Authority, born: Instant, used: bool) -> Self {
        Self {
            socket: Some(socket),
            pool,
            host,
            born,
            used,
            request: Outgoing::new(),
            answer: Incoming::new(),
            ready: Vec::new(),
            read: 0,
            fault: None,
            deaf: false,
            ended: false,
        }
    }

    fn socket(&mut self) -> io::Result<Pin<&mut Socket>> {
        self.socket.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Takes in bytes before the answer has begun.
    fn take(&mut self, bytes: &[u8]) {
        // Where the request can still be on its way, this is the answer to an earlier one; on a connection that was
        // not used before there is no earlier one.
        let early = self.used && self.request.is_unfinished();
        let beginning = !self.answer.is_begun();
        match self.answer.take(bytes, self.request.asks_for_head()) {
            Ok(_) if early && self.answer.has_head() => self.out_of_turn(),
            Ok(Some(ready)) => self.ready = ready,
            Ok(None) => {}
            // The rest of an earlier answer.
            Err(Fault::NotHttp) if self.used && beginning => self.out_of_turn(),
            Err(fault) => self.fault = Some(fault),
        }
    }

    fn out_of_turn(&mut self) {
        self.pool.distrust(&self.host);
        self.fault = Some(Fault::OutOfTurn);
    }

    /// Looks whether an answer comes while the request is being sent: then the rest of it is of no use.
    fn look(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let mut bytes = [0; 2048];
        while !self.deaf {
            let mut buf = ReadBuf::new(&mut bytes);
            match self.socket()?.poll_read(cx, &mut buf) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Ok(())) if buf.filled().is_empty() => self.ended = true,
                Poll::Ready(Ok(())) => self.take(buf.filled()),
                // Reading on tells awc.
                Poll::Ready(Err(_)) => self.deaf = true,
            }
            self.deaf |= self.ended || self.answer.has_head() || self.fault.is_some();
        }
        Ok(())
    }

    /// Gives awc what is there already; false if there is nothing.
    fn hand_out(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let rest = &self.ready[self.read..];
        if rest.is_empty() {
            return false;
        }
        let here = rest.len().min(buf.remaining());
        buf.put_slice(&rest[..here]);
        self.read += here;
        if self.read == self.ready.len() {
            (self.ready, self.read) = (Vec::new(), 0);
        }
        true
    }
}

impl AsyncRead for Exchange {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.hand_out(buf) {
                return Poll::Ready(Ok(()));
            }
            if let Some(fault) = this.fault.take().or_else(|| this.answer.fault()) {
                return Poll::Ready(Err(fault.into()));
            }
            if this.answer.is_whole() {
                return Poll::Ready(Ok(()));
            }
            let before = buf.filled().len();
            if !this.ended {
                ready!(this.socket()?.poll_read(cx, buf))?;
            }
            if buf.filled().len() == before {
                this.ended = true;
                return Poll::Ready(this.answer.end().map_err(io::Error::from));
            }
            if this.answer.has_head() {
                let passed = this.answer.pass(&buf.filled()[before..]);
                buf.set_filled(before + passed);
                if passed > 0 {
                    return Poll::Ready(Ok(()));
                }
            } else {
                this.take(&buf.filled()[before..]);
                buf.set_filled(before);
            }
        }
    }
}

impl AsyncWrite for Exchange {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.request.is_begun() {
            this.look(cx)?;
        }
        if this.deaf {
            return Poll::Ready(Ok(bytes.len()));
        }
        match this.socket()?.poll_write(cx, bytes) {
            Poll::Ready(Ok(written)) => {
                this.request.wrote(&bytes[..written]);
                Poll::Ready(Ok(written))
            }
            Poll::Ready(Err(_)) if this.used && !this.request.is_begun() => {
                Poll::Ready(Err(Fault::Stale.into()))
            }
            // Whoever closes often says why first.
            Poll::Ready(Err(_)) if this.request.is_begun() => {
                this.deaf = true;
                Poll::Ready(Ok(bytes.len()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending if !this.request.is_begun() => Poll::Pending,
            Poll::Pending => {
                this.look(cx)?;
                if this.deaf { Poll::Ready(Ok(bytes.len())) } else { Poll::Pending }
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.deaf {
            return Poll::Ready(Ok(()));
        }
        match this.socket()?.poll_flush(cx) {
            Poll::Ready(Err(_)) if this.request.is_begun() => this.deaf = true,
            Poll::Pending => this.look(cx)?,
            done @ Poll::Ready(_) => return done,
        }
        if this.deaf { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().socket()?.poll_shutdown(cx)
    }
}

impl ActixStream for Exchange {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        match &self.socket {
            Some(socket) => ActixStream::poll_read_ready(socket, cx),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        match &self.socket {
            Some(socket) => ActixStream::poll_write_ready(socket, cx),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let Some(socket) = self.socket.take() else { return };
        if self.answer.has_surplus() {
            self.pool.distrust(&self.host);
        }
        let handed_out = self.ready.is_empty() && self.fault.is_none();
        if handed_out && !self.deaf && self.request.is_whole() && self.answer.leaves_the_connection_clean() {
            self.pool.put(&self.host, socket, self.born);
        }
    }
}
