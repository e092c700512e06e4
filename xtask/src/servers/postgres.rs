//! PostgreSQL: the one on this machine's usual port, or a private cluster that keeps nothing.
//!
//! The private one does not wait for the disk: it is thrown away. Nothing about durability can be measured on it.

use super::guardian::{Guardian, Recipe};
use super::{connect, is_free, ports};
use crate::run::{on_path, output, program};
use anyhow::{Context, Result};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::time::Duration;

const PORT: u16 = 5432;

/// `initdb` and `postgres` refuse to run as root: `$AS` is empty, or what makes them run as somebody else.
const RECIPE: Recipe = Recipe {
    name: "a private PostgreSQL",
    start: r#"chmod 755 "$DIR" && mkdir -p "$DIR/data" "$HOME" && { [ -z "$AS" ] || chown -R "$AS_USER" "$DIR"; } &&
        $AS "$BIN/initdb" -D "$DIR/data" -U postgres -A trust -E UTF8 --no-locale --no-sync &&
        $AS "$BIN/pg_ctl" -D "$DIR/data" -w -l "$DIR/log" -o "-c port=$PORT -c listen_addresses=127.0.0.1 \
            -c unix_socket_directories=$DIR -c fsync=off -c synchronous_commit=off -c full_page_writes=off \
            -c max_connections=300" start"#,
    stop: r#"$AS "$BIN/pg_ctl" -D "$DIR/data" -m immediate stop"#,
    limit: Duration::from_mins(1),
};

pub(crate) fn installed() -> bool {
    bin().is_some()
}

/// The URL of a server on the usual port that lets `postgres` in.
pub(super) fn running() -> Option<String> {
    lets_in(PORT).then(|| url(PORT))
}

pub(super) fn start() -> Result<(String, Guardian)> {
    let bin = bin()
        .context("no PostgreSQL: set DATABASE_URL, or install it (`cargo xtask tools servers`)")?;
    let port = ports(20_000).find(|port| is_free(*port)).context("no free port for PostgreSQL")?;
    let folder = tempfile::Builder::new().prefix("switchboard-postgres-").tempdir()?.keep();
    let root = output(program("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    let user =
        if output(program("id").args(["-u", "postgres"])).is_ok() { "postgres" } else { "nobody" };
    let group = output(program("id").args(["-gn", user])).unwrap_or_default();
    let switch = format!("setpriv --reuid={user} --regid={} --clear-groups", group.trim());
    let environment = [
        ("HOME", folder.join("home").display().to_string()),
        ("BIN", bin.display().to_string()),
        ("PORT", port.to_string()),
        ("AS", if root { switch } else { String::new() }),
        ("AS_USER", user.to_owned()),
    ];
    let guardian = Guardian::start(&RECIPE, &folder, &environment, || lets_in(port))?;
    Ok((url(port), guardian))
}

fn url(port: u16) -> String {
    format!("postgres://postgres@127.0.0.1:{port}/postgres")
}

/// The newest version's programs: Debian keeps each in a folder of its own, others on the search path.
fn bin() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions
        .filter_map(|entry| {
            Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path().join("bin")))
        })
        .filter(|(_, bin)| bin.join("initdb").is_file())
        .max();
    newest.map(|(_, bin)| bin).or_else(|| on_path("initdb")?.parent().map(PathBuf::from))
}

/// Whether a server takes `postgres` without a password: the start-up message, and `AuthenticationOk` in answer.
fn lets_in(port: u16) -> bool {
    const PROTOCOL: u32 = 196_608; // 3.0
    const PARAMETERS: &[u8] = b"user\0postgres\0database\0postgres\0\0";
    const OK: [u8; 9] = [b'R', 0, 0, 0, 8, 0, 0, 0, 0];
    let Some(mut stream) = connect(port) else { return false };
    let Ok(length) = u32::try_from(PARAMETERS.len() + 8) else { return false };
    let message = [&length.to_be_bytes(), &PROTOCOL.to_be_bytes(), PARAMETERS].concat();
    let mut answer = [0; OK.len()];
    stream.write_all(&message).and_then(|()| stream.read_exact(&mut answer)).is_ok() && answer == OK
}
