//! Reads: pages of the tenant and of the desk, single things, batches, histories and snapshots.

use auth::{Reach, Scope};
use kernel::{
    id::{NumberId, TemplateId, TenantId},
    page::{CursorScope, Page, filter_hash, page_size},
};
use proto::common::v1 as common;
use store::{DeskTx, Error as StoreError, ScopedTx, Shard, SystemTx, Uuid, purpose};

use super::App;
use crate::{
    error::Error,
    rows::{
        history, number,
        page::{self, Order},
        template, waba,
    },
};

/// Items of a page: what is meant by 0, and the most.
const PAGE: u32 = 25;
const LARGEST_PAGE: u32 = 100;

/// A page that was asked for, its cursor opened.
pub(crate) struct Asked {
    pub(crate) size: u32,
    pub(crate) after: Option<Uuid>,
    pub(crate) order: Order,
    hash: [u8; 32],
    scope: CursorScope,
}

/// Whose cursors a scope uses.
fn cursor_scope(scope: &Scope) -> CursorScope {
    match scope.reach() {
        Reach::Tenant { tenant, .. } => CursorScope::Tenant(*tenant),
        Reach::Partner { partner } => CursorScope::Partner(*partner),
        Reach::Operator { operator } => CursorScope::Operator(*operator),
    }
}

impl App {
    /// Opens what a caller sent as a page.
    pub(crate) fn asked(
        &self,
        scope: &Scope,
        list: &str,
        filters: &[&str],
        page: Option<common::Page>,
    ) -> Result<Asked, Error> {
        let page = page.unwrap_or_default();
        let (hash, scope) = (filter_hash(list, filters), cursor_scope(scope));
        let after = match page.page_token.as_str() {
            "" => None,
            token => Some(self.cursors.decode(&scope, &hash, token)?),
        };
        let order = match page.order() {
            common::Order::OldestFirst => Order::Asc,
            common::Order::Unspecified | common::Order::NewestFirst => Order::Desc,
        };
        let size = page_size(page.page_size, PAGE, LARGEST_PAGE);
        Ok(Asked { size, after, order, hash, scope })
    }

    fn cut<T>(&self, asked: &Asked, rows: Vec<T>, id: impl Fn(&T) -> Uuid) -> Page<T> {
        Page::cut(rows, asked.size, &self.cursors, &asked.scope, &asked.hash, id)
    }

    /// Templates that the caller may see.
    pub(crate) async fn list_templates(
        &self,
        scope: &Scope,
        asked: Asked,
        filter: template::Filter,
    ) -> Result<Page<template::Model>, Error> {
        let (wanted, filter, environment) = (&asked, &filter, scope.environment());
        let rows = self
            .store
            .read(scope, |tx: ScopedTx| async move {
                let all = page::at(tx.find::<template::Entity>(), template::Column::Id, wanted);
                let held = template::held(all, environment);
                template::narrowed(held, filter).all().await.map_err(Error::Store)
            })
            .await?;
        Ok(self.cut(&asked, rows, |row| row.id))
    }

    /// Templates by id; unknown and foreign ones are left out.
    pub(crate) async fn templates(
        &self,
        scope: &Scope,
        ids: &[TemplateId],
    ) -> Result<Vec<template::Model>, Error> {
        let ids: &Vec<Uuid> = &ids.iter().map(kernel::id::Id::uuid).collect();
        let environment = scope.environment();
        self.store
            .read(scope, |tx: ScopedTx| async move {
                let held = template::held(tx.find::<template::Entity>(), environment);
                Ok(template::among(held, ids).all().await?)
            })
            .await
    }

    /// One template.
    pub(crate) async fn template(
        &self,
        scope: &Scope,
        id: TemplateId,
    ) -> Result<template::Model, Error> {
        self.templates(scope, &[id]).await?.into_iter().next().ok_or(Error::TemplateNotFound)
    }

    /// History of a template.
    pub(crate) async fn template_history(
        &self,
        scope: &Scope,
        id: TemplateId,
        asked: Asked,
    ) -> Result<Page<history::Model>, Error> {
        let (wanted, environment) = (&asked, scope.environment());
        let rows = self
            .store
            .read(scope, |tx: ScopedTx| async move {
                let row = template::get(&tx, id.uuid()).await?;
                row.filter(|row| waba::visible(environment, &row.environment))
                    .ok_or(Error::TemplateNotFound)?;
                entries(&tx, id.uuid(), wanted).await
            })
            .await?;
        Ok(self.cut(&asked, rows, |row| row.id))
    }

    /// Numbers that the caller may see.
    pub(crate) async fn list_numbers(
        &self,
        scope: &Scope,
        asked: Asked,
        waba: Option<Uuid>,
    ) -> Result<Page<number::Model>, Error> {
        let (wanted, environment) = (&asked, scope.environment());
        let rows = self
            .store
            .read(scope, |tx: ScopedTx| async move {
                let all = page::at(tx.find::<number::Entity>(), number::Column::Id, wanted);
                let held = number::present(number::held(all, environment));
                number::of_waba(held, waba).all().await.map_err(Error::Store)
            })
            .await?;
        Ok(self.cut(&asked, rows, |row| row.id))
    }

    /// Numbers by id; unknown and foreign ones are left out.
    pub(crate) async fn numbers(
        &self,
        scope: &Scope,
        ids: &[NumberId],
    ) -> Result<Vec<number::Model>, Error> {
        let ids: &Vec<Uuid> = &ids.iter().map(kernel::id::Id::uuid).collect();
        let environment = scope.environment();
        self.store
            .read(scope, |tx: ScopedTx| async move {
                let held = number::held(tx.find::<number::Entity>(), environment);
                Ok(number::among(held, ids).all().await?)
            })
            .await
    }

    /// One number.
    pub(crate) async fn number(&self, scope: &Scope, id: NumberId) -> Result<number::Model, Error> {
        self.numbers(scope, &[id]).await?.into_iter().next().ok_or(Error::NumberNotFound)
    }

    /// History of a number.
    pub(crate) async fn number_history(
        &self,
        scope: &Scope,
        id: NumberId,
        asked: Asked,
    ) -> Result<Page<history::Model>, Error> {
        let (wanted, environment) = (&asked, scope.environment());
        let rows = self
            .store
            .read(scope, |tx: ScopedTx| async move {
                let row = number::get(&tx, id.uuid()).await?;
                row.filter(|row| waba::visible(environment, &row.environment))
                    .ok_or(Error::NumberNotFound)?;
                entries(&tx, id.uuid(), wanted).await
            })
            .await?;
        Ok(self.cut(&asked, rows, |row| row.id))
    }

    /// Numbers that the desk may see.
    pub(crate) async fn list_desk_numbers(
        &self,
        scope: &Scope,
        asked: Asked,
        tenant: Option<TenantId>,
    ) -> Result<Page<number::Model>, Error> {
        let (wanted, tenant) = (&asked, tenant.map(|id| id.uuid()));
        let rows = self
            .store
            .desk(scope, |tx: DeskTx| async move {
                let all = page::at(tx.find::<number::Entity>(), number::Column::Id, wanted);
                let of = number::of_tenant(number::present(all), tenant);
                of.all().await.map_err(Error::Store)
            })
            .await?;
        Ok(self.cut(&asked, rows, |row| row.id))
    }

    /// Numbers for a snapshot, after an id; removed ones too: whoever keeps them must hear of it.
    pub(crate) async fn snapshot_numbers(
        &self,
        after: Option<Uuid>,
        limit: u64,
    ) -> Result<Vec<number::Model>, StoreError> {
        self.store
            .system_read(purpose::assets::SNAPSHOT, Shard::ONLY, |tx: SystemTx| async move {
                number::after(&tx, after, limit).await
            })
            .await
    }

    /// The same for templates.
    pub(crate) async fn snapshot_templates(
        &self,
        after: Option<Uuid>,
        limit: u64,
    ) -> Result<Vec<template::Model>, StoreError> {
        self.store
            .system_read(purpose::assets::SNAPSHOT, Shard::ONLY, |tx: SystemTx| async move {
                template::after(&tx, after, limit).await
            })
            .await
    }
}

async fn entries(
    tx: &ScopedTx,
    subject: Uuid,
    asked: &Asked,
) -> Result<Vec<history::Model>, Error> {
    let all = page::at(tx.find::<history::Entity>(), history::Column::Id, asked);
    Ok(history::of(all, subject).all().await?)
}
