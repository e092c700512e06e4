//! What a read of Meta makes of the rows: new ones, changed ones, and those that Meta no longer lists.
//!
//! Each function is one or a few transactions and may run again with the same answer of Meta's: a second time nothing
//! changes and nothing is told.

use auth::TenantReach;
use meta::{nodes::NumberNode, template::TemplateNode};
use store::{Error, ScopedTx, Uuid};

use super::{App, change};
use crate::{
    domain::{heard::Heard, number, template},
    events,
    rows::{self, waba},
};

/// Templates of one transaction.
const BATCH: usize = 100;

impl App {
    /// Keeps the numbers of a WABA as a list that began then found them. Answers the Meta ids of those that somebody else
    /// holds (ISO-5).
    pub(crate) async fn keep_numbers<R: TenantReach + Sync + ?Sized>(
        &self,
        who: &R,
        waba: &waba::Model,
        nodes: &[NumberNode],
        began_us: i64,
    ) -> Result<Vec<String>, Error> {
        self.store
            .write(who, |tx: ScopedTx| async move {
                let partner = rows::tenant::partner(&tx).await?;
                let known = rows::number::lock_waba(&tx, waba.waba_id).await?;
                let mut new = Vec::new();
                for node in nodes {
                    match known.iter().find(|row| row.meta_id == node.id.as_str()) {
                        Some(before) => {
                            let after =
                                rows::number::Model { partner_id: partner, ..before.clone() };
                            see_number(&tx, before, after, node, began_us).await?;
                        }
                        None => new.push(new_number(&tx, waba, partner, node, began_us)),
                    }
                }
                let listed = |row: &rows::number::Model| {
                    nodes.iter().any(|node| node.id.as_str() == row.meta_id)
                };
                for before in known.iter().filter(|row| !listed(row) && row.read_us < began_us) {
                    remove_number(&tx, before, began_us).await?;
                }
                let wanted: Vec<String> = new.iter().map(|row| row.meta_id.clone()).collect();
                let inserted = rows::number::insert_new(&tx, new).await?;
                let told = inserted.iter().map(|row| events::number_changed(&tx, row)).collect();
                tx.publish_many(told).await?;
                let taken = |id: &String| !inserted.iter().any(|row| row.meta_id == *id);
                Ok(wanted.into_iter().filter(taken).collect())
            })
            .await
    }

    /// Keeps the templates of a WABA as a list that began then found them.
    pub(crate) async fn keep_templates<R: TenantReach + Sync + ?Sized>(
        &self,
        who: &R,
        waba: &waba::Model,
        nodes: &[TemplateNode],
        began_us: i64,
    ) -> Result<(), Error> {
        // First those that are gone: a name that was made again is free for its new template.
        self.drop_unlisted(who, waba, nodes, began_us).await?;
        for nodes in nodes.chunks(BATCH) {
            self.store
                .write(
                    who,
                    |tx: ScopedTx| async move { keep_batch(&tx, waba, nodes, began_us).await },
                )
                .await?;
        }
        Ok(())
    }

    async fn drop_unlisted<R: TenantReach + Sync + ?Sized>(
        &self,
        who: &R,
        waba: &waba::Model,
        nodes: &[TemplateNode],
        began_us: i64,
    ) -> Result<(), Error> {
        let held = self
            .store
            .read(who, |tx: ScopedTx| async move {
                rows::template::held_before(&tx, waba.waba_id, began_us).await
            })
            .await?;
        let listed: std::collections::HashSet<&str> =
            nodes.iter().map(|node| node.id.as_str()).collect();
        let gone: Vec<Uuid> = held
            .into_iter()
            .filter(|row| !listed.contains(row.meta_id.as_str()))
            .map(|row| row.id)
            .collect();
        for gone in gone.chunks(BATCH) {
            self.store
                .write(who, |tx: ScopedTx| async move {
                    for before in rows::template::lock_some(&tx, gone).await? {
                        vanish(&tx, &before, began_us, "no longer listed by Meta").await?;
                    }
                    Ok::<_, Error>(())
                })
                .await?;
        }
        Ok(())
    }

    /// Takes all numbers and templates of a WABA out of service: it is ours no longer.
    pub(crate) async fn release<R: TenantReach + Sync + ?Sized>(
        &self,
        who: &R,
        waba: &waba::Model,
    ) -> Result<(), Error> {
        let now_us = self.clock.now().as_micros();
        self.keep_numbers(who, waba, &[], now_us).await?;
        self.drop_unlisted(who, waba, &[], now_us).await
    }
}

fn new_number(
    tx: &ScopedTx,
    waba: &waba::Model,
    partner: Option<Uuid>,
    node: &NumberNode,
    began_us: i64,
) -> rows::number::Model {
    let mut standing = number::Standing::default();
    standing.see(node, began_us);
    let bare = rows::number::Model {
        tenant_id: waba.tenant_id,
        id: tx.ids().v7(tx.now()),
        waba_id: waba.waba_id,
        partner_id: partner,
        meta_id: node.id.to_string(),
        e164: String::new(),
        verified_name: String::new(),
        name_status: String::new(),
        status: String::new(),
        quality_rating: String::new(),
        messaging_limit: String::new(),
        throughput_mps: 0,
        code_verification: String::new(),
        registered: false,
        removed_us: None,
        environment: waba.environment.clone(),
        heard: Heard::default().to_text(),
        read_us: 0,
        created_us: tx.now().as_micros(),
        version: 1,
    };
    bare.with(standing)
}

/// What a read makes of a number that is known. `after` may differ from `before` in what Meta does not say.
pub(crate) async fn see_number(
    tx: &ScopedTx,
    before: &rows::number::Model,
    after: rows::number::Model,
    node: &NumberNode,
    began_us: i64,
) -> Result<rows::number::Model, Error> {
    let mut standing = before.standing();
    let entries = standing.see(node, began_us);
    let mut after = after.with(standing);
    if began_us >= before.read_us {
        after.removed_us = None;
    }
    change::save_number(tx, before, after, began_us, entries).await
}

/// Marks a number that Meta no longer shows.
pub(crate) async fn remove_number(
    tx: &ScopedTx,
    before: &rows::number::Model,
    began_us: i64,
) -> Result<rows::number::Model, Error> {
    if before.removed_us.is_some() {
        return Ok(before.clone());
    }
    let after = rows::number::Model {
        removed_us: Some(tx.now().as_micros()),
        registered: false,
        read_us: began_us,
        ..before.clone()
    };
    change::save_number(tx, before, after, began_us, Vec::new()).await
}

async fn keep_batch(
    tx: &ScopedTx,
    waba: &waba::Model,
    nodes: &[TemplateNode],
    began_us: i64,
) -> Result<(), Error> {
    let ids: Vec<String> = nodes.iter().map(|node| node.id.to_string()).collect();
    let names: Vec<String> = nodes.iter().map(|node| node.name.clone()).collect();
    let known = rows::template::lock_known(tx, waba.waba_id, &ids, &names).await?;
    let mut new = Vec::new();
    for node in nodes {
        let named = |row: &&rows::template::Model| row.meta_id.as_deref() == Some(node.id.as_str());
        let submitted = |row: &&rows::template::Model| {
            row.meta_id.is_none() && row.name == node.name && row.language == node.language
        };
        match known.iter().find(named).or_else(|| known.iter().find(submitted)) {
            Some(before) => {
                see_template(tx, before, node, began_us).await?;
            }
            None => new.push(new_template(tx, waba, node, began_us)),
        }
    }
    let inserted = rows::template::insert_new(tx, new).await?;
    tx.publish_many(inserted.iter().map(|row| events::template_changed(tx, row)).collect()).await
}

fn new_template(
    tx: &ScopedTx,
    waba: &waba::Model,
    node: &TemplateNode,
    began_us: i64,
) -> rows::template::Model {
    let now_us = tx.now().as_micros();
    let bare = rows::template::Model {
        tenant_id: waba.tenant_id,
        id: tx.ids().v7(tx.now()),
        waba_id: waba.waba_id,
        meta_id: Some(node.id.to_string()),
        name: node.name.clone(),
        language: node.language.clone(),
        category: String::new(),
        status: String::new(),
        rejected_reason: String::new(),
        quality_score: String::new(),
        ttl_s: None,
        parameter_format: String::new(),
        components: String::new(),
        environment: waba.environment.clone(),
        error: None,
        gone_us: None,
        heard: String::new(),
        read_us: 0,
        created_us: now_us,
        updated_us: now_us,
        version: 1,
    };
    bare.with(template::Standing::first(node, began_us), now_us)
}

/// What a read makes of a template that is known, or that was submitted and is found now.
pub(crate) async fn see_template(
    tx: &ScopedTx,
    before: &rows::template::Model,
    node: &TemplateNode,
    began_us: i64,
) -> Result<rows::template::Model, Error> {
    let mut standing = before.standing();
    let entries = standing.see(node, began_us);
    let mut after = before.clone().with(standing, tx.now().as_micros());
    if after.meta_id.is_none() {
        after.meta_id = Some(node.id.to_string());
        after.error = None;
    }
    change::save_template(tx, before, after, began_us, entries).await
}

/// Marks a template that Meta no longer has.
pub(crate) async fn vanish(
    tx: &ScopedTx,
    before: &rows::template::Model,
    began_us: i64,
    why: &str,
) -> Result<rows::template::Model, Error> {
    let mut standing = before.standing();
    let entries = standing.vanish(began_us, why);
    let after = before.clone().with(standing, tx.now().as_micros());
    change::save_template(tx, before, after, began_us, entries).await
}
