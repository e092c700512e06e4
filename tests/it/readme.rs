//! The README's walk, pasted into a shell as a reader would: each call prints what stands below it.

use std::{os::unix::fs::symlink, path::Path};

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use super::support::Dev;

/// What differs each time.
const ANYTHING: char = '…';

#[tokio::test]
async fn the_walk_prints_what_the_readme_says() {
    let dev = Dev::start().await;
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = std::fs::read_to_string(readme).expect("the README");
    let walk = walk(&readme);
    let wanted: Vec<Value> =
        walk.lines().filter_map(|line| line.strip_prefix("#> ")).map(expected).collect();
    assert!(wanted.len() >= 5, "the walk shows what its calls print:\n{walk}");
    let folder = TempDir::new().expect("a folder");
    symlink(dev.data(), folder.path().join("switchboard-data")).expect("a link");
    // Twice: a reader pastes it again, and nothing is sent again.
    for _ in 0..2 {
        let printed = paste(&walk, folder.path()).await;
        let got: Vec<&str> = printed.lines().collect();
        assert_eq!(got.len(), wanted.len(), "{printed}\n--- dev:\n{}", dev.log());
        for (got, wanted) in got.into_iter().zip(&wanted) {
            let got: Value =
                serde_json::from_str(got).unwrap_or_else(|error| panic!("{error}: {got}"));
            assert!(is_like(&got, wanted), "printed {got}\nwanted  {wanted}");
        }
    }
    let sent = dev.api().control_text("/ledger").await.lines().count();
    assert_eq!(sent, 1, "the walk sends one message, however often it is pasted");
}

/// What stands between the marks, without its fence.
fn walk(readme: &str) -> String {
    let (_, rest) = readme.split_once("<!-- walk -->\n```sh\n").expect("the walk's beginning");
    rest.split_once("```\n<!-- /walk -->").expect("the walk's end").0.to_owned()
}

/// A line that shows an answer, with `…` alone in a list as an item.
fn expected(line: &str) -> Value {
    let json = line.replace(",…,", ",\"…\",");
    serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// Runs the walk in a shell, and answers what it printed. Any word to standard error fails it.
async fn paste(walk: &str, folder: &Path) -> String {
    let shell =
        Command::new("bash").arg("-c").arg(walk).current_dir(folder).kill_on_drop(true).output();
    let ended = tokio::time::timeout(std::time::Duration::from_mins(1), shell).await;
    let ended = ended.expect("an end of the walk within a minute").expect("bash");
    let errors = String::from_utf8_lossy(&ended.stderr);
    assert!(
        ended.status.success() && errors.is_empty(),
        "{errors} (the walk needs curl and jq: `cargo xtask tools jq`)"
    );
    String::from_utf8(ended.stdout).expect("text")
}

/// Whether an answer is as it is shown: the same members in each object, the same items but where `…` stands for some,
/// the same texts but where `…` ends one.
fn is_like(got: &Value, shown: &Value) -> bool {
    match (got, shown) {
        (Value::Object(got), Value::Object(shown)) => {
            got.len() == shown.len()
                && shown
                    .iter()
                    .all(|(name, shown)| got.get(name).is_some_and(|got| is_like(got, shown)))
        }
        (Value::Array(got), Value::Array(shown)) => {
            let gap = shown.iter().position(|item| item.as_str() == Some("…"));
            let Some(gap) = gap else {
                return got.len() == shown.len()
                    && got.iter().zip(shown).all(|(got, shown)| is_like(got, shown));
            };
            let (head, tail) = (&shown[..gap], &shown[gap + 1..]);
            got.len() >= head.len() + tail.len()
                && got.iter().zip(head).all(|(got, shown)| is_like(got, shown))
                && got.iter().rev().zip(tail.iter().rev()).all(|(got, shown)| is_like(got, shown))
        }
        (Value::String(got), Value::String(shown)) => match shown.strip_suffix(ANYTHING) {
            Some(start) => got.starts_with(start) && got.len() > start.len(),
            None => got == shown,
        },
        (got, shown) => got == shown,
    }
}

#[test]
fn a_shape_is_told_from_another() {
    let shown = expected(r#"{"a":"x_…","b":[{"n":1},…,{"n":3}]}"#);
    let like = |text: &str| is_like(&serde_json::from_str(text).expect("JSON"), &shown);
    assert!(like(r#"{"b":[{"n":1},{"n":2},{"n":3}],"a":"x_1"}"#));
    assert!(like(r#"{"a":"x_1","b":[{"n":1},{"n":3}]}"#));
    assert!(!like(r#"{"a":"y_1","b":[{"n":1},{"n":3}]}"#), "another text");
    assert!(!like(r#"{"a":"x_1","b":[{"n":1}]}"#), "an item less");
    assert!(!like(r#"{"a":"x_1","b":[{"n":1},{"n":4}]}"#), "another item");
    assert!(!like(r#"{"a":"x_1","b":[{"n":1},{"n":3}],"c":1}"#), "a member more");
    assert!(!like(r#"{"a":"x_1","b":null}"#), "null for a list");
}
