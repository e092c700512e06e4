//! A call as Graph reads it: path, and parameters that may come by query, form, multipart or JSON,
//! mixed, with lists and objects as JSON strings where the carrier has none. Nulls are absent.

use axum::body::Body;
use axum::extract::{FromRequest as _, Multipart};
use bytes::Bytes;
use http::{HeaderMap, Request, header};
use serde_json::{Map, Value};

use super::error::GraphError;

/// Largest body: a document of 100 MB and its frame.
const BODY_MAX: usize = 110 * 1024 * 1024;

/// A file of a multipart body.
#[derive(Debug, Clone)]
pub(crate) struct File {
    pub(crate) content_type: Option<String>,
    pub(crate) bytes: Bytes,
}

/// One call.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) method: String,
    /// `v23.0`; the newest where the path names none.
    pub(crate) version: String,
    /// Path without version and empty parts.
    pub(crate) path: Vec<String>,
    pub(crate) params: Map<String, Value>,
    pub(crate) file: Option<File>,
    /// The bytes as they came, for uploads.
    pub(crate) raw: Bytes,
    pub(crate) token: Option<String>,
    /// Scheme and host as the caller knows this server.
    pub(crate) base_url: String,
    pub(crate) headers: HeaderMap,
}

/// Whether a path segment is a Graph version.
pub(crate) fn is_version(segment: &str) -> bool {
    segment.strip_prefix('v').and_then(|rest| rest.split_once('.')).is_some_and(|(major, minor)| {
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        digits(major) && digits(minor)
    })
}

impl Call {
    pub(crate) async fn read(
        request: Request<Body>,
        public: &PublicUrl<'_>,
    ) -> Result<Self, GraphError> {
        let (head, body) = request.into_parts();
        let mut path: Vec<String> =
            head.uri.path().split('/').filter(|part| !part.is_empty()).map(decode).collect();
        let version = match path.first() {
            Some(first) if is_version(first) => path.remove(0),
            _ => super::NEWEST_VERSION.to_owned(),
        };
        let mut params = Map::new();
        let query = head.uri.query().unwrap_or_default();
        // An upload session's id ends in `?sig=…`: that is part of the id, as Meta says.
        if let (Some(last), Some(_)) = (path.last_mut(), query.strip_prefix("sig="))
            && last.starts_with("upload:")
        {
            last.push('?');
            last.push_str(query);
        }
        put_pairs(&mut params, query.as_bytes());
        let base_url = public.of(&head.headers);
        let content_type = text(&head.headers, header::CONTENT_TYPE.as_str()).unwrap_or_default();
        let mut call = Self {
            method: head.method.as_str().to_owned(),
            version,
            path,
            params,
            file: None,
            raw: Bytes::new(),
            token: None,
            base_url,
            headers: head.headers.clone(),
        };
        if content_type.starts_with("multipart/form-data") {
            let request = Request::from_parts(head, body);
            call.read_multipart(request).await?;
        } else {
            call.raw = axum::body::to_bytes(body, BODY_MAX)
                .await
                .map_err(|_cut| GraphError::param("The request body could not be read."))?;
            call.read_body(&content_type)?;
        }
        call.params.retain(|_, value| !value.is_null());
        call.token = call.bearer();
        Ok(call)
    }

    fn read_body(&mut self, content_type: &str) -> Result<(), GraphError> {
        let upload = self.path.first().is_some_and(|first| first.starts_with("upload:"));
        if self.raw.is_empty() || upload {
            return Ok(());
        }
        let first = self.raw.iter().copied().find(|byte| !byte.is_ascii_whitespace());
        if content_type.starts_with("application/x-www-form-urlencoded") {
            let raw = self.raw.clone();
            put_pairs(&mut self.params, &raw);
        } else if content_type.starts_with("application/json") || first == Some(b'{') {
            match serde_json::from_slice(&self.raw) {
                Ok(Value::Object(object)) => self.params.extend(object),
                _ => return Err(GraphError::param("The request body is not a valid JSON object.")),
            }
        }
        Ok(())
    }

    async fn read_multipart(&mut self, request: Request<Body>) -> Result<(), GraphError> {
        let bad = || GraphError::param("The multipart body could not be read.");
        let mut request = request;
        axum::extract::DefaultBodyLimit::max(BODY_MAX).apply(&mut request);
        let mut parts = Multipart::from_request(request, &()).await.map_err(|_bad| bad())?;
        while let Some(part) = parts.next_field().await.map_err(|_bad| bad())? {
            let name = part.name().unwrap_or_default().to_owned();
            let content_type = part.content_type().map(ToOwned::to_owned);
            let is_file = part.file_name().is_some() || name == "file";
            let bytes = part.bytes().await.map_err(|_bad| bad())?;
            if is_file {
                self.file = Some(File { content_type, bytes });
            } else {
                let value = String::from_utf8_lossy(&bytes).into_owned();
                self.params.insert(name, Value::String(value));
            }
        }
        Ok(())
    }

    fn bearer(&self) -> Option<String> {
        let from_header = text(&self.headers, header::AUTHORIZATION.as_str()).and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            let known =
                scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("oauth");
            known.then(|| token.trim().to_owned())
        });
        from_header.or_else(|| self.str("access_token")).filter(|token| !token.is_empty())
    }

    /// A segment of the path.
    pub(crate) fn segment(&self, at: usize) -> Option<&str> {
        self.path.get(at).map(String::as_str)
    }

    /// A parameter as text; numbers and booleans as Meta would print them.
    pub(crate) fn str(&self, name: &str) -> Option<String> {
        match self.params.get(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(flag) => Some(flag.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// A parameter that must be there and not be empty.
    pub(crate) fn required(&self, name: &str) -> Result<String, GraphError> {
        self.str(name).filter(|value| !value.is_empty()).ok_or_else(|| GraphError::missing(name))
    }

    /// A list or object, also where it came as a JSON string.
    pub(crate) fn json(&self, name: &str) -> Option<Value> {
        match self.params.get(name)? {
            Value::String(text) => serde_json::from_str(text).ok(),
            other => Some(other.clone()),
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<String> {
        text(&self.headers, name)
    }
}

/// Where absolute URLs of answers begin.
pub(crate) struct PublicUrl<'a> {
    pub(crate) configured: Option<&'a str>,
    pub(crate) own: &'a str,
}

impl PublicUrl<'_> {
    pub(crate) fn of(&self, headers: &HeaderMap) -> String {
        if let Some(configured) = self.configured {
            return configured.trim_end_matches('/').to_owned();
        }
        let Some(host) = text(headers, header::HOST.as_str()) else { return self.own.to_owned() };
        let scheme = text(headers, "x-forwarded-proto").unwrap_or_else(|| "http".to_owned());
        format!("{scheme}://{host}")
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(ToOwned::to_owned)
}

fn put_pairs(params: &mut Map<String, Value>, encoded: &[u8]) {
    for (name, value) in url::form_urlencoded::parse(encoded) {
        params.insert(name.into_owned(), Value::String(value.into_owned()));
    }
}

/// Undoes percent-encoding of one path segment; a plus stays a plus there.
fn decode(segment: &str) -> String {
    let protected = segment.replace('+', "%2B");
    let pair = format!("s={protected}");
    url::form_urlencoded::parse(pair.as_bytes())
        .next()
        .map_or_else(|| segment.to_owned(), |(_, value)| value.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_told_from_ids() {
        assert!(is_version("v23.0") && is_version("v9.0"));
        assert!(!is_version("v23") && !is_version("123.0") && !is_version("vx.y"));
    }

    #[tokio::test]
    async fn parameters_mix_and_nulls_are_absent() {
        let request = Request::post("/v20.0/1/x/?a=1&b=2")
            .header("content-type", "application/json")
            .header("authorization", "Bearer t")
            .body(Body::from(r#"{"b":"3","c":null,"d":[1]}"#))
            .unwrap();
        let own = PublicUrl { configured: None, own: "http://own" };
        let call = Call::read(request, &own).await.unwrap();
        assert_eq!(call.path, ["1", "x"]);
        assert_eq!((call.version.as_str(), call.token.as_deref()), ("v20.0", Some("t")));
        assert_eq!((call.str("a"), call.str("b")), (Some("1".to_owned()), Some("3".to_owned())));
        assert!(call.str("c").is_none() && call.json("d").is_some());
        assert_eq!(call.base_url, "http://own");
    }
}
