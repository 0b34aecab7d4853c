//! Places among a provider's running calls.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::error::SampleError;
use super::spec::ProviderSpec;

/// A place among the provider's running calls; given back when dropped.
pub(crate) struct Permit(Arc<ProviderSpec>);

impl Permit {
    pub(crate) fn take(spec: &Arc<ProviderSpec>) -> Result<Self, SampleError> {
        let before = spec.running.fetch_add(1, Ordering::Relaxed);
        let permit = Self(Arc::clone(spec));
        if spec.max_concurrent > 0 && before >= spec.max_concurrent {
            return Err(SampleError::Busy(spec.max_concurrent));
        }
        Ok(permit)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}
