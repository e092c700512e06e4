//! Reads: pages of the tenant and of the desk, single things, batches, histories and snapshots.

use auth::Scope;
use kernel::{
    id::{NumberId, TemplateId, TenantId},
    page::{Order, Page},
};
use proto::common::v1 as common;
use store::page::{Asked, Wish};
use store::{DeskTx, Error as StoreError, ScopedTx, Shard, SystemTx, Uuid, purpose};

use super::App;
use crate::{
    error::Error,
    rows::{history, number, template, waba},
};

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
        let order = match page.order() {
            common::Order::OldestFirst => Order::OldestFirst,
            common::Order::Unspecified | common::Order::NewestFirst => Order::NewestFirst,
        };
        let wish = Wish { size: page.page_size, token: &page.page_token, order };
        Ok(Asked::open(&self.cursors, scope, list, filters, wish)?)
    }

    fn cut<T>(&self, asked: &Asked, rows: Vec<T>, id: impl Fn(&T) -> Uuid) -> Page<T> {
        asked.cut(&self.cursors, rows, id)
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
                let all = tx.find::<template::Entity>().page(template::Column::Id, wanted);
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
                let all = tx.find::<number::Entity>().page(number::Column::Id, wanted);
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
                let all = tx.find::<number::Entity>().page(number::Column::Id, wanted);
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
    let all = tx.find::<history::Entity>().page(history::Column::Id, asked);
    Ok(history::of(all, subject).all().await?)
}
