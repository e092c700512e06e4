//! How many of one thing each of its holders has at a time: connections of a peer, calls of a tenant.
//!
//! Who holds none is not remembered: what is kept is bounded by what is held. Nothing outlives the process.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

/// Hands out a bounded number of shares to each holder.
#[derive(Debug)]
pub struct Shares<K> {
    most: usize,
    held: Arc<Mutex<HashMap<K, usize>>>,
}

/// One share, given back when it is dropped.
#[derive(Debug)]
#[must_use = "a share that is dropped is given back"]
pub struct Share<K: Eq + Hash> {
    holder: K,
    held: Arc<Mutex<HashMap<K, usize>>>,
}

impl<K: Eq + Hash + Clone> Shares<K> {
    /// At most so many for each holder.
    pub fn new(most: usize) -> Self {
        Self { most, held: Arc::default() }
    }

    /// One more for this holder; none where it has as many as it may.
    pub fn take(&self, holder: K) -> Option<Share<K>> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.get(&holder).copied().unwrap_or_default();
        if count >= self.most {
            return None;
        }
        held.insert(holder.clone(), count + 1);
        Some(Share { holder, held: Arc::clone(&self.held) })
    }
}

impl<K: Eq + Hash> Drop for Share<K> {
    fn drop(&mut self) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = held.get_mut(&self.holder) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.holder);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_holder_has_its_own_bound_and_who_has_none_is_forgotten() {
        let shares = Shares::new(2);
        let mut first = vec![shares.take("a").unwrap(), shares.take("a").unwrap()];
        assert!(shares.take("a").is_none());
        let other = shares.take("b").unwrap();
        first.pop();
        assert!(shares.take("a").is_some());
        drop((first, other));
        assert!(shares.held.lock().unwrap().is_empty());
    }

    #[test]
    fn none_may_be_the_bound() {
        assert!(Shares::new(0).take(1).is_none());
    }
}
