//! Whose message goes next, and how fast: the rate of a number and of a pair, the order inside a
//! number, the share of each tenant. All of it lives in the memory of who holds the number's lease and
//! is built again at take-over from the last attempts (OVL-7).

mod fair;
mod lineup;
mod pace;

pub(crate) use fair::FairShare;
pub(crate) use lineup::Lineup;
pub(crate) use pace::{Pairs, Throughput};
