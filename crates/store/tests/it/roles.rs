//! Passwords of the roles, a service's own each (T7). The verifier that PostgreSQL keeps says which password opens a
//! role, also on a server that lets tests in without one.

use std::collections::BTreeMap;

use aws_lc_rs::{constant_time, digest, hmac, pbkdf2};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use kernel::ids::{SystemIds, random_token};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use store::Backend;
use store::migrate::MigrateConfig;
use store::schema::{Names, Roles};

use crate::support::World;

/// Whether the password opens a role with this verifier: `SCRAM-SHA-256$rounds:salt$stored:server` (RFC 5803).
fn opens(verifier: &str, password: &str) -> bool {
    let mut parts = verifier.strip_prefix("SCRAM-SHA-256$").unwrap().split(['$', ':']);
    let rounds = parts.next().unwrap().parse().unwrap();
    let [salt, stored] = [(); 2].map(|()| STANDARD.decode(parts.next().unwrap()).unwrap());
    let mut salted = [0; 32];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, &salt, password.as_bytes(), &mut salted);
    let client = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &salted), b"Client Key");
    let hashed = digest::digest(&digest::SHA256, client.as_ref());
    constant_time::verify_slices_are_equal(hashed.as_ref(), &stored).is_ok()
}

/// An installation with roles of its own on the tests' server.
struct Installation {
    world: World,
    prefix: String,
}

impl Installation {
    async fn new() -> Self {
        let word = random_token(&SystemIds::new(), 6).to_lowercase();
        let word: String = word.chars().filter(char::is_ascii_alphanumeric).collect();
        Self { world: World::on(Backend::Postgres).await, prefix: format!("sbt_own_{word}") }
    }

    fn roles(&self, service: &str) -> [String; 3] {
        Names::new(&self.prefix, service).unwrap().logins()
    }

    /// Migrates the roles of a service with this password of its own.
    async fn make(&self, service: &str, password: &str) {
        let MigrateConfig::Postgres { url, .. } = &self.world.database.migrate else {
            panic!("PostgreSQL")
        };
        let passwords: BTreeMap<_, _> =
            self.roles(service).map(|role| (role, password.into())).into();
        let roles = Roles { prefix: self.prefix.clone(), passwords, ..Roles::default() };
        let config = MigrateConfig::Postgres { url: url.clone(), roles };
        store::migrate::roles(&config, service).await.unwrap();
    }

    /// Whether the password opens every role of the service, or none; anything between is a fault.
    async fn opens(&self, service: &str, password: &str) -> bool {
        let db = self.world.database.connect().await;
        let mut answers = Vec::new();
        for role in self.roles(service) {
            let text = format!("SELECT rolpassword FROM pg_authid WHERE rolname = '{role}'");
            let statement = Statement::from_string(DbBackend::Postgres, text);
            let row = db.query_one_raw(statement).await.unwrap().unwrap();
            let verifier: String = row.try_get("", "rolpassword").unwrap();
            answers.push(opens(&verifier, password));
        }
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{service}: {answers:?}");
        answers[0]
    }

    async fn end(self) {
        for role in ["identity", "messaging"].iter().flat_map(|service| self.roles(service)) {
            self.world.database.change(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
        }
        self.world.database.change(&format!("DROP ROLE {}_owner", self.prefix)).await;
    }
}

#[tokio::test]
async fn a_services_password_opens_its_own_roles_alone() {
    let installation = Installation::new().await;
    installation.make("identity", "identity's own").await;
    installation.make("messaging", "messaging's own").await;
    assert!(installation.opens("identity", "identity's own").await);
    assert!(installation.opens("messaging", "messaging's own").await);
    assert!(!installation.opens("messaging", "identity's own").await);
    assert!(!installation.opens("identity", "messaging's own").await);
    installation.end().await;
}

#[tokio::test]
async fn migrating_with_another_password_changes_the_services_roles_and_nobody_elses() {
    let installation = Installation::new().await;
    for service in ["identity", "messaging"] {
        installation.make(service, "one for all").await;
    }
    installation.make("identity", "identity's own").await;
    assert!(installation.opens("identity", "identity's own").await);
    assert!(!installation.opens("identity", "one for all").await);
    assert!(installation.opens("messaging", "one for all").await);
    installation.end().await;
}
