//! The places of a listener's connections: so many in all, and so many for each peer, so that one peer never takes
//! them all (OVL-1).

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::shares::{Share, Shares};

/// The places of one listener.
#[derive(Debug)]
pub(super) struct Places {
    all: Arc<Semaphore>,
    /// By network; absent where peers are proxies, or our own processes.
    peers: Option<Shares<IpAddr>>,
}

/// In the extensions of each request: its connection's place among those that are allowed. A socket that
/// outlives its request (an upgrade) keeps it.
#[derive(Debug, Clone)]
pub struct Slot(Arc<Place>);

#[derive(Debug)]
struct Place {
    permit: OwnedSemaphorePermit,
    _share: Option<Share<IpAddr>>,
}

impl Places {
    pub(super) fn new(all: usize, per_peer: Option<usize>) -> Self {
        Self { all: Arc::new(Semaphore::new(all)), peers: per_peer.map(Shares::new) }
    }

    /// Waits for a place for whoever comes next.
    pub(super) async fn any(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.all).acquire_owned().await.ok()
    }

    /// The place of this peer, unless it has as many as it may.
    pub(super) fn of(&self, peer: IpAddr, permit: OwnedSemaphorePermit) -> Option<Slot> {
        let share = match &self.peers {
            Some(peers) => Some(peers.take(network_of(peer))?),
            None => None,
        };
        Some(Slot(Arc::new(Place { permit, _share: share })))
    }
}

impl Slot {
    /// Whether the listener that gave it is still there.
    pub fn is_counted(&self) -> bool {
        self.0.permit.num_permits() > 0
    }
}

/// What one peer can have all addresses of: an IPv4 address, or a /64 of IPv6.
fn network_of(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V4(one) => one.into(),
        IpAddr::V6(one) => Ipv6Addr::from_bits(one.to_bits() & (u128::MAX << 64)).into(),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("9.9.9.9", "9.9.9.9")]
    #[case("::ffff:9.9.9.9", "9.9.9.9")]
    #[case("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::")]
    fn a_peer_is_its_network(#[case] address: &str, #[case] network: &str) {
        assert_eq!(network_of(address.parse().unwrap()), network.parse::<IpAddr>().unwrap());
    }
}
