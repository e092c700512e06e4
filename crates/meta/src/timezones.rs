//! A WABA's `timezone_id` is a small integer of Meta's ad-account list; this maps it to an IANA name.
//!
//! 0 and ids that are not listed have no zone: the caller reads times as UTC and says so.

use std::collections::HashMap;
use std::sync::LazyLock;

const DATA: &str = include_str!("../data/timezones.csv");

static ZONES: LazyLock<HashMap<u32, &'static str>> = LazyLock::new(|| {
    DATA.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(','))
        .filter_map(|(id, zone)| Some((id.trim().parse().ok()?, zone.trim())))
        .collect()
});

/// The IANA name of Meta's `timezone_id`, which Meta writes as a string.
#[must_use]
pub fn iana(timezone_id: &str) -> Option<&'static str> {
    ZONES.get(&timezone_id.trim().parse::<u32>().ok()?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_the_list_have_a_zone_and_others_have_none() {
        assert_eq!(iana("1"), Some("America/Los_Angeles"));
        assert_eq!(iana("0"), None);
        assert_eq!(iana("99999"), None);
        assert_eq!(iana("Europe/Lisbon"), None);
    }

    #[test]
    fn every_row_of_the_list_is_read() {
        let rows =
            DATA.lines().filter(|l| !l.starts_with('#') && !l.starts_with("timezone_id")).count();
        assert_eq!(ZONES.len(), rows);
        assert!(ZONES.values().all(|zone| !zone.is_empty() && !zone.contains(',')));
    }
}
