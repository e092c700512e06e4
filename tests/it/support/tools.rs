//! Foreign clients: the pinned tools of `cargo xtask tools`, found on the search path, and the scripts in `clients/`.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

use super::process::variable;

/// The folder of the search path that holds a program.
fn folder_of(program: &str) -> PathBuf {
    let path = variable("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).find(|folder| folder.join(program).is_file());
    found.unwrap_or_else(|| panic!("{program} is not on the search path: `cargo xtask tools`"))
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("it/clients").join(name)
}

/// A script of Node's with the npm packages in reach.
fn node(name: &str, arguments: &[&str]) -> Command {
    let path = variable("PATH").unwrap_or_default();
    let mut folders = std::env::split_paths(&path);
    let modules = folders.find_map(|folder| {
        let modules = folder.parent()?.to_owned();
        modules.join("graphql-ws").is_dir().then_some(modules)
    });
    let modules = modules.expect("the npm packages: `cargo xtask tools` installs them");
    let mut command = Command::new("node");
    command.arg(script(name)).args(arguments).env("NODE_PATH", modules);
    command
}

/// A script of Python's with its packages in reach.
fn python(name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(folder_of("grpcurl").join("python"));
    command.arg(script(name)).args(arguments).env("NO_PROXY", "127.0.0.1");
    command
}

/// Runs a command to its end, which must be a success, and answers what it printed.
async fn printed(mut command: Command) -> String {
    command.stdin(Stdio::null()).kill_on_drop(true);
    let out = command.output().await.expect("the client starts");
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(out.status.success(), "{said}\n{}", String::from_utf8_lossy(&out.stderr));
    said
}

/// Runs a script of Node's and reads the JSON that it prints.
pub(crate) async fn node_json(name: &str, arguments: &[&str]) -> Value {
    serde_json::from_str(&printed(node(name, arguments)).await).expect("JSON")
}

/// Runs a script of Python's and reads the JSON that it prints.
pub(crate) async fn python_json(name: &str, arguments: &[&str]) -> Value {
    serde_json::from_str(&printed(python(name, arguments)).await).expect("JSON")
}

/// Runs grpcurl without TLS and answers the lines that it prints.
pub(crate) async fn grpcurl(arguments: &[&str]) -> Vec<String> {
    let mut command = Command::new(folder_of("grpcurl").join("grpcurl"));
    command.arg("-plaintext").args(arguments);
    printed(command).await.lines().map(str::to_owned).collect()
}

/// Subscriptions of the npm client `graphql-ws`, all over one socket, for as long as the value lives.
pub(crate) struct Subscriber {
    child: Child,
    items: Arc<Mutex<Vec<Value>>>,
}

impl Subscriber {
    /// Opens them: names with queries.
    pub(crate) fn start(
        url: &str,
        token: &str,
        queries: &Value,
        tasks: &mut tokio::task::JoinSet<()>,
    ) -> Self {
        let mut command = node("subscribe.cjs", &[url, token, &queries.to_string()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("node; `cargo xtask tools` needs it too");
        let items: Arc<Mutex<Vec<Value>>> = Arc::default();
        let kept = Arc::clone(&items);
        let out = child.stdout.take().expect("a pipe");
        tasks.spawn(async move {
            let mut lines = BufReader::new(out).lines();
            while let Some(line) = lines.next_line().await.expect("lines") {
                let item = serde_json::from_str(&line).expect("a line of JSON");
                kept.lock().unwrap_or_else(PoisonError::into_inner).push(item);
            }
        });
        Self { child, items }
    }

    /// What one subscription has shown so far.
    pub(crate) fn seen(&self, name: &str) -> Vec<Value> {
        let items = self.items.lock().unwrap_or_else(PoisonError::into_inner);
        items.iter().filter(|item| item["name"] == name).map(|item| item["data"].clone()).collect()
    }

    /// Closes the socket, as a client does that has seen enough.
    pub(crate) async fn close(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().await.expect("node ends").success(), "the client failed");
    }
}
