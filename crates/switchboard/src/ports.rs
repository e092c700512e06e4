//! Ports that are picked before anything serves on them, because others must know them first.
//!
//! Each is held from then until it is served: a port that was merely looked at may be somebody else's a moment later.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::Context as _;
use net::http::Listener;

/// Ports of this machine that are held.
#[derive(Debug, Default)]
pub(crate) struct Ports(Vec<TcpListener>);

impl Ports {
    /// A port: the one that was asked for, or the default, or a free one where the default is taken. A port that was
    /// asked for and is taken is an error.
    pub(crate) fn pick(&mut self, default: u16, asked: Option<u16>) -> anyhow::Result<u16> {
        let bound = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
        let listener = match asked {
            Some(port) if port != 0 => {
                bound(port).with_context(|| format!("port {port} is taken; name another one"))?
            }
            Some(_) => bound(0)?,
            None => bound(default).or_else(|_| bound(0))?,
        };
        let port = listener.local_addr()?.port();
        self.0.push(listener);
        Ok(port)
    }

    /// Listens on `address`: by the port that is held, or on one that nobody picked.
    pub(crate) async fn listen(&mut self, address: &str) -> Result<Listener, net::http::Error> {
        let is_there =
            |held: &TcpListener| held.local_addr().is_ok_and(|local| local.to_string() == address);
        match self.0.iter().position(is_there) {
            Some(at) => Listener::of(self.0.swap_remove(at)),
            None => net::http::bind(address).await,
        }
    }
}
