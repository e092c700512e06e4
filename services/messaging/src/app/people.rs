//! Who a batch of messages is with: contacts by BSUID and number, and their conversations, found or
//! made in a few statements whatever the size of the batch.
//!
//! Runs inside the caller's unit. Keys decide who is who and are unique in the database: of two
//! processes that meet the same stranger at once one makes the contact, and the other finds it.

use std::collections::{BTreeMap, BTreeSet};

use kernel::id::{ContactId, ConversationId, NumberId, WabaId};
use kernel::time::Timestamp;
use store::ScopedTx;
use uuid::Uuid;

use crate::domain::contact::{Identity, Known, Match, resolve};
use crate::error::Error;
use crate::rows::{contact, contact_key, contact_merge, contact_waba, conversation};

/// How often a batch looks again when somebody else took a key of a contact that it was making.
const LOOKS: usize = 4;

/// One message's other side.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    /// Portfolio of the WABA; nil where it named none.
    pub(crate) portfolio: Uuid,
    /// The WABA.
    pub(crate) waba: WabaId,
    /// The number.
    pub(crate) number: NumberId,
    /// Who.
    pub(crate) identity: Identity,
    /// The name that they show.
    pub(crate) name: Option<String>,
    /// Their username.
    pub(crate) username: Option<String>,
    /// When the message was written: new rows' ids are minted for it.
    pub(crate) at: Timestamp,
    /// Whether Meta says so, or the caller: only Meta's spelling of a number is kept.
    pub(crate) told_by_meta: bool,
}

/// Contact and conversation of one person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Placed {
    /// The contact.
    pub(crate) contact: ContactId,
    /// The conversation.
    pub(crate) conversation: ConversationId,
}

/// What is known of the people of a batch.
#[derive(Debug, Default)]
pub(crate) struct People {
    keys: BTreeMap<(Uuid, String), ContactId>,
    contacts: BTreeMap<ContactId, contact::Model>,
    conversations: BTreeMap<(NumberId, ContactId), conversation::Model>,
    /// Made by this batch with a key in the database, and no row yet.
    fresh: BTreeSet<ContactId>,
}

impl People {
    /// Looks all of them up.
    pub(crate) async fn load(tx: &ScopedTx, people: &[&Person]) -> Result<Self, Error> {
        let mut known = Self::default();
        known.look(tx, people).await?;
        let contacts: Vec<Uuid> = known.contacts.keys().map(ContactId::uuid).collect();
        let numbers: BTreeSet<Uuid> = people.iter().map(|one| one.number.uuid()).collect();
        let found = conversation::find(tx, numbers.into_iter().collect(), contacts).await?;
        known.remember(found);
        Ok(known)
    }

    /// The contact of a person, where there is one.
    pub(crate) fn contact(&self, person: &Person) -> Option<&contact::Model> {
        let mut keys = person.identity.keys().into_iter();
        let id = keys.find_map(|key| self.keys.get(&(person.portfolio, key)))?;
        self.contacts.get(id)
    }

    /// The conversation with a person, where there is one.
    pub(crate) fn conversation(&self, person: &Person) -> Option<&conversation::Model> {
        let contact = self.contact(person)?;
        self.conversations.get(&(person.number, contact.contact_id()))
    }

    /// Finds or makes contact and conversation of each, in their order.
    pub(crate) async fn ensure(
        &mut self,
        tx: &ScopedTx,
        people: &[&Person],
    ) -> Result<Vec<Placed>, Error> {
        let contacts = self.meet(tx, people).await?;
        self.ensure_conversations(tx, people, &contacts).await
    }

    /// Finds or makes the contact of each, in their order, and no conversation.
    pub(crate) async fn meet(
        &mut self,
        tx: &ScopedTx,
        people: &[&Person],
    ) -> Result<Vec<ContactId>, Error> {
        let contacts = self.ensure_contacts(tx, people).await?;
        let pairs: BTreeSet<(WabaId, ContactId)> =
            people.iter().zip(&contacts).map(|(one, id)| (one.waba, *id)).collect();
        contact_waba::insert(tx, pairs.into_iter().collect(), tx.now()).await?;
        Ok(contacts)
    }

    /// Lets another number or user id lead to the contact of `person`, as Meta says it does now.
    pub(crate) async fn lead_to(
        &mut self,
        tx: &ScopedTx,
        person: &Person,
        new: &Identity,
    ) -> Result<(), Error> {
        let Some(row) = self.contact(person) else { return Ok(()) };
        let (id, portfolio) = (row.contact_id(), person.portfolio);
        let keys = new.keys();
        let wanted = keys.iter().map(|key| (portfolio, key.clone(), id)).collect();
        let free = contact_key::insert_new(tx, wanted).await?;
        for key in keys {
            if !free.iter().any(|row| row.key == key) {
                contact_key::repoint(tx, portfolio, &key, id).await?;
            }
        }
        let facts = contact::Facts {
            id: id.uuid(),
            portfolio,
            bsuid: new.bsuid.as_ref().map(|bsuid| bsuid.as_str().to_owned()),
            wa_id: new.wa_id.as_ref().map(|wa_id| wa_id.digits().to_owned()),
            name: None,
            username: None,
            created: person.at,
        };
        contact::learn(tx, &[facts]).await?;
        Ok(())
    }

    async fn look(&mut self, tx: &ScopedTx, people: &[&Person]) -> Result<(), Error> {
        let portfolios: BTreeSet<Uuid> = people.iter().map(|one| one.portfolio).collect();
        let keys: BTreeSet<String> = people.iter().flat_map(|one| one.identity.keys()).collect();
        let found =
            contact_key::find(tx, portfolios.into_iter().collect(), keys.into_iter().collect())
                .await?;
        let missing: BTreeSet<Uuid> = found
            .iter()
            .map(|row| row.contact_id)
            .filter(|id| !self.contacts.contains_key(&ContactId::from_uuid(*id)))
            .collect();
        for row in contact::by_id(tx, missing.into_iter().collect()).await? {
            self.contacts.insert(row.contact_id(), row);
        }
        for row in found {
            self.keys.insert((row.portfolio_id, row.key), ContactId::from_uuid(row.contact_id));
        }
        Ok(())
    }

    fn remember(&mut self, found: Vec<conversation::Model>) {
        for row in found {
            self.conversations.insert((row.number(), row.contact()), row);
        }
    }

    fn known(&self, portfolio: Uuid, key: Option<&String>) -> Option<Known> {
        let contact = *self.keys.get(&(portfolio, key?.clone()))?;
        let has_bsuid = self.contacts.get(&contact).is_some_and(|row| row.bsuid.is_some());
        Some(Known { contact, has_bsuid })
    }

    async fn ensure_contacts(
        &mut self,
        tx: &ScopedTx,
        people: &[&Person],
    ) -> Result<Vec<ContactId>, Error> {
        for _ in 0..LOOKS {
            let before = self.keys.clone();
            let plan = self.plan(tx, people);
            let wanted = plan.keys.len();
            let taken = contact_key::insert_new(tx, plan.keys.clone()).await?;
            if taken.len() == wanted {
                return self.carry_out(tx, plan).await;
            }
            // Somebody else met one of them at the same time: keep what went in, look again.
            self.keys = before;
            for row in taken {
                let contact = ContactId::from_uuid(row.contact_id);
                if plan.new.contains(&contact) {
                    self.fresh.insert(contact);
                }
                self.keys.insert((row.portfolio_id, row.key), contact);
            }
            self.look(tx, people).await?;
        }
        Err(store::Error::internal("find who a message is with: the keys keep changing").into())
    }

    /// Decides in memory who each is, so that two messages of one stranger in a batch make one contact.
    fn plan(&mut self, tx: &ScopedTx, people: &[&Person]) -> Plan {
        let mut plan = Plan::default();
        for person in people {
            let portfolio = person.portfolio;
            let keys = person.identity.keys();
            let by_bsuid = self.known(portfolio, keys.iter().find(|key| key.starts_with("b:")));
            let by_phone = self.known(portfolio, keys.iter().find(|key| key.starts_with("p:")));
            let contact = match resolve(&person.identity, by_bsuid, by_phone) {
                Match::Is { contact, add } => {
                    for key in add {
                        plan.keys.push((portfolio, key.clone(), contact));
                        self.keys.insert((portfolio, key), contact);
                    }
                    contact
                }
                Match::New { keys } => {
                    let contact = ContactId::mint(tx.ids(), person.at);
                    for key in keys {
                        plan.keys.push((portfolio, key.clone(), contact));
                        self.keys.insert((portfolio, key), contact);
                    }
                    plan.new.insert(contact);
                    contact
                }
                Match::Merge { into, from, key } => {
                    plan.moves.push(Move {
                        portfolio,
                        key: key.clone(),
                        to: into,
                        from,
                        merge: true,
                    });
                    self.keys.insert((portfolio, key), into);
                    into
                }
                Match::NumberMoved { to, from, key } => {
                    plan.moves.push(Move { portfolio, key: key.clone(), to, from, merge: false });
                    self.keys.insert((portfolio, key), to);
                    to
                }
                Match::NewTakesNumber { keys, from } => {
                    let contact = ContactId::mint(tx.ids(), person.at);
                    for key in keys {
                        if key.starts_with("b:") {
                            plan.keys.push((portfolio, key.clone(), contact));
                        } else {
                            let key = key.clone();
                            plan.moves.push(Move {
                                portfolio,
                                key,
                                to: contact,
                                from,
                                merge: false,
                            });
                        }
                        self.keys.insert((portfolio, key), contact);
                    }
                    plan.new.insert(contact);
                    contact
                }
            };
            if self.fresh.contains(&contact) {
                plan.new.insert(contact);
            }
            self.learn(&mut plan, contact, person);
            plan.contacts.push(contact);
        }
        plan
    }

    /// Notes what is new of a contact, in memory at once, so that the next message of it knows.
    fn learn(&mut self, plan: &mut Plan, id: ContactId, person: &Person) {
        let bsuid = person.identity.bsuid.as_ref().map(|bsuid| bsuid.as_str().to_owned());
        let wa_id = person.identity.wa_id.as_ref().map(|wa_id| wa_id.digits().to_owned());
        let row = self.contacts.entry(id).or_insert_with(|| contact::Model {
            tenant_id: Uuid::nil(),
            id: id.uuid(),
            portfolio_id: person.portfolio,
            bsuid: None,
            wa_id: None,
            name: None,
            username: None,
            marketing_out_us: None,
            all_out_us: None,
            marketing_held_us: None,
            marketing_in_us: None,
            utility_in_us: None,
            authentication_in_us: None,
            merged_into: None,
            created_us: person.at.as_micros(),
            version: 1,
        });
        let before = (row.bsuid.clone(), row.wa_id.clone(), row.name.clone(), row.username.clone());
        if person.told_by_meta || row.bsuid.is_none() {
            row.bsuid = bsuid.or(row.bsuid.take());
        }
        if person.told_by_meta || row.wa_id.is_none() {
            row.wa_id = wa_id.or(row.wa_id.take());
        }
        row.name = person.name.clone().or(row.name.take());
        row.username = person.username.clone().or(row.username.take());
        let after = (row.bsuid.clone(), row.wa_id.clone(), row.name.clone(), row.username.clone());
        if before != after {
            plan.learned.insert(id);
        }
    }

    async fn carry_out(&mut self, tx: &ScopedTx, plan: Plan) -> Result<Vec<ContactId>, Error> {
        let facts = |id: &ContactId| {
            let row = self.contacts.get(id)?;
            Some(contact::Facts {
                id: row.id,
                portfolio: row.portfolio_id,
                bsuid: row.bsuid.clone(),
                wa_id: row.wa_id.clone(),
                name: row.name.clone(),
                username: row.username.clone(),
                created: Timestamp::from_micros(row.created_us),
            })
        };
        let new: Vec<contact::Facts> = plan.new.iter().filter_map(facts).collect();
        let learned: Vec<contact::Facts> =
            plan.learned.difference(&plan.new).filter_map(facts).collect();
        contact::insert(tx, new).await?;
        // Rare: a person or a number changed hands, which is worth its statements and its line in the log.
        for moved in &plan.moves {
            contact_key::repoint(tx, moved.portfolio, &moved.key, moved.to).await?;
            if moved.merge {
                contact::merge(tx, moved.from, moved.to).await?;
                conversation::move_to(tx, moved.from, moved.to).await?;
                contact_merge::log(tx, moved.to, moved.from, &moved.key, "same_person").await?;
            } else {
                contact::lose_number(tx, moved.from).await?;
                contact_merge::log(tx, moved.to, moved.from, &moved.key, "number_moved").await?;
            }
        }
        if plan.moves.iter().any(|moved| moved.merge) {
            let contacts = plan.contacts.iter().map(ContactId::uuid).collect();
            let numbers: BTreeSet<Uuid> =
                self.conversations.keys().map(|(number, _)| number.uuid()).collect();
            let found = conversation::find(tx, numbers.into_iter().collect(), contacts).await?;
            self.conversations.clear();
            self.remember(found);
        }
        contact::learn(tx, &learned).await?;
        Ok(plan.contacts)
    }

    async fn ensure_conversations(
        &mut self,
        tx: &ScopedTx,
        people: &[&Person],
        contacts: &[ContactId],
    ) -> Result<Vec<Placed>, Error> {
        let mut new = BTreeMap::new();
        for (person, contact) in people.iter().zip(contacts) {
            let place = (person.number, *contact);
            if !self.conversations.contains_key(&place) {
                new.entry(place).or_insert_with(|| conversation::New {
                    id: ConversationId::mint(tx.ids(), person.at),
                    waba: person.waba,
                    number: person.number,
                    contact: *contact,
                    created: person.at,
                });
            }
        }
        let wanted = new.len();
        let numbers: BTreeSet<Uuid> = new.keys().map(|(number, _)| number.uuid()).collect();
        let of: BTreeSet<Uuid> = new.keys().map(|(_, contact)| contact.uuid()).collect();
        let made = conversation::insert_new(tx, new.into_values().collect()).await?;
        let all_made = made.len() == wanted;
        self.remember(made);
        if !all_made {
            let found =
                conversation::find(tx, numbers.into_iter().collect(), of.into_iter().collect())
                    .await?;
            self.remember(found);
        }
        let lost = || store::Error::internal("find the conversation that was just made");
        people
            .iter()
            .zip(contacts)
            .map(|(person, contact)| {
                let row = self.conversations.get(&(person.number, *contact)).ok_or_else(lost)?;
                Ok(Placed { contact: *contact, conversation: row.conversation_id() })
            })
            .collect()
    }
}

/// What a batch is about to write of its people.
#[derive(Debug, Default)]
struct Plan {
    contacts: Vec<ContactId>,
    keys: Vec<(Uuid, String, ContactId)>,
    new: BTreeSet<ContactId>,
    learned: BTreeSet<ContactId>,
    moves: Vec<Move>,
}

/// A key that leads to somebody else now.
#[derive(Debug)]
struct Move {
    portfolio: Uuid,
    key: String,
    to: ContactId,
    from: ContactId,
    merge: bool,
}
