//! The first operator of an installation: the one person whom nobody at the desk could add. An address
//! that is a person's already is refused: whose it is was not proven.

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
use crate::rows::{audit, credential, operator};

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
        let (id, hashed) = (self.mint_person(), &self.hasher.hash(&chosen).await?);
        let (user, operator, set) = self
            .store
            .system(purpose::identity::BOOTSTRAP, Shard::ONLY, |tx| async move {
                let person = self.person(&tx, id, new).await?;
                let (placed, is_new) = self.seat(&tx, None, &person, new).await?;
                if placed.active {
                    return Ok((placed.user, placed.id, false));
                }
                // Whoever claimed the address first may hold its password, or its link.
                if !is_new || person.id != id {
                    let why = "is a person's already: invite them to the desk, or take another";
                    return Err(Error::invalid("email", why));
                }
                let now_us = self.now().as_micros();
                credential::of_person(&tx, person.id, now_us).await?;
                credential::set(&tx, person.id, hashed, now_us).await?;
                operator::activate(&tx, placed.place_id).await?;
                let act = Act::of_service("person.added").about(placed.user).saying(role);
                audit::write(&tx, self.act(act.at_desk())).await?;
                Ok((placed.user, placed.id, true))
            })
            .await?;
        let operator = operator.parse().map_err(|error| Error::invalid("operator", error))?;
        Ok(CreatedOperator { user, operator, password: set.then_some(chosen) })
    }
}
