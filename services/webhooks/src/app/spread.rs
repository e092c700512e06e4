//! Sorts pieces into those that have a place and those that have none, and publishes the former, each once.
//!
//! All of it is part of the caller's transaction: what is known, what was seen, the events.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use store::{Error, SystemTx, Uuid};

use crate::domain::{
    piece::Piece,
    place::{Known, Place, Reason},
};
use crate::rows::{seen, waba};
use crate::{events, rows};

/// Pieces by whether they have a place, each in the order of the pieces.
pub(crate) struct Sorted<'a> {
    pub(crate) placed: Vec<(&'a Piece, Place)>,
    /// Routed to a tenant that held the WABA before: nobody's any more, and nothing that waits.
    pub(crate) repeated: Vec<&'a Piece>,
    pub(crate) left: Vec<(&'a Piece, Reason)>,
}

/// Sorts pieces by what is known of their WABAs and numbers now.
pub(crate) async fn sort<'a>(tx: &SystemTx, pieces: &[&'a Piece]) -> Result<Sorted<'a>, Error> {
    let known: Known = rows::known(tx, pieces).await?;
    let (mut placed, mut left) = (Vec::new(), Vec::new());
    for piece in pieces {
        match known.place(piece, bus::MAX_BODY) {
            Ok(place) => placed.push((*piece, place)),
            Err(reason) => left.push((*piece, reason)),
        }
    }
    let routed = routed_before(tx, &known, &left).await?;
    let (again, left): (Vec<_>, Vec<_>) =
        left.into_iter().partition(|(piece, _)| routed.contains(&piece.seen_key));
    let repeated = again.into_iter().map(|(piece, _)| piece).collect();
    Ok(Sorted { placed, repeated, left })
}

/// Keys of those from before a claim that were routed to whoever held the WABA then.
async fn routed_before(
    tx: &SystemTx,
    known: &Known,
    left: &[(&Piece, Reason)],
) -> Result<HashSet<Uuid>, Error> {
    let older = left.iter().filter(|(_, reason)| *reason == Reason::BeforeClaim);
    let older: Vec<&Piece> = older.map(|(piece, _)| *piece).collect();
    if older.is_empty() {
        return Ok(HashSet::new());
    }
    let ever = older.iter().flat_map(|piece| known.tenants_ever(&piece.waba_meta_id));
    let tenants: Vec<Uuid> = ever.collect::<BTreeSet<_>>().into_iter().collect();
    let keys: Vec<Uuid> = older.iter().map(|piece| piece.seen_key).collect();
    seen::routed(tx, &tenants, &keys).await
}

/// Publishes those that were not published before, and the word that a WABA was heard of; answers how many were new.
pub(crate) async fn publish(tx: &SystemTx, placed: &[(&Piece, Place)]) -> Result<u64, Error> {
    if placed.is_empty() {
        return Ok(0);
    }
    let row = |(piece, place): &(&Piece, Place)| seen::Model {
        tenant_id: place.tenant,
        seen_key: piece.seen_key,
        waba_id: place.waba,
        received_us: piece.received_us,
    };
    let mut new = seen::first(tx, placed.iter().map(row).collect()).await?;
    let mut told = Vec::with_capacity(new.len());
    for (piece, place) in placed {
        // Twice in one batch is once: the first takes the key.
        if new.remove(&(place.tenant, piece.seen_key)) {
            told.push(events::routed(tx, piece, place));
        }
    }
    let count = u64::try_from(told.len()).unwrap_or(u64::MAX);
    told.append(&mut heard(tx, placed).await?);
    tx.publish_many(told).await?;
    Ok(count)
}

/// The word that a WABA was heard of, once a claim: whoever sets the row's mark tells it.
async fn heard(tx: &SystemTx, placed: &[(&Piece, Place)]) -> Result<Vec<store::Event>, Error> {
    let mut proofs: BTreeMap<Uuid, (&Place, i64)> = BTreeMap::new();
    for (piece, place) in placed.iter().filter(|(_, place)| place.proves) {
        let (_, at) = proofs.entry(place.waba).or_insert((place, piece.received_us));
        *at = piece.received_us.min(*at);
    }
    if proofs.is_empty() {
        return Ok(Vec::new());
    }
    let wabas: Vec<Uuid> = proofs.keys().copied().collect();
    let told = waba::heard(tx, &wabas).await?;
    let proof = |waba: &Uuid| proofs.get(waba).map(|(place, at)| events::heard(tx, place, *at));
    Ok(told.iter().filter_map(proof).collect())
}
