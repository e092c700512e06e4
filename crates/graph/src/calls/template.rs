//! Templates. After a lost answer of a create, read by name and language before anything else: a duplicate is an error of its own.

use super::Success;
use crate::Page;
use crate::client::{Call, GraphApp, Payload};
use crate::error::Error;
use kernel::secret::MetaToken;
use meta::template::{Component, NewTemplate, TemplateCategory, TemplateNode, TemplateStatus};
use meta::{MetaTemplateId, MetaWabaId};
use serde::Deserialize;
use serde_json::{Value, json};

const FIELDS: &str = "id,name,language,status,category,components,parameter_format,sub_category,previous_category,quality_score,rejected_reason,\
    message_send_ttl_seconds,correct_category";

/// What Meta answers to a new template.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CreatedTemplate {
    /// Its id.
    pub id: MetaTemplateId,
    /// Where review stands.
    #[serde(default)]
    pub status: TemplateStatus,
    /// What Meta files it under: it may be another category than the one asked for, and then another price.
    #[serde(default)]
    pub category: TemplateCategory,
}

impl GraphApp {
    /// One page of an account's templates.
    #[tracing::instrument(name = "graph.list_templates", skip_all, fields(app.id = %self.id(), waba.meta_id = %waba, http.status_code), err(level = "debug"))]
    pub async fn list_templates(
        &self,
        token: &MetaToken,
        waba: &MetaWabaId,
        after: Option<&str>,
    ) -> Result<Page<TemplateNode>, Error> {
        let mut query = vec![("fields", FIELDS), ("limit", "100")];
        if let Some(after) = after {
            query.push(("after", after));
        }
        self.page(
            Call::get("list_templates", token, &[waba.as_str(), "message_templates"]).query(&query),
        )
        .await
    }

    /// All of an account's templates.
    #[tracing::instrument(name = "graph.list_all_templates", skip_all, fields(app.id = %self.id(), waba.meta_id = %waba, http.status_code), err(level = "debug"))]
    pub async fn list_all_templates(
        &self,
        token: &MetaToken,
        waba: &MetaWabaId,
    ) -> Result<Vec<TemplateNode>, Error> {
        self.all_pages(
            "list_templates",
            token,
            &[waba.as_str(), "message_templates"],
            &[("fields", FIELDS)],
        )
        .await
    }

    /// The template of this name and language, if there is one. Meta's own filter may match more than the name.
    #[tracing::instrument(name = "graph.find_template", skip_all, fields(app.id = %self.id(), waba.meta_id = %waba, http.status_code), err(level = "debug"))]
    pub async fn find_template(
        &self,
        token: &MetaToken,
        waba: &MetaWabaId,
        name: &str,
        language: &str,
    ) -> Result<Option<TemplateNode>, Error> {
        let query = [("fields", FIELDS), ("name", name)];
        let found: Vec<TemplateNode> = self
            .all_pages("find_template", token, &[waba.as_str(), "message_templates"], &query)
            .await?;
        Ok(found
            .into_iter()
            .find(|template| template.name == name && template.language == language))
    }

    /// Reads a template.
    #[tracing::instrument(name = "graph.get_template", skip_all, fields(app.id = %self.id(), template.meta_id = %template, http.status_code), err(level = "debug"))]
    pub async fn get_template(
        &self,
        token: &MetaToken,
        template: &MetaTemplateId,
    ) -> Result<TemplateNode, Error> {
        self.call(
            Call::get("get_template", token, &[template.as_str()]).query(&[("fields", FIELDS)]),
        )
        .await
    }

    /// Creates a template and gives it to review.
    #[tracing::instrument(name = "graph.create_template", skip_all, fields(app.id = %self.id(), waba.meta_id = %waba, http.status_code), err(level = "debug"))]
    pub async fn create_template(
        &self,
        token: &MetaToken,
        waba: &MetaWabaId,
        template: &NewTemplate,
    ) -> Result<CreatedTemplate, Error> {
        let body = template.to_json();
        self.call(Call::post(
            "create_template",
            token,
            &[waba.as_str(), "message_templates"],
            Payload::Json(&body),
        ))
        .await
    }

    /// Edits a template. The components given replace all that it has; an approved one takes one edit a day and keeps its category.
    #[tracing::instrument(name = "graph.edit_template", skip_all, fields(app.id = %self.id(), template.meta_id = %template, http.status_code), err(level = "debug"))]
    pub async fn edit_template(
        &self,
        token: &MetaToken,
        template: &MetaTemplateId,
        category: Option<&TemplateCategory>,
        components: Option<&[Component]>,
    ) -> Result<(), Error> {
        let mut body = json!({});
        if let Value::Object(map) = &mut body {
            if let Some(category) = category {
                map.insert("category".to_owned(), json!(category));
            }
            if let Some(components) = components {
                map.insert("components".to_owned(), json!(components));
            }
        }
        let answer: Success = self
            .call(Call::post("edit_template", token, &[template.as_str()], Payload::Json(&body)))
            .await?;
        answer.check("edit_template")
    }

    /// Deletes one language of a template; without an id, all languages of the name.
    #[tracing::instrument(name = "graph.delete_template", skip_all, fields(app.id = %self.id(), waba.meta_id = %waba, http.status_code), err(level = "debug"))]
    pub async fn delete_template(
        &self,
        token: &MetaToken,
        waba: &MetaWabaId,
        name: &str,
        template: Option<&MetaTemplateId>,
    ) -> Result<(), Error> {
        let mut query = vec![("name", name)];
        if let Some(id) = template {
            query.push(("hsm_id", id.as_str()));
        }
        let path = [waba.as_str(), "message_templates"];
        let call = Call::delete("delete_template", token, &path).query(&query);
        let answer: Success = self.call(call).await?;
        answer.check("delete_template")
    }
}
