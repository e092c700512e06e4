//! Reads: pages of the desk and of the tenant, and single things.

use auth::{Acting, Environment, Scope};
use kernel::{
    id::{OnboardingId, TenantId, WabaId},
    page::{Order, Page},
};
use proto::common::v1 as common;
use store::page::{Asked, Wish};
use store::{DeskTx, Error as StoreError, ScopedTx, Shard, SystemTx, purpose};
use uuid::Uuid;

use super::{App, deeds::Desk};
use crate::{
    error::Error,
    rows::{
        onboarding, partner,
        saga::{self, Saga},
        step, tenant, waba,
    },
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

    /// Tenants that the desk may see.
    pub(crate) async fn list_tenants(
        &self,
        scope: &Scope,
        asked: Asked,
    ) -> Result<Page<tenant::Model>, Error> {
        let wanted = &asked;
        let rows = self
            .store
            .desk(scope, |tx: DeskTx| async move {
                let all = tx.find::<tenant::Entity>().page(tenant::Column::TenantId, wanted);
                all.all().await.map_err(Error::Store)
            })
            .await?;
        Ok(self.cut(&asked, rows, |row| row.tenant_id))
    }

    /// Tenants by id that the desk may see; the others are left out.
    pub(crate) async fn tenants(
        &self,
        scope: &Scope,
        ids: &[TenantId],
    ) -> Result<Vec<tenant::Model>, Error> {
        let ids: &Vec<Uuid> = &ids.iter().map(TenantId::uuid).collect();
        self.store.desk(scope, |tx: DeskTx| async move { Ok(tenant::among(&tx, ids).await?) }).await
    }

    /// Partners; the operator alone asks.
    pub(crate) async fn list_partners(
        &self,
        scope: &Scope,
        asked: Asked,
    ) -> Result<Page<partner::Model>, Error> {
        Desk::of_operator(scope)?;
        let wanted = &asked;
        let rows = self
            .store
            .system_read(purpose::onboarding::DESK, Shard::ONLY, |tx: SystemTx| async move {
                partner::page(&tx, wanted).await
            })
            .await
            .map_err(|error: StoreError| error)?;
        Ok(self.cut(&asked, rows, |row| row.id))
    }

    /// One saga that the desk may see.
    pub(crate) async fn desk_onboarding(
        &self,
        scope: &Scope,
        id: OnboardingId,
    ) -> Result<Saga, Error> {
        let id = id.uuid();
        let found = self
            .store
            .desk(scope, |tx: DeskTx| async move {
                Ok::<_, Error>(desk_sagas(&tx, onboarding::by_id(&tx, id).await?).await?)
            })
            .await?;
        found.into_iter().next().ok_or(Error::OnboardingNotFound)
    }

    /// Sagas that the desk may see.
    pub(crate) async fn list_onboardings(
        &self,
        scope: &Scope,
        asked: Asked,
        tenant: Option<TenantId>,
    ) -> Result<Page<Saga>, Error> {
        let (wanted, tenant) = (&asked, tenant.map(|id| id.uuid()));
        let sagas = self
            .store
            .desk(scope, |tx: DeskTx| async move {
                let all = tx.find::<onboarding::Entity>().page(onboarding::Column::Id, wanted);
                let rows = onboarding::of_tenant(all, tenant).all().await?;
                Ok::<_, Error>(desk_sagas(&tx, rows).await?)
            })
            .await?;
        Ok(self.cut(&asked, sagas, |saga| saga.row.id))
    }

    /// The next sagas that the desk may see and that changed after a change id, oldest change first.
    pub(crate) async fn desk_changed_after(
        &self,
        scope: &Scope,
        after: Uuid,
        tenant: Option<TenantId>,
    ) -> Result<Vec<Saga>, Error> {
        let tenant = tenant.map(|id| id.uuid());
        self.store
            .desk(scope, |tx: DeskTx| async move {
                let all = onboarding::of_tenant(tx.find::<onboarding::Entity>(), tenant);
                let rows = onboarding::changed(all, after).all().await?;
                Ok(desk_sagas(&tx, rows).await?)
            })
            .await
    }

    /// The next of the caller's own sagas that changed after a change id, oldest change first.
    pub(crate) async fn own_changed_after(
        &self,
        scope: &Scope,
        after: Uuid,
    ) -> Result<Vec<Saga>, Error> {
        let environment = scope.environment();
        self.store
            .read(scope, |tx: ScopedTx| async move {
                let own = onboarding::of_environment(tx.find(), environment);
                Ok(saga::all_of(&tx, onboarding::changed(own, after)).await?)
            })
            .await
    }

    /// The caller's own saga.
    pub(crate) async fn own_onboarding(
        &self,
        scope: &Scope,
        id: OnboardingId,
    ) -> Result<Saga, Error> {
        let environment = scope.environment();
        let found = self
            .store
            .read(scope, |tx: ScopedTx| async move {
                let own = onboarding::of_environment(tx.find(), environment);
                saga::one_of(&tx, own, id.uuid()).await
            })
            .await?;
        found.ok_or(Error::OnboardingNotFound)
    }

    /// The caller's own sagas.
    pub(crate) async fn list_own_onboardings(
        &self,
        scope: &Scope,
        asked: Asked,
    ) -> Result<Page<Saga>, Error> {
        let (wanted, environment) = (&asked, scope.environment());
        let sagas = self
            .store
            .read(scope, |tx: ScopedTx| async move {
                let own = onboarding::of_environment(tx.find(), environment);
                let page = own.page(onboarding::Column::Id, wanted);
                Ok::<_, Error>(saga::all_of(&tx, page).await?)
            })
            .await?;
        Ok(self.cut(&asked, sagas, |saga| saga.row.id))
    }

    /// A saga, for the worker that walks it.
    pub(crate) async fn load(&self, acting: &Acting, id: Uuid) -> Result<Option<Saga>, StoreError> {
        self.store.read(acting, |tx: ScopedTx| async move { saga::get(&tx, id).await }).await
    }

    /// WABAs that the caller may see.
    pub(crate) async fn list_wabas(
        &self,
        scope: &Scope,
        asked: Asked,
    ) -> Result<Page<waba::Model>, Error> {
        let (wanted, environment) = (&asked, scope.environment());
        let rows = self
            .store
            .read(scope, |tx: ScopedTx| async move {
                let all = tx.find::<waba::Entity>().page(waba::Column::WabaId, wanted);
                waba::held(all, environment).all().await.map_err(Error::Store)
            })
            .await?;
        Ok(self.cut(&asked, rows, |row| row.waba_id))
    }

    /// WABAs by id; unknown and foreign ones are left out.
    pub(crate) async fn wabas(
        &self,
        scope: &Scope,
        ids: &[WabaId],
    ) -> Result<Vec<waba::Model>, Error> {
        let (ids, environment) =
            (&ids.iter().map(WabaId::uuid).collect::<Vec<Uuid>>(), scope.environment());
        self.store
            .read(scope, |tx: ScopedTx| async move {
                let held: store::Find<waba::Entity> =
                    waba::held(tx.find::<waba::Entity>(), environment);
                Ok(waba::among(held, ids).all().await?)
            })
            .await
    }

    /// One WABA.
    pub(crate) async fn waba(&self, scope: &Scope, id: WabaId) -> Result<waba::Model, Error> {
        self.wabas(scope, &[id]).await?.into_iter().next().ok_or(Error::WabaNotFound)
    }

    /// WABAs that the desk may see.
    pub(crate) async fn list_desk_wabas(
        &self,
        scope: &Scope,
        asked: Asked,
        tenant: Option<TenantId>,
    ) -> Result<Page<waba::Model>, Error> {
        let (wanted, tenant) = (&asked, tenant.map(|id| id.uuid()));
        let rows = self
            .store
            .desk(scope, |tx: DeskTx| async move {
                let all = tx.find::<waba::Entity>().page(waba::Column::WabaId, wanted);
                waba::of_tenant(waba::held(all, Environment::Any), tenant)
                    .all()
                    .await
                    .map_err(Error::Store)
            })
            .await?;
        Ok(self.cut(&asked, rows, |row| row.waba_id))
    }

    /// Rows for a snapshot, after an id.
    pub(crate) async fn snapshot_tenants(
        &self,
        after: Option<Uuid>,
        limit: u64,
    ) -> Result<Vec<tenant::Model>, StoreError> {
        self.store
            .system_read(purpose::onboarding::SNAPSHOT, Shard::ONLY, |tx: SystemTx| async move {
                tenant::after(&tx, after, limit).await
            })
            .await
    }

    /// The same for WABAs, released ones too: whoever keeps them must hear of it.
    pub(crate) async fn snapshot_wabas(
        &self,
        after: Option<Uuid>,
        limit: u64,
    ) -> Result<Vec<waba::Model>, StoreError> {
        self.store
            .system_read(purpose::onboarding::SNAPSHOT, Shard::ONLY, |tx: SystemTx| async move {
                waba::after(&tx, after, limit).await
            })
            .await
    }

    /// The same for partners.
    pub(crate) async fn snapshot_partners(
        &self,
        after: Option<Uuid>,
        limit: u64,
    ) -> Result<Vec<partner::Model>, StoreError> {
        self.store
            .system_read(purpose::onboarding::SNAPSHOT, Shard::ONLY, |tx: SystemTx| async move {
                partner::after(&tx, after, limit).await
            })
            .await
    }
}

async fn desk_sagas(tx: &DeskTx, rows: Vec<onboarding::Model>) -> Result<Vec<Saga>, StoreError> {
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let steps = step::of_sagas(tx, &ids).await?;
    Ok(saga::join(rows, steps))
}
