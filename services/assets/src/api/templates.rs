//! `TemplateService`.

use kernel::id::{TemplateId, WabaId};
use proto::assets::v1::{
    BatchGetTemplatesRequest, BatchGetTemplatesResponse, CreateTemplateRequest,
    CreateTemplateResponse, DeleteTemplateRequest, DeleteTemplateResponse, EditTemplateRequest,
    EditTemplateResponse, GetTemplateRequest, GetTemplateResponse, ListTemplateHistoryRequest,
    ListTemplateHistoryResponse, ListTemplatesRequest, ListTemplatesResponse,
    template_service_server::TemplateService,
};
use tonic::{Request, Response, Status};

use super::{ids, page_info};
use crate::{
    app::{App, create::Draft, edit::Edit},
    events,
    rows::template::Filter,
};

/// Templates.
#[derive(Clone)]
pub(crate) struct Templates(pub(crate) App);

fn id(text: &str) -> Result<TemplateId, Status> {
    server::parse_id("template_id", text)
}

#[tonic::async_trait]
impl TemplateService for Templates {
    async fn create_template(
        &self,
        request: Request<CreateTemplateRequest>,
    ) -> Result<Response<CreateTemplateResponse>, Status> {
        let scope = server::scope(&request)?;
        let request = request.into_inner();
        let draft = Draft {
            waba: server::parse_id("waba_id", &request.waba_id)?,
            name: request.name,
            language: request.language,
            category: request.category,
            parameter_format: request.parameter_format,
            components_json: request.components_json,
        };
        let row = self.0.create_template(&scope, &draft, &request.idempotency_key).await?;
        Ok(Response::new(CreateTemplateResponse { template: Some(events::template(&row)) }))
    }

    async fn get_template(
        &self,
        request: Request<GetTemplateRequest>,
    ) -> Result<Response<GetTemplateResponse>, Status> {
        let scope = server::scope(&request)?;
        let row = self.0.template(&scope, id(&request.get_ref().template_id)?).await?;
        Ok(Response::new(GetTemplateResponse { template: Some(events::template(&row)) }))
    }

    async fn list_templates(
        &self,
        request: Request<ListTemplatesRequest>,
    ) -> Result<Response<ListTemplatesResponse>, Status> {
        let scope = server::scope(&request)?;
        let request = request.into_inner();
        let waba: Option<WabaId> = server::parse_optional_id("waba_id", &request.waba_id)?;
        let status = request.status.to_ascii_uppercase();
        let filters = [request.waba_id.as_str(), request.name.as_str(), status.as_str()];
        let asked = self.0.asked(&scope, "templates", &filters, request.page)?;
        let filter = Filter { waba: waba.map(|id| id.uuid()), name: request.name, status };
        let page = self.0.list_templates(&scope, asked, filter).await?;
        let page_info = Some(page_info(&page));
        let items = page.items.iter().map(events::template).collect();
        Ok(Response::new(ListTemplatesResponse { items, page_info }))
    }

    async fn batch_get_templates(
        &self,
        request: Request<BatchGetTemplatesRequest>,
    ) -> Result<Response<BatchGetTemplatesResponse>, Status> {
        let scope = server::scope(&request)?;
        let ids = ids("template_ids", &request.get_ref().template_ids)?;
        let rows = self.0.templates(&scope, &ids).await?;
        let templates = rows.iter().map(events::template).collect();
        Ok(Response::new(BatchGetTemplatesResponse { templates }))
    }

    async fn edit_template(
        &self,
        request: Request<EditTemplateRequest>,
    ) -> Result<Response<EditTemplateResponse>, Status> {
        let scope = server::scope(&request)?;
        let request = request.into_inner();
        let edit = Edit {
            template: id(&request.template_id)?,
            components_json: request.components_json,
            category: request.category,
        };
        let row = self.0.edit_template(&scope, &edit, &request.idempotency_key).await?;
        Ok(Response::new(EditTemplateResponse { template: Some(events::template(&row)) }))
    }

    async fn delete_template(
        &self,
        request: Request<DeleteTemplateRequest>,
    ) -> Result<Response<DeleteTemplateResponse>, Status> {
        let scope = server::scope(&request)?;
        let row = self.0.delete_template(&scope, id(&request.get_ref().template_id)?).await?;
        Ok(Response::new(DeleteTemplateResponse { template: Some(events::template(&row)) }))
    }

    async fn list_template_history(
        &self,
        request: Request<ListTemplateHistoryRequest>,
    ) -> Result<Response<ListTemplateHistoryResponse>, Status> {
        let scope = server::scope(&request)?;
        let request = request.into_inner();
        let id = id(&request.template_id)?;
        let filters = [request.template_id.as_str()];
        let asked = self.0.asked(&scope, "template history", &filters, request.page)?;
        let page = self.0.template_history(&scope, id, asked).await?;
        let page_info = Some(page_info(&page));
        let items = page.items.iter().map(events::entry).collect();
        Ok(Response::new(ListTemplateHistoryResponse { items, page_info }))
    }
}
