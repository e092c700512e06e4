//! Files: up, down, away. A file that comes down is streamed; a token goes only to the app's Graph host and to listed media hosts (OUT-6).

use super::Success;
use crate::client::{Call, GraphApp, Payload, lost};
use crate::error::Error;
use crate::metrics;
use bytes::Bytes;
use kernel::secret::MetaToken;
use meta::ids::MetaMediaId;
use meta::nodes::MediaInfo;
use meta::{GraphError, MetaNumberId};
use serde::Deserialize;
use std::time::Duration;
use url::Url;

/// A file to go up.
#[derive(Debug)]
pub struct Upload {
    /// Its bytes, whole or streamed.
    pub body: reqwest::Body,
    /// How many there are; needed where they are streamed.
    pub length: Option<u64>,
    /// Its type, as `image/png`.
    pub mime_type: String,
    /// Its name.
    pub file_name: String,
}

/// A file on its way down.
#[derive(Debug)]
pub struct Download {
    response: reqwest::Response,
    limit: u64,
    taken: u64,
}

impl Download {
    /// The type that the host says.
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        self.response.headers().get(reqwest::header::CONTENT_TYPE)?.to_str().ok()
    }

    /// The length that the host says.
    #[must_use]
    pub fn content_length(&self) -> Option<u64> {
        self.response.content_length()
    }

    /// The next bytes; `None` at the end.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        let chunk = self.response.chunk().await.map_err(|error| lost("download_media", error))?;
        if let Some(chunk) = &chunk {
            self.taken = self.taken.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
            if self.taken > self.limit {
                return Err(Error::TooLarge { limit: self.limit });
            }
        }
        Ok(chunk)
    }
}

#[derive(Deserialize)]
struct Uploaded {
    id: MetaMediaId,
}

#[derive(Deserialize)]
struct Session {
    id: String,
}

#[derive(Deserialize)]
struct Handle {
    h: String,
}

impl GraphApp {
    /// Uploads a file for one number's messages; Meta keeps it for 30 days. A repeat makes a second id and no other harm.
    #[tracing::instrument(name = "graph.upload_media", skip_all, fields(app.id = %self.id(), number.meta_id = %number, http.status_code), err(level = "debug"))]
    pub async fn upload_media(
        &self,
        token: &MetaToken,
        number: &MetaNumberId,
        file: Upload,
    ) -> Result<MetaMediaId, Error> {
        let Upload { body, length, mime_type, file_name } = file;
        let part = match length {
            Some(length) => reqwest::multipart::Part::stream_with_length(body, length),
            None => reqwest::multipart::Part::stream(body),
        };
        let part = part
            .file_name(file_name)
            .mime_str(&mime_type)
            .map_err(|source| Error::NotSent { operation: "upload_media", source })?;
        let form = reqwest::multipart::Form::new()
            .text("messaging_product", "whatsapp")
            .text("type", mime_type)
            .part("file", part);
        let path = [number.as_str(), "media"];
        let call = Call::post("upload_media", token, &path, Payload::Multipart(Box::new(form)));
        Ok(self.call::<Uploaded>(call).await?.id)
    }

    /// Where a file can be fetched for five minutes.
    #[tracing::instrument(name = "graph.get_media", skip_all, fields(app.id = %self.id(), http.status_code), err(level = "debug"))]
    pub async fn get_media(
        &self,
        token: &MetaToken,
        media: &MetaMediaId,
        number: Option<&MetaNumberId>,
    ) -> Result<MediaInfo, Error> {
        let query: Vec<(&str, &str)> =
            number.iter().map(|number| ("phone_number_id", number.as_str())).collect();
        self.call(Call::get("get_media", token, &[media.as_str()]).query(&query)).await
    }

    /// Fetches a file from the address that Meta gave, at most `limit` bytes. An address that is over is an error 404: ask for a new one.
    #[tracing::instrument(name = "graph.download_media", skip_all, fields(app.id = %self.id(), http.status_code), err(level = "debug"))]
    pub async fn download_media(
        &self,
        token: &MetaToken,
        address: &str,
        limit: u64,
    ) -> Result<Download, Error> {
        let operation = "download_media";
        let url = self.trusted(address)?;
        let started = tokio::time::Instant::now();
        let sent = self.files().get(url).bearer_auth(token.expose()).send().await;
        let elapsed: Duration = started.elapsed();
        let mut response = sent.map_err(|error| {
            metrics::call(operation, "lost", elapsed);
            lost(operation, error)
        })?;
        let status = response.status().as_u16();
        tracing::Span::current().record("http.status_code", status);
        if !response.status().is_success() {
            metrics::call(operation, "refused", elapsed);
            let body = response.chunk().await.ok().flatten().unwrap_or_default();
            return Err(match GraphError::from_body(&body) {
                Some(error) => Error::Api { operation, status, error: Box::new(error) },
                None => Error::Decode { operation, status, reason: "a file".to_owned() },
            });
        }
        metrics::call(operation, "ok", elapsed);
        if response.content_length().is_some_and(|length| length > limit) {
            return Err(Error::TooLarge { limit });
        }
        Ok(Download { response, limit, taken: 0 })
    }

    /// The address, if a token may go there: the Graph host itself (same scheme, host and port), or https on a listed host.
    fn trusted(&self, address: &str) -> Result<Url, Error> {
        let refuse = |host: &str| Error::HostNotAllowed { host: host.to_owned() };
        let url = Url::parse(address).map_err(|_| refuse("an address that does not parse"))?;
        let host = url.host_str().unwrap_or_default();
        let same_origin = url.origin() == self.base().origin();
        let listed = url.scheme() == "https"
            && url.port_or_known_default() == Some(443)
            && self.config().trusts(host);
        if (same_origin || listed) && url.username().is_empty() && url.password().is_none() {
            Ok(url)
        } else {
            Err(refuse(host))
        }
    }

    /// Deletes an uploaded file.
    #[tracing::instrument(name = "graph.delete_media", skip_all, fields(app.id = %self.id(), http.status_code), err(level = "debug"))]
    pub async fn delete_media(&self, token: &MetaToken, media: &MetaMediaId) -> Result<(), Error> {
        let answer: Success =
            self.call(Call::delete("delete_media", token, &[media.as_str()])).await?;
        answer.check("delete_media")
    }

    /// Uploads a sample for a template's header, or a profile picture, and gives its handle: used at once, by this app alone.
    #[tracing::instrument(name = "graph.upload_handle", skip_all, fields(app.id = %self.id(), http.status_code), err(level = "debug"))]
    pub async fn upload_handle(
        &self,
        token: &MetaToken,
        file_name: &str,
        mime_type: &str,
        bytes: Bytes,
    ) -> Result<String, Error> {
        let length = bytes.len().to_string();
        let query = [("file_name", file_name), ("file_length", &length), ("file_type", mime_type)];
        let path = [self.id().as_str(), "uploads"];
        let session: Session = self
            .call(Call::post("upload_session", token, &path, Payload::Nothing).query(&query))
            .await?;
        // The session's id holds `?sig=` and must stay as it is; it can't leave this host, since it only follows the path.
        let mut url = self.url(&[]);
        let (last, signature) = session
            .id
            .split_once('?')
            .map_or((session.id.as_str(), None), |(last, query)| (last, Some(query)));
        url.set_path(&format!(
            "{}/{}",
            url.path().trim_end_matches('/'),
            last.trim_start_matches('/')
        ));
        url.set_query(signature);
        let request = self
            .files()
            .post(url)
            .header(reqwest::header::AUTHORIZATION, format!("OAuth {}", token.expose()))
            .header("file_offset", "0")
            .header(reqwest::header::CONTENT_TYPE, mime_type)
            .body(bytes);
        Ok(self.answer::<Handle>("upload_handle", request).await?.h)
    }
}
