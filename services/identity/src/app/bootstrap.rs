//! The first operator of an installation: the one person whom nobody at the desk could add.

use auth::Role;
use kernel::id::{OperatorId, UserId};
use kernel::ids::random_token;
use kernel::secret::{ExposeSecret as _, SecretString};
use store::{Shard, purpose};

use super::App;
use super::audit::Act;
use super::people::NewPerson;
use crate::domain::password;
use crate::error::Error;
use crate::rows::{audit, credential};

/// Bytes of a password that we choose.
const CHOSEN: usize = 18;

/// An operator to be made.
#[derive(Debug, Clone)]
pub struct NewOperator {
    /// Their address.
    pub email: String,
    /// Their name.
    pub name: String,
    /// Their password; one is chosen where none is given.
    pub password: Option<SecretString>,
}

/// An operator who is there now.
#[derive(Debug, Clone)]
pub struct CreatedOperator {
    /// The person.
    pub user: UserId,
    /// Their place at the desk.
    pub operator: OperatorId,
    /// The password that was set; `None` where the person had one, which stays.
    pub password: Option<SecretString>,
}

impl App {
    pub(crate) async fn create_operator(
        &self,
        asked: &NewOperator,
    ) -> Result<CreatedOperator, Error> {
        let role = Role::OperatorOwner;
        let new = &NewPerson::checked(&asked.email, &asked.name, role.as_str())?;
        let chosen = match &asked.password {
            Some(given) => {
                let context = [asked.email.as_str(), asked.name.as_str()];
                let least = self.config.least_password();
                password::check(given.expose_secret(), least, &context)?;
                given.clone()
            }
            None => random_token(&*self.ids, CHOSEN).into(),
        };
        let (id, hashed) = (self.mint(), &self.hasher.hash(&chosen).await?);
        let (user, operator, set) = self
            .store
            .system(purpose::identity::BOOTSTRAP, Shard::ONLY, |tx| async move {
                let known = self.known(&tx, id, new).await?;
                let (placed, is_new) = self.seat(&tx, None, &known, new).await?;
                if !known.active {
                    let now_us = self.now().as_micros();
                    credential::set(&tx, known.person.id, hashed, now_us).await?;
                }
                if is_new {
                    let act = Act::of_service("person.added").about(placed.user).saying(role);
                    audit::write(&tx, self.act(act.at_desk())).await?;
                }
                Ok::<_, Error>((placed.user, placed.id, !known.active))
            })
            .await?;
        let operator = operator.parse().map_err(|error| Error::invalid("operator", error))?;
        Ok(CreatedOperator { user, operator, password: set.then_some(chosen) })
    }
}
