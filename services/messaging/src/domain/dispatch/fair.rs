//! The share of each tenant in what all share: send slots and claims. Deficit round robin: each round a
//! tenant may send a quantum, and one whose numbers have nothing ready loses its turn and its rest. So
//! one tenant's campaign never delays another's passcode by more than a round.

use std::collections::VecDeque;
use std::hash::Hash;

/// Messages a round.
const QUANTUM: u32 = 16;

/// A round of tenants.
#[derive(Debug)]
pub(crate) struct FairShare<K> {
    round: VecDeque<(K, u32)>,
}

impl<K> Default for FairShare<K> {
    fn default() -> Self {
        Self { round: VecDeque::new() }
    }
}

impl<K: Copy + Eq + Hash> FairShare<K> {
    /// Lets a tenant in, at the end of the round; nothing where it is in already.
    pub(crate) fn join(&mut self, tenant: K) {
        if !self.round.iter().any(|(known, _)| *known == tenant) {
            self.round.push_back((tenant, QUANTUM));
        }
    }

    /// Lets a tenant out.
    pub(crate) fn leave(&mut self, tenant: K) {
        self.round.retain(|(known, _)| *known != tenant);
    }

    /// Asks tenants in turn until one has a message ready, and gives it; `None` once nobody has.
    pub(crate) fn pick<T>(&mut self, mut ready: impl FnMut(K) -> Option<T>) -> Option<T> {
        for _ in 0..self.round.len() {
            let (tenant, left) = self.round.pop_front()?;
            if let Some(found) = ready(tenant) {
                if left > 1 {
                    self.round.push_front((tenant, left - 1));
                } else {
                    self.round.push_back((tenant, QUANTUM));
                }
                return Some(found);
            }
            self.round.push_back((tenant, QUANTUM));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_thousand_picks_are_shared_alike_within_a_quantum(tenants in 1_u32..20, skip in 0_usize..500) {
            let mut share = FairShare::default();
            for tenant in 0..tenants {
                share.join(tenant);
            }
            let picks: Vec<u32> = (0..skip + 1_000).filter_map(|_| share.pick(Some)).collect();
            let mut counts: HashMap<u32, u32> = HashMap::new();
            for tenant in &picks[skip..] {
                *counts.entry(*tenant).or_default() += 1;
            }
            for tenant in 0..tenants {
                let got = counts.get(&tenant).copied().unwrap_or(0);
                prop_assert!(got + QUANTUM >= 1_000 / tenants, "{} of {}", got, 1_000 / tenants);
            }
        }

        #[test]
        fn who_has_something_is_found_however_many_have_not(
            ready in prop::collection::vec(any::<bool>(), 1..50),
        ) {
            let mut share = FairShare::default();
            for tenant in 0..ready.len() {
                share.join(tenant);
            }
            let found = share.pick(|tenant| ready[tenant].then_some(tenant));
            prop_assert_eq!(found.is_some(), ready.contains(&true));
        }
    }

    #[test]
    fn a_passcode_waits_at_most_for_a_round() {
        let mut share = FairShare::default();
        share.join("campaign");
        for _ in 0..100 {
            share.pick(Some);
        }
        share.join("passcode");
        let picks: Vec<&str> = (0..=QUANTUM as usize).filter_map(|_| share.pick(Some)).collect();
        assert!(picks.contains(&"passcode"), "{picks:?}");
    }

    #[test]
    fn who_left_is_asked_no_more() {
        let mut share = FairShare::default();
        share.join(1);
        share.leave(1);
        assert_eq!(share.pick(Some), None);
    }
}
