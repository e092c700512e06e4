//! What one tenant may ask of this process (OVL-1): so many requests a second, of so much cost a minute (IN-4), and so
//! many calls, sockets and subscriptions at once. Whoever asks for more is told when to come again, before anything is read or looked up, and
//! takes nothing from the others.
//!
//! Each process counts for itself: what an installation takes from a tenant is the limits times its replicas (OVL-7).
//! Nothing outlives the process, and who has been quiet is forgotten.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use auth::{Reach, Scope};
use governor::clock::{Clock as _, DefaultClock};
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use kernel::id::{OperatorId, PartnerId, TenantId};
use net::shares::{Share, Shares};
use tonic::Code;

use crate::config::TenantLimits;
use crate::metrics;
use crate::refusal::Refusal;

/// When what takes as long as calls take is worth repeating.
const SOON: Duration = Duration::from_secs(1);
/// When what takes as long as people are there is worth repeating.
const LATER: Duration = Duration::from_secs(30);
/// Callers whose buckets are kept before it is looked which of them are full again.
const FEW: usize = 1_000;

/// Whose account something goes to. Operators have one each: also where they act in a tenant, to which they may come
/// since it is in trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Account {
    Tenant(TenantId),
    Partner(PartnerId),
    Operator(OperatorId),
}

impl Account {
    fn of(scope: &Scope) -> Self {
        if let Some(operator) = scope.operator() {
            return Self::Operator(operator);
        }
        match *scope.reach() {
            Reach::Tenant { tenant, .. } => Self::Tenant(tenant),
            Reach::Partner { partner } => Self::Partner(partner),
            Reach::Operator { operator } => Self::Operator(operator),
        }
    }
}

/// Something that was admitted, until it is dropped.
pub(crate) type Admitted = Share<Account>;

/// The limits, by what they bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    Rate,
    Cost,
    Calls,
    Sockets,
    Subscriptions,
}

impl Limit {
    pub(crate) const ALL: [Self; 5] =
        [Self::Rate, Self::Cost, Self::Calls, Self::Sockets, Self::Subscriptions];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Cost => "cost",
            Self::Calls => "calls",
            Self::Sockets => "sockets",
            Self::Subscriptions => "subscriptions",
        }
    }

    fn refuse(self, after: Duration, most: impl std::fmt::Display) -> Refusal {
        metrics::refused(self);
        let (reason, message) = match self {
            Self::Rate => (
                "TOO_MANY_REQUESTS",
                format!("you have sent more than {most} requests a second; come again then"),
            ),
            Self::Cost => (
                "COST_EXHAUSTED",
                format!(
                    "your documents of the last minute cost more than {most} fields; come again later, with smaller pages"
                ),
            ),
            Self::Calls => (
                "TOO_MANY_AT_ONCE",
                format!("{most} of your requests are being answered; wait for one of them"),
            ),
            Self::Sockets => (
                "TOO_MANY_SOCKETS",
                format!("you have {most} open sockets; close one, or share them"),
            ),
            Self::Subscriptions => (
                "TOO_MANY_SUBSCRIPTIONS",
                format!("you have {most} subscriptions; end one, or subscribe to more with each"),
            ),
        };
        let refusal = Refusal::new(Code::ResourceExhausted, reason, message);
        Refusal { retry: Some(after), ..refusal }
    }
}

/// A bucket for each account.
type Buckets = RateLimiter<Account, HashMapStateStore<Account>, DefaultClock>;

/// Admits what callers ask for.
#[derive(Debug)]
pub(crate) struct Admission {
    limits: TenantLimits,
    rate: Buckets,
    cost: Buckets,
    /// With so many buckets it is looked which of them are full again: those say nothing.
    look_at: AtomicUsize,
    calls: Shares<Account>,
    sockets: Shares<Account>,
    subscriptions: Shares<Account>,
}

impl Admission {
    pub(crate) fn new(limits: TenantLimits) -> Self {
        metrics::register();
        let quota = Quota::per_second(limits.requests_per_second).allow_burst(limits.burst);
        Self {
            limits,
            rate: RateLimiter::hashmap(quota),
            cost: RateLimiter::hashmap(Quota::per_minute(limits.cost_per_minute)),
            look_at: AtomicUsize::new(FEW),
            calls: Shares::new(limits.calls),
            sockets: Shares::new(limits.sockets),
            subscriptions: Shares::new(limits.subscriptions),
        }
    }

    /// One request, whatever it asks for, counts to the rate.
    pub(crate) fn request(&self, scope: &Scope) -> Result<(), Refusal> {
        self.turn(Account::of(scope))
    }

    fn turn(&self, account: Account) -> Result<(), Refusal> {
        let checked = self.rate.check_key(&account);
        if self.rate.len() >= self.look_at.load(Ordering::Relaxed) {
            self.rate.retain_recent();
            self.cost.retain_recent();
            // Twice what is left: the work stays in proportion to the callers who come.
            self.look_at.store(FEW.max(2 * self.rate.len()), Ordering::Relaxed);
        }
        checked.map_err(|until| {
            let after = until.wait_time_from(DefaultClock::default().now());
            Limit::Rate.refuse(after, self.limits.requests_per_second)
        })
    }

    /// What a document costs, in fields. One that costs more than a whole minute's is let through by itself alone, when
    /// nothing was asked for a minute: its own limit is another one.
    pub(crate) fn document(&self, scope: &Scope, cost: usize) -> Result<(), Refusal> {
        self.spend(Account::of(scope), cost)
    }

    fn spend(&self, account: Account, cost: usize) -> Result<(), Refusal> {
        let most = self.limits.cost_per_minute;
        let cost = u32::try_from(cost).ok().and_then(NonZeroU32::new);
        let cost = cost.unwrap_or(NonZeroU32::MIN).min(most);
        match self.cost.check_key_n(&account, cost) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(until)) => {
                let after = until.wait_time_from(DefaultClock::default().now());
                Err(Limit::Cost.refuse(after, most))
            }
            // It is no more than what fits.
            Err(_too_much) => Err(Limit::Cost.refuse(LATER, most)),
        }
    }

    /// A query or a mutation, until it is answered.
    pub(crate) fn call(&self, scope: &Scope) -> Result<Admitted, Refusal> {
        let share = self.calls.take(Account::of(scope));
        share.ok_or_else(|| Limit::Calls.refuse(SOON, self.limits.calls))
    }

    /// A socket, until it closes.
    pub(crate) fn socket(&self, scope: &Scope) -> Result<Admitted, Refusal> {
        let share = self.sockets.take(Account::of(scope));
        share.ok_or_else(|| Limit::Sockets.refuse(LATER, self.limits.sockets))
    }

    /// A subscription, until it ends.
    pub(crate) fn subscription(&self, scope: &Scope) -> Result<Admitted, Refusal> {
        let share = self.subscriptions.take(Account::of(scope));
        share.ok_or_else(|| Limit::Subscriptions.refuse(LATER, self.limits.subscriptions))
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn tenant(n: u128) -> Account {
        Account::Tenant(TenantId::from_uuid(Uuid::from_u128(n)))
    }

    #[test]
    fn callers_whose_buckets_are_full_again_are_forgotten() {
        // A bucket is full again after a microsecond.
        let limits = TenantLimits {
            requests_per_second: NonZeroU32::new(1_000_000).unwrap(),
            burst: NonZeroU32::MIN,
            ..TenantLimits::default()
        };
        let admission = Admission::new(limits);
        for n in 0..10 * FEW as u128 {
            assert_eq!(admission.turn(tenant(n)), Ok(()));
        }
        assert!(admission.rate.len() <= 2 * FEW, "{} are kept", admission.rate.len());
    }

    #[test]
    fn cost_is_counted_a_minute_and_for_each_alone() {
        let limits = TenantLimits {
            cost_per_minute: NonZeroU32::new(100).unwrap(),
            ..TenantLimits::default()
        };
        let admission = Admission::new(limits);
        assert_eq!(admission.spend(tenant(1), 60), Ok(()));
        let refused = admission.spend(tenant(1), 60).unwrap_err();
        assert_eq!(refused.reason, "COST_EXHAUSTED");
        let after = refused.retry.unwrap();
        assert!(after > Duration::from_secs(10) && after <= Duration::from_mins(1), "{after:?}");
        assert_eq!(admission.spend(tenant(2), 1_000_000), Ok(()), "by itself alone");
        assert!(admission.spend(tenant(2), 1).is_err());
    }

    #[test]
    fn one_caller_beyond_its_rate_takes_nothing_from_another() {
        let limits =
            TenantLimits { requests_per_second: NonZeroU32::MIN, ..TenantLimits::default() };
        let admission = Admission::new(limits);
        for _ in 0..limits.burst.get() {
            assert_eq!(admission.turn(tenant(1)), Ok(()));
        }
        let refused = admission.turn(tenant(1)).unwrap_err();
        assert_eq!(refused.reason, "TOO_MANY_REQUESTS");
        let after = refused.retry.unwrap();
        assert!(!after.is_zero() && after <= Duration::from_secs(1), "{after:?}");
        assert_eq!(admission.turn(tenant(2)), Ok(()));
    }
}
