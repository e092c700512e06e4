//! Where fresh ids and random bytes come from. Passed in like the clock, so that a test can tell
//! what will be minted.
//!
//! A UUIDv7 starts with the millisecond that it is minted for, carries the microsecond behind it,
//! and rises within one millisecond for the ids that one generator mints: a page by id then shows
//! the order of minting. Two processes in the same microsecond share no order, and need none.

use std::fmt::{self, Debug};
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use crate::time::Timestamp;

/// What a UUIDv7 can hold of milliseconds.
const MILLIS_MASK: u64 = (1 << 48) - 1;
/// What follows them: 12 bits `rand_a` and 62 bits `rand_b`.
const TAIL_MASK: u128 = (1 << 74) - 1;

/// A source of ids and of unguessable bytes.
pub trait Ids: Send + Sync + Debug {
    /// A fresh UUIDv7 for the instant `at`, higher than the one before for the same millisecond.
    fn v7(&self, at: Timestamp) -> Uuid;

    /// Fills `buf` with bytes that nobody can guess.
    fn fill(&self, buf: &mut [u8]);
}

/// A token of `bytes` random bytes in base64url without padding.
pub fn random_token(ids: &dyn Ids, bytes: usize) -> String {
    let mut raw = zeroize::Zeroizing::new(vec![0_u8; bytes]);
    ids.fill(&mut raw);
    URL_SAFE_NO_PAD.encode(raw.as_slice())
}

/// The last id's millisecond and tail, to rise from.
#[derive(Debug, Default)]
struct Last {
    millis: u64,
    tail: u128,
}

impl Last {
    /// The next id for `at`, from 128 random bits.
    fn next(&mut self, at: Timestamp, random: u128) -> Uuid {
        let micros = u64::try_from(at.as_micros()).unwrap_or(0);
        let millis = (micros / 1_000) & MILLIS_MASK;
        // rand_a = the microsecond in quarters; rand_b random below its top bit, which leaves room to rise.
        let fresh = (u128::from(micros % 1_000) << 64) | (random & ((1 << 61) - 1));
        let tail = if millis == self.millis && fresh <= self.tail {
            (self.tail + 1 + (random & u128::from(u32::MAX))) & TAIL_MASK
        } else {
            fresh
        };
        (self.millis, self.tail) = (millis, tail);
        uuid_of(millis, tail)
    }
}

fn uuid_of(millis: u64, tail: u128) -> Uuid {
    let rand_a = (tail >> 62) & 0xFFF;
    let rand_b = tail & ((1 << 62) - 1);
    Uuid::from_u128(
        (u128::from(millis) << 80) | (0x7 << 76) | (rand_a << 64) | (0b10 << 62) | rand_b,
    )
}

/// The lawful source of a process: the operating system's randomness through a CSPRNG a thread.
#[derive(Debug, Default)]
pub struct SystemIds(Mutex<Last>);

impl SystemIds {
    /// A source; one a process is enough.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Ids for SystemIds {
    fn v7(&self, at: Timestamp) -> Uuid {
        let random = rand::random::<u128>();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).next(at, random)
    }

    fn fill(&self, buf: &mut [u8]) {
        rand::fill(buf);
    }
}

/// A source that says the same after the same seed. For tests alone: whoever knows the seed knows
/// every token.
pub struct SeededIds(Mutex<Seeded>);

struct Seeded {
    state: u64,
    last: Last,
}

impl Seeded {
    /// `splitmix64`: small, and the same on every machine and release.
    const fn step(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

impl SeededIds {
    /// A source for this seed.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(Seeded { state: seed, last: Last::default() }))
    }
}

impl Debug for SeededIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SeededIds")
    }
}

impl Ids for SeededIds {
    fn v7(&self, at: Timestamp) -> Uuid {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let random = (u128::from(inner.step()) << 64) | u128::from(inner.step());
        inner.last.next(at, random)
    }

    fn fill(&self, buf: &mut [u8]) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for chunk in buf.chunks_mut(8) {
            for (byte, random) in chunk.iter_mut().zip(inner.step().to_le_bytes()) {
                *byte = random;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_id_is_a_version_7_uuid_of_its_millisecond() {
        let id = SystemIds::new().v7(Timestamp::from_millis(1_795_426_200_123));
        assert_eq!(id.get_version_num(), 7);
        assert_eq!(id.get_variant(), uuid::Variant::RFC4122);
        assert_eq!((id.as_u128() >> 80) as u64, 1_795_426_200_123);
    }

    #[test]
    fn ids_of_one_instant_rise() {
        let (ids, at) = (SystemIds::new(), Timestamp::from_seconds(1_795_426_200));
        let minted: Vec<Uuid> = (0..10_000).map(|_| ids.v7(at)).collect();
        assert!(minted.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn one_seed_gives_one_sequence() {
        let (one, two, three) = (SeededIds::new(7), SeededIds::new(7), SeededIds::new(8));
        let at = Timestamp::from_seconds(1);
        assert_eq!(one.v7(at), two.v7(at));
        assert_eq!(random_token(&one, 20), random_token(&two, 20));
        assert_ne!(one.v7(at), three.v7(at));
    }

    #[test]
    fn a_token_has_the_length_of_its_bytes_and_is_never_the_same() {
        let ids = SystemIds::new();
        let (one, two) = (random_token(&ids, 32), random_token(&ids, 32));
        assert_eq!(one.len(), 43);
        assert_ne!(one, two);
    }

    proptest! {
        #[test]
        fn order_of_ids_is_order_of_microseconds(a in 0_i64..1 << 50, gap in 1_i64..1_000_000) {
            let ids = SystemIds::new();
            let late = ids.v7(Timestamp::from_micros(a + gap));
            let early = SystemIds::new().v7(Timestamp::from_micros(a));
            prop_assert!(early < late);
        }
    }
}
