//! Tokens: the exchange of a signup code, and what a token is.

use crate::client::{Call, GraphApp, Payload};
use crate::error::Error;
use kernel::secret::{ExposeSecret, MetaToken};
use meta::nodes::TokenInfo;
use reqwest::Method;
use serde::Deserialize;

/// A token that came for a code.
#[derive(Debug, Clone)]
pub struct ExchangedToken {
    /// The token.
    pub token: MetaToken,
    /// Seconds that it lives; `None` = it does not expire.
    pub expires_in: Option<u64>,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    #[serde(default)]
    expires_in: Option<u64>,
}

#[derive(Deserialize)]
struct Data {
    data: TokenInfo,
}

impl GraphApp {
    /// Exchanges a signup code for a business token. The code lives 30 seconds and works once: after a lost answer the dialog is started again, the
    /// exchange never repeated. `redirect_uri` is left out for the JavaScript dialog and must be the dialog's own for a redirect.
    #[tracing::instrument(name = "graph.exchange_code", skip_all, fields(app.id = %self.id(), http.status_code), err(level = "debug"))]
    pub async fn exchange_code(
        &self,
        code: &str,
        redirect_uri: Option<&str>,
    ) -> Result<ExchangedToken, Error> {
        let app = self.settings();
        let mut form = vec![
            ("client_id", app.id.as_str()),
            ("client_secret", app.secret.expose_secret()),
            ("code", code),
        ];
        if let Some(uri) = redirect_uri {
            form.push(("redirect_uri", uri));
        }
        // A form, so that the secret and the code stand in no address.
        let answer: TokenAnswer = self
            .call(Call {
                operation: "exchange_code",
                method: Method::POST,
                path: &["oauth", "access_token"],
                query: &[],
                token: None,
                payload: Payload::Form(&form),
            })
            .await?;
        Ok(ExchangedToken {
            token: MetaToken::new(answer.access_token),
            expires_in: answer.expires_in,
        })
    }

    /// What Meta says of a token: whose it is, whether it works, what it reaches. A dead token is an answer, not an error.
    #[tracing::instrument(name = "graph.debug_token", skip_all, fields(app.id = %self.id(), http.status_code), err(level = "debug"))]
    pub async fn debug_token(&self, token: &MetaToken) -> Result<TokenInfo, Error> {
        let app_token = self.app_token();
        // Meta takes the token in question as a query value alone; the address is never logged.
        let query = [("input_token", token.expose())];
        let answer: Data =
            self.call(Call::get("debug_token", &app_token, &["debug_token"]).query(&query)).await?;
        Ok(answer.data)
    }
}
