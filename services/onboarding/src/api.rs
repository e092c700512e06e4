//! The tonic traits: contract to use case, answer to contract.

pub(crate) mod admin;
pub(crate) mod invitations;
pub(crate) mod onboardings;
pub(crate) mod services;
pub(crate) mod tenants;
pub(crate) mod wabas;
pub(crate) mod watch;

use kernel::{
    id::{Id, Kind},
    page::Page,
};
use proto::common::v1::PageInfo;
use tonic::Status;

/// Most ids of one batch read.
const MOST_IDS: usize = 200;

/// A page as the contract has it.
pub(crate) fn page_info<T>(page: &Page<T>) -> PageInfo {
    PageInfo {
        cursors: page.cursors.clone(),
        next_page_token: page.next.clone().unwrap_or_default(),
    }
}

/// Ids of a batch; what is no id of this kind can't be found and is left out with the unknown ones.
pub(crate) fn ids<K: Kind>(field: &str, texts: &[String]) -> Result<Vec<Id<K>>, Status> {
    if texts.len() > MOST_IDS {
        let problem = format!("{} ids; at most {MOST_IDS} in one call", texts.len());
        return Err(server::StatusBuilder::invalid(format!("{field}: {problem}"))
            .violation(field, problem)
            .build());
    }
    texts.iter().map(|text| server::parse_id(field, text)).collect()
}
