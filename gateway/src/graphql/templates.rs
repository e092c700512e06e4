//! Message templates.

use async_graphql::{Context, InputObject, Object, Result};
use proto::assets::v1 as pb;

use super::call::Call;
use super::connection::{Connection, Paging, nested_cost, page_cost};
use super::error::{or_refuse, payloads};
use super::explanations::MetaError;
use super::node::must_be;
use super::numbers::HistoryEntry;
use super::scalars::{DateTime, ID, Json, at, given, idempotency_key, json, some};
use super::wabas::{self, Waba};
use super::words::{Environment, Order, Word as _};

/// A message template: one a language.
#[derive(Debug)]
pub(crate) struct Template(pub(crate) pb::Template);

/// A message template: one a language.
#[Object]
impl Template {
    pub(crate) async fn id(&self) -> ID {
        ID::from(&self.0.id)
    }

    /// Meta's id of it; null until Meta took it.
    async fn meta_id(&self) -> Option<&str> {
        some(&self.0.meta_id)
    }

    async fn waba(&self, ctx: &Context<'_>) -> Result<Option<Waba>> {
        wabas::load(Call::of(ctx)?, &self.0.waba_id).await
    }

    async fn name(&self) -> &str {
        &self.0.name
    }

    async fn language(&self) -> &str {
        &self.0.language
    }

    /// Meta's word: MARKETING, UTILITY, AUTHENTICATION.
    async fn category(&self) -> &str {
        &self.0.category
    }

    /// Meta's words: PENDING, APPROVED, REJECTED, PAUSED …; ours before Meta knows it: DRAFT, SUBMITTING,
    /// `SUBMIT_FAILED`.
    async fn status(&self) -> &str {
        &self.0.status
    }

    /// Meta's word.
    async fn rejected_reason(&self) -> Option<&str> {
        some(&self.0.rejected_reason)
    }

    /// Meta's word: GREEN, YELLOW, RED, UNKNOWN.
    async fn quality_score(&self) -> Option<&str> {
        some(&self.0.quality_score)
    }

    /// Meta's `components`.
    async fn components(&self) -> Option<Json> {
        json(&self.0.components_json)
    }

    /// POSITIONAL or NAMED.
    async fn parameter_format(&self) -> Option<&str> {
        some(&self.0.parameter_format)
    }

    /// What Meta said, where the last submission failed.
    async fn error(&self) -> Option<MetaError> {
        self.0.error.clone().map(MetaError)
    }

    async fn deleted(&self) -> bool {
        self.0.deleted
    }

    async fn environment(&self) -> Option<Environment> {
        Environment::of(&self.0.environment)
    }

    async fn created_at(&self) -> DateTime {
        at(self.0.created_us)
    }

    async fn updated_at(&self) -> DateTime {
        at(self.0.updated_us)
    }

    /// Changes of status, category and quality, as Meta told them.
    #[graphql(complexity = "nested_cost(first, last, child_complexity)")]
    async fn history(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        order_by: Option<Order>,
    ) -> Result<Connection<HistoryEntry>> {
        let call = Call::of(ctx)?;
        let paging = Paging::of(first, after, last, before, order_by)
            .map_err(|refusal| call.error(refusal))?;
        let request = pb::ListTemplateHistoryRequest {
            template_id: self.0.id.clone(),
            page: Some(paging.request()),
        };
        let answer = call.answered(call.templates().list_template_history(request).await)?;
        Ok(paging.connection(answer.items, answer.page_info, HistoryEntry::from))
    }
}

/// Which templates are wanted; empty means any.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) waba_id: String,
    pub(crate) name: String,
    pub(crate) status: String,
}

/// A template by id, as far as the caller sees it.
pub(crate) async fn load(call: &Call, id: &str) -> Result<Option<Template>> {
    let found = call.load.templates.load(id).await.map_err(|refusal| call.error(refusal))?;
    Ok(found.map(Template))
}

/// Templates that the caller may see.
pub(crate) async fn list(
    call: &Call,
    paging: &Paging,
    wanted: Wanted,
) -> Result<Connection<Template>> {
    let Wanted { waba_id, name, status } = wanted;
    let request = pb::ListTemplatesRequest { page: Some(paging.request()), waba_id, name, status };
    let answer = call.answered(call.templates().list_templates(request).await)?;
    Ok(paging.connection(answer.items, answer.page_info, Template))
}

#[derive(Debug, Default)]
pub(crate) struct TemplateQuery;

#[Object]
impl TemplateQuery {
    /// One template.
    async fn template(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Template>> {
        let call = Call::of(ctx)?;
        must_be::<kernel::id::kind::Template>(call, &id)?;
        load(call, &id).await
    }

    /// Templates that the caller may see.
    #[expect(clippy::too_many_arguments, reason = "the arguments of a connection, and its filters")]
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    async fn templates(
        &self,
        ctx: &Context<'_>,
        waba_id: Option<ID>,
        name: Option<String>,
        #[graphql(desc = "Meta's word, such as APPROVED.")] status: Option<String>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        order_by: Option<Order>,
    ) -> Result<Connection<Template>> {
        let call = Call::of(ctx)?;
        let paging = Paging::of(first, after, last, before, order_by)
            .map_err(|refusal| call.error(refusal))?;
        let wanted = Wanted {
            waba_id: given(waba_id),
            name: name.unwrap_or_default(),
            status: status.unwrap_or_default(),
        };
        list(call, &paging, wanted).await
    }
}

#[derive(Debug, InputObject)]
struct TemplateCreateInput {
    waba_id: ID,
    name: String,
    /// Such as `en_US`.
    language: String,
    /// MARKETING, UTILITY or AUTHENTICATION.
    category: String,
    /// POSITIONAL, where it is absent, or NAMED.
    parameter_format: Option<String>,
    /// Meta's `components`.
    components: Json,
    /// The same key with the same input answers the same template for 7 days.
    idempotency_key: Option<String>,
}

#[derive(Debug, InputObject)]
struct TemplateEditInput {
    template_id: ID,
    /// Absent: they stay.
    components: Option<Json>,
    /// Absent: it stays.
    category: Option<String>,
    idempotency_key: Option<String>,
}

#[derive(Debug, InputObject)]
struct TemplateDeleteInput {
    template_id: ID,
}

payloads! {
    TemplateCreatePayload { template: Template }
    TemplateEditPayload { template: Template }
    TemplateDeletePayload { template: Template }
}

#[derive(Debug, Default)]
pub(crate) struct TemplateMutation;

#[Object]
impl TemplateMutation {
    /// Validates a template against Meta's rules, stores it, and submits it for review.
    async fn template_create(
        &self,
        ctx: &Context<'_>,
        input: TemplateCreateInput,
    ) -> Result<TemplateCreatePayload> {
        let call = Call::of(ctx)?;
        let idempotency_key = or_refuse!(call, idempotency_key(input.idempotency_key));
        let request = pb::CreateTemplateRequest {
            waba_id: input.waba_id.0,
            name: input.name,
            language: input.language,
            category: input.category,
            parameter_format: input.parameter_format.unwrap_or_default(),
            components_json: input.components.0.to_string(),
            idempotency_key,
        };
        call.settle(call.templates().create_template(request).await, |answer| {
            TemplateCreatePayload { template: answer.template.map(Template), ..Default::default() }
        })
    }

    /// Changes components or category at Meta; the template goes to review again.
    async fn template_edit(
        &self,
        ctx: &Context<'_>,
        input: TemplateEditInput,
    ) -> Result<TemplateEditPayload> {
        let call = Call::of(ctx)?;
        let idempotency_key = or_refuse!(call, idempotency_key(input.idempotency_key));
        let request = pb::EditTemplateRequest {
            template_id: input.template_id.0,
            components_json: input.components.map(|components| components.0.to_string()),
            category: input.category,
            idempotency_key,
        };
        call.settle(call.templates().edit_template(request).await, |answer| TemplateEditPayload {
            template: answer.template.map(Template),
            ..Default::default()
        })
    }

    /// Deletes a template at Meta: this language alone.
    async fn template_delete(
        &self,
        ctx: &Context<'_>,
        input: TemplateDeleteInput,
    ) -> Result<TemplateDeletePayload> {
        let call = Call::of(ctx)?;
        let request = pb::DeleteTemplateRequest { template_id: input.template_id.0 };
        call.settle(call.templates().delete_template(request).await, |answer| {
            TemplateDeletePayload { template: answer.template.map(Template), ..Default::default() }
        })
    }
}
