//! Deadlines of calls: read from `grpc-timeout`, capped, handed on.

use std::future::Future;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::Instant;

/// Longest time to the head of an answer, whatever the caller asks for.
pub const CAP: Duration = Duration::from_secs(30);

/// The header that carries what is left of a deadline.
pub const HEADER: HeaderName = HeaderName::from_static("grpc-timeout");

/// When the caller stops waiting; in the extensions of each call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline(pub Instant);

impl Deadline {
    /// What is left.
    pub fn remaining(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// Whether the caller has stopped waiting: work that has not begun is dropped (OVL-2).
    pub fn has_passed(self) -> bool {
        self.remaining().is_zero()
    }
}

/// A `grpc-timeout` that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("grpc-timeout is 1 to 8 digits and one of H, M, S, m, u, n")]
pub struct Malformed;

/// The timeout that the caller asked for.
pub fn of(headers: &HeaderMap) -> Result<Option<Duration>, Malformed> {
    let mut values = headers.get_all(HEADER).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Malformed);
    }
    parse(value.as_bytes()).map(Some)
}

/// Parses the value of `grpc-timeout`.
fn parse(value: &[u8]) -> Result<Duration, Malformed> {
    let (unit, digits) = value.split_last().ok_or(Malformed)?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Malformed);
    }
    let amount = digits.iter().fold(0_u64, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    match unit {
        b'H' => Ok(Duration::from_secs(amount * 3600)),
        b'M' => Ok(Duration::from_secs(amount * 60)),
        b'S' => Ok(Duration::from_secs(amount)),
        b'm' => Ok(Duration::from_millis(amount)),
        b'u' => Ok(Duration::from_micros(amount)),
        b'n' => Ok(Duration::from_nanos(amount)),
        _ => Err(Malformed),
    }
}

/// Writes a timeout for the callee: milliseconds where they fit, else seconds.
pub fn write(headers: &mut HeaderMap, left: Duration) {
    let millis = left.as_millis().max(1);
    let text = if millis < 100_000_000 {
        format!("{millis}m")
    } else {
        format!("{}S", left.as_secs().min(99_999_999))
    };
    if let Ok(value) = HeaderValue::from_str(&text) {
        headers.insert(HEADER, value);
    }
}

tokio::task_local! {
    static CURRENT: Deadline;
}

/// Runs `work` under `deadline`: calls that it places end with it.
pub async fn within<F: Future>(deadline: Deadline, work: F) -> F::Output {
    CURRENT.scope(deadline, work).await
}

/// The deadline of the call that is being answered; none in work that was spawned.
pub fn current() -> Option<Deadline> {
    CURRENT.try_with(|deadline| *deadline).ok()
}

/// What is left of the call that is being answered.
pub fn remaining() -> Option<Duration> {
    current().map(Deadline::remaining)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("1H", Duration::from_hours(1))]
    #[case("2M", Duration::from_mins(2))]
    #[case("30S", Duration::from_secs(30))]
    #[case("1500m", Duration::from_millis(1500))]
    #[case("1500000u", Duration::from_millis(1500))]
    #[case("99999999n", Duration::from_nanos(99_999_999))]
    #[case("0S", Duration::ZERO)]
    fn a_timeout_of_each_unit_is_read(#[case] text: &str, #[case] expected: Duration) {
        assert_eq!(parse(text.as_bytes()), Ok(expected));
    }

    #[rstest]
    #[case("")]
    #[case("S")]
    #[case("10")]
    #[case("10s")]
    #[case("-1S")]
    #[case("1.5S")]
    #[case("123456789S")]
    #[case("1 S")]
    fn what_is_no_timeout_is_refused(#[case] text: &str) {
        assert_eq!(parse(text.as_bytes()), Err(Malformed));
    }

    #[test]
    fn two_timeouts_are_refused() {
        let mut headers = HeaderMap::new();
        headers.append(HEADER, HeaderValue::from_static("1S"));
        headers.append(HEADER, HeaderValue::from_static("2S"));
        assert_eq!(of(&headers), Err(Malformed));
    }

    #[rstest]
    #[case(Duration::from_millis(1500))]
    #[case(Duration::from_secs(10_000_000))]
    fn what_is_written_is_read_again(#[case] left: Duration) {
        let mut headers = HeaderMap::new();
        write(&mut headers, left);
        assert_eq!(of(&headers), Ok(Some(left)));
    }
}
