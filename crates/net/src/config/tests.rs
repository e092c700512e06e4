//! Where a setting comes from and what wins, what a wrong name or kind is answered with, and that no secret is printed.

use std::io::Write as _;

use garde::Validate;
use kernel::secret::ExposeSecret as _;
use serde::Deserialize;

use super::*;

#[derive(Debug, PartialEq, Serialize, Deserialize, Validate)]
#[serde(default)]
#[garde(allow_unvalidated)]
struct Config {
    gateway: Gateway,
    apps: Vec<App>,
    #[garde(dive)]
    cache: Option<Cache>,
    password: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            gateway: Gateway::default(),
            apps: Vec::new(),
            cache: None,
            password: "x".to_owned(),
        }
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Gateway {
    port: u16,
    host: String,
    key: SecretRef,
    mode: Mode,
}

impl Default for Gateway {
    fn default() -> Self {
        let key = SecretRef::Unset;
        Self { port: 8080, host: "127.0.0.1".to_owned(), key, mode: Mode::Plain }
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    Plain,
    Tls,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct App {
    id: String,
    secret: SecretRef,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize, Validate)]
#[serde(default)]
#[garde(allow_unvalidated)]
struct Cache {
    #[garde(range(max = 1_000))]
    items: u32,
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn from_file(text: &str) -> Result<Config, ConfigError> {
    Sources::default().file(Some(file(text).path())).load()
}

fn from_env(vars: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let vars = vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Sources::default().environment(vars).load()
}

#[test]
fn nothing_written_gives_the_defaults() {
    assert_eq!(from_file("").unwrap(), Config::default());
}

#[test]
fn flags_win_over_environment_over_file_over_defaults() {
    let file = file("[gateway]\nport = 1\nhost = \"file\"\nmode = \"tls\"");
    let sources = Sources::default().file(Some(file.path())).environment([
        ("SWITCHBOARD__GATEWAY__PORT".to_owned(), "2".to_owned()),
        ("SWITCHBOARD__GATEWAY__HOST".to_owned(), "env".to_owned()),
    ]);
    let config: Config = sources.flag("gateway.port", 3).load().unwrap();
    assert_eq!(config.gateway.port, 3);
    assert_eq!(config.gateway.host, "env");
    assert_eq!(config.gateway.mode, Mode::Tls);
}

#[test]
fn an_unknown_key_in_the_file_names_the_right_one() {
    let error = from_file("[gateway]\nprot = 1").unwrap_err().to_string();
    assert!(error.contains("`gateway.prot`"), "{error}");
    assert!(error.contains("did you mean `gateway.port`"), "{error}");
}

#[test]
fn an_unknown_variable_names_the_right_one() {
    let error = from_env(&[("SWITCHBOARD__GATEWAY__HSOT", "x")]).unwrap_err().to_string();
    assert!(error.contains("from SWITCHBOARD__GATEWAY__HSOT"), "{error}");
    assert!(error.contains("did you mean `SWITCHBOARD__GATEWAY__HOST`"), "{error}");
}

#[test]
fn a_setting_in_the_wrong_section_is_found_elsewhere() {
    let error = from_env(&[("SWITCHBOARD__PORT", "1")]).unwrap_err().to_string();
    assert!(error.contains("did you mean `SWITCHBOARD__GATEWAY__PORT`"), "{error}");
}

#[test]
fn an_unknown_key_in_a_list_or_an_absent_section_is_named() {
    let error = from_file("[[apps]]\nid = \"1\"\nsecret = \"s\"\nsecert = \"s\"").unwrap_err();
    assert!(error.to_string().contains("did you mean `apps.0.secret`"), "{error}");
    let error = from_file("[cache]\nitem = 1").unwrap_err().to_string();
    assert!(error.contains("did you mean `cache.items`"), "{error}");
}

#[test]
fn a_value_out_of_its_range_is_refused_by_name_and_origin() {
    let error = from_env(&[("SWITCHBOARD__CACHE__ITEMS", "1001")]).unwrap_err().to_string();
    assert!(error.contains("`cache.items` (from SWITCHBOARD__CACHE__ITEMS)"), "{error}");
    assert!(error.contains("greater than 1000"), "{error}");
    assert!(from_env(&[("SWITCHBOARD__CACHE__ITEMS", "1000")]).is_ok());
}

#[test]
fn variables_of_others_are_left_alone() {
    let config = from_env(&[("SWITCHBOARD_GATEWAY_HOST", "x"), ("PATH", "/bin")]).unwrap();
    assert_eq!(config, Config::default());
}

#[test]
fn a_text_of_digits_is_still_a_text() {
    let config = from_env(&[("SWITCHBOARD__PASSWORD", "0012345")]).unwrap();
    assert_eq!(config.password, "0012345");
    let config = from_env(&[("SWITCHBOARD__GATEWAY__KEY", "12345")]).unwrap();
    assert_eq!(config.gateway.key.read().unwrap().expose_secret(), "12345");
}

#[test]
fn a_value_of_the_wrong_kind_names_setting_and_origin() {
    let error = from_env(&[("SWITCHBOARD__GATEWAY__PORT", "many")]).unwrap_err().to_string();
    assert!(error.contains("`gateway.port` (from SWITCHBOARD__GATEWAY__PORT)"), "{error}");
    let error = from_file("[gateway]\nmode = \"fast\"").unwrap_err().to_string();
    assert!(error.contains("expected one of plain, tls"), "{error}");
}

#[test]
fn a_missing_setting_is_named_with_its_variable() {
    let error = from_file("[[apps]]\nid = \"1\"").unwrap_err().to_string();
    assert!(error.contains("`apps.0.secret` is missing"), "{error}");
}

#[test]
fn the_name_with_file_behind_it_reads_the_secret_from_a_file() {
    let secret = file("s3cret\n");
    let path = secret.path().to_str().unwrap();
    let config = from_env(&[("SWITCHBOARD__GATEWAY__KEY_FILE", path)]).unwrap();
    assert_eq!(config.gateway.key.read().unwrap().expose_secret(), "s3cret");

    let text = format!("[[apps]]\nid = \"1\"\nsecret_file = \"{path}\"");
    let config = from_file(&text).unwrap();
    assert_eq!(config.apps[0].secret.read().unwrap().expose_secret(), "s3cret");
}

#[test]
fn printing_shows_references_and_hides_secrets() {
    let config = from_file(
        "[gateway]\nkey = \"hunter2\"\n[[apps]]\nid = \"1\"\nsecret = { env = \"APP_SECRET\" }",
    )
    .unwrap();
    let printed = print_config(&config).unwrap();
    assert!(!printed.contains("hunter2"), "{printed}");
    assert!(printed.contains("key = \"(hidden)\""), "{printed}");
    assert!(printed.contains("secret = \"env:APP_SECRET\""), "{printed}");
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn a_secret_of_the_wrong_kind_is_refused_without_being_shown() {
    let error = from_file("[gateway]\nkey = [\"hunter2\"]").unwrap_err().to_string();
    assert!(
        error.contains("expected a secret reference") && error.contains("gateway.key"),
        "{error}"
    );
    assert!(!error.contains("hunter2"), "{error}");
}

#[test]
fn a_missing_secret_says_where_it_should_be() {
    let error = SecretRef::in_file("/nowhere/key").read().unwrap_err();
    assert_eq!(error.to_string(), "cannot read the secret file /nowhere/key");
    assert!(matches!(SecretRef::Unset.read(), Err(SecretError::Unset)));
}
