//! Messages. The attempt row is committed by the caller before this is called (I3); the body carries our message's TypeID, the same on every attempt.

use super::Success;
use crate::client::{Call, GraphApp, Payload};
use crate::error::Error;
use crate::outcome::SendOutcome;
use kernel::secret::MetaToken;
use meta::{MarkRead, MetaNumberId};
use serde_json::Value;

impl GraphApp {
    /// Posts a message, once. Meta's call is not idempotent: another POST is allowed only where the outcome says so.
    #[tracing::instrument(name = "graph.send_message", skip_all, fields(app.id = %self.id(), number.meta_id = %number, http.status_code, outcome, meta.error_code))]
    pub async fn send_message(
        &self,
        token: &MetaToken,
        number: &MetaNumberId,
        body: &Value,
    ) -> SendOutcome {
        let outcome = self
            .send(Call::post(
                "send_message",
                token,
                &[number.as_str(), "messages"],
                Payload::Json(body),
            ))
            .await;
        let span = tracing::Span::current();
        span.record("outcome", outcome.label());
        match &outcome {
            SendOutcome::Refused(error) | SendOutcome::Failed(error) => {
                span.record("meta.error_code", error.code);
            }
            SendOutcome::Accepted { .. } | SendOutcome::NotSent(_) | SendOutcome::Unknown(_) => {}
        }
        outcome
    }

    /// Marks an inbound message as read, or shows "typing…". Repeating it is harmless.
    #[tracing::instrument(name = "graph.mark_read", skip_all, fields(app.id = %self.id(), number.meta_id = %number, http.status_code), err(level = "debug"))]
    pub async fn mark_read(
        &self,
        token: &MetaToken,
        number: &MetaNumberId,
        mark: &MarkRead,
    ) -> Result<(), Error> {
        let body = mark.to_json();
        let answer: Success = self
            .call(Call::post(
                "mark_read",
                token,
                &[number.as_str(), "messages"],
                Payload::Json(&body),
            ))
            .await?;
        answer.check("mark_read")
    }
}
