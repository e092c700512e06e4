//! What the command line answers to a configuration that can't be worked with: the setting by name, and nothing made.

use std::path::Path;

use rstest::rstest;
use tempfile::TempDir;

use crate::support::process::run;

fn configuration(folder: &Path, text: &str) -> String {
    let path = folder.join("switchboard.toml");
    std::fs::write(&path, text).expect("a file");
    path.to_str().expect("a path").to_owned()
}

#[rstest]
#[case::migrate(&["migrate"])]
#[case::operator(&["admin", "create-operator", "--email", "someone@switchboard.test"])]
#[case::serve(&["serve", "identity"])]
#[tokio::test]
async fn an_installation_without_a_database_is_refused_and_no_folder_is_made(
    #[case] args: &[&str],
) {
    let folder = TempDir::new().expect("a folder");
    let rows = folder.path().join("rows");
    let text = format!("[database]\nfolder = \"{}\"", rows.display());
    let config = configuration(folder.path(), &text);
    let (code, out) = run(&[args, &["--config", &config]].concat()).await;
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("database.url"), "{out}");
    assert!(!rows.exists());
}

#[rstest]
#[case("[messaging]\nlease_ttl_ms = 0", "messaging.lease_ttl_ms", "lower than 1000")]
#[case("[messaging.deadlines]\nunknown_s = 0", "messaging.deadlines.unknown_s", "lower than 1")]
#[case("[gateway.edge]\npublic_url = \"nonsense\"", "gateway.edge.public_url", "not a valid url")]
#[case("[database]\nscoped_pool = 0", "database.scoped_pool", "lower than 1")]
#[tokio::test]
async fn a_setting_out_of_its_range_is_refused_by_name(
    #[case] text: &str,
    #[case] setting: &str,
    #[case] reason: &str,
) {
    let folder = TempDir::new().expect("a folder");
    let config = configuration(folder.path(), text);
    let (code, out) = run(&["serve", "messaging", "--config", &config, "--print-config"]).await;
    assert_eq!(code, 1, "{out}");
    assert!(out.contains(&format!("`{setting}` (in {config})")) && out.contains(reason), "{out}");
}
