//! Steps of the saga. They are rows; `next` and `undo` are total, so the compiler asks about a new one.

use proto::onboarding::v1 as contract;

/// One step, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Step {
    Invited,
    CodeReceived,
    TokenExchanged,
    AssetsDiscovered,
    WabaClaimed,
    WebhooksSubscribed,
    PaymentSettled,
    NumberRegistered,
    AssetsImported,
    VerificationFollowed,
    Live,
}

/// What takes a step back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Undo {
    /// The token leaves the vault. Meta's own grant is the customer's to take back.
    ForgetToken,
    /// The saga lets its WABA go: back to the onboarding that was live on it before, else to nobody.
    ReleaseWaba,
    /// `DELETE /{WABA}/subscribed_apps`.
    Unsubscribe,
    /// `POST /{number}/deregister` for the numbers that this saga registered.
    Deregister,
}

impl Step {
    /// Every step, in order.
    pub(crate) const ALL: [Self; 11] = [
        Self::Invited,
        Self::CodeReceived,
        Self::TokenExchanged,
        Self::AssetsDiscovered,
        Self::WabaClaimed,
        Self::WebhooksSubscribed,
        Self::PaymentSettled,
        Self::NumberRegistered,
        Self::AssetsImported,
        Self::VerificationFollowed,
        Self::Live,
    ];

    /// The step after this one; `None` after the last.
    pub(crate) fn next(self) -> Option<Self> {
        Self::ALL.into_iter().find(|step| *step > self)
    }

    /// What undoes it; `None` where nothing was done outside.
    pub(crate) const fn undo(self) -> Option<Undo> {
        match self {
            Self::Invited
            | Self::CodeReceived
            | Self::AssetsDiscovered
            | Self::PaymentSettled
            | Self::AssetsImported
            | Self::VerificationFollowed
            | Self::Live => None,
            Self::TokenExchanged => Some(Undo::ForgetToken),
            Self::WabaClaimed => Some(Undo::ReleaseWaba),
            Self::WebhooksSubscribed => Some(Undo::Unsubscribe),
            Self::NumberRegistered => Some(Undo::Deregister),
        }
    }

    /// Whether an operator may go on without it.
    pub(crate) const fn may_be_skipped(self) -> bool {
        match self {
            Self::PaymentSettled | Self::AssetsImported | Self::VerificationFollowed => true,
            Self::Invited
            | Self::CodeReceived
            | Self::TokenExchanged
            | Self::AssetsDiscovered
            | Self::WabaClaimed
            | Self::WebhooksSubscribed
            | Self::NumberRegistered
            | Self::Live => false,
        }
    }

    /// Tries in a row before a person is asked. Meta counts registrations, ten in three days, and answers the most of
    /// them the same way.
    pub(crate) const fn most_tries(self) -> u32 {
        match self {
            Self::NumberRegistered => 3,
            Self::Invited
            | Self::CodeReceived
            | Self::TokenExchanged
            | Self::AssetsDiscovered
            | Self::WabaClaimed
            | Self::WebhooksSubscribed
            | Self::PaymentSettled
            | Self::AssetsImported
            | Self::VerificationFollowed
            | Self::Live => 8,
        }
    }

    /// The stored word.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Invited => "invited",
            Self::CodeReceived => "code_received",
            Self::TokenExchanged => "token_exchanged",
            Self::AssetsDiscovered => "assets_discovered",
            Self::WabaClaimed => "waba_claimed",
            Self::WebhooksSubscribed => "webhooks_subscribed",
            Self::PaymentSettled => "payment_settled",
            Self::NumberRegistered => "number_registered",
            Self::AssetsImported => "assets_imported",
            Self::VerificationFollowed => "verification_followed",
            Self::Live => "live",
        }
    }

    /// The step of a stored word.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.as_str() == word)
    }

    /// The contract's word.
    pub(crate) const fn contract(self) -> contract::Step {
        match self {
            Self::Invited => contract::Step::Invited,
            Self::CodeReceived => contract::Step::CodeReceived,
            Self::TokenExchanged => contract::Step::TokenExchanged,
            Self::AssetsDiscovered => contract::Step::AssetsDiscovered,
            Self::WabaClaimed => contract::Step::WabaClaimed,
            Self::WebhooksSubscribed => contract::Step::WebhooksSubscribed,
            Self::PaymentSettled => contract::Step::PaymentSettled,
            Self::NumberRegistered => contract::Step::NumberRegistered,
            Self::AssetsImported => contract::Step::AssetsImported,
            Self::VerificationFollowed => contract::Step::VerificationFollowed,
            Self::Live => contract::Step::Live,
        }
    }

    /// The step of the contract's word; `None` for none.
    pub(crate) fn of_contract(word: contract::Step) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.contract() == word)
    }
}

/// How the saga as a whole stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Running,
    Retrying,
    NeedsAttention,
    NeedsReconnect,
    Live,
    Undoing,
    Cancelled,
}

impl State {
    const ALL: [Self; 7] = [
        Self::Running,
        Self::Retrying,
        Self::NeedsAttention,
        Self::NeedsReconnect,
        Self::Live,
        Self::Undoing,
        Self::Cancelled,
    ];

    /// The stored word.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Retrying => "retrying",
            Self::NeedsAttention => "needs_attention",
            Self::NeedsReconnect => "needs_reconnect",
            Self::Live => "live",
            Self::Undoing => "undoing",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state of a stored word.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// The contract's word.
    pub(crate) const fn contract(self) -> contract::OnboardingState {
        match self {
            Self::Running => contract::OnboardingState::Running,
            Self::Retrying => contract::OnboardingState::Retrying,
            Self::NeedsAttention => contract::OnboardingState::NeedsAttention,
            Self::NeedsReconnect => contract::OnboardingState::NeedsReconnect,
            Self::Live => contract::OnboardingState::Live,
            Self::Undoing => contract::OnboardingState::Undoing,
            Self::Cancelled => contract::OnboardingState::Cancelled,
        }
    }

    /// Whether it goes forward by itself.
    pub(crate) const fn is_walking(self) -> bool {
        match self {
            Self::Running | Self::Retrying => true,
            Self::NeedsAttention
            | Self::NeedsReconnect
            | Self::Live
            | Self::Undoing
            | Self::Cancelled => false,
        }
    }
}

/// How one step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StepState {
    Pending,
    Running,
    Done,
    Failed,
    Skipped,
    Undone,
}

impl StepState {
    const ALL: [Self; 6] =
        [Self::Pending, Self::Running, Self::Done, Self::Failed, Self::Skipped, Self::Undone];

    /// The stored word.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Undone => "undone",
        }
    }

    /// The state of a stored word.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// The contract's word.
    pub(crate) const fn contract(self) -> contract::StepState {
        match self {
            Self::Pending => contract::StepState::Pending,
            Self::Running => contract::StepState::Running,
            Self::Done => contract::StepState::Done,
            Self::Failed => contract::StepState::Failed,
            Self::Skipped => contract::StepState::Skipped,
            Self::Undone => contract::StepState::Undone,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_follow_each_other_to_live() {
        let mut step = Step::Invited;
        let mut walked = vec![step];
        while let Some(next) = step.next() {
            step = next;
            walked.push(step);
        }
        assert_eq!(walked, Step::ALL);
        assert_eq!(walked.last(), Some(&Step::Live));
    }

    #[test]
    fn every_word_reads_back() {
        for step in Step::ALL {
            assert_eq!(Step::parse(step.as_str()), Some(step));
            assert_eq!(Step::of_contract(step.contract()), Some(step));
        }
        for state in State::ALL {
            assert_eq!(State::parse(state.as_str()), Some(state));
        }
        for state in StepState::ALL {
            assert_eq!(StepState::parse(state.as_str()), Some(state));
        }
    }

    #[test]
    fn what_acts_outside_can_be_undone_and_is_never_skipped() {
        for step in Step::ALL.into_iter().filter(|step| step.undo().is_some()) {
            assert!(!step.may_be_skipped(), "{step:?}");
        }
    }
}
