//! Pages of lists: what a request asks, checked, and the rows cut to it.

use kernel::page::{self, CursorScope, Cursors, Order, Page};
use proto::common::v1 as common;
use store::Uuid;

use crate::error::Error;
use crate::rows::audit::Span;

const DEFAULT_SIZE: u32 = 25;
const LARGEST_SIZE: u32 = 100;

/// What a request asks for.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    size: u32,
    token: String,
    order: Order,
}

/// A checked page of one list and caller.
#[derive(Debug, Clone)]
pub(crate) struct Paging {
    scope: CursorScope,
    hash: [u8; 32],
    after: Option<Uuid>,
    order: Order,
    size: u32,
}

impl From<Option<common::Page>> for Asked {
    fn from(page: Option<common::Page>) -> Self {
        let page = page.unwrap_or_default();
        let order = match page.order() {
            common::Order::Unspecified | common::Order::NewestFirst => Order::NewestFirst,
            common::Order::OldestFirst => Order::OldestFirst,
        };
        Self {
            size: page::page_size(page.page_size, DEFAULT_SIZE, LARGEST_SIZE),
            token: page.page_token,
            order,
        }
    }
}

impl Asked {
    /// Reads the page token of this list, for this caller. A cursor serves in either order.
    pub(crate) fn within(
        &self,
        cursors: &Cursors,
        scope: CursorScope,
        list: &str,
        filters: &[&str],
    ) -> Result<Paging, Error> {
        let hash = page::filter_hash(list, filters);
        let after = match self.token.as_str() {
            "" => None,
            token => Some(
                cursors
                    .decode(&scope, &hash, token)
                    .map_err(|error| Error::invalid("page.page_token", error))?,
            ),
        };
        Ok(Paging { scope, hash, after, order: self.order, size: self.size })
    }
}

impl Paging {
    /// What to read: one row more than is shown tells whether there is more.
    pub(crate) fn span(&self) -> Span {
        Span {
            after: self.after,
            newest_first: self.order == Order::NewestFirst,
            limit: u64::from(self.size) + 1,
        }
    }

    /// The page of rows that [`Self::span`] has read.
    pub(crate) fn cut<T>(
        &self,
        cursors: &Cursors,
        rows: Vec<T>,
        id: impl Fn(&T) -> Uuid,
    ) -> Page<T> {
        Page::cut(rows, self.size, cursors, &self.scope, &self.hash, id)
    }
}

/// Where a list stands, for its answer.
pub(crate) fn info<T>(page: &Page<T>) -> common::PageInfo {
    common::PageInfo {
        cursors: page.cursors.clone(),
        next_page_token: page.next.clone().unwrap_or_default(),
    }
}
