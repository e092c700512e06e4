//! What an installation leaves on servers that outlive it: a database, its roles, and a namespace at the broker. Dropping
//! the value takes them away, however the test ended.

use std::process::Command;

use lapin::{
    Connection, ConnectionProperties,
    options::{ExchangeDeleteOptions, QueueDeleteOptions},
};

use super::SERVERS;
use crate::support::process::variable;

/// Every consumer group, with its service: a group's queues are all that is durable at the broker beside the exchanges.
const GROUPS: [(&str, &str); 10] = [
    ("identity", "identity.audit"),
    ("identity", "identity.readmodel"),
    ("onboarding", "onboarding.heard"),
    ("assets", "assets.elements"),
    ("assets", "assets.readmodel"),
    ("messaging", "messages"),
    ("messaging", "read_model"),
    ("webhooks", "webhooks.readmodel"),
    ("analytics", "analytics.facts"),
    ("analytics", "analytics.readmodel"),
];

/// One installation's own part of the servers. Database, prefix of the roles and namespace bear one name.
pub(super) struct Leftovers {
    admin: String,
    pub(super) amqp: String,
    pub(super) name: String,
}

impl Leftovers {
    /// Makes the database.
    pub(super) fn of_new_database() -> Self {
        let admin = variable("DATABASE_URL")
            .unwrap_or_else(|| "postgres://postgres@127.0.0.1:5432/postgres".to_owned());
        let amqp =
            variable("AMQP_URL").unwrap_or_else(|| "amqp://guest:guest@127.0.0.1:5672".to_owned());
        let mut random = [0_u8; 5];
        rand::fill(&mut random);
        let made = Self { admin, amqp, name: format!("sbp_{}", hex::encode(random)) };
        made.psql(&[format!("CREATE DATABASE {}", made.name)]).expect("a database");
        made
    }

    /// The database without a user.
    pub(super) fn url(&self) -> String {
        let rest = self.admin.rsplit_once('@').map_or("127.0.0.1:5432/postgres", |(_, rest)| rest);
        let host = rest.split('/').next().expect("a host");
        format!("postgres://{host}/{}", self.name)
    }

    /// The database as its maker.
    pub(super) fn admin_url(&self) -> String {
        let (before, _) = self.admin.rsplit_once('/').expect("a database in the URL");
        format!("{before}/{}", self.name)
    }

    /// Asserts that no group would be left behind.
    pub(super) fn know(&self, announced: &[String]) {
        for group in announced {
            let known = GROUPS.iter().any(|(_, known)| known == group);
            assert!(known, "the queues of the group {group} would stay in {}", self.name);
        }
        assert!(!announced.is_empty(), "no process announced a group");
    }

    /// One connection for all of it: a client's start costs more than a statement.
    fn psql(&self, statements: &[String]) -> Result<(), String> {
        let mut command = Command::new("psql");
        command.args([self.admin.as_str(), "-qAt", "-v", "ON_ERROR_STOP=1"]);
        for statement in statements {
            command.args(["-c", statement]);
        }
        let out = command.output().map_err(|error| error.to_string())?;
        if out.status.success() {
            Ok(())
        } else {
            Err(String::from_utf8_lossy(&out.stderr).into_owned())
        }
    }

    fn drop_database(&self) -> Result<(), String> {
        let name = &self.name;
        let mut statements = vec![format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")];
        let of = |service: &str| {
            ["", "_sys", "_desk"].map(|part| format!("DROP ROLE IF EXISTS {name}_{service}{part}"))
        };
        statements.extend(SERVERS.into_iter().flat_map(of));
        statements.push(format!("DROP ROLE IF EXISTS {name}_owner"));
        self.psql(&statements)
    }

    async fn drop_namespace(amqp: String, name: String) -> lapin::Result<()> {
        let connection = Connection::connect(&amqp, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        for (service, group) in GROUPS {
            for end in ["", ".dead"] {
                let queue = format!("{name}.{service}.{group}{end}");
                channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default()).await?;
            }
        }
        for end in ["events", "dead"] {
            let exchange = format!("{name}.{end}");
            let options = ExchangeDeleteOptions::default();
            channel.exchange_delete(exchange.as_str().into(), options).await?;
        }
        connection.close(200, "done".into()).await
    }
}

impl Drop for Leftovers {
    fn drop(&mut self) {
        // A thread of its own: a test's runtime must not be blocked on, and may be unwinding.
        let (amqp, name) = (self.amqp.clone(), self.name.clone());
        let cleaner = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map_err(|error| error.to_string())?.block_on(async {
                Self::drop_namespace(amqp, name).await.map_err(|error| error.to_string())
            })
        });
        let broker = cleaner.join().unwrap_or_else(|_| Err("the cleaner panicked".to_owned()));
        for (what, done) in [("namespace", broker), ("database", self.drop_database())] {
            match done {
                Ok(()) => {}
                Err(why) if std::thread::panicking() => eprintln!("{what} of {}: {why}", self.name),
                Err(why) => panic!("the {what} of {} stays: {why}", self.name),
            }
        }
    }
}
