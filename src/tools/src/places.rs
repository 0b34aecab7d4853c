//! How many programs run for each owner.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A place for one program; given back when dropped.
pub type Place = OwnedSemaphorePermit;

/// The places of all owners. Who finds none waits, in order.
pub struct Places {
    of_owner: Box<dyn Fn(&str) -> usize + Send + Sync>,
    owners: Mutex<HashMap<String, Weak<Semaphore>>>,
}

impl Default for Places {
    /// As many as come.
    fn default() -> Self {
        Self::new(|_| usize::MAX)
    }
}

impl fmt::Debug for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Places").finish_non_exhaustive()
    }
}

impl Places {
    /// `of_owner`: how many an owner has.
    pub fn new(of_owner: impl Fn(&str) -> usize + Send + Sync + 'static) -> Self {
        Self { of_owner: Box::new(of_owner), owners: Mutex::default() }
    }

    /// Waits for a place. `None`: there is nothing to wait for.
    pub(crate) async fn take(&self, owner: &str) -> Option<Place> {
        self.owner(owner).acquire_owned().await.ok()
    }

    /// Who holds a place or waits for one keeps the owner in mind.
    fn owner(&self, owner: &str) -> Arc<Semaphore> {
        let mut owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = owners.get(owner).and_then(Weak::upgrade) {
            return known;
        }
        owners.retain(|_, places| places.strong_count() > 0);
        let places = (self.of_owner)(owner).min(Semaphore::MAX_PERMITS);
        let made = Arc::new(Semaphore::new(places));
        owners.insert(owner.to_owned(), Arc::downgrade(&made));
        made
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix_rt::test]
    async fn an_owner_waits_for_its_own_places_only() {
        let places = Places::new(|owner| if owner == "ada" { 2 } else { 1 });
        let (held, _other) = (places.take("ada").await, places.take("ada").await);
        let _bob = places.take("bob").await;
        let wait = places.take("ada");
        let mut wait = std::pin::pin!(wait);
        assert!(futures_util::poll!(wait.as_mut()).is_pending());
        drop(held);
        assert!(wait.await.is_some());
    }
}
