//! What became of a send, decided by rule I2: a message may be posted again only after an authoritative negative.
//!
//! Not sent is exactly: no connection, no request that could be made, or HTTP/2 `REFUSED_STREAM`. Refused is exactly: Meta's envelope with a code that
//! promises it. Another 4xx with Meta's envelope failed. Everything else that is not a success is unknown, and is settled by the status webhook that
//! carries our id, or by the deadline: never by a second POST.

use meta::error::{Reaction, Refusals};
use meta::{GraphError, Wamid};
use serde::Deserialize;

/// What became of a send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendOutcome {
    /// Meta's 200: accepted, not yet sent.
    Accepted {
        /// Meta's id of the message.
        wamid: Wamid,
        /// Whom Meta took it for.
        contacts: Vec<SentContact>,
        /// `accepted`, `held_for_quality_assessment`, `paused`; for templates only.
        message_status: Option<String>,
    },
    /// No byte was written: it may be posted again.
    NotSent(NotSentReason),
    /// Meta promises that it was not sent: it may be posted again, when its reaction says.
    Refused(GraphError),
    /// Meta said no for good: the message failed in Meta's words, and is not posted again.
    Failed(GraphError),
    /// Nobody knows: it is settled by its status, never by a second POST.
    Unknown(UnknownReason),
}

/// Whom Meta took a recipient for.
#[derive(Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct SentContact {
    /// The recipient as we wrote it.
    pub input: Option<String>,
    /// The number as WhatsApp has it; it may differ from the input. Absent for a BSUID.
    pub wa_id: Option<String>,
    /// The BSUID, where the message went to one.
    pub user_id: Option<String>,
}

impl std::fmt::Debug for SentContact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SentContact(…)")
    }
}

/// Why no byte was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NotSentReason {
    /// Name, TCP or TLS failed.
    Connect,
    /// The request could not be made.
    Request,
    /// HTTP/2: the server promises that it did not look at the request.
    RefusedStream,
}

/// Why nobody knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnknownReason {
    /// No answer within the limit.
    Timeout,
    /// The connection ended before the answer was whole.
    Lost,
    /// An answer that is none of Meta's, by its HTTP status.
    Unreadable(u16),
    /// An error of Meta's that leaves it open, by its HTTP status.
    Fault(u16, Box<GraphError>),
}

impl SendOutcome {
    /// Whether another POST of the same message is allowed (I2).
    #[must_use]
    pub const fn allows_another_post(&self) -> bool {
        match self {
            Self::NotSent(_) | Self::Refused(_) => true,
            Self::Accepted { .. } | Self::Failed(_) | Self::Unknown(_) => false,
        }
    }

    /// What the dispatcher does about Meta's words, where there are some.
    #[must_use]
    pub fn reaction(&self) -> Option<Reaction> {
        match self {
            Self::Refused(error) | Self::Failed(error) => Some(meta::error::reaction(error.code)),
            Self::Unknown(_) => Some(Reaction::Unknown),
            Self::Accepted { .. } | Self::NotSent(_) => None,
        }
    }

    /// A word for metrics and spans.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Accepted { .. } => "accepted",
            Self::NotSent(_) => "not_sent",
            Self::Refused(_) => "refused",
            Self::Failed(_) => "failed",
            Self::Unknown(_) => "unknown",
        }
    }
}

/// Whether a request can't have been looked at by the server.
pub(crate) fn not_sent(error: &reqwest::Error) -> Option<NotSentReason> {
    if error.is_builder() {
        return Some(NotSentReason::Request);
    }
    if error.is_connect() {
        return Some(NotSentReason::Connect);
    }
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if let Some(h2) = error.downcast_ref::<h2::Error>()
            && h2.is_reset()
            && h2.is_remote()
            && h2.reason() == Some(h2::Reason::REFUSED_STREAM)
        {
            return Some(NotSentReason::RefusedStream);
        }
        cause = error.source();
    }
    None
}

/// The outcome of a request without an answer.
pub(crate) fn without_answer(error: &reqwest::Error) -> SendOutcome {
    match not_sent(error) {
        Some(reason) => SendOutcome::NotSent(reason),
        None if error.is_timeout() => SendOutcome::Unknown(UnknownReason::Timeout),
        None => SendOutcome::Unknown(UnknownReason::Lost),
    }
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    contacts: Vec<SentContact>,
    messages: Vec<Sent>,
}

#[derive(Deserialize)]
struct Sent {
    id: Wamid,
    #[serde(default)]
    message_status: Option<String>,
}

/// The outcome of a whole answer.
pub(crate) fn decide(status: u16, body: &[u8], refusals: &Refusals) -> SendOutcome {
    if (200..300).contains(&status)
        && let Ok(answer) = serde_json::from_slice::<Answer>(body)
        && let Some(sent) = answer.messages.into_iter().next()
    {
        return SendOutcome::Accepted {
            wamid: sent.id,
            contacts: answer.contacts,
            message_status: sent.message_status,
        };
    }
    let Some(error) = GraphError::from_body(body) else {
        return SendOutcome::Unknown(UnknownReason::Unreadable(status));
    };
    if refusals.contains(error.code) {
        return SendOutcome::Refused(error);
    }
    let open = meta::error::reaction(error.code) == Reaction::Unknown;
    if (400..500).contains(&status) && !open {
        SendOutcome::Failed(error)
    } else {
        SendOutcome::Unknown(UnknownReason::Fault(status, Box::new(error)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const ACCEPTED: &str = r#"{"messaging_product":"whatsapp","contacts":[{"input":"+351912000111","wa_id":"351912000111"}],"messages":[{"id":"wamid.HBgM","message_status":"accepted"}]}"#;

    fn error(code: i64) -> String {
        format!(r#"{{"error":{{"message":"x","code":{code}}}}}"#)
    }

    #[rstest]
    #[case::accepted(200, ACCEPTED.to_owned(), "accepted")]
    #[case::to_a_bsuid(200, r#"{"contacts":[{"input":"PT.1","user_id":"PT.1"}],"messages":[{"id":"wamid.x"}]}"#.to_owned(), "accepted")]
    #[case::no_contacts(200, r#"{"messages":[{"id":"wamid.x"}]}"#.to_owned(), "accepted")]
    #[case::no_message(200, r#"{"messages":[]}"#.to_owned(), "unknown")]
    #[case::no_json(200, "<html>".to_owned(), "unknown")]
    #[case::half(200, ACCEPTED.chars().take(60).collect(), "unknown")]
    #[case::rate_as_400(400, error(130_429), "refused")]
    #[case::rate_as_429(429, error(130_429), "refused")]
    #[case::pair(429, error(131_056), "refused")]
    #[case::maintenance_as_500(500, error(131_057), "refused")]
    #[case::token(401, error(190), "refused")]
    #[case::permission(403, error(200), "refused")]
    #[case::any_template_code(404, error(132_999), "refused")]
    #[case::unlisted(400, error(999_999), "failed")]
    #[case::not_on_whatsapp(400, error(131_026), "failed")]
    #[case::unlisted_500(500, error(999_999), "unknown")]
    #[case::fault(500, error(131_000), "unknown")]
    #[case::fault_as_400(400, error(1), "unknown")]
    #[case::fault_as_503(503, error(2), "unknown")]
    #[case::away(400, error(131_016), "unknown")]
    #[case::no_envelope_400(400, "bad gateway".to_owned(), "unknown")]
    #[case::no_envelope_502(502, String::new(), "unknown")]
    #[case::moved(307, String::new(), "unknown")]
    #[case::error_in_200(200, error(999_999), "unknown")]
    #[case::refusal_in_200(200, error(100), "refused")]
    fn only_an_authoritative_negative_allows_another_post(
        #[case] status: u16,
        #[case] body: String,
        #[case] expected: &str,
    ) {
        let outcome = decide(status, body.as_bytes(), &Refusals::default());
        assert_eq!(outcome.label(), expected);
        assert_eq!(outcome.allows_another_post(), expected == "refused");
    }

    #[test]
    fn an_operator_may_move_a_code() {
        let refusals = Refusals { also: vec![], not: vec![131_009] };
        assert_eq!(decide(400, error(131_009).as_bytes(), &refusals).label(), "failed");
    }

    #[test]
    fn an_accepted_send_names_whom_meta_took_it_for() {
        let SendOutcome::Accepted { wamid, contacts, message_status } =
            decide(200, ACCEPTED.as_bytes(), &Refusals::default())
        else {
            panic!("accepted")
        };
        assert_eq!((wamid.as_str(), message_status.as_deref()), ("wamid.HBgM", Some("accepted")));
        assert_eq!(contacts[0].wa_id.as_deref(), Some("351912000111"));
        assert!(!format!("{contacts:?}").contains("351912"));
    }

    /// Answers every HTTP/2 request with a reset.
    async fn resetting(reason: h2::Reason) -> (String, tokio::task::JoinSet<()>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut connection = h2::server::handshake(stream).await.unwrap();
            while let Some(Ok((_request, mut respond))) = connection.accept().await {
                respond.send_reset(reason);
            }
        });
        (base, tasks)
    }

    #[rstest]
    #[case(h2::Reason::REFUSED_STREAM, Some(NotSentReason::RefusedStream))]
    #[case(h2::Reason::INTERNAL_ERROR, None)]
    #[case(h2::Reason::CANCEL, None)]
    #[tokio::test]
    async fn of_resets_only_a_refused_stream_promises_that_nothing_was_done(
        #[case] reason: h2::Reason,
        #[case] expected: Option<NotSentReason>,
    ) {
        let (base, _tasks) = resetting(reason).await;
        let client = reqwest::Client::builder()
            .http2_prior_knowledge()
            .retry(reqwest::retry::never())
            .no_proxy()
            .build()
            .unwrap();
        let error = client.post(base).body("x").send().await.unwrap_err();
        assert_eq!(not_sent(&error), expected, "{error:?}");
        assert!(without_answer(&error).allows_another_post() == expected.is_some());
    }
}
