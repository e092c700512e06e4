//! Where rows are, and with which roles each service opens them.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, bail};
use garde::Validate;
use kernel::secret::{ExposeSecret as _, SecretString};
use net::config::SecretRef;
use serde::{Deserialize, Serialize};
use store::{Database, Pools};

/// Where rows are.
#[derive(Debug, Clone, Serialize, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub(crate) struct DatabaseSettings {
    /// PostgreSQL without user and password: `postgres://host:5432/switchboard`. Empty means SQLite files.
    pub(crate) url: String,
    /// Folder of the SQLite files, one a service.
    pub(crate) folder: PathBuf,
    /// Prefix of the roles: `sb` makes `sb_messaging`, `sb_messaging_sys`, `sb_messaging_desk`.
    #[garde(length(min = 1))]
    pub(crate) role_prefix: String,
    /// Password of all roles, unless a service has its own.
    pub(crate) password: SecretRef,
    /// URL of `migrate` alone, with the user that may create schemas and roles.
    pub(crate) migrate_url: SecretRef,
    /// Connections of a process: for requests and workers, system work, the desk.
    #[garde(range(min = 1))]
    pub(crate) scoped_pool: u32,
    #[garde(range(min = 1))]
    pub(crate) system_pool: u32,
    #[garde(range(min = 1))]
    pub(crate) desk_pool: u32,
}

impl Default for DatabaseSettings {
    fn default() -> Self {
        Self {
            url: String::new(),
            folder: PathBuf::from("switchboard-data"),
            role_prefix: "sb".to_owned(),
            password: SecretRef::Unset,
            migrate_url: SecretRef::Unset,
            scoped_pool: 8,
            system_pool: 2,
            desk_pool: 2,
        }
    }
}

impl DatabaseSettings {
    /// Refuses to work for an installation without saying where its rows are: a folder of SQLite files is `dev`'s.
    pub(crate) fn of_an_installation(&self, command: &str) -> anyhow::Result<()> {
        if self.url.is_empty() {
            bail!(
                "`{command}` works on PostgreSQL: set database.url (--config FILE, or SWITCHBOARD__DATABASE__URL); `switchboard dev` runs without it"
            );
        }
        Ok(())
    }

    /// The database of one service.
    pub(crate) fn of(&self, service: &str, own_password: &SecretRef) -> anyhow::Result<Database> {
        if self.url.is_empty() {
            return Ok(Database::Sqlite { path: self.folder.join(format!("{service}.sqlite")) });
        }
        let own = format!("services.{service}.database_password");
        let password = [(own.as_str(), own_password), ("database.password", &self.password)]
            .into_iter()
            .find(|(_, password)| password.is_set())
            .map(|(setting, password)| password.read().with_context(|| setting.to_owned()))
            .transpose()?;
        let url = |role: String| with_user(&self.url, &role, password.as_ref());
        let prefix = &self.role_prefix;
        Ok(Database::Postgres {
            scoped_url: url(format!("{prefix}_{service}"))?,
            system_url: url(format!("{prefix}_{service}_sys"))?,
            desk_url: url(format!("{prefix}_{service}_desk"))?,
            pools: Pools {
                scoped: self.scoped_pool,
                system: self.system_pool,
                desk: self.desk_pool,
                wait: Duration::from_secs(5),
            },
        })
    }
}

/// A PostgreSQL URL with this user.
fn with_user(
    url: &str,
    user: &str,
    password: Option<&SecretString>,
) -> anyhow::Result<SecretString> {
    let Some((scheme, rest)) = url.split_once("://") else {
        bail!("database.url is no URL: postgres://host:port/name")
    };
    let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let password =
        password.map(|text| format!(":{}", encoded(text.expose_secret()))).unwrap_or_default();
    Ok(SecretString::from(format!("{scheme}://{user}{password}@{rest}")))
}

/// Percent-encodes what may not stand in a URL's password.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_of_a_service_stand_in_its_urls() {
        let settings = DatabaseSettings {
            url: "postgres://db.example:5432/switchboard?sslmode=require".to_owned(),
            password: SecretRef::inline("p@ss/word"),
            ..DatabaseSettings::default()
        };
        let Database::Postgres { scoped_url, desk_url, .. } =
            settings.of("messaging", &SecretRef::Unset).unwrap()
        else {
            panic!("PostgreSQL was asked for");
        };
        let wanted =
            "postgres://sb_messaging:p%40ss%2Fword@db.example:5432/switchboard?sslmode=require";
        assert_eq!(scoped_url.expose_secret(), wanted);
        assert!(desk_url.expose_secret().starts_with("postgres://sb_messaging_desk:"));
    }
}
