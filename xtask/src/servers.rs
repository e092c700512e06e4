//! PostgreSQL and RabbitMQ for one run of the tests: given by URL, running on this machine, or private ones that live as long as the run.
//!
//! Promises that what was started here is stopped, also when this process is killed: a guardian waits for its end. Leaves databases, roles and namespaces to the tests. A
//! server that was found is neither stopped nor configured.

mod guardian;
pub(crate) mod postgres;
pub(crate) mod rabbitmq;

use crate::run::variable;
use crate::watch::Stopwatch;
use anyhow::Result;
use guardian::Guardian;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// How long a connection to a server on this machine may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// Where the servers are; dropping it stops those that it started.
pub(crate) struct Servers {
    pub(crate) database_url: String,
    pub(crate) amqp_url: String,
    _guardians: Vec<Guardian>,
}

/// Where one server is, and what stops it when it is ours.
struct Server {
    url: String,
    guardian: Option<Guardian>,
}

impl Servers {
    /// Whether both are named or running, so that neither has to be installed.
    pub(crate) fn are_at_hand() -> bool {
        let at_hand = |given, running: fn() -> Option<String>| {
            variable(given).is_some() || running().is_some()
        };
        at_hand("DATABASE_URL", postgres::running) && at_hand("AMQP_URL", rabbitmq::running)
    }

    pub(crate) fn find_or_start() -> Result<Self> {
        let database = find("PostgreSQL", "DATABASE_URL", postgres::running, postgres::start)?;
        let broker = find("RabbitMQ", "AMQP_URL", rabbitmq::running, rabbitmq::start)?;
        Ok(Self {
            database_url: database.url,
            amqp_url: broker.url,
            _guardians: database.guardian.into_iter().chain(broker.guardian).collect(),
        })
    }
}

fn find(
    name: &str,
    given: &str,
    running: fn() -> Option<String>,
    start: fn() -> Result<(String, Guardian)>,
) -> Result<Server> {
    if let Some(url) = variable(given) {
        println!("{name}: {given} names it");
        return Ok(Server { url: url.to_string_lossy().into_owned(), guardian: None });
    }
    if let Some(url) = running() {
        println!("{name}: the one that runs on this machine");
        return Ok(Server { url, guardian: None });
    }
    let watch = Stopwatch::start();
    let (url, guardian) = start()?;
    println!("{name}: a private one, started in {:.1} s", watch.seconds());
    Ok(Server { url, guardian: Some(guardian) })
}

fn connect(port: u16) -> Option<TcpStream> {
    let stream =
        TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), PATIENCE)
            .ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.set_write_timeout(Some(PATIENCE)).ok()?;
    Some(stream)
}

/// Ports to try, from a place of this process's own: two runs that start at once do not ask for the same.
fn ports(from: u16) -> impl Iterator<Item = u16> {
    let own = u16::try_from(std::process::id() % 1_000).unwrap_or_default();
    (from + own * 7..from + 10_000).step_by(7)
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::{Guardian, connect, is_free, postgres, rabbitmq};
    use anyhow::Result;

    fn stands_until_it_is_dropped(start: fn() -> Result<(String, Guardian)>) {
        let (url, guardian) = start().unwrap();
        let port = url.split(':').next_back().and_then(|rest| rest.split('/').next()).unwrap();
        let port: u16 = port.parse().unwrap();
        assert!(connect(port).is_some(), "{url} does not answer");
        drop(guardian);
        assert!(is_free(port), "{url} still answers");
    }

    #[test]
    fn a_private_database_stands_until_it_is_dropped() {
        stands_until_it_is_dropped(postgres::start);
    }

    #[test]
    fn a_private_broker_stands_until_it_is_dropped() {
        stands_until_it_is_dropped(rabbitmq::start);
    }
}
