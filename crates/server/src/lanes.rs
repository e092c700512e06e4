//! Connections for the streams of one service, apart from the one that its unary calls share.
//!
//! A connection carries as many streams as its server allows; at that number a client takes nothing more on it until
//! one ends, and a Watch stream may last for days. So streams never stand in the way of calls: they have connections
//! of their own, a further one before the last is full, each gone once its last stream has ended.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use http::Response;
use http_body::{Frame, SizeHint};
use net::grpc::{EndpointError, GrpcClientConfig};
use tonic::body::Body;
use tonic::transport::Channel;

/// Streams on one connection: fewer than a listener of ours takes.
const STREAMS: usize = 150;
const _: () = assert!(STREAMS < net::grpc::STREAMS as usize);
/// Connections for streams. A server takes about a thousand connections from all its callers together.
const LANES: usize = 64;

/// The connections that a service's streams have now.
#[derive(Debug)]
pub(crate) struct Lanes {
    endpoint: String,
    open: Mutex<Vec<Lane>>,
}

#[derive(Debug)]
struct Lane {
    channel: Channel,
    /// Held by each stream beside this one.
    place: Place,
}

impl Lane {
    fn streams(&self) -> usize {
        Arc::strong_count(&self.place.0) - 1
    }
}

/// A stream's place on its connection, until it is dropped.
#[derive(Debug, Clone)]
pub(crate) struct Place(Arc<()>);

impl Lanes {
    pub(crate) const fn new(endpoint: String) -> Self {
        Self { endpoint, open: Mutex::new(Vec::new()) }
    }

    /// A place for one more stream; none where all connections are full.
    pub(crate) fn place(&self) -> Result<Option<(Channel, Place)>, EndpointError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|lane| lane.streams() > 0);
        // Places are taken under the lock alone: nobody takes the last one twice.
        if let Some(lane) = open.iter().find(|lane| lane.streams() < STREAMS) {
            return Ok(Some((lane.channel.clone(), lane.place.clone())));
        }
        if open.len() >= LANES {
            return Ok(None);
        }
        let channel = net::grpc::channel(&self.endpoint, GrpcClientConfig::default())?;
        let place = Place(Arc::new(()));
        open.push(Lane { channel: channel.clone(), place: place.clone() });
        Ok(Some((channel, place)))
    }
}

/// The answer, which keeps the stream's place until it has ended or nobody reads it any more.
pub(crate) fn holding(answer: Response<Body>, place: Place) -> Response<Body> {
    answer.map(|inner| Body::new(Holding { inner, _place: place }))
}

struct Holding {
    inner: Body,
    _place: Place,
}

impl http_body::Body for Holding {
    type Data = <Body as http_body::Body>::Data;
    type Error = <Body as http_body::Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connection_is_shared_until_it_is_full_and_gone_with_its_last_stream() {
        let lanes = Lanes::new("127.0.0.1:1".to_owned());
        let take = || lanes.place().unwrap().map(|(_, place)| place);
        let connections = || lanes.open.lock().unwrap().len();
        let first: Vec<_> = (0..STREAMS).map(|_| take().unwrap()).collect();
        assert_eq!(connections(), 1);
        let mut more: Vec<_> = (STREAMS..STREAMS * LANES).map(|_| take().unwrap()).collect();
        assert_eq!(connections(), LANES);
        assert!(take().is_none(), "all connections are full");
        // A place that is given back is given again.
        more.pop();
        assert!(take().is_some());
        drop((first, more));
        assert!(take().is_some());
        assert_eq!(connections(), 1);
    }
}
