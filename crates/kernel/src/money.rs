//! Money: micro-units of an ISO 4217 currency, a decimal string outside.
//!
//! A float never touches it: Meta's rates have four and more digits after the point, and a bill is
//! to be derived again to the last one. Sums are checked: an overflow and two currencies in one sum
//! are errors. What a thing costs is dated data elsewhere; rounding to a currency's coins is for
//! whoever prints a bill.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Micro-units in one unit.
const UNIT: u64 = 1_000_000;
/// Digits after the point that a micro-unit has.
const DIGITS: usize = 6;

/// The three capital letters of an ISO 4217 currency. The list of currencies is not ours to keep:
/// which ones a WABA may have, Meta says.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

/// An amount of one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Money {
    micros: i64,
    currency: Currency,
}

/// What is wrong with an amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// No currency code.
    #[error("a currency is three capital letters of ISO 4217, such as EUR")]
    Currency,
    /// No decimal number.
    #[error("an amount is a decimal number such as -12.345")]
    Decimal,
    /// More digits after the point than we keep.
    #[error("an amount has at most {DIGITS} digits after the point")]
    TooPrecise,
    /// Beyond what we can hold.
    #[error("the amount is too large")]
    TooLarge,
    /// A sum over two currencies.
    #[error("cannot add {second} to {first}")]
    Mixed {
        /// The currency of the sum.
        first: Currency,
        /// The currency of what was to be added.
        second: Currency,
    },
}

impl Currency {
    /// Euro.
    pub const EUR: Self = Self(*b"EUR");
    /// US dollar.
    pub const USD: Self = Self(*b"USD");

    /// Reads a code; capitals only.
    pub fn parse(code: &str) -> Result<Self, MoneyError> {
        match code.as_bytes() {
            &[a, b, c] if [a, b, c].iter().all(u8::is_ascii_uppercase) => Ok(Self([a, b, c])),
            _ => Err(MoneyError::Currency),
        }
    }

    /// The three letters.
    pub fn as_str(&self) -> &str {
        // Made of capital letters alone, so the fallback is never taken.
        str::from_utf8(&self.0).unwrap_or("XXX")
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Currency {
    type Err = MoneyError;

    fn from_str(code: &str) -> Result<Self, MoneyError> {
        Self::parse(code)
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl Money {
    /// An amount in micro-units: 1.25 EUR is 1,250,000.
    pub const fn from_micros(micros: i64, currency: Currency) -> Self {
        Self { micros, currency }
    }

    /// Nothing, in a currency.
    pub const fn zero(currency: Currency) -> Self {
        Self { micros: 0, currency }
    }

    /// Micro-units.
    pub const fn micros(&self) -> i64 {
        self.micros
    }

    /// The currency.
    pub const fn currency(&self) -> Currency {
        self.currency
    }

    /// Reads a decimal number: an optional minus, digits, and after a point at most six more.
    /// No exponent, no grouping, no blank.
    pub fn parse_decimal(text: &str, currency: Currency) -> Result<Self, MoneyError> {
        let (negative, number) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, part) = match number.split_once('.') {
            Some((_, "")) => return Err(MoneyError::Decimal),
            Some((whole, part)) => (whole, part),
            None => (number, ""),
        };
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(part) {
            return Err(MoneyError::Decimal);
        }
        if part.len() > DIGITS {
            return Err(MoneyError::TooPrecise);
        }
        // i128 holds both ends of i64 while the sign is still apart.
        let whole: i128 = whole.parse().map_err(|_| MoneyError::TooLarge)?;
        let part: i128 = format!("{part:0<DIGITS$}").parse().map_err(|_| MoneyError::Decimal)?;
        let size = whole
            .checked_mul(i128::from(UNIT))
            .and_then(|micros| micros.checked_add(part))
            .ok_or(MoneyError::TooLarge)?;
        let micros = if negative { -size } else { size };
        let micros = i64::try_from(micros).map_err(|_| MoneyError::TooLarge)?;
        Ok(Self { micros, currency })
    }

    /// The amount as a decimal string, exact, without zeros at its end: `1.25`.
    pub fn decimal(&self) -> String {
        let sign = if self.micros < 0 { "-" } else { "" };
        let size = self.micros.unsigned_abs();
        let (whole, part) = (size / UNIT, size % UNIT);
        if part == 0 {
            return format!("{sign}{whole}");
        }
        let part = format!("{part:0>DIGITS$}");
        format!("{sign}{whole}.{}", part.trim_end_matches('0'))
    }

    /// The sum of two amounts of one currency.
    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        let micros = self.micros.checked_add(other.micros).ok_or(MoneyError::TooLarge)?;
        Ok(Self { micros, ..self })
    }

    /// The difference of two amounts of one currency.
    pub fn checked_sub(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        let micros = self.micros.checked_sub(other.micros).ok_or(MoneyError::TooLarge)?;
        Ok(Self { micros, ..self })
    }

    /// The amount `times` over: a rate and a count.
    pub fn checked_mul(self, times: i64) -> Result<Self, MoneyError> {
        let micros = self.micros.checked_mul(times).ok_or(MoneyError::TooLarge)?;
        Ok(Self { micros, ..self })
    }

    fn same_currency(self, other: Self) -> Result<(), MoneyError> {
        if self.currency == other.currency {
            Ok(())
        } else {
            Err(MoneyError::Mixed { first: self.currency, second: other.currency })
        }
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.decimal(), self.currency)
    }
}

impl FromStr for Money {
    type Err = MoneyError;

    /// Reads what `Display` writes: `1.25 EUR`.
    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let (amount, currency) = text.split_once(' ').ok_or(MoneyError::Decimal)?;
        Self::parse_decimal(amount, Currency::parse(currency)?)
    }
}

/// `{"amount": "1.25", "currency": "EUR"}`.
#[derive(Serialize, Deserialize)]
struct Wire {
    amount: String,
    currency: Currency,
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Wire { amount: self.decimal(), currency: self.currency }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wire = Wire::deserialize(deserializer)?;
        Self::parse_decimal(&wire.amount, wire.currency).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("1.25", 1_250_000, "1.25")]
    #[case("1", 1_000_000, "1")]
    #[case("0.000001", 1, "0.000001")]
    #[case("-0.0345", -34_500, "-0.0345")]
    #[case("007.10", 7_100_000, "7.1")]
    #[case("-0", 0, "0")]
    #[case("9223372036854.775807", i64::MAX, "9223372036854.775807")]
    #[case("-9223372036854.775808", i64::MIN, "-9223372036854.775808")]
    fn decimals_are_exact(#[case] text: &str, #[case] micros: i64, #[case] shown: &str) {
        let money = Money::parse_decimal(text, Currency::EUR).unwrap();
        assert_eq!(money.micros(), micros);
        assert_eq!(money.to_string(), format!("{shown} EUR"));
    }

    #[rstest]
    #[case::empty("", MoneyError::Decimal)]
    #[case::sign_alone("-", MoneyError::Decimal)]
    #[case::no_whole(".5", MoneyError::Decimal)]
    #[case::no_part("5.", MoneyError::Decimal)]
    #[case::plus("+5", MoneyError::Decimal)]
    #[case::comma("1,5", MoneyError::Decimal)]
    #[case::exponent("1e3", MoneyError::Decimal)]
    #[case::blank(" 1", MoneyError::Decimal)]
    #[case::other_digits("١", MoneyError::Decimal)]
    #[case::seven_digits("0.0000001", MoneyError::TooPrecise)]
    #[case::one_too_many("9223372036854.775808", MoneyError::TooLarge)]
    #[case::absurd("99999999999999999999999999999999999999999999", MoneyError::TooLarge)]
    fn what_is_no_decimal_is_refused(#[case] text: &str, #[case] error: MoneyError) {
        assert_eq!(Money::parse_decimal(text, Currency::EUR), Err(error));
    }

    #[rstest]
    #[case("eur")]
    #[case("EU")]
    #[case("EURO")]
    #[case("€")]
    #[case("E1R")]
    fn a_currency_is_three_capitals(#[case] code: &str) {
        assert_eq!(Currency::parse(code), Err(MoneyError::Currency));
    }

    #[test]
    fn two_currencies_are_never_added() {
        let (one, two) = (Money::zero(Currency::EUR), Money::zero(Currency::USD));
        let error = MoneyError::Mixed { first: Currency::EUR, second: Currency::USD };
        assert_eq!(one.checked_add(two), Err(error));
    }

    #[test]
    fn overflow_is_an_error() {
        let most = Money::from_micros(i64::MAX, Currency::EUR);
        assert_eq!(
            most.checked_add(Money::from_micros(1, Currency::EUR)),
            Err(MoneyError::TooLarge)
        );
        assert_eq!(most.checked_mul(2), Err(MoneyError::TooLarge));
        let least = Money::from_micros(i64::MIN, Currency::EUR);
        assert_eq!(
            least.checked_sub(Money::from_micros(1, Currency::EUR)),
            Err(MoneyError::TooLarge)
        );
    }

    proptest! {
        #[test]
        fn text_and_json_round_trip(micros: i64, code in "[A-Z]{3}") {
            let money = Money::from_micros(micros, Currency::parse(&code).unwrap());
            prop_assert_eq!(money.to_string().parse(), Ok(money));
            let json = serde_json::to_string(&money).unwrap();
            prop_assert_eq!(serde_json::from_str::<Money>(&json).unwrap(), money);
        }

        #[test]
        fn subtracting_undoes_adding(a in i64::MIN / 2..i64::MAX / 2, b in i64::MIN / 2..i64::MAX / 2) {
            let [a, b] = [a, b].map(|micros| Money::from_micros(micros, Currency::USD));
            prop_assert_eq!(a.checked_add(b).unwrap().checked_sub(b), Ok(a));
        }
    }
}
