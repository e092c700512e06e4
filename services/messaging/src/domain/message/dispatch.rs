//! How far we are with an outbound message. Ours alone: it may go back, which a status never does.
#![deny(clippy::wildcard_enum_match_arm)]

/// Where a message stands between accept and Meta.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Dispatch {
    /// Waits for its hour.
    Scheduled,
    /// Waits for its turn.
    Queued,
    /// A dispatcher took it; nothing has left.
    Claimed,
    /// Marked, with an attempt; a POST may have left.
    Sending,
    /// Nothing is left to do towards Meta.
    Settled,
    /// Taken back before the POST.
    Cancelled,
    /// Its time is over.
    Expired,
}

impl Dispatch {
    /// All of them.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 7] = [
        Self::Scheduled,
        Self::Queued,
        Self::Claimed,
        Self::Sending,
        Self::Settled,
        Self::Cancelled,
        Self::Expired,
    ];

    /// The word in rows and towards callers.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Queued => "queued",
            Self::Claimed => "claimed",
            Self::Sending => "sending",
            Self::Settled => "settled",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }

    /// Reads a row's word.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "scheduled" => Self::Scheduled,
            "queued" => Self::Queued,
            "claimed" => Self::Claimed,
            "sending" => Self::Sending,
            "settled" => Self::Settled,
            "cancelled" => Self::Cancelled,
            "expired" => Self::Expired,
            _ => return None,
        })
    }

    /// Whether a message may move so. Every write of the column is a compare-and-set along one of these.
    pub(crate) const fn may_become(self, next: Self) -> bool {
        match self {
            // Due; asked for, or its time is over.
            Self::Scheduled => matches!(next, Self::Queued | Self::Cancelled | Self::Expired),
            Self::Queued => matches!(next, Self::Claimed | Self::Cancelled | Self::Expired),
            // Marked; given back; the re-check says no; asked for, or its time is over.
            Self::Claimed => matches!(
                next,
                Self::Sending | Self::Queued | Self::Settled | Self::Cancelled | Self::Expired
            ),
            // Meta answered, or an unknown was settled; an authoritative negative (I2).
            Self::Sending => matches!(next, Self::Settled | Self::Queued),
            // A `failed` webhook with our id (I2 d); still accepted or sent past its deadline.
            Self::Settled => matches!(next, Self::Queued | Self::Expired),
            Self::Cancelled | Self::Expired => false,
        }
    }

    /// Whether it can still be taken back: nothing has left.
    pub(crate) const fn is_ours_still(self) -> bool {
        match self {
            Self::Scheduled | Self::Queued | Self::Claimed => true,
            Self::Sending | Self::Settled | Self::Cancelled | Self::Expired => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Dispatch::{Cancelled, Claimed, Expired, Queued, Scheduled, Sending, Settled};
    use super::*;

    #[test]
    fn dispatch_moves_so_and_not_otherwise() {
        let lawful = [
            (Scheduled, Queued),
            (Scheduled, Cancelled),
            (Scheduled, Expired),
            (Queued, Claimed),
            (Queued, Cancelled),
            (Queued, Expired),
            (Claimed, Sending),
            (Claimed, Queued),
            (Claimed, Settled),
            (Claimed, Cancelled),
            (Claimed, Expired),
            (Sending, Settled),
            (Sending, Queued),
            (Settled, Queued),
            (Settled, Expired),
        ];
        for from in Dispatch::ALL {
            for to in Dispatch::ALL {
                assert_eq!(from.may_become(to), lawful.contains(&(from, to)), "{from:?} → {to:?}");
            }
        }
    }

    #[test]
    fn what_left_is_never_taken_back() {
        for state in Dispatch::ALL {
            assert_eq!(state.is_ours_still(), state.may_become(Cancelled), "{state:?}");
        }
    }

    #[test]
    fn words_round_trip() {
        for state in Dispatch::ALL {
            assert_eq!(Dispatch::parse(state.as_str()), Some(state));
        }
    }
}
