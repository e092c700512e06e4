//! The throttle of sign-ins (AUTH-6): a try is charged in the database before its password is looked
//! at, so that it is exact over all replicas; a right one gives it back.
//!
//! An account's bucket is one for all who have never signed in to it from their device; a device that
//! has carries a token and a bucket of its own, so that a stranger's guesses delay the stranger.

use std::net::IpAddr;
use std::time::Duration;

use aws_lc_rs::{constant_time, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel::secret::SecretString;
use kernel::time::Timestamp;
use sha2::{Digest as _, Sha256};
use store::{Error as StoreError, SystemTx, Uuid};

use super::App;
use crate::domain::throttle::{Bucket, Rule};
use crate::peppers::Pepper;
use crate::rows::throttle;

const DEVICE_PREFIX: &str = "sbd_";
/// Person, device, expiry in seconds.
const DEVICE_BODY: usize = 16 + 16 + 8;
const DEVICE_LIFE: Duration = Duration::from_hours(90 * 24);

/// A device that somebody signed in from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Device {
    pub(crate) user: Uuid,
    pub(crate) id: Uuid,
}

/// The buckets of one try and their rules.
#[derive(Debug, Clone)]
pub(crate) struct Buckets(Vec<(String, Rule)>);

/// The network of an address: a host of IPv4, the /64 of IPv6.
fn network(address: &str) -> Option<String> {
    match address.trim().parse::<IpAddr>().ok()?.to_canonical() {
        IpAddr::V4(host) => Some(format!("n:{host}/32")),
        IpAddr::V6(host) => {
            let mut parts = host.segments();
            parts.iter_mut().skip(4).for_each(|part| *part = 0);
            Some(format!("n:{}/64", std::net::Ipv6Addr::from(parts)))
        }
    }
}

fn account(email: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(b"switchboard.throttle");
    hash.update(email.as_bytes());
    format!("a:{}", URL_SAFE_NO_PAD.encode(hash.finalize()))
}

fn mac(pepper: &Pepper, body: &[u8]) -> hmac::Tag {
    let key = hmac::Key::new(hmac::HMAC_SHA256, pepper.bytes());
    let mut context = hmac::Context::with_key(&key);
    context.update(b"switchboard.device");
    context.update(body);
    context.sign()
}

impl App {
    /// The buckets of a try; a device counts only for the person that it was given to.
    pub(crate) fn buckets(&self, email: &str, device: Option<Device>, address: &str) -> Buckets {
        let settings = &self.config.throttle;
        let whole = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
        let delay = Rule::Delay {
            free: whole(settings.free_tries),
            longest: Duration::from_secs(settings.longest_delay_seconds),
            forget: Duration::from_secs(settings.forget_seconds),
        };
        let window = Rule::Window {
            most: whole(settings.network_tries),
            span: Duration::from_secs(settings.network_span_seconds),
        };
        let own = device.map_or_else(|| account(email), |device| format!("d:{}", device.id));
        let mut buckets = vec![(own, delay)];
        buckets.extend(network(address).map(|name| (name, window)));
        Buckets(buckets)
    }

    /// Charges a try; the longest wait where any bucket is full, and then nothing is charged.
    pub(crate) async fn charge(
        &self,
        tx: &SystemTx,
        buckets: &Buckets,
    ) -> Result<Result<(), Duration>, StoreError> {
        let now_us = self.now().as_micros();
        let (mut charged, mut wait) = (Vec::new(), None);
        for (name, rule, bucket) in rows(tx, buckets, now_us).await? {
            match rule.charge(bucket, now_us) {
                Ok(after) => charged.push((name, after)),
                Err(longer) => wait = wait.max(Some(longer)),
            }
        }
        if let Some(wait) = wait {
            return Ok(Err(wait));
        }
        for (name, bucket) in charged {
            throttle::keep(tx, &name, bucket).await?;
        }
        Ok(Ok(()))
    }

    /// Gives a try back that was right.
    pub(crate) async fn give_back(
        &self,
        tx: &SystemTx,
        buckets: &Buckets,
    ) -> Result<(), StoreError> {
        let now_us = self.now().as_micros();
        for (name, rule, bucket) in rows(tx, buckets, now_us).await? {
            throttle::keep(tx, &name, rule.succeed(bucket, now_us)).await?;
        }
        Ok(())
    }

    /// The device that a token names, if the token is ours and not too old.
    pub(crate) fn read_device(&self, token: &str) -> Option<Device> {
        let raw = URL_SAFE_NO_PAD.decode(token.strip_prefix(DEVICE_PREFIX)?).ok()?;
        let (body, given) = raw.split_first_chunk::<DEVICE_BODY>()?;
        let known = self.peppers.all().any(|pepper| {
            constant_time::verify_slices_are_equal(mac(pepper, body).as_ref(), given).is_ok()
        });
        let (user, rest) = body.split_first_chunk::<16>()?;
        let (id, expiry) = rest.split_first_chunk::<16>()?;
        let expiry = i64::from_be_bytes(*expiry.first_chunk::<8>()?);
        let lives = self.now() < Timestamp::from_seconds(expiry);
        let device = Device { user: Uuid::from_bytes(*user), id: Uuid::from_bytes(*id) };
        (known && lives).then_some(device)
    }

    /// The token of a device.
    pub(crate) fn device_token(&self, device: Device) -> SecretString {
        let expiry = (self.now() + DEVICE_LIFE).as_seconds();
        let mut raw = Vec::with_capacity(DEVICE_BODY + 32);
        raw.extend_from_slice(device.user.as_bytes());
        raw.extend_from_slice(device.id.as_bytes());
        raw.extend_from_slice(&expiry.to_be_bytes());
        let tag = mac(&self.peppers.current, &raw);
        raw.extend_from_slice(tag.as_ref());
        format!("{DEVICE_PREFIX}{}", URL_SAFE_NO_PAD.encode(raw)).into()
    }
}

async fn rows(
    tx: &SystemTx,
    Buckets(buckets): &Buckets,
    now_us: i64,
) -> Result<Vec<(String, Rule, Bucket)>, StoreError> {
    let names: Vec<String> = buckets.iter().map(|(name, _)| name.clone()).collect();
    let rows = throttle::lock(tx, &names, now_us).await?;
    let with_rule = |row: throttle::Model| {
        let rule = buckets.iter().find(|(name, _)| *name == row.bucket)?.1;
        let bucket = Bucket::from(&row);
        Some((row.bucket, rule, bucket))
    };
    Ok(rows.into_iter().filter_map(with_rule).collect())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("192.0.2.7", Some("n:192.0.2.7/32"))]
    #[case("::ffff:192.0.2.7", Some("n:192.0.2.7/32"))]
    #[case("2001:db8:1:2:3:4:5:6", Some("n:2001:db8:1:2::/64"))]
    #[case("", None)]
    #[case("unknown", None)]
    fn a_network_is_a_host_or_a_64(#[case] address: &str, #[case] expected: Option<&str>) {
        assert_eq!(network(address).as_deref(), expected);
    }
}
