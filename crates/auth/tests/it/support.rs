//! An issuer, a verifier and a forger.

use std::sync::Arc;
use std::time::Duration;

use auth::{
    Claims, Dead, Environment, Keys, Permission, Reach, Service, ServiceClaims, Signer, Verifier,
    Wabas,
};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel::clock::ManualClock;
use kernel::id::{KeyId, OperatorId, PartnerId, SessionId, TenantId, UserId, WabaId};
use kernel::secret::ExposeSecret as _;
use kernel::time::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

pub(crate) const ISSUER: &str = "https://switchboard.test";
pub(crate) const AUDIENCE: &str = "switchboard";
pub(crate) const LIFE: Duration = Duration::from_mins(10);

pub(crate) const TENANT: TenantId = TenantId::from_uuid(Uuid::from_u128(1));
pub(crate) const USER: UserId = UserId::from_uuid(Uuid::from_u128(2));
pub(crate) const SESSION: SessionId = SessionId::from_uuid(Uuid::from_u128(3));
pub(crate) const KEY: KeyId = KeyId::from_uuid(Uuid::from_u128(4));
pub(crate) const PARTNER: PartnerId = PartnerId::from_uuid(Uuid::from_u128(5));
pub(crate) const OPERATOR: OperatorId = OperatorId::from_uuid(Uuid::from_u128(6));

pub(crate) fn waba(n: u128) -> WabaId {
    WabaId::from_uuid(Uuid::from_u128(0x100 + n))
}

pub(crate) struct World {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) dead: Arc<Dead>,
    pub(crate) keys: Arc<Keys>,
    pub(crate) verifier: Verifier,
    pub(crate) signer: Signer,
    pkcs8: Vec<u8>,
}

impl World {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(ManualClock::new(Timestamp::from_micros(1_795_426_200_500_000)));
        let pkcs8 = Signer::generate().unwrap().to_vec();
        let signer = Signer::from_pkcs8(&pkcs8).unwrap();
        let keys = Arc::new(Keys::empty());
        keys.replace(&json!({ "keys": [signer.jwk()] }).to_string()).unwrap();
        let wall: Arc<ManualClock> = Arc::clone(&clock);
        let dead = Arc::new(Dead::new(wall));
        let wall: Arc<ManualClock> = Arc::clone(&clock);
        let verifier = Verifier::new(ISSUER, AUDIENCE, Arc::clone(&keys), Arc::clone(&dead), wall);
        Self { clock, dead, keys, verifier, signer, pkcs8 }
    }

    pub(crate) fn person(&self, reach: &Reach) -> Claims {
        let perms = [Permission::MessagesRead, Permission::TemplatesWrite];
        let now = self.clock.read();
        Claims::for_person(ISSUER, AUDIENCE, USER, SESSION, reach, perms, now, LIFE, "jti".into())
    }

    pub(crate) fn in_tenant(&self) -> Claims {
        self.person(&Reach::Tenant { tenant: TENANT, wabas: Wabas::All })
    }

    pub(crate) fn key(&self, wabas: Wabas) -> Claims {
        let reach = Reach::Tenant { tenant: TENANT, wabas };
        let (now, env) = (self.clock.read(), Environment::Sandbox);
        let perms = [Permission::MessagesSend];
        Claims::for_key(ISSUER, AUDIENCE, KEY, env, &reach, perms, now, LIFE, "jti".into())
    }

    pub(crate) fn service(&self, callee: Service) -> ServiceClaims {
        let now = self.clock.read();
        ServiceClaims::new(ISSUER, Service::Gateway, callee, now, LIFE, "jti".into())
    }

    pub(crate) fn token(&self, claims: &Claims) -> String {
        self.signer.sign(claims).unwrap().expose_secret().to_owned()
    }

    pub(crate) fn header(&self) -> Value {
        json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": self.signer.kid() })
    }

    /// Claims of a lawful token, changed.
    pub(crate) fn with(&self, change: impl FnOnce(&mut Value)) -> Value {
        let mut claims = serde_json::to_value(self.in_tenant()).unwrap();
        change(&mut claims);
        claims
    }

    /// Signed with the issuer's own key: an attacker cannot, a mistake of ours could.
    pub(crate) fn signed(&self, header: &Value, claims: &Value) -> String {
        self.signed_text(&header.to_string(), &claims.to_string())
    }

    pub(crate) fn signed_text(&self, header: &str, claims: &str) -> String {
        let pair = Ed25519KeyPair::from_pkcs8(&self.pkcs8).unwrap();
        joined(header, claims, |message| pair.sign(message).as_ref().to_vec())
    }

    /// Signed with a key of the attacker's.
    pub(crate) fn signed_by_another(header: &Value, claims: &Value) -> String {
        let pair = Ed25519KeyPair::generate().unwrap();
        joined(&header.to_string(), &claims.to_string(), |message| {
            pair.sign(message).as_ref().to_vec()
        })
    }

    /// HS256 with the public key as the shared secret.
    pub(crate) fn hmac_with_public_key(&self, header: &Value, claims: &Value) -> String {
        let public = URL_SAFE_NO_PAD.decode(self.signer.public_key()).unwrap();
        let key = hmac::Key::new(hmac::HMAC_SHA256, &public);
        joined(&header.to_string(), &claims.to_string(), |message| {
            hmac::sign(&key, message).as_ref().to_vec()
        })
    }

    /// ES256 with a key of the attacker's.
    pub(crate) fn es256(header: &Value, claims: &Value) -> String {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        joined(&header.to_string(), &claims.to_string(), |message| {
            pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
        })
    }

    pub(crate) fn without_signature(header: &Value, claims: &Value) -> String {
        joined(&header.to_string(), &claims.to_string(), |_| Vec::new())
    }

    pub(crate) fn signed_by_digest(header: &Value, claims: &Value) -> String {
        joined(&header.to_string(), &claims.to_string(), |message| {
            digest::digest(&digest::SHA512, message).as_ref().to_vec()
        })
    }
}

fn joined(header: &str, claims: &str, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = URL_SAFE_NO_PAD.encode(sign(message.as_bytes()));
    format!("{message}.{signature}")
}
