//! References to secrets: a configuration names where a secret stands, and hides it when it stands there itself.

use std::fmt;
use std::path::{Path, PathBuf};

use kernel::secret::{ExposeSecret as _, SecretString, Zeroizing};
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What is shown in place of a secret.
const HIDDEN: &str = "(hidden)";

/// Where a secret stands. Written `file:/run/secrets/key`, `env:NAME`, or the secret itself; `{ file = "…" }` and
/// `{ env = "…" }` are the same, and so is the setting's name with `_file` behind it.
#[derive(Clone, Default)]
pub enum SecretRef {
    /// Nowhere.
    #[default]
    Unset,
    /// In a file, whose last line break does not count.
    File(PathBuf),
    /// In a variable of the environment.
    Environment(String),
    /// In the configuration itself.
    Inline(SecretString),
}

/// A secret that could not be read. Says where it should stand, never what was there.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// No reference was configured.
    #[error("no secret is configured")]
    Unset,
    /// The file can't be read.
    #[error("cannot read the secret file {}", path.display())]
    File {
        /// As it was configured.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The variable is not set, or is not text.
    #[error("the variable {0}, which should hold a secret, is not set")]
    Environment(String),
    /// A secret that should be text is not.
    #[error("the secret is not UTF-8 text")]
    NotText,
}

impl SecretRef {
    /// The secret itself, for tests and defaults that are generated.
    pub fn inline(secret: impl Into<String>) -> Self {
        Self::Inline(SecretString::from(secret.into()))
    }

    /// A file that holds it.
    pub fn in_file(path: impl AsRef<Path>) -> Self {
        Self::File(path.as_ref().to_path_buf())
    }

    /// Whether something was configured.
    pub const fn is_set(&self) -> bool {
        !matches!(self, Self::Unset)
    }

    /// The secret as text.
    pub fn read(&self) -> Result<SecretString, SecretError> {
        match self {
            Self::Inline(secret) => Ok(secret.clone()),
            Self::Unset | Self::File(_) | Self::Environment(_) => {
                let bytes = self.read_bytes()?;
                let text = std::str::from_utf8(&bytes).map_err(|_| SecretError::NotText)?;
                Ok(SecretString::from(text.trim_end_matches(['\r', '\n'])))
            }
        }
    }

    /// The secret as bytes, exactly as they stand.
    pub fn read_bytes(&self) -> Result<Zeroizing<Vec<u8>>, SecretError> {
        match self {
            Self::Unset => Err(SecretError::Unset),
            Self::Inline(secret) => Ok(Zeroizing::new(secret.expose_secret().as_bytes().to_vec())),
            Self::File(path) => std::fs::read(path)
                .map(Zeroizing::new)
                .map_err(|source| SecretError::File { path: path.clone(), source }),
            Self::Environment(name) => std::env::var_os(name)
                .and_then(|value| value.into_string().ok())
                .map(|text| Zeroizing::new(text.into_bytes()))
                .ok_or_else(|| SecretError::Environment(name.clone())),
        }
    }

    fn parse(text: String) -> Self {
        if text.is_empty() {
            Self::Unset
        } else if let Some(path) = text.strip_prefix("file:") {
            Self::File(PathBuf::from(path))
        } else if let Some(name) = text.strip_prefix("env:") {
            Self::Environment(name.to_owned())
        } else {
            Self::Inline(SecretString::from(text))
        }
    }

    fn shown(&self) -> String {
        match self {
            Self::Unset => String::new(),
            Self::File(path) => format!("file:{}", path.display()),
            Self::Environment(name) => format!("env:{name}"),
            Self::Inline(_) => HIDDEN.to_owned(),
        }
    }
}

impl fmt::Debug for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretRef({})", self.shown())
    }
}

impl PartialEq for SecretRef {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Inline(one), Self::Inline(two)) => one.expose_secret() == two.expose_secret(),
            (one, two) => {
                std::mem::discriminant(one) == std::mem::discriminant(two)
                    && one.shown() == two.shown()
            }
        }
    }
}

impl Eq for SecretRef {}

/// Writes the reference; a secret that stands in the configuration itself is hidden.
impl Serialize for SecretRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.shown())
    }
}

impl<'de> Deserialize<'de> for SecretRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Written)
    }
}

struct Written;

impl<'de> Visitor<'de> for Written {
    type Value = SecretRef;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a secret reference: `file:PATH`, `env:NAME` or the secret as a string")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<SecretRef, E> {
        Ok(SecretRef::parse(text.to_owned()))
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<SecretRef, E> {
        Ok(SecretRef::parse(text))
    }

    fn visit_unit<E: de::Error>(self) -> Result<SecretRef, E> {
        Ok(SecretRef::Unset)
    }

    fn visit_none<E: de::Error>(self) -> Result<SecretRef, E> {
        Ok(SecretRef::Unset)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<SecretRef, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SecretRef, A::Error> {
        let Some((kind, value)) = map.next_entry::<String, String>()? else {
            return Ok(SecretRef::Unset);
        };
        match kind.as_str() {
            "file" => Ok(SecretRef::File(PathBuf::from(value))),
            "env" => Ok(SecretRef::Environment(value)),
            other => Err(de::Error::unknown_field(other, &["file", "env"])),
        }
    }
}

/// `a.secret_file` → `a.secret`.
pub(super) fn base_of(setting: &[String]) -> Option<Vec<String>> {
    let (last, sections) = setting.split_last()?;
    let base = last.strip_suffix("_file")?;
    Some(sections.iter().cloned().chain([base.to_owned()]).collect())
}
