//! The providers that are on, and which model names lead to them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use or_protocol::ApiError;

use super::route::{Route, Target};
use super::spec::ProviderSpec;

/// Routes a model name (design D16), with the server's keys. The error says why there is no provider.
pub type Pick = dyn Fn(&str) -> Result<Route, ApiError> + Send + Sync;

/// The providers that are on, and which model names lead to them. One value: a request keeps what it was routed with,
/// whatever takes the place of this.
pub struct Providers {
    named: BTreeMap<String, Arc<ProviderSpec>>,
    pick: Box<Pick>,
}

impl fmt::Debug for Providers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Providers").field("named", &self.named).finish_non_exhaustive()
    }
}

impl Providers {
    /// Providers by name, and the router that leads to them.
    pub fn new(named: BTreeMap<String, Arc<ProviderSpec>>, pick: Box<Pick>) -> Self {
        Self { named, pick }
    }

    /// The providers by name.
    pub fn named(&self) -> &BTreeMap<String, Arc<ProviderSpec>> {
        &self.named
    }

    /// Who serves a model.
    ///
    /// # Errors
    /// Why nobody does.
    pub fn route(&self, model: &str) -> Result<Route, ApiError> {
        (self.pick)(model)
    }

    /// The way on for a response that this provider served before a restart, by `upstream` as the model's name there;
    /// `model` is what the client wrote. The other targets of its route come behind it. Nobody, if it is gone.
    pub(crate) fn again(&self, provider: &str, upstream: &str, model: &str) -> Route {
        let Some(spec) = self.named.get(provider) else { return Route::default() };
        let same = |target: &Target| &*target.provider.name == provider && target.model == upstream;
        match self.route(model).map(Route::with_server_keys) {
            Ok(mut route) => match route.targets.iter().position(same) {
                Some(at) => {
                    route.targets.get_mut(..=at).unwrap_or_default().rotate_right(1);
                    route
                }
                None => Route { rules: route.rules, ..Route::to(Arc::clone(spec), upstream) },
            },
            Err(_) => Route::to(Arc::clone(spec), upstream),
        }
    }
}
