//! Connections of clients: how they are accepted, and when one that takes or sends nothing is closed.

mod listen;
mod presence;
mod stream;

pub(crate) use listen::{Door, bind};
use std::net::SocketAddr;
use std::rc::Rc;

use actix_web::HttpRequest;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::ConnectionType;
use actix_web::http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};

pub(crate) use presence::{Busy, Presence};
pub(crate) use stream::Clocks;

/// For as long as it is held, the client of this request need not send anything.
pub(crate) fn work(request: &HttpRequest) -> Option<Busy> {
    request.conn_data::<Rc<Presence>>().map(Presence::work)
}

/// Address of the listener that a request came to.
pub(crate) fn listener(request: &HttpRequest) -> Option<SocketAddr> {
    request.conn_data::<Rc<Presence>>().map(|presence| presence.listener())
}

/// A request has come; the answer is being made for as long as this is held.
pub(crate) fn begin(request: &ServiceRequest) -> Option<Busy> {
    let presence = request.conn_data::<Rc<Presence>>()?;
    presence.begin();
    Some(presence.work())
}

/// While it is held, the bytes of the request's body are wanted.
pub(crate) struct Uploading(Option<Rc<Presence>>);

/// The body of this request is about to be read.
pub(crate) fn upload(request: &HttpRequest) -> Uploading {
    let presence = request.conn_data::<Rc<Presence>>().cloned();
    if let Some(presence) = &presence {
        presence.uploads(true);
    }
    Uploading(presence)
}

impl Uploading {
    /// The body was read to its end.
    pub(crate) fn done(self) {
        if let Some(presence) = &self.0 {
            presence.has_body();
        }
    }
}

impl Drop for Uploading {
    fn drop(&mut self) {
        if let Some(presence) = &self.0 {
            presence.uploads(false);
        }
    }
}

/// Closes the connection behind an answer to a request whose body was not read to its end: nobody takes in bytes
/// without end to get to the next request.
pub(crate) fn close_unread<B>(response: &mut ServiceResponse<B>) {
    let request = response.request();
    let has = |name| request.headers().contains_key(name);
    let Some(presence) = request.conn_data::<Rc<Presence>>() else { return };
    if (has(CONTENT_LENGTH) || has(TRANSFER_ENCODING)) && !presence.is_body_read() {
        presence.refuse_rest();
        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
}
