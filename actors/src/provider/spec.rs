//! A provider as it is configured, and whose key is used with it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use or_adapters::Adapter;

use super::health::{Breakers, Keys};

/// How a provider is reached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Transport {
    /// HTTP to the base URL.
    Http,
    /// The built-in demo, in this process.
    Demo,
}

/// One configured provider that is on.
pub struct ProviderSpec {
    /// Name in the configuration; also a metrics label.
    pub name: Arc<str>,
    /// Its wire.
    pub adapter: Arc<dyn Adapter>,
    /// How it is reached.
    pub transport: Transport,
    /// Without trailing slash.
    pub base_url: String,
    /// The server's keys for it.
    pub keys: Keys,
    /// Which of its models are left alone for a while.
    pub breakers: Breakers,
    /// Whether the server has no key for it: only for clients that bring their own.
    pub client_keys_only: bool,
    /// Static headers.
    pub headers: Vec<(String, String)>,
    /// To make a connection.
    pub connect_timeout: Duration,
    /// To the first event of a stream, or between two reads of another answer; also for how long a stream may give
    /// frames of which nothing comes.
    pub first_byte_timeout: Duration,
    /// Between two frames of a stream.
    pub idle_timeout: Duration,
    /// Most bytes of one answer.
    pub max_answer_bytes: usize,
    /// Calls at the same time over all workers; 0: no limit.
    pub max_concurrent: usize,
    /// Whether it calls MCP servers itself, and not this server.
    pub runs_mcp: bool,
    /// Calls running now.
    pub running: AtomicUsize,
}

impl fmt::Debug for ProviderSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Keys and header values stay out of every log.
        f.debug_struct("ProviderSpec")
            .field("name", &self.name)
            .field("base_url", &self.base_url)
            .finish_non_exhaustive()
    }
}

/// Whose provider key a call uses.
#[derive(Clone)]
pub enum ProviderKey {
    /// The server's, from the environment; none for providers that need none.
    Server,
    /// The client's own, for this call only.
    Client(Arc<str>),
}

impl std::fmt::Debug for ProviderKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Server => "Server",
            Self::Client(_) => "Client(***)",
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use or_adapters::{ProviderOptions, builtin};

    use super::*;
    use crate::provider::health::BreakerRules;

    /// A provider that nobody calls, with these keys.
    pub(crate) fn spec(name: &str, keys: &[&str]) -> ProviderSpec {
        let options = ProviderOptions { name: name.to_owned(), ..ProviderOptions::default() };
        let second = Duration::from_secs(1);
        ProviderSpec {
            name: name.into(),
            adapter: builtin("demo", &options).unwrap().unwrap(),
            transport: Transport::Demo,
            base_url: String::new(),
            keys: Keys::new(keys.iter().map(|key| Arc::from(*key)).collect(), second),
            breakers: Breakers::new([], BreakerRules { failures: 2, open: second, max_open: second }),
            client_keys_only: false,
            headers: Vec::new(),
            connect_timeout: second,
            first_byte_timeout: second,
            idle_timeout: second,
            max_answer_bytes: 1 << 20,
            max_concurrent: 0,
            runs_mcp: false,
            running: AtomicUsize::new(0),
        }
    }
}
