//! Business profiles: read from the rows, changed at Meta.
//!
//! Setting a profile twice is setting it once; still its request is a row, so that a lost answer is settled by reading
//! and a repetition under its key finds the outcome.

use auth::Scope;
use kernel::id::NumberId;
use meta::{
    Violation,
    ids::MetaNumberId,
    nodes::{BusinessProfile, ProfileUpdate},
};
use store::{Error as StoreError, ScopedTx, Uuid};

use super::{
    App,
    create::{outcome_of, refused},
    key,
    settle::{Verdict, Wish},
    trouble::{Fault, Trouble},
};
use crate::{
    domain::retry,
    error::Error,
    rows::{
        deed::{self, ASKED},
        number, profile, waba,
    },
};

/// Longest vertical that Meta is asked with; its words have half of it at most.
const LONGEST_VERTICAL: usize = 40;

/// A request that is to be made.
struct Asked {
    waba: waba::Model,
    number: number::Model,
    deed: Uuid,
    update: ProfileUpdate,
}

impl App {
    /// The profile of a number, as last read.
    pub(crate) async fn profile(
        &self,
        scope: &Scope,
        id: NumberId,
    ) -> Result<BusinessProfile, Error> {
        let environment = scope.environment();
        self.store
            .read(scope, |tx: ScopedTx| async move {
                let number = number::get(&tx, id.uuid()).await?;
                number
                    .filter(|number| waba::visible(environment, &number.environment))
                    .ok_or(Error::NumberNotFound)?;
                let kept = profile::get(&tx, id.uuid()).await?;
                Ok(kept.map(|row| row.profile()).unwrap_or_default())
            })
            .await
    }

    /// Changes a number's profile at Meta.
    pub(crate) async fn update_profile(
        &self,
        scope: &Scope,
        id: NumberId,
        update: ProfileUpdate,
        key: &str,
    ) -> Result<BusinessProfile, Error> {
        let mut found = update.validate();
        let word = |byte: u8| byte.is_ascii_uppercase() || byte == b'_';
        if update.vertical.as_ref().is_some_and(|vertical| {
            vertical.len() > LONGEST_VERTICAL || !vertical.bytes().all(word)
        }) {
            found.push(Violation::new("vertical", "is no word of Meta's, such as RETAIL"));
        }
        if !found.is_empty() {
            return Err(Error::Profile(found));
        }
        let wish = Wish::Profile(update);
        let said = serde_json::to_string(&wish)
            .map_err(|error| StoreError::internal(format!("write a request: {error}")))?;
        let claim = key::keyed(scope, "update_profile", key, &[&id.to_string(), &said])?;
        let (claim, wish, environment) = (claim.as_ref(), &wish, scope.environment());
        let begun = self
            .store
            .write(scope, |tx: ScopedTx| async move {
                let number = number::get(&tx, id.uuid()).await?;
                let number = number
                    .filter(|number| waba::visible(environment, &number.environment))
                    .ok_or(Error::NumberNotFound)?;
                let waba = waba::get(&tx, number.waba_id).await?;
                let waba = waba.filter(|waba| waba.state != "released");
                let waba = waba.ok_or(Error::NumberNotFound)?;
                let after = self.config.settle_after();
                let deed = self.deed(&tx, (number.waba_id, number.id), wish, after)?;
                let deed_id = match key::take(&tx, claim, deed.id).await? {
                    None => {
                        let id = deed.id;
                        deed::insert(&tx, deed).await?;
                        id
                    }
                    Some(earlier) => match self.profile_again(&tx, earlier).await? {
                        Some(deed) => deed,
                        None => return Ok::<_, Error>(None),
                    },
                };
                let Wish::Profile(update) = wish.clone() else { return Ok(None) };
                Ok(Some(Asked { waba, number, deed: deed_id, update }))
            })
            .await?;
        if let Some(asked) = begun {
            let verdict = self.set_profile(&asked).await;
            self.conclude_profile(scope, asked.deed, &verdict).await?;
            if let Some(failure) = verdict.failure() {
                return Err(failure);
            }
        }
        self.profile(scope, id).await
    }

    /// A request whose key came before: `None` when it holds; its deed where it never reached Meta and is made now.
    async fn profile_again(&self, tx: &ScopedTx, earlier: Uuid) -> Result<Option<Uuid>, Error> {
        let lost = || StoreError::internal("find the request of a key that was taken");
        let mut deed = deed::lock(tx, earlier).await?.ok_or_else(lost)?;
        if deed.state == ASKED {
            return Err(Error::UnderWay);
        }
        if outcome_of(&deed)? {
            return Ok(None);
        }
        ASKED.clone_into(&mut deed.state);
        deed.error = None;
        deed.due_us = retry::later(self.wall.now().as_micros(), self.config.settle_after());
        deed::save(tx, &deed).await?;
        Ok(Some(deed.id))
    }

    async fn set_profile(&self, asked: &Asked) -> Verdict {
        match self.ask_profile(asked).await {
            Ok(()) => match self.look_profile(&asked.waba, &asked.number, &asked.update).await {
                // Meta took it; what it shows may lag.
                Verdict::Profile { profile, began_us, .. } => {
                    let profile = laid_over(profile, &asked.update);
                    Verdict::Profile { profile, holds: true, began_us }
                }
                // The settler reads it.
                _ => Verdict::Open(Trouble::ours("the profile could not be read back")),
            },
            Err(fault) => refused(fault),
        }
    }

    async fn ask_profile(&self, asked: &Asked) -> Result<(), Fault> {
        let access = self.access(&asked.waba).await?;
        let id = meta_id(&asked.number)?;
        self.ask(&asked.waba, access.app.update_profile(&access.token, &id, &asked.update)).await
    }

    /// Finds out by reading whether a change of a profile holds.
    pub(crate) async fn look_profile(
        &self,
        waba: &waba::Model,
        number: &number::Model,
        update: &ProfileUpdate,
    ) -> Verdict {
        let read = async {
            let access = self.access(waba).await?;
            let id = meta_id(number)?;
            let began_us = self.clock.now().as_micros();
            let found = self.ask(waba, access.app.get_profile(&access.token, &id)).await?;
            Ok::<_, Fault>((found, began_us))
        };
        match read.await {
            Ok((found, began_us)) => {
                let holds = laid_over(found.clone(), update) == found;
                Verdict::Profile { profile: found, holds, began_us }
            }
            Err(Fault::Absent(trouble)) => Verdict::Refused(trouble),
            Err(fault) => Verdict::Open(fault.into_trouble()),
        }
    }
}

fn meta_id(number: &number::Model) -> Result<MetaNumberId, Fault> {
    let id = number.meta_id.parse();
    id.map_err(|_| Fault::Refused(Trouble::ours("that is no id of a phone number")))
}

/// A profile with what was asked laid over it: what is absent stays, an empty text clears.
fn laid_over(mut profile: BusinessProfile, update: &ProfileUpdate) -> BusinessProfile {
    let lay = |kept: &mut Option<String>, new: &Option<String>| {
        if let Some(new) = new {
            *kept = Some(new.clone()).filter(|text| !text.is_empty());
        }
    };
    lay(&mut profile.about, &update.about);
    lay(&mut profile.address, &update.address);
    lay(&mut profile.description, &update.description);
    lay(&mut profile.email, &update.email);
    lay(&mut profile.vertical, &update.vertical);
    if let Some(websites) = &update.websites {
        profile.websites = websites.iter().filter(|site| !site.is_empty()).cloned().collect();
    }
    profile
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_absent_stays_and_an_empty_text_clears() {
        let before = BusinessProfile {
            about: Some("Bread".to_owned()),
            email: Some("a@example.org".to_owned()),
            ..BusinessProfile::default()
        };
        let update = ProfileUpdate {
            email: Some(String::new()),
            websites: Some(vec!["https://example.org".to_owned()]),
            ..ProfileUpdate::default()
        };
        let after = laid_over(before, &update);
        assert_eq!((after.about.as_deref(), after.email), (Some("Bread"), None));
        assert_eq!(after.websites, ["https://example.org"]);
    }
}
