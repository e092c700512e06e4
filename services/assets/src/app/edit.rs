//! Editing and deleting templates: as creating, an intent row, one call, and the row of its outcome.

use auth::{Environment, Scope};
use kernel::id::TemplateId;
use meta::{
    ids::MetaTemplateId,
    template::{NewTemplate, TemplateNode, TemplateStatus},
};
use serde_json::json;
use store::{Error as StoreError, KeyClaim, ScopedTx, Uuid};

use super::{
    App,
    create::{Asked, Begun, components, refused},
    key,
    settle::{Verdict, Wish},
    trouble::{Fault, Trouble},
};
use crate::{
    domain::template::{components_of, same_words},
    error::Error,
    rows::{deed, template, waba},
};

/// What is to change of a template.
#[derive(Debug, Clone)]
pub(crate) struct Edit {
    pub(crate) template: TemplateId,
    pub(crate) components_json: Option<String>,
    pub(crate) category: Option<String>,
}

impl Edit {
    /// The request, if Meta would not refuse it at once; checked against the whole template as it would be.
    fn check(&self, row: &template::Model) -> Result<Wish, Error> {
        let new_components = self.components_json.as_deref().map(components).transpose()?;
        let category = self.category.as_deref().unwrap_or(&row.category);
        let whole = json!({
            "name": row.name, "language": row.language, "category": category,
            "parameter_format": row.parameter_format,
            "components": new_components.clone().unwrap_or_else(|| json!(components_of(&row.components))),
        });
        let checked = NewTemplate::from_json(&whole);
        let checked = match (checked, &new_components) {
            (Ok(checked), _) => checked,
            // What Meta has approved already is not judged again for a change of its category.
            (Err(found), None) if found.iter().all(|one| one.field.starts_with("components")) => {
                NewTemplate { category: category.into(), ..NewTemplate::default() }
            }
            (Err(found), _) => return Err(Error::Violations(found)),
        };
        let other = checked.category.as_str() != row.category;
        Ok(Wish::Edit {
            category: other.then_some(checked.category),
            components: new_components.map(|_| checked.components),
        })
    }
}

/// A template that the caller may change, its row locked.
async fn changeable(
    tx: &ScopedTx,
    id: Uuid,
    environment: Environment,
) -> Result<template::Model, Error> {
    let found = template::lock(tx, id).await?;
    found.filter(|row| waba::visible(environment, &row.environment)).ok_or(Error::TemplateNotFound)
}

async fn waba_of(tx: &ScopedTx, row: &template::Model) -> Result<waba::Model, Error> {
    let found = waba::get(tx, row.waba_id).await?;
    found.filter(|waba| waba.state != "released").ok_or(Error::TemplateNotFound)
}

fn meta_id(row: &template::Model) -> Result<MetaTemplateId, Fault> {
    let id = row.meta_id.as_deref().unwrap_or_default().parse();
    id.map_err(|_| Fault::Refused(Trouble::ours("Meta does not have this template")))
}

impl App {
    /// Changes components or category at Meta; it goes to review again.
    pub(crate) async fn edit_template(
        &self,
        scope: &Scope,
        edit: &Edit,
        key: &str,
    ) -> Result<template::Model, Error> {
        if edit.components_json.is_none() && edit.category.is_none() {
            let problem = "or category says what is to change; neither is there".to_owned();
            return Err(Error::Invalid { field: "components_json", problem });
        }
        let said = |text: &Option<String>| text.clone().unwrap_or_else(|| "\0".to_owned());
        let says = [edit.template.to_string(), said(&edit.components_json), said(&edit.category)];
        let says: Vec<&str> = says.iter().map(String::as_str).collect();
        let claim = key::keyed(scope, "edit_template", key, &says)?;
        let claim = claim.as_ref();
        let environment = scope.environment();
        let begun = self
            .store
            .write(scope, |tx: ScopedTx| async move {
                let row = changeable(&tx, edit.template.uuid(), environment).await?;
                self.begin_edit(&tx, row, edit, claim).await
            })
            .await?;
        let asked = match begun {
            Begun::Earlier(template) => return Ok(*template),
            Begun::Asked(asked) => asked,
        };
        let verdict = self.change(&asked).await;
        self.concluded(scope, &asked, &verdict).await
    }

    async fn begin_edit(
        &self,
        tx: &ScopedTx,
        row: template::Model,
        edit: &Edit,
        claim: Option<&KeyClaim>,
    ) -> Result<Begun, Error> {
        let waba = waba_of(tx, &row).await?;
        let after = self.config.settle_after();
        // The words of a repetition are known; those of a first request are checked below.
        let mut deed = self.deed(tx, (row.waba_id, row.id), &Wish::Read, after)?;
        if let Some(earlier) = key::take(tx, claim, deed.id).await? {
            return self.again(tx, waba, earlier).await;
        }
        if row.gone_us.is_some() {
            return Err(Error::TemplateNotFound);
        }
        if deed::is_under_way(tx, row.id, None).await? {
            return Err(Error::UnderWay);
        }
        let status = TemplateStatus::parse(&row.status);
        if row.meta_id.is_none() || (status.is_known() && !status.is_editable()) {
            return Err(Error::NotEditable(row.status));
        }
        let wish = edit.check(&row)?;
        wish.kind().clone_into(&mut deed.kind);
        deed.body = serde_json::to_string(&wish)
            .map_err(|error| StoreError::internal(format!("write a request: {error}")))?;
        let deed_id = deed.id;
        deed::insert(tx, deed).await?;
        Ok(Begun::Asked(Box::new(Asked { waba, template: row, deed: deed_id, wish })))
    }

    /// Deletes a template at Meta: this language alone. One that is deleted is answered as it is.
    pub(crate) async fn delete_template(
        &self,
        scope: &Scope,
        id: TemplateId,
    ) -> Result<template::Model, Error> {
        let environment = scope.environment();
        let begun = self
            .store
            .write(scope, |tx: ScopedTx| async move {
                let row = changeable(&tx, id.uuid(), environment).await?;
                if row.gone_us.is_some() {
                    return Ok::<_, Error>(Begun::Earlier(Box::new(row)));
                }
                if deed::is_under_way(&tx, row.id, None).await? {
                    return Err(Error::UnderWay);
                }
                let waba = waba_of(&tx, &row).await?;
                if row.meta_id.is_none() {
                    // Meta never took it: it is ours alone.
                    let now_us = tx.now().as_micros();
                    let gone = super::keep::vanish(&tx, &row, now_us, "").await?;
                    return Ok(Begun::Earlier(Box::new(gone)));
                }
                let wish = Wish::Delete;
                let after = self.config.settle_after();
                let deed = self.deed(&tx, (row.waba_id, row.id), &wish, after)?;
                let deed_id = deed.id;
                deed::insert(&tx, deed).await?;
                Ok(Begun::Asked(Box::new(Asked { waba, template: row, deed: deed_id, wish })))
            })
            .await?;
        let asked = match begun {
            Begun::Earlier(template) => return Ok(*template),
            Begun::Asked(asked) => asked,
        };
        let verdict = self.change(&asked).await;
        self.concluded(scope, &asked, &verdict).await
    }

    async fn concluded(
        &self,
        scope: &Scope,
        asked: &Asked,
        verdict: &Verdict,
    ) -> Result<template::Model, Error> {
        let template = self.conclude(scope, asked.deed, verdict).await?;
        match verdict.failure() {
            Some(failure) => Err(failure),
            None => template.ok_or(Error::TemplateNotFound),
        }
    }

    /// Asks Meta for an edit or a deletion, once, and reads what became of it.
    async fn change(&self, asked: &Asked) -> Verdict {
        let began_us = self.clock.now().as_micros();
        let done = self.ask_change(asked).await;
        match (done, &asked.wish) {
            // What is to go is gone, now or before.
            (Ok(()) | Err(Fault::Absent(_)), Wish::Delete) => Verdict::Gone { began_us },
            (Ok(()), _) => match self.read_node(&asked.waba, &asked.template).await {
                Ok((node, began_us)) => {
                    Verdict::Seen { node: Box::new(node), holds: true, began_us }
                }
                Err(_) => Verdict::Edited { began_us },
            },
            (Err(Fault::Lost(trouble)), wish) => {
                let found = self.look(&asked.waba, &asked.template, wish).await;
                // That it does not hold yet says nothing: it may be on its way.
                let holds =
                    matches!(found, Verdict::Gone { .. } | Verdict::Seen { holds: true, .. });
                if holds { found } else { Verdict::Open(trouble) }
            }
            (Err(fault), _) => refused(fault),
        }
    }

    async fn ask_change(&self, asked: &Asked) -> Result<(), Fault> {
        let (access, waba_id) = self.way(&asked.waba).await?;
        let id = meta_id(&asked.template)?;
        let (app, token) = (&access.app, &access.token);
        match &asked.wish {
            Wish::Edit { category, components } => {
                let call = app.edit_template(token, &id, category.as_ref(), components.as_deref());
                self.ask(&asked.waba, call).await
            }
            Wish::Delete => {
                let call = app.delete_template(token, &waba_id, &asked.template.name, Some(&id));
                self.ask(&asked.waba, call).await
            }
            Wish::Create(_) | Wish::Read | Wish::Profile(_) => Ok(()),
        }
    }

    /// A template as Meta shows it, and when the read began.
    pub(crate) async fn read_node(
        &self,
        waba: &waba::Model,
        row: &template::Model,
    ) -> Result<(TemplateNode, i64), Fault> {
        let access = self.access(waba).await?;
        let id = meta_id(row)?;
        let began_us = self.clock.now().as_micros();
        let node = self.ask(waba, access.app.get_template(&access.token, &id)).await?;
        Ok((node, began_us))
    }

    /// Finds out by reading what became of a request about a template. Changes nothing at Meta.
    pub(crate) async fn look(
        &self,
        waba: &waba::Model,
        row: &template::Model,
        wish: &Wish,
    ) -> Verdict {
        if let Wish::Create(new) = wish {
            if row.meta_id.is_some() {
                return Verdict::Known;
            }
            return match self.find(waba, &new.name, &new.language).await {
                Ok((Some(node), began_us)) => {
                    Verdict::Seen { node: Box::new(node), holds: true, began_us }
                }
                Ok((None, _)) => Verdict::Refused(Trouble::ours(
                    "the answer of Meta was lost, and Meta does not have the template; submit it again",
                )),
                Err(fault) => Verdict::Open(fault.into_trouble()),
            };
        }
        let (node, began_us) = match self.read_node(waba, row).await {
            Ok(read) => read,
            Err(Fault::Absent(_)) => {
                return Verdict::Gone { began_us: self.clock.now().as_micros() };
            }
            Err(fault) => return Verdict::Open(fault.into_trouble()),
        };
        let holds = match wish {
            Wish::Edit { category, components } => {
                category.as_ref().is_none_or(|wanted| *wanted == node.category)
                    && components.as_ref().is_none_or(|wanted| same_words(wanted, &node.components))
            }
            Wish::Delete => {
                matches!(node.status, TemplateStatus::Deleted | TemplateStatus::PendingDeletion)
            }
            Wish::Create(_) | Wish::Read | Wish::Profile(_) => true,
        };
        Verdict::Seen { node: Box::new(node), holds, began_us }
    }
}
