//! Charges what a document costs to who asks, once the library has worked it out and before anything runs (IN-4).

use std::sync::Arc;

use async_graphql::extensions::{Extension, ExtensionContext, ExtensionFactory, NextValidation};
use async_graphql::{ServerError, ValidationResult, async_trait};

use super::call::Call;
use super::error::server_error;

/// Makes the charge of each request.
pub(super) struct Charging;

impl ExtensionFactory for Charging {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Charge)
    }
}

struct Charge;

#[async_trait::async_trait]
impl Extension for Charge {
    async fn validation(
        &self,
        ctx: &ExtensionContext<'_>,
        next: NextValidation<'_>,
    ) -> Result<ValidationResult, Vec<ServerError>> {
        let valid = next.run(ctx).await?;
        if let Some(call) = ctx.data_opt::<Arc<Call>>() {
            let admitted = call.house().admission.document(&call.scope(), valid.complexity);
            admitted.map_err(|refusal| vec![server_error(&refusal, call.now())])?;
        }
        Ok(valid)
    }
}
