//! One page by keyset: rows past an id, one more than wanted.

pub(crate) use sea_orm::Order;
use sea_orm::{ColumnTrait, EntityTrait};
use store::Find;

use crate::app::lists::Asked;

/// The rows of a page and one more, which says whether there is another.
pub(crate) fn at<E: EntityTrait>(all: Find<E>, id: E::Column, asked: &Asked) -> Find<E> {
    let rest = match (asked.after, &asked.order) {
        (Some(after), Order::Asc) => all.filter(id.gt(after)),
        (Some(after), _) => all.filter(id.lt(after)),
        (None, _) => all,
    };
    rest.order_by(id, asked.order.clone()).limit(u64::from(asked.size) + 1)
}
