//! One page of a list by keyset: a cursor is opened for the caller and the list that it was made for alone (ISO-6), rows past
//! its id are read, one more than wanted, and cut to the page. Nothing is stored.

use auth::{Reach, Scope};
use kernel::page::{CursorError, CursorScope, Cursors, Order, Page, filter_hash, page_size};
use sea_orm::{ColumnTrait, EntityTrait};
use uuid::Uuid;

use crate::find::Find;

/// Items of a page: what is meant by 0, and the most.
const USUAL: u32 = 25;
const MOST: u32 = 100;

/// A page as a caller asks for it.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    /// Items; 0 is the usual number.
    pub size: u32,
    /// A cursor of an earlier answer, or nothing.
    pub token: &'a str,
    /// Which end comes first.
    pub order: Order,
}

/// A page that was asked for, its cursor opened.
#[derive(Debug, Clone)]
pub struct Asked {
    after: Option<Uuid>,
    order: Order,
    size: u32,
    scope: CursorScope,
    hash: [u8; 32],
}

/// Whose cursors a caller uses.
pub fn cursor_scope(scope: &Scope) -> CursorScope {
    match scope.reach() {
        Reach::Tenant { tenant, .. } => CursorScope::Tenant(*tenant),
        Reach::Partner { partner } => CursorScope::Partner(*partner),
        Reach::Operator { operator } => CursorScope::Operator(*operator),
    }
}

impl Asked {
    /// Opens a caller's wish for a page of a list under these filters.
    pub fn open(
        cursors: &Cursors,
        scope: &Scope,
        list: &str,
        filters: &[&str],
        wish: Wish<'_>,
    ) -> Result<Self, CursorError> {
        let (scope, hash) = (cursor_scope(scope), filter_hash(list, filters));
        let after = match wish.token {
            "" => None,
            token => Some(cursors.decode(&scope, &hash, token)?),
        };
        let size = page_size(wish.size, USUAL, MOST);
        Ok(Self { after, order: wish.order, size, scope, hash })
    }

    /// The page out of the rows that [`Find::page`] reads.
    pub fn cut<T>(&self, cursors: &Cursors, rows: Vec<T>, id: impl Fn(&T) -> Uuid) -> Page<T> {
        Page::cut(rows, self.size, cursors, &self.scope, &self.hash, id)
    }
}

impl<E: EntityTrait> Find<E> {
    /// The rows of a page and one more, which says whether there is another.
    pub fn page(self, id: E::Column, asked: &Asked) -> Self {
        let order = match asked.order {
            Order::OldestFirst => sea_orm::Order::Asc,
            Order::NewestFirst => sea_orm::Order::Desc,
        };
        let rest = match (asked.after, asked.order) {
            (Some(after), Order::OldestFirst) => self.filter(id.gt(after)),
            (Some(after), Order::NewestFirst) => self.filter(id.lt(after)),
            (None, _) => self,
        };
        rest.order_by(id, order).limit(u64::from(asked.size) + 1)
    }
}
