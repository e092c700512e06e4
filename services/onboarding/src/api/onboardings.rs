//! `OnboardingService`: sagas as the desk and the business see them.

use auth::Scope;
use bus::TailHub;
use futures::{StreamExt as _, stream::BoxStream};
use proto::onboarding::v1::{
    CancelOnboardingRequest, CancelOnboardingResponse, GetOnboardingRequest, GetOnboardingResponse,
    GetOwnOnboardingRequest, GetOwnOnboardingResponse, ListOnboardingsRequest,
    ListOnboardingsResponse, ListOwnOnboardingsRequest, ListOwnOnboardingsResponse,
    RetryStepRequest, RetryStepResponse, SkipStepRequest, SkipStepResponse, UndoOnboardingRequest,
    UndoOnboardingResponse, WatchOnboardingsRequest, WatchOnboardingsResponse,
    WatchOwnOnboardingsRequest, WatchOwnOnboardingsResponse,
    onboarding_service_server::OnboardingService,
};
use server::{Security, WatchGuard};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::{
    page_info,
    watch::{self, Wanted},
};
use crate::{
    app::{App, control::Act},
    domain::step::Step,
    events,
};

/// Sagas.
#[derive(Clone)]
pub(crate) struct Onboardings {
    pub(crate) app: App,
    pub(crate) hub: TailHub,
    pub(crate) security: Security,
    /// Ends streams on a drain.
    pub(crate) stop: CancellationToken,
}

impl Onboardings {
    async fn act(
        &self,
        scope: &Scope,
        id: &str,
        act: Act,
        reason: &str,
    ) -> Result<proto::onboarding::v1::Onboarding, Status> {
        let id = server::parse_id("onboarding_id", id)?;
        Ok(events::onboarding(&self.app.control(scope, id, act, reason).await?))
    }

    fn guard(&self, scope: Scope) -> WatchGuard {
        WatchGuard::new(self.security.clone(), scope, self.stop.clone())
    }
}

#[tonic::async_trait]
impl OnboardingService for Onboardings {
    type WatchOnboardingsStream = BoxStream<'static, Result<WatchOnboardingsResponse, Status>>;
    type WatchOwnOnboardingsStream =
        BoxStream<'static, Result<WatchOwnOnboardingsResponse, Status>>;

    async fn get_onboarding(
        &self,
        request: Request<GetOnboardingRequest>,
    ) -> Result<Response<GetOnboardingResponse>, Status> {
        let scope = server::scope(&request)?;
        let id = server::parse_id("onboarding_id", &request.get_ref().onboarding_id)?;
        let saga = self.app.desk_onboarding(&scope, id).await?;
        Ok(Response::new(GetOnboardingResponse { onboarding: Some(events::onboarding(&saga)) }))
    }

    async fn list_onboardings(
        &self,
        request: Request<ListOnboardingsRequest>,
    ) -> Result<Response<ListOnboardingsResponse>, Status> {
        let scope = server::scope(&request)?;
        let request = request.into_inner();
        let tenant = server::parse_optional_id("tenant_id", &request.tenant_id)?;
        let asked = self.app.asked(&scope, "onboardings", &[&request.tenant_id], request.page)?;
        let page = self.app.list_onboardings(&scope, asked, tenant).await?;
        let page_info = Some(page_info(&page));
        Ok(Response::new(ListOnboardingsResponse {
            items: page.items.iter().map(events::onboarding).collect(),
            page_info,
        }))
    }

    async fn watch_onboardings(
        &self,
        request: Request<WatchOnboardingsRequest>,
    ) -> Result<Response<Self::WatchOnboardingsStream>, Status> {
        let scope = server::scope(&request)?;
        let request = request.into_inner();
        let tenant = server::parse_optional_id("tenant_id", &request.tenant_id)?;
        let items =
            watch::follow(&self.app, &self.hub, &scope, &request.after, Wanted::Desk(tenant))
                .await?;
        let items = items.map(|item| {
            item.map(|item| WatchOnboardingsResponse {
                onboarding: item.onboarding,
                cursor: item.cursor,
                resync: item.resync,
            })
        });
        let guarded =
            self.guard(scope).guard(items, |item: &WatchOnboardingsResponse, scope: &Scope| {
                let of = item.onboarding.as_ref().map(|one| one.partner_id.as_str());
                scope.partner().is_none_or(|partner| of.is_none_or(|of| of == partner.to_string()))
            });
        Ok(Response::new(guarded))
    }

    async fn retry_step(
        &self,
        request: Request<RetryStepRequest>,
    ) -> Result<Response<RetryStepResponse>, Status> {
        let scope = server::scope(&request)?;
        let onboarding =
            Some(self.act(&scope, &request.get_ref().onboarding_id, Act::Retry, "").await?);
        Ok(Response::new(RetryStepResponse { onboarding }))
    }

    async fn skip_step(
        &self,
        request: Request<SkipStepRequest>,
    ) -> Result<Response<SkipStepResponse>, Status> {
        let scope = server::scope(&request)?;
        let request = request.into_inner();
        let step = Step::of_contract(request.step()).ok_or_else(|| {
            server::StatusBuilder::invalid("step names no step")
                .violation("step", "names no step")
                .build()
        })?;
        let onboarding =
            Some(self.act(&scope, &request.onboarding_id, Act::Skip(step), &request.reason).await?);
        Ok(Response::new(SkipStepResponse { onboarding }))
    }

    async fn cancel_onboarding(
        &self,
        request: Request<CancelOnboardingRequest>,
    ) -> Result<Response<CancelOnboardingResponse>, Status> {
        let scope = server::scope(&request)?;
        let request = request.into_inner();
        let onboarding =
            Some(self.act(&scope, &request.onboarding_id, Act::Cancel, &request.reason).await?);
        Ok(Response::new(CancelOnboardingResponse { onboarding }))
    }

    async fn undo_onboarding(
        &self,
        request: Request<UndoOnboardingRequest>,
    ) -> Result<Response<UndoOnboardingResponse>, Status> {
        let scope = server::scope(&request)?;
        let request = request.into_inner();
        let onboarding =
            Some(self.act(&scope, &request.onboarding_id, Act::Undo, &request.reason).await?);
        Ok(Response::new(UndoOnboardingResponse { onboarding }))
    }

    async fn get_own_onboarding(
        &self,
        request: Request<GetOwnOnboardingRequest>,
    ) -> Result<Response<GetOwnOnboardingResponse>, Status> {
        let scope = server::scope(&request)?;
        let id = server::parse_id("onboarding_id", &request.get_ref().onboarding_id)?;
        let saga = self.app.own_onboarding(&scope, id).await?;
        Ok(Response::new(GetOwnOnboardingResponse { onboarding: Some(events::onboarding(&saga)) }))
    }

    async fn list_own_onboardings(
        &self,
        request: Request<ListOwnOnboardingsRequest>,
    ) -> Result<Response<ListOwnOnboardingsResponse>, Status> {
        let scope = server::scope(&request)?;
        let asked = self.app.asked(&scope, "own onboardings", &[], request.into_inner().page)?;
        let page = self.app.list_own_onboardings(&scope, asked).await?;
        let page_info = Some(page_info(&page));
        let items = page.items.iter().map(events::onboarding).collect();
        Ok(Response::new(ListOwnOnboardingsResponse { items, page_info }))
    }

    async fn watch_own_onboardings(
        &self,
        request: Request<WatchOwnOnboardingsRequest>,
    ) -> Result<Response<Self::WatchOwnOnboardingsStream>, Status> {
        let scope = server::scope(&request)?;
        let items =
            watch::follow(&self.app, &self.hub, &scope, &request.get_ref().after, Wanted::Own)
                .await?;
        let items = items.map(|item| {
            item.map(|item| WatchOwnOnboardingsResponse {
                onboarding: item.onboarding,
                cursor: item.cursor,
                resync: item.resync,
            })
        });
        let guarded =
            self.guard(scope).guard(items, |item: &WatchOwnOnboardingsResponse, scope: &Scope| {
                item.onboarding.as_ref().is_none_or(|one| watch::is_own(one, scope))
            });
        Ok(Response::new(guarded))
    }
}
