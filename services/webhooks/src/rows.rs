//! Tables of webhooks; the only folder that names `sea_orm`.

pub(crate) mod number;
pub(crate) mod quarantine;
pub(crate) mod raw;
pub(crate) mod seen;
pub(crate) mod waba;

pub(crate) use sea_orm::Order;
use sea_orm::{ActiveModelTrait, EntityTrait, FromQueryResult, IntoActiveModel};
use store::{Error, SystemTx, Uuid};

use crate::domain::{piece::Piece, place::Known};

/// A whole row as an insert.
fn whole<M, A>(row: M) -> A
where
    M: IntoActiveModel<A>,
    A: ActiveModelTrait,
    A::Entity: EntityTrait,
{
    row.into_active_model().reset_all()
}

/// An id that a statement answered.
#[derive(Debug, FromQueryResult)]
struct Touched {
    id: Uuid,
}

/// What is known of the WABAs and numbers that these pieces name: two statements, however many they are.
pub(crate) async fn known(tx: &SystemTx, pieces: &[&Piece]) -> Result<Known, Error> {
    let mut wabas: Vec<&str> = pieces.iter().map(|piece| piece.waba_meta_id.as_str()).collect();
    let mut numbers: Vec<&str> = pieces.iter().map(|piece| piece.number_meta_id.as_str()).collect();
    for ids in [&mut wabas, &mut numbers] {
        ids.sort_unstable();
        ids.dedup();
        ids.retain(|id| !id.is_empty());
    }
    Ok(Known::of(waba::by_meta_ids(tx, &wabas).await?, number::by_meta_ids(tx, &numbers).await?))
}
