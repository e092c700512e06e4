//! Names of roles, which are cluster-wide and so carry the installation's prefix (ISO-33).

use sea_orm_migration::SchemaManager;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

use crate::error::Error;

/// The prefix unless an installation says otherwise.
pub(crate) const DEFAULT_PREFIX: &str = "sb";

/// The roles of one service's schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    prefix: String,
    service: String,
}

impl Names {
    /// Of `service` under `prefix`; both lower-case words, since they stand in SQL as they are.
    pub fn new(prefix: &str, service: &str) -> Result<Self, Error> {
        let lawful = |word: &str| {
            let mut letters = word.bytes();
            letters.next().is_some_and(|first| first.is_ascii_lowercase())
                && letters
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
                && word.len() <= 24
        };
        if !lawful(prefix) || !lawful(service) {
            return Err(Error::internal(format!("name roles after `{prefix}` and `{service}`")));
        }
        Ok(Self { prefix: prefix.to_owned(), service: service.to_owned() })
    }

    /// The schema, which is the service's name.
    pub fn schema(&self) -> &str {
        &self.service
    }

    /// Owns schema and tables; nobody logs in as it.
    pub fn owner(&self) -> String {
        format!("{}_owner", self.prefix)
    }

    /// Of the scoped pool.
    pub fn scoped(&self) -> String {
        format!("{}_{}", self.prefix, self.service)
    }

    /// Of the system pool.
    pub fn system(&self) -> String {
        format!("{}_{}_sys", self.prefix, self.service)
    }

    /// Of the desk pool.
    pub fn desk(&self) -> String {
        format!("{}_{}_desk", self.prefix, self.service)
    }

    /// Those that log in.
    pub fn logins(&self) -> [String; 3] {
        [self.scoped(), self.system(), self.desk()]
    }
}

/// The names under which this migration runs; `None` on SQLite, which has no roles.
pub(crate) async fn of(manager: &SchemaManager<'_>, service: &str) -> Result<Option<Names>, DbErr> {
    if manager.get_database_backend() != DbBackend::Postgres {
        return Ok(None);
    }
    let text = "SELECT current_setting('switchboard.prefix', true) AS prefix";
    let statement = Statement::from_string(DbBackend::Postgres, text);
    let row = manager.get_connection().query_one_raw(statement).await?;
    let prefix: Option<String> = row.map(|row| row.try_get("", "prefix")).transpose()?.flatten();
    let prefix = prefix.filter(|prefix| !prefix.is_empty());
    let prefix = prefix.as_deref().unwrap_or(DEFAULT_PREFIX);
    Names::new(prefix, service).map(Some).map_err(|error| DbErr::Custom(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_carry_the_prefix() {
        let names = Names::new("sb", "messaging").unwrap();
        assert_eq!(names.logins(), ["sb_messaging", "sb_messaging_sys", "sb_messaging_desk"]);
        assert_eq!(names.owner(), "sb_owner");
    }

    #[test]
    fn a_name_that_would_need_quoting_is_refused() {
        for wrong in ["", "Sb", "s b", "s\"b", "1sb", "s;drop"] {
            assert!(Names::new(wrong, "messaging").is_err(), "{wrong}");
            assert!(Names::new("sb", wrong).is_err(), "{wrong}");
        }
    }
}
