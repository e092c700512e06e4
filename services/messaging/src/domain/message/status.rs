//! What callers see of one outbound message, and the table by which two words about it become one.
//!
//! A status only rises. Webhooks come late, twice and out of order, and the answer to our own POST is
//! one more word among them: [`MessageStatus::after`] gives the same end in every order (I4). How far
//! *we* are with a message is [`super::Dispatch`], another column.
#![deny(clippy::wildcard_enum_match_arm)]

/// Why we ourselves gave a message up before Meta had it. A stable word to callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum LocalReason {
    /// The caller took it back.
    Cancelled,
    /// It had not left when its time was over.
    Expired,
    /// The customer service window had closed when its turn came.
    WindowClosed,
    /// The customer opted out after it was accepted.
    OptedOut,
    /// The tenant asks for an opt-in since, or the customer took theirs back.
    NotOptedIn,
    /// Its template may not be sent any more.
    TemplateNotSendable,
    /// Its number may not send any more.
    NumberNotSendable,
    /// We act for its WABA no more.
    WabaNotSendable,
    /// Its tenant may not send any more.
    TenantNotActive,
    /// The message that it quotes never came to exist at Meta.
    QuotedFailed,
    /// What was stored does not read as a message: a defect of ours.
    Unreadable,
}

impl LocalReason {
    const ALL: [Self; 11] = [
        Self::Cancelled,
        Self::Expired,
        Self::WindowClosed,
        Self::OptedOut,
        Self::NotOptedIn,
        Self::TemplateNotSendable,
        Self::NumberNotSendable,
        Self::WabaNotSendable,
        Self::TenantNotActive,
        Self::QuotedFailed,
        Self::Unreadable,
    ];

    /// The word that callers and rows have for it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::WindowClosed => "window_closed",
            Self::OptedOut => "opted_out",
            Self::NotOptedIn => "not_opted_in",
            Self::TemplateNotSendable => "template_not_sendable",
            Self::NumberNotSendable => "number_not_sendable",
            Self::WabaNotSendable => "waba_not_sendable",
            Self::TenantNotActive => "tenant_not_active",
            Self::QuotedFailed => "quoted_failed",
            Self::Unreadable => "unreadable",
        }
    }

    /// The code that Meta has for the same, where it has one.
    pub(crate) const fn meta_code(self) -> Option<i64> {
        match self {
            Self::WindowClosed => Some(131_047),
            Self::OptedOut => Some(131_050),
            Self::TemplateNotSendable => Some(132_015),
            Self::NumberNotSendable => Some(133_010),
            Self::QuotedFailed => Some(131_009),
            Self::Cancelled
            | Self::Expired
            | Self::NotOptedIn
            | Self::WabaNotSendable
            | Self::TenantNotActive
            | Self::Unreadable => None,
        }
    }

    fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word)
    }
}

/// Why a message failed, by who says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Failure {
    /// Never posted.
    Local(LocalReason),
    /// Posted; the deadline passed without a word of Meta's.
    OutcomeUnknown,
    /// Meta said no, with this code.
    Meta(i64),
}

/// What callers see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum MessageStatus {
    /// Ours still.
    Queued,
    /// Posted, the answer lost.
    Unknown,
    /// Meta's 200, and nothing else.
    Accepted,
    /// Left Meta.
    Sent,
    /// Reached a device.
    Delivered,
    /// Was read.
    Read,
    /// A voice note was played.
    Played,
    /// Over, without arriving.
    Failed(Failure),
}

impl MessageStatus {
    /// The merge table, lowest first. Where `failed` stands depends on who says so.
    const fn weight(self) -> u8 {
        match self {
            Self::Queued => 0,
            Self::Unknown => 1,
            // Any word of Meta's overrules ours.
            Self::Failed(Failure::Local(_) | Failure::OutcomeUnknown) => 2,
            Self::Accepted => 3,
            Self::Sent => 4,
            // Only proof of arrival overrules Meta's no.
            Self::Failed(Failure::Meta(_)) => 5,
            Self::Delivered => 6,
            Self::Read => 7,
            Self::Played => 8,
        }
    }

    /// The status once `new` is known too. Order and duplicates do not matter, also between equals.
    #[must_use]
    pub(crate) fn after(old: Self, new: Self) -> Self {
        if (new.weight(), new) > (old.weight(), old) { new } else { old }
    }

    /// Whether Meta has spoken about this message in a way that ends our part.
    pub(crate) const fn is_word_of_meta(self) -> bool {
        match self {
            Self::Accepted
            | Self::Sent
            | Self::Delivered
            | Self::Read
            | Self::Played
            | Self::Failed(Failure::Meta(_)) => true,
            Self::Queued
            | Self::Unknown
            | Self::Failed(Failure::Local(_) | Failure::OutcomeUnknown) => false,
        }
    }

    /// Whether it is we who gave the message up.
    pub(crate) const fn is_end_of_ours(self) -> bool {
        match self {
            Self::Failed(Failure::Local(_) | Failure::OutcomeUnknown) => true,
            Self::Queued
            | Self::Unknown
            | Self::Accepted
            | Self::Sent
            | Self::Delivered
            | Self::Read
            | Self::Played
            | Self::Failed(Failure::Meta(_)) => false,
        }
    }

    /// Whether Meta has it and may still say anything: neither arrived nor refused.
    pub(crate) const fn is_on_its_way(self) -> bool {
        match self {
            Self::Accepted | Self::Sent => true,
            Self::Queued
            | Self::Unknown
            | Self::Delivered
            | Self::Read
            | Self::Played
            | Self::Failed(_) => false,
        }
    }

    /// The word in rows and towards callers.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Unknown => "unknown",
            Self::Accepted => "accepted",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Read => "read",
            Self::Played => "played",
            Self::Failed(_) => "failed",
        }
    }

    /// Why it failed, as a stable word; empty unless it did.
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::Failed(Failure::Local(reason)) => reason.as_str(),
            Self::Failed(Failure::OutcomeUnknown) => "outcome_unknown",
            Self::Failed(Failure::Meta(_)) => "meta",
            Self::Queued
            | Self::Unknown
            | Self::Accepted
            | Self::Sent
            | Self::Delivered
            | Self::Read
            | Self::Played => "",
        }
    }

    /// Meta's code, where Meta said no.
    pub(crate) const fn meta_code(self) -> Option<i64> {
        match self {
            Self::Failed(Failure::Meta(code)) => Some(code),
            Self::Failed(Failure::Local(_) | Failure::OutcomeUnknown)
            | Self::Queued
            | Self::Unknown
            | Self::Accepted
            | Self::Sent
            | Self::Delivered
            | Self::Read
            | Self::Played => None,
        }
    }

    /// Reads a row's three columns.
    pub(crate) fn from_columns(status: &str, reason: &str, code: Option<i64>) -> Option<Self> {
        Some(match status {
            "queued" => Self::Queued,
            "unknown" => Self::Unknown,
            "accepted" => Self::Accepted,
            "sent" => Self::Sent,
            "delivered" => Self::Delivered,
            "read" => Self::Read,
            "played" => Self::Played,
            "failed" => Self::Failed(match reason {
                "meta" => Failure::Meta(code.unwrap_or_default()),
                "outcome_unknown" => Failure::OutcomeUnknown,
                ours => Failure::Local(LocalReason::parse(ours)?),
            }),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::Failure::{Local, Meta, OutcomeUnknown};
    use super::MessageStatus::{Accepted, Delivered, Failed, Played, Queued, Read, Sent, Unknown};
    use super::*;

    fn any_status() -> impl Strategy<Value = MessageStatus> {
        prop_oneof![
            Just(Queued),
            Just(Unknown),
            Just(Accepted),
            Just(Sent),
            Just(Delivered),
            Just(Read),
            Just(Played),
            Just(Failed(OutcomeUnknown)),
            (0..LocalReason::ALL.len()).prop_map(|n| Failed(Local(LocalReason::ALL[n]))),
            (131_000..131_060_i64).prop_map(|code| Failed(Meta(code))),
        ]
    }

    fn merged(words: &[MessageStatus]) -> MessageStatus {
        words.iter().copied().fold(Queued, MessageStatus::after)
    }

    #[rstest]
    #[case::sent_arrives_last(&[Delivered, Sent], Delivered)]
    #[case::late_word_lifts_our_deadline(&[Unknown, Failed(OutcomeUnknown), Sent], Sent)]
    #[case::late_answer_lifts_our_deadline(&[Failed(OutcomeUnknown), Accepted], Accepted)]
    #[case::delivery_overrules_metas_no(&[Failed(Meta(131_026)), Delivered], Delivered)]
    #[case::sent_does_not(&[Failed(Meta(131_026)), Sent], Failed(Meta(131_026)))]
    #[case::metas_no_overrules_ours(&[Failed(Local(LocalReason::Expired)), Failed(Meta(131_047))], Failed(Meta(131_047)))]
    #[case::played_is_most(&[Played, Read, Delivered], Played)]
    fn status_is_the_surest_one_reported(
        #[case] seen: &[MessageStatus],
        #[case] expected: MessageStatus,
    ) {
        assert_eq!(merged(seen), expected);
        let backwards: Vec<_> = seen.iter().rev().copied().collect();
        assert_eq!(merged(&backwards), expected);
    }

    proptest! {
        #[test]
        fn order_and_repeats_do_not_matter(
            (words, shuffled) in prop::collection::vec(any_status(), 0..8)
                .prop_flat_map(|words| (Just(words.clone()), Just(words).prop_shuffle())),
            again in 0_usize..8,
        ) {
            let mut repeated = shuffled.clone();
            repeated.extend(words.get(again).copied());
            prop_assert_eq!(merged(&words), merged(&shuffled));
            prop_assert_eq!(merged(&words), merged(&repeated));
        }

        #[test]
        fn a_status_never_falls(old in any_status(), new in any_status()) {
            let after = MessageStatus::after(old, new);
            prop_assert!(after.weight() >= old.weight());
            prop_assert_eq!(MessageStatus::after(after, old), after);
        }

        #[test]
        fn columns_round_trip(status in any_status()) {
            let read = MessageStatus::from_columns(status.as_str(), status.reason(), status.meta_code());
            prop_assert_eq!(read, Some(status));
        }
    }
}
