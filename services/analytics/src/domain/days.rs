//! Days and hours of a WABA's own zone, formed on reading from 15-minute UTC buckets.
//!
//! A day may have 23, 25 or 24½ hours and may not start at midnight: every edge is asked of the zone. Zones whose
//! offset is no multiple of 15 minutes do not exist today.

use jiff::{Timestamp as Instant, ToSpan as _, civil::Date, tz::TimeZone, tz::TimeZoneDatabase};

/// Most days of one question.
pub(crate) const MOST_DAYS: i32 = 92;

/// A zone, and whether it is really the WABA's.
#[derive(Debug, Clone)]
pub(crate) struct Zone {
    rules: TimeZone,
    pub(crate) name: String,
    /// Meta's zone id was not known, and days are those of UTC.
    pub(crate) unknown: bool,
}

impl Zone {
    /// The zone of an IANA name; UTC, said so, where the name is empty or unknown.
    pub(crate) fn of(name: &str) -> Self {
        match TimeZoneDatabase::bundled().get(name) {
            Ok(rules) if !name.is_empty() => Self { rules, name: name.to_owned(), unknown: false },
            Ok(_) | Err(_) => Self { rules: TimeZone::UTC, name: "UTC".to_owned(), unknown: true },
        }
    }

    /// The day that an instant falls on.
    pub(crate) fn day_of(&self, at_us: i64) -> Result<Date, DayError> {
        let at = Instant::from_microsecond(at_us).map_err(|_| DayError::OutOfTime)?;
        Ok(at.to_zoned_datetime(self.rules.clone()).date())
    }
}

/// One day or hour, half open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) starts_us: i64,
    pub(crate) ends_us: i64,
    pub(crate) label: String,
}

/// Why a question about days has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DayError {
    #[error("{field} is not a day: write it as YYYY-MM-DD")]
    NotADay { field: &'static str },
    #[error("the last day lies before the first")]
    Backwards,
    #[error("at most {MOST_DAYS} days in one question, asked for {asked}: ask in parts")]
    TooMany { asked: i32 },
    #[error("a time outside the calendar")]
    OutOfTime,
}

/// The first and last day asked for; empty means today, and as the first.
pub(crate) fn range(
    zone: &Zone,
    now_us: i64,
    from: &str,
    to: &str,
) -> Result<(Date, Date), DayError> {
    let parse = |text: &str, field: &'static str| {
        text.parse::<Date>().map_err(|_| DayError::NotADay { field })
    };
    let first = if from.is_empty() { zone.day_of(now_us)? } else { parse(from, "from_day")? };
    let last = if to.is_empty() { first } else { parse(to, "to_day")? };
    if last < first {
        return Err(DayError::Backwards);
    }
    let asked = (last - first).get_days() + 1;
    if asked > MOST_DAYS {
        return Err(DayError::TooMany { asked });
    }
    Ok((first, last))
}

/// The days from first to last.
pub(crate) fn days(zone: &Zone, first: Date, last: Date) -> Result<Vec<Span>, DayError> {
    let mut spans = Vec::new();
    let mut day = first;
    loop {
        let next = day.tomorrow().map_err(|_| DayError::OutOfTime)?;
        let (starts_us, ends_us) = (starts(zone, day)?, starts(zone, next)?);
        spans.push(Span { starts_us, ends_us, label: day.to_string() });
        if day >= last {
            return Ok(spans);
        }
        day = next;
    }
}

/// The hours from first to last day. An hour that the clocks repeat stands twice, one that they leave out not at all.
pub(crate) fn hours(zone: &Zone, first: Date, last: Date) -> Result<Vec<Span>, DayError> {
    let mut spans = Vec::new();
    for day in days(zone, first, last)? {
        let mut at = Instant::from_microsecond(day.starts_us).map_err(|_| DayError::OutOfTime)?;
        while at.as_microsecond() < day.ends_us {
            let next = at.checked_add(1.hour()).map_err(|_| DayError::OutOfTime)?;
            let label =
                at.to_zoned_datetime(zone.rules.clone()).strftime("%Y-%m-%dT%H").to_string();
            spans.push(Span {
                starts_us: at.as_microsecond(),
                ends_us: next.as_microsecond().min(day.ends_us),
                label,
            });
            at = next;
        }
    }
    Ok(spans)
}

fn starts(zone: &Zone, day: Date) -> Result<i64, DayError> {
    let start = day.to_zoned_datetime(zone.rules.clone()).map_err(|_| DayError::OutOfTime)?;
    Ok(start.timestamp().as_microsecond())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const HOUR_US: i64 = 3_600_000_000;

    #[rstest]
    #[case::spring("America/New_York", "2026-03-08", 23)]
    #[case::autumn("America/New_York", "2026-11-01", 25)]
    #[case::plain("Europe/Berlin", "2026-07-01", 24)]
    #[case::no_midnight("America/Santiago", "2026-09-06", 23)]
    fn a_day_is_as_long_as_its_zone_makes_it(
        #[case] zone: &str,
        #[case] day: Date,
        #[case] hours_long: i64,
    ) {
        let spans = days(&Zone::of(zone), day, day).unwrap();
        assert_eq!(spans.len(), 1);
        assert_eq!((spans[0].ends_us - spans[0].starts_us) / HOUR_US, hours_long);
        assert_eq!(
            hours(&Zone::of(zone), day, day).unwrap().len(),
            usize::try_from(hours_long).unwrap()
        );
    }

    #[test]
    fn days_follow_each_other_without_gap() {
        let zone = Zone::of("Asia/Kolkata");
        let spans =
            days(&zone, "2026-01-01".parse().unwrap(), "2026-03-01".parse().unwrap()).unwrap();
        assert_eq!(spans.len(), 60);
        assert!(spans.windows(2).all(|pair| pair[0].ends_us == pair[1].starts_us));
    }

    #[test]
    fn an_unknown_zone_is_utc_and_says_so() {
        for name in ["", "Mars/Olympus"] {
            let zone = Zone::of(name);
            assert!(zone.unknown && zone.name == "UTC", "{name}");
        }
        assert!(!Zone::of("UTC").unknown);
    }

    #[rstest]
    #[case("2026-13-01", "", DayError::NotADay { field: "from_day" })]
    #[case("2026-01-02", "yesterday", DayError::NotADay { field: "to_day" })]
    #[case("2026-01-02", "2026-01-01", DayError::Backwards)]
    #[case("2026-01-01", "2026-12-31", DayError::TooMany { asked: 365 })]
    fn a_wrong_range_is_refused_by_name(
        #[case] from: &str,
        #[case] to: &str,
        #[case] expected: DayError,
    ) {
        assert_eq!(range(&Zone::of("UTC"), 0, from, to), Err(expected));
    }

    #[test]
    fn nothing_named_means_today_in_the_zone() {
        // 2026-11-23 01:00 UTC is still the 22nd in New York.
        let now_us = 1_795_395_600_000_000;
        let (first, last) = range(&Zone::of("America/New_York"), now_us, "", "").unwrap();
        assert_eq!(
            (first.to_string().as_str(), last.to_string().as_str()),
            ("2026-11-22", "2026-11-22")
        );
    }
}
