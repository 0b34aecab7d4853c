//! Whom a request goes to.

use std::sync::Arc;

use super::spec::{ProviderKey, ProviderSpec};

/// Whom to ask for a request: the first, and who comes after it.
///
/// Empty only for a response that goes on after a restart and whose provider is not there any more: there is no call
/// to make, but an end to tell.
#[derive(Debug, Default)]
pub struct Route {
    /// In the order in which they are asked.
    pub targets: Vec<Target>,
}

/// One provider, and how it is asked.
#[derive(Clone, Debug)]
pub struct Target {
    /// Who serves the model.
    pub provider: Arc<ProviderSpec>,
    /// Name the provider knows.
    pub model: String,
    /// Whose key.
    pub key: ProviderKey,
}

impl Route {
    /// The route to one provider, with the server's key.
    pub fn to(provider: Arc<ProviderSpec>, model: impl Into<String>) -> Self {
        Self { targets: vec![Target { provider, model: model.into(), key: ProviderKey::Server }] }
    }

    /// With the client's own key. It belongs to the provider that the client wrote for, so nobody else gets the
    /// request.
    #[must_use]
    pub fn with_client_key(mut self, key: Arc<str>) -> Self {
        self.targets.truncate(1);
        self.targets.iter_mut().for_each(|target| target.key = ProviderKey::Client(Arc::clone(&key)));
        self
    }

    /// Who is asked first.
    pub fn first(&self) -> Option<&Target> {
        self.targets.first()
    }

    /// Whether a key of the client is used.
    pub(crate) fn uses_client_key(&self) -> bool {
        self.first().is_some_and(Target::uses_client_key)
    }
}

impl Target {
    /// Whether a key of the client is used.
    pub(crate) fn uses_client_key(&self) -> bool {
        matches!(self.key, ProviderKey::Client(_))
    }
}
