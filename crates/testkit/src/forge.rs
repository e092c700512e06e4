//! Tokens that nobody issued: each is a genuine one changed in one way (AUTH-12).

use anyhow::Context as _;
use aws_lc_rs::{
    hmac,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

/// A token that must open nothing.
#[derive(Debug, Clone)]
pub struct Forged {
    /// How it was made.
    pub name: String,
    /// The token.
    pub token: String,
}

/// How a forged token is signed.
#[derive(Debug, Clone, Copy)]
enum Signed {
    /// With the signature of the genuine one.
    AsBefore,
    /// With an Ed25519 key of the forger's.
    OwnKey,
    /// HMAC-SHA-256 under the public key's bytes, which everybody knows.
    HmacOfPublicKey,
    /// With a P-256 key of the forger's.
    P256,
    /// Not at all.
    Nothing,
}

struct Forger {
    header: Map<String, Value>,
    claims: Map<String, Value>,
    signature: String,
    public: Vec<u8>,
    made: Vec<Forged>,
}

/// Makes forgeries of a genuine access token, with what everybody can read: the token itself and the published keys.
pub fn forgeries(genuine: &str, jwks: &Value) -> anyhow::Result<Vec<Forged>> {
    let parts: Vec<&str> = genuine.split('.').collect();
    let [header, claims, signature] = parts.as_slice() else { anyhow::bail!("no JWT") };
    let key = jwks.pointer("/keys/0/x").and_then(Value::as_str).context("a published key")?;
    let mut forger = Forger {
        header: object(header)?,
        claims: object(claims)?,
        signature: (*signature).to_owned(),
        public: URL_SAFE_NO_PAD.decode(key)?,
        made: Vec::new(),
    };
    forger.headers()?;
    forger.claims()?;
    forger.shapes(genuine, &parts)?;
    Ok(forger.made)
}

/// The claims of a token, unverified.
pub fn claims(token: &str) -> anyhow::Result<Map<String, Value>> {
    object(token.split('.').nth(1).context("a JWT")?)
}

fn object(part: &str) -> anyhow::Result<Map<String, Value>> {
    let value: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part)?)?;
    value.as_object().cloned().context("an object")
}

fn encoded(object: &Map<String, Value>) -> String {
    URL_SAFE_NO_PAD.encode(Value::Object(object.clone()).to_string())
}

impl Forger {
    fn add(
        &mut self,
        name: &str,
        header: &Map<String, Value>,
        claims: &Map<String, Value>,
        signed: Signed,
    ) -> anyhow::Result<()> {
        let text = format!("{}.{}", encoded(header), encoded(claims));
        let signature = match signed {
            Signed::AsBefore => self.signature.clone(),
            Signed::Nothing => String::new(),
            Signed::OwnKey => {
                let own = Ed25519KeyPair::from_seed_unchecked(&[7; 32])?;
                URL_SAFE_NO_PAD.encode(own.sign(text.as_bytes()))
            }
            Signed::HmacOfPublicKey => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, &self.public);
                URL_SAFE_NO_PAD.encode(hmac::sign(&key, text.as_bytes()))
            }
            Signed::P256 => {
                let own = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
                URL_SAFE_NO_PAD.encode(own.sign(&SystemRandom::new(), text.as_bytes())?)
            }
        };
        self.made.push(Forged { name: name.to_owned(), token: format!("{text}.{signature}") });
        Ok(())
    }

    fn headers(&mut self) -> anyhow::Result<()> {
        let (header, claims) = (self.header.clone(), self.claims.clone());
        let with = |name: &str, value: Value| {
            let mut changed = header.clone();
            changed.insert(name.to_owned(), value);
            changed
        };
        let own = json!({"kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode([9; 32])});
        self.add("alg none, unsigned", &with("alg", json!("none")), &claims, Signed::Nothing)?;
        self.add("alg None, unsigned", &with("alg", json!("None")), &claims, Signed::Nothing)?;
        self.add(
            "alg none, old signature",
            &with("alg", json!("none")),
            &claims,
            Signed::AsBefore,
        )?;
        self.add(
            "HS256 under the public key",
            &with("alg", json!("HS256")),
            &claims,
            Signed::HmacOfPublicKey,
        )?;
        self.add("EdDSA said, HMAC made", &header, &claims, Signed::HmacOfPublicKey)?;
        self.add("ES256 under an EdDSA kid", &with("alg", json!("ES256")), &claims, Signed::P256)?;
        self.add("signed by another key", &header, &claims, Signed::OwnKey)?;
        self.add("a kid of nobody", &with("kid", json!("nobody")), &claims, Signed::OwnKey)?;
        self.add(
            "a kid that is a path",
            &with("kid", json!("../../keys/kek")),
            &claims,
            Signed::OwnKey,
        )?;
        self.add("a kid that is SQL", &with("kid", json!("' OR 1=1 --")), &claims, Signed::OwnKey)?;
        self.add("a kid that is a number", &with("kid", json!(1)), &claims, Signed::OwnKey)?;
        self.add("its own jwk", &with("jwk", own), &claims, Signed::OwnKey)?;
        self.add(
            "its own jku",
            &with("jku", json!("http://127.0.0.1:1/keys")),
            &claims,
            Signed::OwnKey,
        )?;
        self.add(
            "its own x5u",
            &with("x5u", json!("http://127.0.0.1:1/cert")),
            &claims,
            Signed::AsBefore,
        )?;
        self.add("crit", &with("crit", json!(["exp"])), &claims, Signed::AsBefore)?;
        self.add("typ JWT", &with("typ", json!("JWT")), &claims, Signed::AsBefore)?;
        let mut bare = header.clone();
        bare.remove("kid");
        self.add("no kid", &bare, &claims, Signed::OwnKey)?;
        self.add("no signature", &header, &claims, Signed::Nothing)
    }

    /// What a caller would like to be, under the signature of what it is.
    fn claims(&mut self) -> anyhow::Result<()> {
        let (header, claims) = (self.header.clone(), self.claims.clone());
        let later = claims.get("exp").and_then(Value::as_i64).unwrap_or_default() + 86_400;
        let wishes = [
            ("another tenant", "tid", json!("tenant_01h2xcejqtf2nbrexx3vqjhp41")),
            ("an operator", "op", json!("operator_01h2xcejqtf2nbrexx3vqjhp41")),
            ("a partner", "pid", json!("partner_01h2xcejqtf2nbrexx3vqjhp41")),
            ("all WABAs", "wabas", json!("all")),
            ("more permissions", "perms", json!(["desk.tenants.write", "keys.write"])),
            ("a longer life", "exp", json!(later)),
            ("another issuer", "iss", json!("http://127.0.0.1:1")),
            ("another audience", "aud", json!("everybody")),
            ("another subject", "sub", json!("user_01h2xcejqtf2nbrexx3vqjhp41")),
            ("any environment", "env", json!("any-and-all")),
        ];
        for (wish, name, value) in wishes {
            let mut changed = claims.clone();
            changed.insert(name.to_owned(), value);
            self.add(&format!("{wish}, old signature"), &header, &changed, Signed::AsBefore)?;
            self.add(&format!("{wish}, own signature"), &header, &changed, Signed::OwnKey)?;
        }
        Ok(())
    }

    fn shapes(&mut self, genuine: &str, parts: &[&str]) -> anyhow::Result<()> {
        let [header, claims, signature] = parts else { anyhow::bail!("no JWT") };
        let cut: String = genuine.chars().take(genuine.len() - 4).collect();
        let shapes = [
            ("cut short", cut),
            ("two parts", format!("{header}.{claims}")),
            ("four parts", format!("{genuine}.{signature}")),
            ("five parts", format!("{genuine}.a.b")),
            ("padded", format!("{genuine}==")),
            ("standard base64", format!("{}.{claims}.{signature}", header.replace('_', "/") + "+")),
            ("parts swapped", format!("{claims}.{header}.{signature}")),
            ("no JSON inside", format!("{}.{claims}.{signature}", URL_SAFE_NO_PAD.encode("{"))),
            ("only dots", "..".to_owned()),
            ("9 kB of claims", format!("{header}.{}.{signature}", "A".repeat(9_000))),
            ("a word", "null".to_owned()),
        ];
        self.made.extend(shapes.map(|(name, token)| Forged { name: name.to_owned(), token }));
        Ok(())
    }
}
