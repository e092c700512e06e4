//! A number as a sender: whether it may send now, and if not, why.
#![deny(clippy::wildcard_enum_match_arm)]

use kernel::id::{NumberId, TenantId, WabaId};
use kernel::time::Timestamp;
use uuid::Uuid;

use super::contact::OptInRule;
use super::conversation::Hearing;

/// Messages a second that Meta gives every number (`cloud-api-messaging`: throughput).
const USUAL_MPS: u32 = 80;

/// What Meta's refusal of a token or a lock left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stop {
    /// Meta's code.
    pub(crate) code: i64,
    /// Generation of the credential that was refused.
    pub(crate) generation: i64,
    /// Asked again from then on; never by itself where a new credential is needed.
    pub(crate) until: Option<Timestamp>,
}

/// How a number stands with the Cloud API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listing {
    /// Registered.
    Registered,
    /// Listed by Meta, not registered.
    Listed,
    /// Meta lists it no more.
    Removed,
}

/// All that is known of a number as a sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sender {
    /// Whose.
    pub(crate) tenant: TenantId,
    /// Which.
    pub(crate) number: NumberId,
    /// Of which WABA.
    pub(crate) waba: WabaId,
    /// Meta's phone number id.
    pub(crate) meta_id: String,
    /// Our name of the Meta app that its WABA belongs to.
    pub(crate) app: String,
    /// Its own number, digits alone.
    pub(crate) digits: String,
    /// Meta's word for its state.
    pub(crate) status: String,
    /// Whether it can be used at all.
    pub(crate) listing: Listing,
    /// Messages a second, where Meta said.
    pub(crate) throughput: u32,
    /// `live` or `sandbox`.
    pub(crate) environment: String,
    /// Whether the tenant may act.
    pub(crate) tenant_active: bool,
    /// Where the tenant asks for an opt-in.
    pub(crate) opt_in: OptInRule,
    /// Messages that the tenant may have accepted in a day, UTC; none: as many as it likes.
    pub(crate) messages_per_day: Option<i64>,
    /// Whether we act for the WABA.
    pub(crate) waba_live: bool,
    /// Its portfolio; nil where none is known.
    pub(crate) portfolio: Uuid,
    /// Generation of the WABA's credential.
    pub(crate) generation: i64,
    /// What Meta stopped.
    pub(crate) stop: Option<Stop>,
    /// Its webhooks.
    pub(crate) hearing: Hearing,
    /// When we last acted for its WABA no more.
    pub(crate) not_live: Option<Timestamp>,
    /// No marketing until then (131048).
    pub(crate) marketing_held_until: Option<Timestamp>,
}

/// Why a number may not send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Obstacle {
    /// Its tenant is suspended or gone.
    Tenant,
    /// We act for its WABA no more, or not yet.
    Waba,
    /// The number is removed, banned or not registered.
    Number,
    /// Meta refused our token or locked the WABA.
    Stopped(i64),
}

impl Sender {
    /// What stands in the way of taking a message for it.
    pub(crate) fn refuses(&self) -> Option<Obstacle> {
        let gone = ["BANNED", "DELETED", "DISCONNECTED"];
        let is_gone = gone.iter().any(|word| self.status.eq_ignore_ascii_case(word));
        let usable = match self.listing {
            Listing::Registered => true,
            Listing::Listed => self.status.eq_ignore_ascii_case("CONNECTED"),
            Listing::Removed => false,
        };
        if !self.tenant_active {
            Some(Obstacle::Tenant)
        } else if !self.waba_live {
            Some(Obstacle::Waba)
        } else if is_gone || !usable {
            Some(Obstacle::Number)
        } else {
            None
        }
    }

    /// What stands in the way of posting now.
    pub(crate) fn holds_back(&self, now: Timestamp) -> Option<Obstacle> {
        self.refuses().or_else(|| {
            let stop = self.stop.as_ref()?;
            let over =
                stop.generation < self.generation || stop.until.is_some_and(|until| until <= now);
            (!over).then_some(Obstacle::Stopped(stop.code))
        })
    }

    /// Messages a second.
    pub(crate) fn mps(&self) -> u32 {
        if self.throughput == 0 { USUAL_MPS } else { self.throughput }
    }

    /// Since when its webhooks come without a break.
    pub(crate) fn heard_since(&self) -> Option<Timestamp> {
        self.hearing.since(self.not_live)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_000);

    fn sender() -> Sender {
        Sender {
            tenant: TenantId::from_uuid(Uuid::from_u128(1)),
            number: NumberId::from_uuid(Uuid::from_u128(2)),
            waba: WabaId::from_uuid(Uuid::from_u128(3)),
            meta_id: "1".to_owned(),
            app: "1".to_owned(),
            digits: "15550001".to_owned(),
            status: "CONNECTED".to_owned(),
            listing: Listing::Registered,
            throughput: 0,
            environment: "sandbox".to_owned(),
            tenant_active: true,
            opt_in: OptInRule::default(),
            messages_per_day: None,
            waba_live: true,
            portfolio: Uuid::nil(),
            generation: 2,
            stop: None,
            hearing: Hearing::default(),
            not_live: None,
            marketing_held_until: None,
        }
    }

    #[rstest]
    #[case::suspended(Sender { tenant_active: false, ..sender() }, Obstacle::Tenant)]
    #[case::released(Sender { waba_live: false, ..sender() }, Obstacle::Waba)]
    #[case::removed(Sender { listing: Listing::Removed, ..sender() }, Obstacle::Number)]
    #[case::banned(Sender { status: "banned".to_owned(), ..sender() }, Obstacle::Number)]
    #[case::not_registered(Sender { listing: Listing::Listed, status: "PENDING".to_owned(), ..sender() }, Obstacle::Number)]
    fn what_may_not_send_is_refused(#[case] sender: Sender, #[case] obstacle: Obstacle) {
        assert_eq!(sender.refuses(), Some(obstacle));
        assert_eq!(sender.holds_back(NOW), Some(obstacle));
    }

    #[rstest]
    #[case::this_credential(2, None, true)]
    #[case::an_older_credential(1, None, false)]
    #[case::for_a_while(2, Some(1_001), true)]
    #[case::the_while_is_over(2, Some(1_000), false)]
    fn a_stop_lasts_until_the_credential_changes_or_its_time_is_over(
        #[case] generation: i64,
        #[case] until: Option<i64>,
        #[case] held: bool,
    ) {
        let stop = Stop { code: 190, generation, until: until.map(Timestamp::from_seconds) };
        let sender = Sender { stop: Some(stop), ..sender() };
        assert_eq!(sender.refuses(), None, "what waits is kept, what comes is taken");
        assert_eq!(sender.holds_back(NOW).is_some(), held);
    }

    #[test]
    fn a_number_without_a_word_about_its_rate_has_the_usual_one() {
        assert_eq!(sender().mps(), 80);
        assert_eq!(Sender { throughput: 1_000, ..sender() }.mps(), 1_000);
    }
}
