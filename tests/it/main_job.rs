//! The main job on the embedded wiring, and each place where it must be seen to break.

use std::{os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

use serde_json::{Value, json};

use super::support::{Dev, process::run, text};

#[tokio::test]
async fn tour_holds_on_an_empty_folder() {
    let dev = Dev::start().await;
    let (code, out) = run(&["tour", "--dev-json", dev.path().to_str().unwrap()]).await;
    assert_eq!(code, 0, "{out}\n--- dev:\n{}", dev.log());
    assert!(out.contains("steps hold"), "{out}");
}

#[tokio::test]
async fn second_start_finds_what_the_first_one_made() {
    let mut dev = Dev::start().await;
    let first = dev.json.clone();
    assert!(dev.terminate().await, "{}", dev.log());
    dev.up().await;
    for same in [
        "/operator/password",
        "/tenants/0/id",
        "/tenants/0/api_key",
        "/tenants/0/waba/meta_id",
        "/tenants/1/number/id",
    ] {
        assert_eq!(text(&first, same), text(&dev.json, same), "{same}");
    }
    let operator = dev.api().operator().await;
    let tenants =
        dev.api().graphql(&operator, "{ tenants(first: 50) { nodes { id } } }", json!({})).await;
    assert_eq!(
        tenants.pointer("/tenants/nodes").and_then(Value::as_array).map(Vec::len),
        Some(2),
        "{tenants}"
    );
}

/// The first start is killed again and again, each time a little later, and goes on from where it was.
#[tokio::test]
async fn a_first_start_that_dies_goes_on_with_the_next() {
    let mut dev = Dev::unstarted(None);
    for after_ms in (200..=1_000).step_by(100) {
        dev.spawn();
        tokio::time::sleep(Duration::from_millis(after_ms)).await;
        dev.kill().await;
    }
    dev.up().await;
    let tenants = dev.json.pointer("/tenants").and_then(Value::as_array).expect("tenants");
    assert_eq!(tenants.len(), 2);
    let (code, out) = run(&["tour", "--dev-json", dev.path().to_str().unwrap()]).await;
    assert_eq!(code, 0, "{out}");
}

/// SUP-6: databases, their journals, keys and dev.json.
#[tokio::test]
async fn files_of_the_data_folder_are_their_owners_alone() {
    let dev = Dev::start().await;
    let mode = |path: &Path| path.metadata().expect("metadata").permissions().mode() & 0o777;
    let dev_json = dev.path();
    let folder = dev_json.parent().expect("the data folder");
    assert_eq!(mode(folder), 0o700);
    let (mut folders, mut files) = (vec![folder.to_path_buf()], 0);
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir().expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            if path.is_dir() {
                folders.push(path);
            } else if name != "lock" && name != "log" {
                assert_eq!(mode(&path), 0o600, "{name}");
                files += 1;
            }
        }
    }
    assert!(files > 10, "{files}");
}

#[tokio::test]
async fn tour_stops_where_status_webhooks_are_lost() {
    stops_at("It is delivered", "PUT", "/settings", json!({"lose_status_webhooks": true})).await;
}

#[tokio::test]
async fn tour_stops_where_the_template_is_rejected() {
    let settings = json!({"template_review": "reject", "reject_reason": "INVALID_FORMAT"});
    stops_at("Meta approves it", "PUT", "/settings", settings).await;
}

#[tokio::test]
async fn tour_stops_where_the_window_is_said_to_be_closed() {
    let fault = json!({"operation": "messages", "action": {"error": {"code": 131_047}}});
    stops_at("Meta accepts the answer", "POST", "/faults", fault).await;
}

/// Tells the sandbox to misbehave once the house stands, and asserts that the tour fails at that very step.
async fn stops_at(step: &str, method: &str, path: &str, body: Value) {
    let dev = Dev::start().await;
    dev.api().control(method, path, &body).await;
    let (code, out) = run(&["tour", "--dev-json", dev.path().to_str().unwrap()]).await;
    assert_ne!(code, 0, "{out}");
    assert!(out.contains(&format!("{step} … FAILED")), "wanted it to stop at «{step}»:\n{out}");
}
