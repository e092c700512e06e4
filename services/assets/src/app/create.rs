//! Creating a template: an intent row, the call outside any transaction, and the row of its outcome.
//!
//! Meta's create is not repeatable, so it is made once a row. A process that dies in the middle, or an answer that is
//! lost, leaves a row that says `SUBMITTING`, and the settler finds out by reading.

use auth::Scope;
use kernel::id::{TemplateId, WabaId};
use meta::{
    ids::MetaWabaId,
    template::{NewTemplate, ParameterFormat, TemplateNode},
};
use serde_json::{Value, json};
use store::{Error as StoreError, KeyClaim, ScopedTx, Shard, SystemTx, Uuid, purpose};

use super::{
    App,
    context::Access,
    key,
    settle::{Verdict, Wish},
    trouble::{Fault, Trouble},
};
use crate::{
    domain::{
        heard::Heard,
        retry,
        template::{SUBMITTING, UNRATED},
    },
    error::Error,
    events,
    rows::{
        deed::{self, ASKED, DONE, UNSENT},
        import, template, waba,
    },
};

/// Largest `components`, in bytes.
const MOST_COMPONENTS: usize = 64 * 1024;
/// Meta has a template of this name in this language.
const NAME_TAKEN: [i64; 2] = [2_388_023, 2_388_024];

/// A template as a caller wants it.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) waba: WabaId,
    pub(crate) name: String,
    pub(crate) language: String,
    pub(crate) category: String,
    pub(crate) parameter_format: String,
    pub(crate) components_json: String,
}

/// Reads Meta's `components`.
pub(crate) fn components(text: &str) -> Result<Value, Error> {
    let invalid = |problem: String| Error::Invalid { field: "components_json", problem };
    if text.len() > MOST_COMPONENTS {
        let size = text.len();
        return Err(invalid(format!("has {size} bytes; at most {MOST_COMPONENTS} are taken")));
    }
    let read: Value = serde_json::from_str(text).map_err(|error| {
        invalid(format!("is no JSON (line {}, column {})", error.line(), error.column()))
    })?;
    if read.is_array() { Ok(read) } else { Err(invalid("is no JSON array".to_owned())) }
}

impl Draft {
    /// The body of Meta's call, if Meta would not refuse it at once.
    pub(crate) fn check(&self) -> Result<NewTemplate, Error> {
        let mut body = json!({
            "name": self.name, "language": self.language, "category": self.category,
            "components": components(&self.components_json)?,
        });
        if let (Some(body), false) = (body.as_object_mut(), self.parameter_format.is_empty()) {
            body.insert("parameter_format".to_owned(), json!(self.parameter_format));
        }
        NewTemplate::from_json(&body).map_err(Error::Violations)
    }
}

/// What the first transaction of a change found.
pub(crate) enum Begun {
    /// The request came before, and this is how it stands.
    Earlier(Box<template::Model>),
    /// It is to be asked.
    Asked(Box<Asked>),
}

/// A request that is to be made.
pub(crate) struct Asked {
    pub(crate) waba: waba::Model,
    pub(crate) template: template::Model,
    pub(crate) deed: Uuid,
    pub(crate) wish: Wish,
}

/// The outcome of a request that came before; `None` where it never reached Meta and is to be made now.
pub(crate) fn outcome_of(deed: &deed::Model) -> Result<bool, Error> {
    match deed.state.as_str() {
        ASKED | DONE => Ok(true),
        UNSENT => Ok(false),
        _ => {
            let kept = deed.error.as_deref().and_then(Trouble::parse);
            Err(Error::Refused(kept.unwrap_or_else(|| Trouble::ours("Meta refused it"))))
        }
    }
}

impl App {
    /// Creates a template and submits it for review. The same key with the same words answers the same template.
    pub(crate) async fn create_template(
        &self,
        scope: &Scope,
        draft: &Draft,
        key: &str,
    ) -> Result<template::Model, Error> {
        let new = &draft.check()?;
        let said = new.to_json().to_string();
        let claim = key::keyed(scope, "create_template", key, &[&draft.waba.to_string(), &said])?;
        let claim = claim.as_ref();
        let environment = scope.environment();
        let begun = self
            .store
            .write(scope, |tx: ScopedTx| async move {
                let found = waba::get(&tx, draft.waba.uuid()).await?;
                let waba = found.filter(|waba| {
                    waba.state != "released" && waba::visible(environment, &waba.environment)
                });
                let waba = waba.ok_or(Error::WabaNotFound)?;
                self.begin_create(&tx, waba, new, claim).await
            })
            .await?;
        let asked = match begun {
            Begun::Earlier(template) => return Ok(*template),
            Begun::Asked(asked) => asked,
        };
        let verdict = self.submit(&asked.waba, new).await;
        let template = self.conclude(scope, asked.deed, &verdict).await?;
        if let Some(failure) = verdict.failure() {
            self.look_around(&asked.waba, &verdict).await;
            return Err(failure);
        }
        template.ok_or(Error::TemplateNotFound)
    }

    async fn begin_create(
        &self,
        tx: &ScopedTx,
        waba: waba::Model,
        new: &NewTemplate,
        claim: Option<&KeyClaim>,
    ) -> Result<Begun, Error> {
        let wish = Wish::Create(new.clone());
        let now_us = tx.now().as_micros();
        let id = tx.ids().v7(tx.now());
        let deed = self.deed(tx, (waba.waba_id, id), &wish, self.config.settle_after())?;
        if let Some(earlier) = key::take(tx, claim, deed.id).await? {
            return self.again(tx, waba, earlier).await;
        }
        free_name(tx, waba.waba_id, &new.name, &new.language).await?;
        let format = new.parameter_format.clone().unwrap_or(ParameterFormat::Positional);
        let template = template::Model {
            tenant_id: waba.tenant_id,
            id,
            waba_id: waba.waba_id,
            meta_id: None,
            name: new.name.clone(),
            language: new.language.clone(),
            category: new.category.to_string(),
            status: SUBMITTING.to_owned(),
            rejected_reason: String::new(),
            quality_score: UNRATED.to_owned(),
            ttl_s: new.message_send_ttl_seconds,
            parameter_format: format.to_string(),
            components: serde_json::to_string(&new.components)
                .map_err(|error| StoreError::internal(format!("write components: {error}")))?,
            environment: waba.environment.clone(),
            error: None,
            gone_us: None,
            heard: Heard::default().to_text(),
            read_us: 0,
            created_us: now_us,
            updated_us: now_us,
            version: 1,
        };
        template::insert(tx, template.clone()).await?;
        tx.publish(events::template_changed(tx, &template)).await?;
        let deed_id = deed.id;
        deed::insert(tx, deed).await?;
        Ok(Begun::Asked(Box::new(Asked { waba, template, deed: deed_id, wish })))
    }

    /// A request whose key came before: its outcome, or, where it never reached Meta, the request again.
    pub(crate) async fn again(
        &self,
        tx: &ScopedTx,
        waba: waba::Model,
        earlier: Uuid,
    ) -> Result<Begun, Error> {
        let lost = || StoreError::internal("find the request of a key that was taken");
        let mut deed = deed::lock(tx, earlier).await?.ok_or_else(lost)?;
        let before = template::lock(tx, deed.subject_id).await?.ok_or(Error::TemplateNotFound)?;
        if outcome_of(&deed)? {
            return Ok(Begun::Earlier(Box::new(before)));
        }
        let wish: Wish = serde_json::from_str(&deed.body)
            .map_err(|error| StoreError::bad_row("deed", error.to_string()))?;
        let mut after = before.clone();
        after.error = None;
        if before.meta_id.is_none() {
            free_name(tx, waba.waba_id, &before.name, &before.language).await?;
            SUBMITTING.clone_into(&mut after.status);
        }
        let now_us = tx.now().as_micros();
        let template = super::change::save_template(tx, &before, after, now_us, Vec::new()).await?;
        ASKED.clone_into(&mut deed.state);
        deed.error = None;
        let due = self.config.settle_after();
        deed.due_us = retry::later(self.wall.now().as_micros(), due);
        deed::save(tx, &deed).await?;
        Ok(Begun::Asked(Box::new(Asked { waba, template, deed: deed.id, wish })))
    }

    /// Asks Meta, once. A lost answer is looked for at once, and again later by the settler.
    async fn submit(&self, waba: &waba::Model, new: &NewTemplate) -> Verdict {
        let began_us = self.clock.now().as_micros();
        let (access, id) = match self.way(waba).await {
            Ok(way) => way,
            Err(fault) => return refused(fault),
        };
        let call = access.app.create_template(&access.token, &id, new);
        match self.ask(waba, call).await {
            Ok(made) => Verdict::Taken {
                meta_id: made.id.to_string(),
                status: made.status.to_string(),
                category: made.category.to_string(),
                began_us,
            },
            Err(Fault::Lost(trouble)) => match self.find(waba, &new.name, &new.language).await {
                Ok((Some(node), began_us)) => {
                    Verdict::Seen { node: Box::new(node), holds: true, began_us }
                }
                Ok((None, _)) | Err(_) => Verdict::Open(trouble),
            },
            Err(fault) => refused(fault),
        }
    }

    /// The way to a WABA at Meta, with Meta's id of it.
    pub(crate) async fn way(&self, waba: &waba::Model) -> Result<(Access, MetaWabaId), Fault> {
        let id = waba.meta_id.parse();
        let id =
            id.map_err(|_| Fault::Refused(Trouble::ours("that is no id of a WhatsApp account")))?;
        Ok((self.access(waba).await?, id))
    }

    /// The template of a name and language that Meta shows, and when the read began.
    pub(crate) async fn find(
        &self,
        waba: &waba::Model,
        name: &str,
        language: &str,
    ) -> Result<(Option<TemplateNode>, i64), Fault> {
        let (access, id) = self.way(waba).await?;
        let began_us = self.clock.now().as_micros();
        let found =
            self.ask(waba, access.app.find_template(&access.token, &id, name, language)).await?;
        Ok((found, began_us))
    }

    /// Meta has a template of that name which we do not know: it is read in, so that people see it.
    async fn look_around(&self, waba: &waba::Model, verdict: &Verdict) {
        let Verdict::Refused(Trouble { meta: Some(words), .. }) = verdict else { return };
        if !words.subcode.is_some_and(|subcode| NAME_TAKEN.contains(&subcode)) {
            return;
        }
        let (tenant, waba) = (waba.tenant_id, waba.waba_id);
        let asked: Result<(), StoreError> = self
            .store
            .system(purpose::assets::IMPORT, Shard::ONLY, |tx: SystemTx| async move {
                import::ask(&tx, tenant, waba).await
            })
            .await;
        match asked {
            Ok(()) => self.imports.notify_one(),
            // The daily refresh finds it.
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::info!(error, "an import could not be asked for");
            }
        }
    }
}

/// A call that brought no result, as a verdict on a request that was made once.
pub(crate) fn refused(fault: Fault) -> Verdict {
    match fault {
        Fault::Unsent(trouble) => Verdict::Unsent(trouble),
        Fault::Refused(trouble) | Fault::Absent(trouble) => Verdict::Refused(trouble),
        Fault::Lost(trouble) => Verdict::Open(trouble),
    }
}

async fn free_name(tx: &ScopedTx, waba: Uuid, name: &str, language: &str) -> Result<(), Error> {
    match template::named(tx, waba, name, language).await? {
        Some(taken) => Err(Error::TemplateExists(TemplateId::from_uuid(taken.id))),
        None => Ok(()),
    }
}
