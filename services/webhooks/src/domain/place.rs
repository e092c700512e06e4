//! Whose an element is: by app, WABA and number together (ISO-43). What fits nowhere has a reason.

use std::collections::HashMap;

use uuid::Uuid;

use super::piece::{Kind, Piece};

/// A WABA as far as it is known here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) tenant: Uuid,
    pub(crate) waba: Uuid,
    pub(crate) meta_id: String,
    pub(crate) app_id: String,
    pub(crate) environment: String,
    /// Given back: whoever holds it now, its tenant does not.
    pub(crate) released: bool,
    pub(crate) claimed_us: i64,
    /// Whether somebody waits for the first delivery that names it.
    pub(crate) unheard: bool,
}

/// A number as far as it is known here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) tenant: Uuid,
    pub(crate) waba: Uuid,
    pub(crate) number: Uuid,
    pub(crate) meta_id: String,
}

/// The WABAs and numbers that a batch names.
#[derive(Debug, Default)]
pub(crate) struct Known {
    accounts: HashMap<String, Vec<Account>>,
    lines: HashMap<String, Vec<Line>>,
}

/// Where an element belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) tenant: Uuid,
    pub(crate) waba: Uuid,
    pub(crate) number: Option<Uuid>,
    /// It is the first that names its WABA since it was claimed, or one of the first.
    pub(crate) proves: bool,
}

/// Why an element cannot be placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Reason {
    /// It names no WABA.
    NoWaba,
    /// Nobody here holds the WABA.
    UnknownWaba,
    /// Two seem to hold it: one of them is about to be known as released.
    TwoHolders,
    /// It is older than its holder's claim, and another tenant held the WABA before: it stays as it is.
    BeforeClaim,
    /// It came from another app than the one that onboarded the WABA.
    WrongApp,
    /// The app's environment is not the WABA's.
    WrongEnvironment,
    /// The number is not known yet.
    UnknownNumber,
    /// The number is another WABA's.
    NumberElsewhere,
    /// No event can carry it.
    TooLarge,
    /// The delivery is no payload of Meta's.
    Unreadable,
    /// Working on the delivery failed again and again.
    Failed,
}

impl Reason {
    /// The stored and shown word.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::NoWaba => "no_waba",
            Self::UnknownWaba => "unknown_waba",
            Self::TwoHolders => "two_holders",
            Self::BeforeClaim => "before_claim",
            Self::WrongApp => "wrong_app",
            Self::WrongEnvironment => "wrong_environment",
            Self::UnknownNumber => "unknown_number",
            Self::NumberElsewhere => "number_elsewhere",
            Self::TooLarge => "too_large",
            Self::Unreadable => "unreadable",
            Self::Failed => "failed",
        }
    }
}

impl Known {
    /// What is known of WABAs and numbers, by Meta's ids.
    pub(crate) fn of(accounts: Vec<Account>, lines: Vec<Line>) -> Self {
        let mut known = Self::default();
        for account in accounts {
            known.accounts.entry(account.meta_id.clone()).or_default().push(account);
        }
        for line in lines {
            known.lines.entry(line.meta_id.clone()).or_default().push(line);
        }
        known
    }

    /// Where a piece belongs, where an event may have `most` bytes.
    pub(crate) fn place(&self, piece: &Piece, most: usize) -> Result<Place, Reason> {
        if piece.kind == Kind::Delivery {
            return Err(Reason::Unreadable);
        }
        if piece.waba_meta_id.is_empty() {
            return Err(Reason::NoWaba);
        }
        let mut holders = self.accounts.get(&piece.waba_meta_id).into_iter().flatten();
        let mut holders = holders.by_ref().filter(|account| !account.released);
        let account = holders.next().ok_or(Reason::UnknownWaba)?;
        if holders.next().is_some() {
            return Err(Reason::TwoHolders);
        }
        if self.is_an_earlier_tenants(piece, account) {
            return Err(Reason::BeforeClaim);
        }
        if account.app_id != piece.app_id {
            return Err(Reason::WrongApp);
        }
        if account.environment != piece.environment {
            return Err(Reason::WrongEnvironment);
        }
        let number = self.number(piece, account)?;
        if !piece.fits(most) {
            return Err(Reason::TooLarge);
        }
        let proves = account.unheard && piece.received_us >= account.claimed_us;
        Ok(Place { tenant: account.tenant, waba: account.waba, number, proves })
    }

    /// Every tenant that holds a WABA or held it once.
    pub(crate) fn tenants_ever(&self, waba_meta_id: &str) -> impl Iterator<Item = Uuid> {
        self.accounts.get(waba_meta_id).into_iter().flatten().map(|account| account.tenant)
    }

    /// Whether a piece is from before the holder's claim, while another tenant held the WABA once (T14). A tenant that
    /// claims its own WABA again keeps what is its own.
    fn is_an_earlier_tenants(&self, piece: &Piece, holder: &Account) -> bool {
        piece.known_us() < holder.claimed_us
            && self.tenants_ever(&holder.meta_id).any(|tenant| tenant != holder.tenant)
    }

    fn number(&self, piece: &Piece, account: &Account) -> Result<Option<Uuid>, Reason> {
        let lines = self.lines.get(&piece.number_meta_id);
        let mut all = lines.into_iter().flatten();
        let own = |line: &&Line| line.tenant == account.tenant && line.waba == account.waba;
        match all.clone().find(own) {
            Some(line) => Ok(Some(line.number)),
            None if !piece.is_addressed() => Ok(None),
            None if all.next().is_some() => Err(Reason::NumberElsewhere),
            None => Err(Reason::UnknownNumber),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::piece::Delivery;
    use super::*;

    const MOST: usize = 1 << 20;

    fn account(tenant: u128, waba: u128) -> Account {
        Account {
            tenant: Uuid::from_u128(tenant),
            waba: Uuid::from_u128(waba),
            meta_id: "9".to_owned(),
            app_id: "1".to_owned(),
            environment: "live".to_owned(),
            released: false,
            claimed_us: 100,
            unheard: true,
        }
    }

    fn line(tenant: u128, waba: u128) -> Line {
        let (tenant, waba) = (Uuid::from_u128(tenant), Uuid::from_u128(waba));
        Line { tenant, waba, number: Uuid::from_u128(55), meta_id: "5".to_owned() }
    }

    fn message() -> Piece {
        let delivery = Delivery {
            id: Uuid::nil(),
            app_id: "1".to_owned(),
            environment: "live".to_owned(),
            sha256: Vec::new(),
            received_us: 100,
            traceparent: None,
        };
        Piece {
            kind: Kind::Message,
            waba_meta_id: "9".to_owned(),
            number_meta_id: "5".to_owned(),
            metadata: "{}".to_owned(),
            ..Piece::whole(&delivery)
        }
    }

    fn known(accounts: Vec<Account>, lines: Vec<Line>) -> Known {
        Known::of(accounts, lines)
    }

    #[test]
    fn app_waba_and_number_together_name_the_tenant() {
        let known = known(vec![account(1, 2)], vec![line(1, 2)]);
        let place = known.place(&message(), MOST).unwrap();
        assert_eq!((place.tenant, place.waba), (Uuid::from_u128(1), Uuid::from_u128(2)));
        assert_eq!((place.number, place.proves), (Some(Uuid::from_u128(55)), true));
    }

    #[rstest]
    #[case::nobody(vec![], vec![line(1, 2)], Reason::UnknownWaba)]
    #[case::released(vec![Account { released: true, ..account(1, 2) }], vec![line(1, 2)], Reason::UnknownWaba)]
    #[case::two(vec![account(1, 2), account(3, 4)], vec![line(1, 2)], Reason::TwoHolders)]
    #[case::another_app(vec![Account { app_id: "2".to_owned(), ..account(1, 2) }], vec![line(1, 2)], Reason::WrongApp)]
    #[case::another_environment(vec![Account { environment: "sandbox".to_owned(), ..account(1, 2) }], vec![line(1, 2)], Reason::WrongEnvironment)]
    #[case::no_number(vec![account(1, 2)], vec![], Reason::UnknownNumber)]
    #[case::number_of_another_tenant(vec![account(1, 2)], vec![line(3, 4)], Reason::NumberElsewhere)]
    #[case::number_of_another_waba(vec![account(1, 2)], vec![line(1, 4)], Reason::NumberElsewhere)]
    fn what_does_not_fit_together_is_not_placed(
        #[case] accounts: Vec<Account>,
        #[case] lines: Vec<Line>,
        #[case] reason: Reason,
    ) {
        assert_eq!(known(accounts, lines).place(&message(), MOST), Err(reason));
    }

    #[test]
    fn who_gave_a_waba_back_does_not_stand_in_the_way_of_its_next_holder() {
        let released = Account { released: true, ..account(1, 2) };
        let known = known(vec![released, account(3, 4)], vec![line(1, 2), line(3, 4)]);
        assert_eq!(known.place(&message(), MOST).unwrap().tenant, Uuid::from_u128(3));
    }

    #[rstest]
    #[case::received_before(99, 0, false)]
    #[case::told_late(100_000_000, 99, false)]
    #[case::received_with_the_claim(100_000_000, 100, true)]
    #[case::without_a_time_of_metas(100_000_000, 0, true)]
    #[case::with_a_time_to_come(100_000_000, i64::MAX, true)]
    fn who_takes_a_waba_over_gets_nothing_older(
        #[case] received_us: i64,
        #[case] entry_time_s: i64,
        #[case] is_placed: bool,
    ) {
        let earlier = Account { released: true, claimed_us: 0, ..account(1, 2) };
        let holder = Account { claimed_us: 100_000_000, ..account(3, 4) };
        let own = Account { tenant: holder.tenant, ..earlier.clone() };
        let piece = Piece { entry_time_s, received_us, ..message() };
        let taken_over = known(vec![earlier, holder.clone()], vec![line(1, 2), line(3, 4)]);
        let place = taken_over.place(&piece, MOST).map(|place| place.tenant);
        assert_eq!(place, if is_placed { Ok(holder.tenant) } else { Err(Reason::BeforeClaim) });
        let claimed_again = known(vec![own, holder.clone()], vec![line(3, 4)]);
        assert_eq!(claimed_again.place(&piece, MOST).unwrap().tenant, holder.tenant);
    }

    #[test]
    fn what_is_merely_about_a_number_needs_none() {
        let about = Piece { kind: Kind::Change, metadata: String::new(), ..message() };
        let place = known(vec![account(1, 2)], vec![]).place(&about, MOST).unwrap();
        assert_eq!(place.number, None);
    }

    #[test]
    fn an_older_delivery_proves_nothing_of_a_later_claim() {
        let known = known(vec![account(1, 2)], vec![line(1, 2)]);
        let early = Piece { received_us: 99, ..message() };
        assert!(!known.place(&early, MOST).unwrap().proves);
    }

    #[test]
    fn what_no_event_carries_is_kept_aside() {
        let known = known(vec![account(1, 2)], vec![line(1, 2)]);
        let large = Piece { element: "x".repeat(MOST), ..message() };
        assert_eq!(known.place(&large, MOST), Err(Reason::TooLarge));
    }

    #[test]
    fn without_a_waba_there_is_no_place() {
        let nowhere = Piece { waba_meta_id: String::new(), ..message() };
        assert_eq!(known(vec![account(1, 2)], vec![]).place(&nowhere, MOST), Err(Reason::NoWaba));
    }
}
