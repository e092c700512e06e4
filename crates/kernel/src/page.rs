//! Page cursors: opaque, one thing with page tokens, and under a MAC of the service that made
//! them (ISO-6). A cursor is an id too: one that was edited, was made for another tenant, partner or
//! operator or for another list or filter, or is older than a week, is refused, and nothing is told
//! apart that could help to make one.
//!
//! The token holds version, expiry and id; whose it is and of what list goes into the MAC alone.
//! Lists are keyset pages by UUIDv7: the query is the service's. Nothing is stored.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use uuid::Uuid;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::clock::WallClock;
use crate::id::{OperatorId, PartnerId, TenantId};
use crate::time::Timestamp;

/// How long a cursor lives.
const LIFE: Duration = Duration::from_hours(7 * 24);
const VERSION: u8 = 1;
/// Bytes of the MAC that a cursor carries: 128 bits.
const MAC: usize = 16;
/// Version, expiry in seconds, id.
const BODY: usize = 1 + 8 + 16;
/// Longest text that is looked at; a real one has 55 characters.
const LONGEST: usize = 128;

/// A service's key for its cursors.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct PageKey([u8; 32]);

impl PageKey {
    /// A key of 32 random bytes, from a secret reference.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl std::fmt::Debug for PageKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PageKey(***)")
    }
}

/// The keys that are live: one makes cursors, and while keys rotate a second one still opens those
/// made before.
#[derive(Debug, Clone)]
pub struct PageKeys {
    /// Makes and opens.
    pub current: PageKey,
    /// Opens only.
    pub previous: Option<PageKey>,
}

impl From<PageKey> for PageKeys {
    fn from(current: PageKey) -> Self {
        Self { current, previous: None }
    }
}

/// Which end of a list comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Order {
    /// Highest id first.
    #[default]
    NewestFirst,
    /// Lowest id first.
    OldestFirst,
}

/// Whom a cursor is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CursorScope {
    /// Callers of this tenant.
    Tenant(TenantId),
    /// Callers of this partner.
    Partner(PartnerId),
    /// This operator.
    Operator(OperatorId),
}

impl CursorScope {
    fn parts(self) -> (u8, Uuid) {
        match self {
            Self::Tenant(id) => (b't', id.uuid()),
            Self::Partner(id) => (b'p', id.uuid()),
            Self::Operator(id) => (b'o', id.uuid()),
        }
    }
}

/// A text that is no cursor of this list and caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CursorError {
    /// Edited, cut, or made for somebody or something else.
    #[error(
        "the cursor does not belong to this list; take one from an answer to the same question"
    )]
    Invalid,
    /// Ours, but too old.
    #[error("the cursor is older than seven days; start the list again")]
    Expired,
}

/// The hash of a list's name and filters: a cursor of one question is none of another. The order is not in it, since
/// a cursor serves in both: going back is the other order.
pub fn filter_hash(list: &str, filters: &[&str]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in [list].into_iter().chain(filters.iter().copied()) {
        // Each part with its length before it, so that no two lists of parts run into one.
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// Makes and opens the cursors of one service.
#[derive(Debug, Clone)]
pub struct Cursors {
    keys: PageKeys,
    clock: Arc<dyn WallClock>,
}

impl Cursors {
    /// Cursors under these keys.
    pub fn new(keys: impl Into<PageKeys>, clock: Arc<dyn WallClock>) -> Self {
        Self { keys: keys.into(), clock }
    }

    /// The cursor of the item `id` in the list with this filter hash, for this caller.
    pub fn encode(&self, scope: &CursorScope, filter_hash: &[u8; 32], id: Uuid) -> String {
        let expiry = (self.clock.now() + LIFE).as_seconds();
        let mut token = Vec::with_capacity(BODY + MAC);
        token.push(VERSION);
        token.extend_from_slice(&expiry.to_be_bytes());
        token.extend_from_slice(id.as_bytes());
        let mac = mac(&self.keys.current, *scope, filter_hash, &token);
        token.extend_from_slice(&mac);
        URL_SAFE_NO_PAD.encode(token)
    }

    /// The id in a cursor that [`encode`](Self::encode) made for the same caller and list.
    pub fn decode(
        &self,
        scope: &CursorScope,
        filter_hash: &[u8; 32],
        cursor: &str,
    ) -> Result<Uuid, CursorError> {
        if cursor.len() > LONGEST {
            return Err(CursorError::Invalid);
        }
        let token = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| CursorError::Invalid)?;
        let (body, given) = token.split_first_chunk::<BODY>().ok_or(CursorError::Invalid)?;
        let known = std::iter::once(&self.keys.current)
            .chain(&self.keys.previous)
            .any(|key| bool::from(mac(key, *scope, filter_hash, body).as_slice().ct_eq(given)));
        let [version, rest @ ..] = body;
        if !known || *version != VERSION {
            return Err(CursorError::Invalid);
        }
        let (expiry, id) = rest.split_first_chunk::<8>().ok_or(CursorError::Invalid)?;
        if Timestamp::from_seconds(i64::from_be_bytes(*expiry)) <= self.clock.now() {
            return Err(CursorError::Expired);
        }
        Uuid::from_slice(id).map_err(|_| CursorError::Invalid)
    }
}

fn mac(key: &PageKey, scope: CursorScope, filter_hash: &[u8; 32], body: &[u8]) -> [u8; MAC] {
    let (kind, owner) = scope.parts();
    // HMAC pads a key shorter than the hash's block with zeros; done here, making it cannot fail.
    let mut block = [0_u8; 64];
    for (padded, byte) in block.iter_mut().zip(&key.0) {
        *padded = *byte;
    }
    let mut mac = <Hmac<Sha256>>::new(&block.into());
    block.zeroize();
    // Every part has a fixed length, so their sequence is read in one way only.
    mac.update(b"switchboard.page");
    mac.update(body);
    mac.update(&[kind]);
    mac.update(owner.as_bytes());
    mac.update(filter_hash);
    let full: [u8; 32] = mac.finalize().into_bytes().into();
    full.first_chunk().copied().unwrap_or_default()
}

/// The page size to use: what was asked for, the default where nothing was, never above `max`.
pub const fn page_size(requested: u32, default: u32, max: u32) -> u32 {
    let wanted = if requested == 0 { default } else { requested };
    if wanted > max { max } else { wanted }
}

/// One page of a list: a cursor an item, and the one to go on from while there is more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// The cursor of each item.
    pub cursors: Vec<String>,
    /// The cursor of the last item, where another follows it.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// Cuts a page of `size` out of rows that were read with a limit of `size + 1`: the row too
    /// many says that there is more.
    pub fn cut(
        mut rows: Vec<T>,
        size: u32,
        cursors: &Cursors,
        scope: &CursorScope,
        filter_hash: &[u8; 32],
        id: impl Fn(&T) -> Uuid,
    ) -> Self {
        let size = size as usize;
        let more = rows.len() > size;
        rows.truncate(size);
        let made: Vec<String> =
            rows.iter().map(|row| cursors.encode(scope, filter_hash, id(row))).collect();
        let next = if more { made.last().cloned() } else { None };
        Self { items: rows, cursors: made, next }
    }

    /// The same page with every item turned into something else.
    pub fn map<U>(self, turn: impl FnMut(T) -> U) -> Page<U> {
        let items = self.items.into_iter().map(turn).collect();
        Page { items, cursors: self.cursors, next: self.next }
    }

    /// The same page with every item turned into something else, where each can be.
    pub fn try_map<U, E>(self, turn: impl FnMut(T) -> Result<U, E>) -> Result<Page<U>, E> {
        let items = self.items.into_iter().map(turn).collect::<Result<_, E>>()?;
        Ok(Page { items, cursors: self.cursors, next: self.next })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;
    use crate::clock::ManualClock;

    const ID: Uuid = Uuid::from_u128(0x0188_bac7_4afa_78aa_bc3b_bd1e_ef28_d881);

    fn clock() -> Arc<ManualClock> {
        Arc::new(ManualClock::new(Timestamp::from_seconds(1_795_426_200)))
    }

    fn tenant(n: u128) -> CursorScope {
        CursorScope::Tenant(TenantId::from_uuid(Uuid::from_u128(n)))
    }

    fn templates() -> [u8; 32] {
        filter_hash("templates", &["waba_1", "approved"])
    }

    #[test]
    fn a_cursor_opens_for_its_caller_and_list() {
        let cursors = Cursors::new(PageKey::new([1; 32]), clock());
        let cursor = cursors.encode(&tenant(1), &templates(), ID);
        assert_eq!(cursors.decode(&tenant(1), &templates(), &cursor), Ok(ID));
    }

    #[rstest]
    #[case::another_tenant(tenant(2), templates())]
    #[case::a_partner_of_that_number(CursorScope::Partner(Uuid::from_u128(1).into()), templates())]
    #[case::an_operator_of_that_number(CursorScope::Operator(Uuid::from_u128(1).into()), templates())]
    #[case::another_list(tenant(1), filter_hash("numbers", &["waba_1", "approved"]))]
    #[case::another_filter(tenant(1), filter_hash("templates", &["waba_1"]))]
    #[case::filters_run_together(tenant(1), filter_hash("templates", &["waba_1approved"]))]
    fn a_cursor_of_another_is_refused(#[case] scope: CursorScope, #[case] hash: [u8; 32]) {
        let cursors = Cursors::new(PageKey::new([1; 32]), clock());
        let cursor = cursors.encode(&tenant(1), &templates(), ID);
        assert_eq!(cursors.decode(&scope, &hash, &cursor), Err(CursorError::Invalid));
    }

    #[test]
    fn a_cursor_lives_seven_days() {
        let clock = clock();
        let cursors = Cursors::new(PageKey::new([1; 32]), Arc::<ManualClock>::clone(&clock));
        let cursor = cursors.encode(&tenant(1), &templates(), ID);
        clock.advance(LIFE.saturating_sub(Duration::from_secs(1)));
        assert_eq!(cursors.decode(&tenant(1), &templates(), &cursor), Ok(ID));
        clock.advance(Duration::from_secs(1));
        let late = cursors.decode(&tenant(1), &templates(), &cursor);
        assert_eq!(late, Err(CursorError::Expired));
    }

    #[test]
    fn a_cursor_outlives_one_rotation_of_keys() {
        let [one, two, three] = [1, 2, 3].map(|byte| PageKey::new([byte; 32]));
        let cursor = Cursors::new(one.clone(), clock()).encode(&tenant(1), &templates(), ID);
        let rotated = PageKeys { current: two.clone(), previous: Some(one) };
        let open =
            |keys: PageKeys| Cursors::new(keys, clock()).decode(&tenant(1), &templates(), &cursor);
        assert_eq!(open(rotated), Ok(ID));
        assert_eq!(
            open(PageKeys { current: three, previous: Some(two) }),
            Err(CursorError::Invalid)
        );
    }

    #[rstest]
    #[case("")]
    #[case("AAAA")]
    #[case("not base64 !")]
    #[case(&"A".repeat(55))]
    #[case(&"A".repeat(10_000))]
    fn what_is_no_cursor_is_refused(#[case] text: &str) {
        let cursors = Cursors::new(PageKey::new([1; 32]), clock());
        assert_eq!(cursors.decode(&tenant(1), &templates(), text), Err(CursorError::Invalid));
    }

    #[test]
    fn the_row_too_many_says_that_there_is_more() {
        let cursors = Cursors::new(PageKey::new([1; 32]), clock());
        let cut = |rows: Vec<u128>, size| {
            Page::cut(rows, size, &cursors, &tenant(1), &templates(), |n| Uuid::from_u128(*n))
        };
        let page = cut(vec![1, 2, 3], 2);
        assert_eq!((page.items.len(), page.cursors.len()), (2, 2));
        let next = cursors.decode(&tenant(1), &templates(), page.next.as_deref().unwrap());
        assert_eq!(next, Ok(Uuid::from_u128(2)));
        assert_eq!(cut(vec![1, 2], 2).next, None);
        assert_eq!(cut(vec![], 2).next, None);
    }

    #[rstest]
    #[case(0, 20)]
    #[case(5, 5)]
    #[case(1_000, 100)]
    fn a_page_size_is_held_to_its_bounds(#[case] requested: u32, #[case] size: u32) {
        assert_eq!(page_size(requested, 20, 100), size);
    }

    proptest! {
        #[test]
        fn every_id_round_trips(id: u128, owner: u128, key: [u8; 32]) {
            let cursors = Cursors::new(PageKey::new(key), clock());
            let cursor = cursors.encode(&tenant(owner), &templates(), Uuid::from_u128(id));
            prop_assert_eq!(cursors.decode(&tenant(owner), &templates(), &cursor), Ok(Uuid::from_u128(id)));
        }

        #[test]
        fn a_changed_bit_is_refused(bit in 0_usize..(BODY + MAC) * 8) {
            let cursors = Cursors::new(PageKey::new([1; 32]), clock());
            let mut token = URL_SAFE_NO_PAD.decode(cursors.encode(&tenant(1), &templates(), ID)).unwrap();
            token[bit / 8] ^= 1 << (bit % 8);
            let edited = URL_SAFE_NO_PAD.encode(token);
            prop_assert_eq!(cursors.decode(&tenant(1), &templates(), &edited), Err(CursorError::Invalid));
        }
    }
}
