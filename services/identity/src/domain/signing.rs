//! Which key signs and which are listed (AUTH-14), from their ages alone, so that every replica
//! answers alike without asking another.
//!
//! A new key is listed for two lives of a cache before it signs: whoever verifies has it by then.
//! An old one stays until the last token that it signed, and the last cached set that lacks its
//! successor, have run out.
#![deny(clippy::wildcard_enum_match_arm)]

use std::time::Duration;

use uuid::Uuid;

/// What of a key decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) id: Uuid,
    pub(crate) generation: i32,
    pub(crate) signs_from_us: i64,
}

/// The numbers of rotation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rotation {
    /// How long a key signs.
    pub(crate) every: Duration,
    /// How long verifiers keep a set.
    pub(crate) cache: Duration,
    /// How long a token lives.
    pub(crate) token_life: Duration,
    /// How far clocks may differ.
    pub(crate) leeway: Duration,
}

/// What holds at one instant.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Plan {
    /// The key that signs.
    pub(crate) signs: Option<Uuid>,
    /// Keys that tokens are verified by.
    pub(crate) listed: Vec<Uuid>,
    /// Keys whose time is over.
    pub(crate) retire: Vec<Uuid>,
    /// From when a further key is to sign, where one is due to be made.
    pub(crate) make: Option<i64>,
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// What holds now, of keys that are not retired.
pub(crate) fn plan(keys: &[Key], now_us: i64, rotation: &Rotation) -> Plan {
    let mut keys = keys.to_vec();
    keys.sort_by_key(|key| key.generation);
    let lead = micros(rotation.cache.saturating_mul(2));
    let tail = micros(rotation.token_life + rotation.leeway + rotation.cache);
    let Some(newest) = keys.last() else {
        // The first key has nobody to wait for.
        return Plan { make: Some(now_us), ..Plan::default() };
    };
    let due = newest.signs_from_us.saturating_add(micros(rotation.every)).saturating_sub(lead);
    let make = (due <= now_us).then(|| now_us.saturating_add(lead));
    // A clock that was set back leaves no key that signs: the oldest is known to most.
    let signs = keys.iter().rev().find(|key| key.signs_from_us <= now_us).or(keys.first());
    let mut plan = Plan { signs: signs.map(|key| key.id), make, ..Plan::default() };
    let successors = keys.iter().skip(1).map(Some).chain([None]);
    for (key, successor) in keys.iter().zip(successors) {
        let over = successor.is_some_and(|next| next.signs_from_us.saturating_add(tail) <= now_us);
        if over { plan.retire.push(key.id) } else { plan.listed.push(key.id) }
    }
    plan
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ROTATION: Rotation = Rotation {
        every: Duration::from_hours(24),
        cache: Duration::from_mins(5),
        token_life: Duration::from_mins(10),
        leeway: Duration::from_secs(10),
    };
    const SECOND: i64 = 1_000_000;

    fn key(n: u8, signs_from_s: i64) -> Key {
        Key {
            id: Uuid::from_u128(n.into()),
            generation: n.into(),
            signs_from_us: signs_from_s * SECOND,
        }
    }

    #[test]
    fn the_first_key_signs_at_once() {
        assert_eq!(plan(&[], 7, &ROTATION).make, Some(7));
    }

    #[test]
    fn a_new_key_is_listed_before_it_signs_and_an_old_one_after() {
        let keys = [key(1, 0), key(2, 1_000)];
        let at = |second: i64| plan(&keys, second * SECOND, &ROTATION);
        assert_eq!(at(999).signs, Some(keys[0].id));
        assert_eq!(at(999).listed.len(), 2);
        assert_eq!(at(1_000).signs, Some(keys[1].id));
        assert_eq!(at(1_909).listed.len(), 2);
        assert_eq!(at(1_910).listed, [keys[1].id]);
        assert_eq!(at(1_910).retire, [keys[0].id]);
    }

    proptest! {
        /// Over months of a job that runs every so often: what is signed at any instant is verified by
        /// every set that was fetched at most one cache life before, until the token is dead.
        #[test]
        fn no_token_meets_a_verifier_without_its_key(
            job_s in 60_i64..3_600, probe in 0_i64..400_000, delay in 0_i64..620, stale in 0_i64..300,
        ) {
            let mut keys = Vec::new();
            let mut now = 0;
            // All keys that the job has made by the end, each with the instant when it was listed first.
            let mut listed_from = Vec::new();
            while now < 500_000 {
                let plan = plan(&keys, now * SECOND, &ROTATION);
                if let Some(from) = plan.make {
                    let number = u8::try_from(keys.len() + 1).unwrap();
                    keys.push(Key { signs_from_us: from, ..key(number, 0) });
                    listed_from.push(now);
                }
                now += job_s;
            }
            let known = |at: i64| -> Vec<Key> {
                keys.iter().zip(&listed_from).filter(|(_, from)| **from <= at).map(|(key, _)| *key).collect()
            };
            let signed_by = plan(&known(probe), probe * SECOND, &ROTATION).signs.unwrap();
            let used = probe + delay;
            let fetched = (used - stale).max(0);
            let set = plan(&known(fetched), fetched * SECOND, &ROTATION).listed;
            prop_assert!(set.contains(&signed_by), "signed at {probe}, used at {used}, set of {fetched}");
        }
    }
}
