//! Instants: microseconds since 1970 in UTC, RFC 3339 at every border.
//!
//! One integer, because SQLite sorts times kept as text wrongly and because both databases, the
//! events and the clocks then speak alike. Arithmetic saturates: an absurd duration from outside
//! gives a far instant, never a panic or a wrap into the past.

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;
use std::time::Duration;

use ::time::OffsetDateTime;
use ::time::format_description::well_known::Rfc3339;
use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// 0000-01-01T00:00:00Z, the first instant that RFC 3339 can write.
const FIRST_SHOWN: i64 = -62_167_219_200_000_000;
/// 9999-12-31T23:59:59.999999Z, the last one.
const LAST_SHOWN: i64 = 253_402_300_799_999_999;

/// An instant in microseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

/// A text that is no RFC 3339 instant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected an RFC 3339 time such as 2026-11-23T09:30:00Z")]
pub struct TimeError;

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);
    /// Later than everything; shown as the end of the year 9999.
    pub const MAX: Self = Self(i64::MAX);

    /// From microseconds since 1970.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// From milliseconds since 1970, saturating.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000))
    }

    /// Whole milliseconds since 1970, rounded down.
    pub const fn as_millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// From seconds since 1970, saturating.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }

    /// Whole seconds since 1970, rounded down.
    pub const fn as_seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// RFC 3339 in UTC, as many digits after the second as are not zero. What lies outside the
    /// years 0 to 9999 is shown as the nearest instant inside.
    pub fn rfc3339(self) -> String {
        OffsetDateTime::from(self).format(&Rfc3339).unwrap_or_default()
    }

    /// Reads RFC 3339 with any offset; digits below the microsecond are dropped.
    pub fn parse_rfc3339(text: &str) -> Result<Self, TimeError> {
        OffsetDateTime::parse(text, &Rfc3339).map(Self::from).map_err(|_| TimeError)
    }

    /// How long ago `earlier` was; zero when it lies ahead.
    pub const fn since(self, earlier: Self) -> Duration {
        let micros = self.0.saturating_sub(earlier.0);
        if micros <= 0 { Duration::ZERO } else { Duration::from_micros(micros.unsigned_abs()) }
    }

    /// `self + duration`, or nothing where that leaves the range.
    pub fn checked_add(self, duration: Duration) -> Option<Self> {
        let micros = i64::try_from(duration.as_micros()).ok()?;
        self.0.checked_add(micros).map(Self)
    }
}

fn saturated_micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(saturated_micros(duration)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(saturated_micros(duration)))
    }
}

impl From<OffsetDateTime> for Timestamp {
    fn from(at: OffsetDateTime) -> Self {
        // The years that `time` knows are far inside what i64 microseconds hold.
        let micros = at.unix_timestamp_nanos().div_euclid(1_000);
        Self(i64::try_from(micros).unwrap_or(i64::MAX))
    }
}

impl From<Timestamp> for OffsetDateTime {
    fn from(at: Timestamp) -> Self {
        let micros = at.0.clamp(FIRST_SHOWN, LAST_SHOWN);
        Self::from_unix_timestamp_nanos(i128::from(micros) * 1_000).unwrap_or(Self::UNIX_EPOCH)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}

impl FromStr for Timestamp {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        Self::parse_rfc3339(text)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Timestamp;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an RFC 3339 time")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Timestamp, E> {
                Timestamp::parse_rfc3339(text).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::whole_second("2026-11-23T09:30:00Z", 1_795_426_200_000_000)]
    #[case::microseconds("2026-11-23T09:30:00.000001Z", 1_795_426_200_000_001)]
    #[case::before_1970("1969-12-31T23:59:59.5Z", -500_000)]
    fn rfc3339_is_exact_both_ways(#[case] text: &str, #[case] micros: i64) {
        let at = Timestamp::parse_rfc3339(text).unwrap();
        assert_eq!(at.as_micros(), micros);
        assert_eq!(at.rfc3339(), text);
    }

    #[test]
    fn an_offset_is_turned_into_utc() {
        let at = Timestamp::parse_rfc3339("2026-11-23T10:30:00+01:00").unwrap();
        assert_eq!(at.rfc3339(), "2026-11-23T09:30:00Z");
    }

    #[rstest]
    #[case("")]
    #[case("2026-11-23")]
    #[case("2026-11-23 09:30")]
    #[case("1795426200")]
    fn what_is_no_instant_is_refused(#[case] text: &str) {
        assert_eq!(Timestamp::parse_rfc3339(text), Err(TimeError));
    }

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Timestamp::MAX + Duration::from_secs(1), Timestamp::MAX);
        assert_eq!(Timestamp::from_micros(i64::MIN) - Duration::MAX, Timestamp(i64::MIN));
        assert_eq!(Timestamp::MAX.checked_add(Duration::from_secs(1)), None);
        assert_eq!(Timestamp::EPOCH.since(Timestamp::MAX), Duration::ZERO);
        assert_eq!(Timestamp::MAX.rfc3339(), "9999-12-31T23:59:59.999999Z");
    }

    #[test]
    fn seconds_and_millis_round_down_below_1970_too() {
        assert_eq!(Timestamp::from_micros(-1).as_seconds(), -1);
        assert_eq!(Timestamp::from_micros(-1).as_millis(), -1);
    }

    proptest! {
        #[test]
        fn text_and_json_round_trip(micros in FIRST_SHOWN..=LAST_SHOWN) {
            let at = Timestamp::from_micros(micros);
            prop_assert_eq!(Timestamp::parse_rfc3339(&at.rfc3339()), Ok(at));
            let json = serde_json::to_string(&at).unwrap();
            prop_assert_eq!(serde_json::from_str::<Timestamp>(&json).unwrap(), at);
            prop_assert_eq!(Timestamp::from(OffsetDateTime::from(at)), at);
        }

        #[test]
        fn since_undoes_add(micros in -1_000_000_000_000_i64..1_000_000_000_000, gap in 0_u64..1_000_000_000) {
            let at = Timestamp::from_micros(micros);
            let gap = Duration::from_micros(gap);
            prop_assert_eq!((at + gap).since(at), gap);
            prop_assert_eq!(at + gap - gap, at);
        }
    }
}
