//! Typed settings: defaults < TOML file < environment < flags.
//!
//! Promises: a wrong key is an error that names the right one, wherever it was written; a setting that does not
//! parse is an error that names the setting and its origin; printing a configuration never shows a secret.
//! Only variables that begin with [`PREFIX`] are read or refused. `SWITCHBOARD__GATEWAY__PORT` is `gateway.port`.
//!
//! Leaves to the caller: the struct (with `#[serde(default)]`, so that a file may say as little as it likes;
//! without `skip_serializing_if`, since what a struct writes is the list of what it knows) and the moment at
//! which a [`SecretRef`] is read.

mod nearest;
mod secret;
mod tree;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use figment::Error as Failure;
use figment::error::Kind;
use figment::value::{Dict, Value};
use garde::Validate;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use secret::{SecretError, SecretRef};

/// What names of variables begin with.
pub const PREFIX: &str = "SWITCHBOARD__";

/// Why a configuration was refused. The text is for the person who wrote it.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("cannot read the configuration file {}", path.display())]
    File {
        /// As it was given.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("the configuration file {} is not TOML: {message}", path.display())]
    Syntax {
        /// As it was given.
        path: PathBuf,
        /// Line and reason.
        message: String,
    },
    /// No setting of that name exists.
    #[error("unknown setting `{setting}` ({origin}); did you mean `{nearest}`?")]
    Unknown {
        /// The setting as a path: `gateway.prot`.
        setting: String,
        /// Which source named it.
        origin: Origin,
        /// The right one, written as that source writes settings.
        nearest: String,
    },
    /// A setting without a default is missing.
    #[error("the setting `{setting}` is missing; write it in the file, or set {variable}")]
    Missing {
        /// The setting as a path.
        setting: String,
        /// The variable that would set it.
        variable: String,
    },
    /// A setting has a value that it can't have.
    #[error("the setting `{setting}` ({origin}) is not valid: {message}")]
    Invalid {
        /// The setting as a path.
        setting: String,
        /// Which source named it.
        origin: Origin,
        /// What was expected. Never shows the value of a secret.
        message: String,
    },
    /// The defaults themselves do not serialise: a mistake in the struct.
    #[error("the configuration cannot be written out: {0}")]
    Shape(String),
}

/// Which source named a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The file.
    File(PathBuf),
    /// A variable of the environment.
    Environment(String),
    /// A flag of the command line.
    Flag,
    /// Nobody: the built-in default.
    Default,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => write!(f, "in {}", path.display()),
            Self::Environment(name) => write!(f, "from {name}"),
            Self::Flag => f.write_str("from the command line"),
            Self::Default => f.write_str("the default"),
        }
    }
}

/// Where settings come from, lowest first.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    file: Option<PathBuf>,
    environment: Vec<(String, String)>,
    flags: Vec<(String, String)>,
}

impl Sources {
    /// A TOML file, which must exist if it is named.
    #[must_use]
    pub fn file(mut self, path: Option<&Path>) -> Self {
        self.file = path.map(Path::to_path_buf);
        self
    }

    /// The process's own environment.
    #[must_use]
    pub fn process_environment(self) -> Self {
        self.environment(std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        }))
    }

    /// These variables; others than ours are left alone.
    #[must_use]
    pub fn environment(mut self, vars: impl IntoIterator<Item = (String, String)>) -> Self {
        self.environment = vars.into_iter().filter(|(name, _)| name.starts_with(PREFIX)).collect();
        self.environment.sort();
        self
    }

    /// A setting from the command line: `flag("gateway.port", 0)`.
    #[must_use]
    pub fn flag(mut self, setting: &str, value: impl std::fmt::Display) -> Self {
        self.flags.push((setting.to_owned(), format!("{value}")));
        self
    }

    /// Puts the sources together.
    pub fn load<T: Serialize + DeserializeOwned + Default + Validate<Context = ()>>(
        &self,
    ) -> Result<T, ConfigError> {
        let mut loader = Loader { origins: BTreeMap::new(), raw: BTreeMap::new() };
        let mut root = Dict::new();
        if let Some(path) = &self.file {
            root = read_file(path)?;
            for setting in tree::settings(&root) {
                loader.origins.insert(setting, Origin::File(path.clone()));
            }
        }
        for (name, value) in &self.environment {
            let setting = tree::setting_of(name.trim_start_matches(PREFIX));
            loader.put(&mut root, setting, value, Origin::Environment(name.clone()))?;
        }
        for (setting, value) in &self.flags {
            let setting = setting.split('.').map(str::to_owned).collect();
            loader.put(&mut root, setting, value, Origin::Flag)?;
        }
        loader.read(root)
    }
}

/// Defaults < `file` < the process's environment < `flags` (setting and value).
pub fn load<T: Serialize + DeserializeOwned + Default + Validate<Context = ()>>(
    file: Option<&Path>,
    flags: &[(&str, String)],
) -> Result<T, ConfigError> {
    let sources = Sources::default().file(file).process_environment();
    flags.iter().fold(sources, |sources, (setting, value)| sources.flag(setting, value)).load()
}

/// The whole configuration as TOML, with secrets hidden.
pub fn print_config<T: Serialize>(config: &T) -> Result<String, ConfigError> {
    let mut value =
        serde_json::to_value(config).map_err(|error| ConfigError::Shape(error.to_string()))?;
    tree::without_nulls(&mut value);
    toml::to_string_pretty(&value).map_err(|error| ConfigError::Shape(error.to_string()))
}

fn read_file(path: &Path) -> Result<Dict, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::File { path: path.to_path_buf(), source })?;
    toml::from_str(&text).map_err(|error| ConfigError::Syntax {
        path: path.to_path_buf(),
        message: error.message().to_owned(),
    })
}

type Setting = Vec<String>;

struct Loader {
    origins: BTreeMap<Setting, Origin>,
    /// What variables and flags said, letter by letter: `12345` is a number until a string is expected.
    raw: BTreeMap<Setting, String>,
}

/// What to do about a failure to read the tree.
enum Mend {
    /// `X_file` names a file that holds the secret `X`.
    FromFile(Setting),
    /// A text that looked like something else.
    AsText(Setting),
}

impl Loader {
    fn put(
        &mut self,
        root: &mut Dict,
        setting: Setting,
        value: &str,
        origin: Origin,
    ) -> Result<(), ConfigError> {
        if !tree::set(root, &setting, tree::guess(value)) {
            return Err(ConfigError::Invalid {
                setting: setting.join("."),
                origin,
                message: "a part of the path is a value, not a section".to_owned(),
            });
        }
        self.raw.insert(setting.clone(), value.to_owned());
        self.origins.insert(setting, origin);
        Ok(())
    }

    fn read<T: Serialize + DeserializeOwned + Default + Validate<Context = ()>>(
        mut self,
        mut root: Dict,
    ) -> Result<T, ConfigError> {
        let known = serde_json::to_value(T::default())
            .map_err(|error| ConfigError::Shape(error.to_string()))?;
        // Each round mends one setting, so the settings bound the rounds.
        for _ in 0..=tree::settings(&root).len() {
            let mend = match Value::from(root.clone()).deserialize::<T>() {
                Err(failure) => self.mend(&root, &known, failure)?,
                Ok(config) => {
                    let read = serde_json::to_value(&config)
                        .map_err(|error| ConfigError::Shape(error.to_string()))?;
                    let Some(unknown) = tree::first_unknown(&root, &read) else {
                        return self.in_range(config);
                    };
                    match secret::base_of(&unknown) {
                        Some(base) if tree::has(&read, &base) => Mend::FromFile(unknown),
                        Some(_) | None => return Err(self.unknown(&unknown, &read)),
                    }
                }
            };
            self.apply(&mut root, mend);
        }
        Err(ConfigError::Shape("a setting names itself".to_owned()))
    }

    /// Refuses the first value that its rule does not let through.
    fn in_range<T: Validate<Context = ()>>(&self, config: T) -> Result<T, ConfigError> {
        match config.validate().map_err(|report| report.into_inner().into_iter().next()) {
            Err(Some((path, error))) => {
                let setting: Setting = path.to_string().split('.').map(str::to_owned).collect();
                Err(self.invalid(&setting, error.message().to_owned()))
            }
            Ok(()) | Err(None) => Ok(config),
        }
    }

    fn mend(
        &self,
        root: &Dict,
        known: &serde_json::Value,
        failure: Failure,
    ) -> Result<Mend, ConfigError> {
        let at = failure.path.clone();
        let below = |name: &str| {
            let mut setting = at.clone();
            setting.push(name.to_owned());
            setting
        };
        match failure.kind {
            Kind::MissingField(name) => {
                let from_file = below(&format!("{name}_file"));
                if tree::get(root, &from_file).is_some() {
                    return Ok(Mend::FromFile(from_file));
                }
                let setting = below(&name);
                let variable = tree::variable_of(&setting);
                Err(ConfigError::Missing { setting: setting.join("."), variable })
            }
            Kind::UnknownField(name, expected) => {
                let setting = if at.last() == Some(&name) { at } else { below(&name) };
                if let Some(base) = secret::base_of(&setting)
                    && base.last().is_some_and(|base| expected.contains(&base.as_str()))
                {
                    return Ok(Mend::FromFile(setting));
                }
                // The struct's own list of names is exact where the defaults hold no such section.
                let mut all = known.clone();
                tree::teach(&mut all, &setting, expected);
                Err(self.unknown(&setting, &all))
            }
            Kind::InvalidType(_, expected)
                if expected.contains("string") && self.raw.contains_key(&at) =>
            {
                if matches!(tree::get(root, &at), Some(Value::String(..))) {
                    return Err(self.invalid(&at, format!("expected {expected}")));
                }
                Ok(Mend::AsText(at))
            }
            Kind::InvalidType(_, expected)
            | Kind::InvalidValue(_, expected)
            | Kind::InvalidLength(_, expected) => {
                Err(self.invalid(&at, format!("expected {expected}")))
            }
            Kind::UnknownVariant(_, expected) => {
                Err(self.invalid(&at, format!("expected one of {}", expected.join(", "))))
            }
            Kind::Message(message) => {
                if self.raw.contains_key(&at)
                    && !matches!(tree::get(root, &at), Some(Value::String(..)))
                {
                    return Ok(Mend::AsText(at));
                }
                Err(self.invalid(&at, message))
            }
            Kind::DuplicateField(name) => Err(self.invalid(&at, format!("{name} stands twice"))),
            Kind::ISizeOutOfRange(_) | Kind::USizeOutOfRange(_) => {
                Err(self.invalid(&at, "the number is out of range".to_owned()))
            }
            Kind::Unsupported(_) | Kind::UnsupportedKey(..) => {
                Err(self.invalid(&at, "a value of this kind cannot stand here".to_owned()))
            }
        }
    }

    fn apply(&mut self, root: &mut Dict, mend: Mend) {
        match mend {
            Mend::FromFile(setting) => {
                let Some(base) = secret::base_of(&setting) else { return };
                let path = self.raw.get(&setting).cloned().or_else(|| {
                    tree::get(root, &setting).and_then(|value| value.as_str().map(str::to_owned))
                });
                tree::remove(root, &setting);
                let reference = format!("file:{}", path.unwrap_or_default());
                tree::set(root, &base, Value::from(reference));
                if let Some(origin) = self.origins.remove(&setting) {
                    self.origins.insert(base, origin);
                }
            }
            Mend::AsText(setting) => {
                if let Some(text) = self.raw.get(&setting) {
                    tree::set(root, &setting, Value::from(text.clone()));
                }
            }
        }
    }

    fn origin(&self, setting: &[String]) -> Origin {
        // The setting itself, else something below it, else what holds it.
        let exact = self.origins.get(setting);
        let below = || {
            let mut all = self.origins.iter();
            all.find(|(name, _)| name.starts_with(setting)).map(|(_, origin)| origin)
        };
        let above = || {
            let mut all = self.origins.iter().rev();
            all.find(|(name, _)| setting.starts_with(name)).map(|(_, origin)| origin)
        };
        exact.or_else(below).or_else(above).cloned().unwrap_or(Origin::Default)
    }

    fn invalid(&self, setting: &[String], message: String) -> ConfigError {
        let origin = self.origin(setting);
        ConfigError::Invalid { setting: setting.join("."), origin, message }
    }

    fn unknown(&self, setting: &[String], known: &serde_json::Value) -> ConfigError {
        let origin = self.origin(setting);
        let nearest = nearest::to(setting, known);
        let nearest = match &origin {
            Origin::Environment(_) => tree::variable_of(&nearest),
            Origin::File(_) | Origin::Flag | Origin::Default => nearest.join("."),
        };
        ConfigError::Unknown { setting: setting.join("."), origin, nearest }
    }
}

#[cfg(test)]
mod tests;
