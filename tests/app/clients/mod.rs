//! Clients that do not read or do not send: each loses its connection, and costs little until then.

mod hostile;
mod memory;
mod readers;
mod sockets;
