//! Lists in the contract's words.

use kernel::id::{Id, Kind};
use kernel::page::{Order, Page};
use proto::common::v1 as common;
use tonic::Status;

use crate::app::read::{MOST_IDS, Wanted};

/// What part of a list is wanted.
pub(super) fn wanted(page: Option<common::Page>) -> Wanted {
    let page = page.unwrap_or_default();
    let order = match page.order() {
        common::Order::Unspecified | common::Order::NewestFirst => Order::NewestFirst,
        common::Order::OldestFirst => Order::OldestFirst,
    };
    Wanted { size: page.page_size, token: page.page_token, order }
}

/// Where a list stands, and its items.
pub(super) fn cut<T>(page: Page<T>) -> (Vec<T>, Option<common::PageInfo>) {
    let info =
        common::PageInfo { cursors: page.cursors, next_page_token: page.next.unwrap_or_default() };
    (page.items, Some(info))
}

/// The ids of a batch.
pub(super) fn ids<K: Kind>(field: &str, texts: &[String]) -> Result<Vec<Id<K>>, Status> {
    if texts.len() > MOST_IDS {
        let message = format!("{field}: {} ids; at most {MOST_IDS} are taken", texts.len());
        let status = server::StatusBuilder::invalid(message.clone());
        return Err(status.violation(field, message).build());
    }
    texts.iter().map(|text| server::parse_id(field, text)).collect()
}
