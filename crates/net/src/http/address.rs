//! Whose address a request came from (AUTH-16).

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;

/// The client's address, in the extensions of each request. Unknown until the number of trusted proxies is
/// configured: behind an ingress all the world would be one address, so rules by network are off till then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddr {
    /// Who is at the other end of the connection: a proxy, most of the time.
    pub peer: SocketAddr,
    /// The client, as the proxies that we trust saw it.
    pub client: Option<IpAddr>,
}

impl ClientAddr {
    /// `trusted_hops` proxies stand before us; the client is the one that the outermost of them saw.
    pub(super) fn of(peer: SocketAddr, headers: &HeaderMap, trusted_hops: Option<usize>) -> Self {
        let client = match trusted_hops {
            None => None,
            Some(0) => Some(peer.ip()),
            Some(hops) => forwarded(headers).rev().nth(hops - 1).flatten(),
        };
        Self { peer, client: client.map(|ip| ip.to_canonical()) }
    }
}

/// The addresses of all `X-Forwarded-For` headers, in order; what does not parse keeps its place.
fn forwarded(headers: &HeaderMap) -> impl DoubleEndedIterator<Item = Option<IpAddr>> {
    let lists = headers.get_all("x-forwarded-for").iter().collect::<Vec<_>>();
    lists
        .into_iter()
        .flat_map(|list| list.to_str().unwrap_or_default().split(','))
        .map(|text| {
            let text = text.trim();
            text.parse::<IpAddr>()
                .or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip()))
                .ok()
        })
        .collect::<Vec<_>>()
        .into_iter()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::not_configured(None, &["1.1.1.1"], None)]
    #[case::no_proxy(Some(0), &["1.1.1.1"], Some("9.9.9.9"))]
    #[case::one_proxy(Some(1), &["6.6.6.6, 1.1.1.1"], Some("1.1.1.1"))]
    #[case::two_proxies(Some(2), &["6.6.6.6, 1.1.1.1, 10.0.0.1"], Some("1.1.1.1"))]
    #[case::over_two_headers(Some(2), &["6.6.6.6, 1.1.1.1", "10.0.0.1"], Some("1.1.1.1"))]
    #[case::too_few(Some(3), &["1.1.1.1"], None)]
    #[case::nonsense_keeps_its_place(Some(2), &["1.1.1.1, nonsense"], Some("1.1.1.1"))]
    #[case::with_a_port(Some(1), &["1.1.1.1:4711"], Some("1.1.1.1"))]
    #[case::mapped(Some(1), &["::ffff:1.1.1.1"], Some("1.1.1.1"))]
    fn client_is_the_one_that_the_outermost_trusted_proxy_saw(
        #[case] hops: Option<usize>,
        #[case] sent: &[&'static str],
        #[case] expected: Option<&str>,
    ) {
        let mut headers = HeaderMap::new();
        for value in sent {
            headers.append("x-forwarded-for", HeaderValue::from_static(value));
        }
        let peer = "9.9.9.9:1000".parse().unwrap();
        let found = ClientAddr::of(peer, &headers, hops).client;
        assert_eq!(found, expected.map(|text| text.parse().unwrap()));
    }
}
