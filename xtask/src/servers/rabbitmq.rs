//! RabbitMQ: the one on this machine's usual port, or a private node with a folder, a cookie and an epmd of its own.
//!
//! All three ports of the private node listen on loopback alone.

use super::guardian::{Guardian, Recipe};
use super::{connect, is_free, ports};
use crate::run::on_path;
use anyhow::{Context, Result};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::time::Duration;

const PORT: u16 = 5672;
/// From the AMQP port to that of its epmd, and to that of distribution: the last must stay below 65,536.
const TO_EPMD: u16 = 10_000;
const TO_DISTRIBUTION: u16 = 20_000;

const RECIPE: Recipe = Recipe {
    name: "a private RabbitMQ",
    start: r#""$BIN/rabbitmq-server" & SERVER=$!"#,
    stop: r#"timeout 60 "$BIN/rabbitmqctl" -q shutdown || kill "$SERVER"; wait "$SERVER"; epmd -port "$ERL_EPMD_PORT" -kill"#,
    limit: Duration::from_secs(90),
};

pub(crate) fn installed() -> bool {
    bin().is_some()
}

/// The URL of a server on the usual port that lets `guest` in.
pub(super) fn running() -> Option<String> {
    lets_in(PORT).then(|| url(PORT))
}

pub(super) fn start() -> Result<(String, Guardian)> {
    let bin =
        bin().context("no RabbitMQ: set AMQP_URL, or install it (`cargo xtask tools servers`)")?;
    let all_free =
        |port: &u16| is_free(*port) && is_free(port + TO_EPMD) && is_free(port + TO_DISTRIBUTION);
    let port = ports(21_000).find(all_free).context("no free ports for RabbitMQ")?;
    let folder = tempfile::Builder::new().prefix("switchboard-rabbitmq-").tempdir()?.keep();
    for name in ["mnesia", "log", "home"] {
        std::fs::create_dir(folder.join(name))?;
    }
    std::fs::write(folder.join("enabled_plugins"), "[].\n")?;
    std::fs::write(
        folder.join("rabbitmq.conf"),
        format!(
            "listeners.tcp.1 = 127.0.0.1:{port}\nlog.console = false\nlog.file.level = warning\ndisk_free_limit.absolute = 50MB\n\
             vm_memory_high_watermark.absolute = 1GB\n"
        ),
    )?;
    let at = |name: &str| folder.join(name).display().to_string();
    let environment = [
        ("BIN", bin.display().to_string()),
        ("HOME", at("home")),
        ("RABBITMQ_NODENAME", format!("switchboard{port}@localhost")),
        ("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1".to_owned()),
        ("RABBITMQ_NODE_PORT", port.to_string()),
        ("RABBITMQ_DIST_PORT", (port + TO_DISTRIBUTION).to_string()),
        ("RABBITMQ_CONFIG_FILE", at("rabbitmq.conf")),
        ("RABBITMQ_CONF_ENV_FILE", "/dev/null".to_owned()),
        ("RABBITMQ_ENABLED_PLUGINS_FILE", at("enabled_plugins")),
        ("RABBITMQ_MNESIA_BASE", at("mnesia")),
        ("RABBITMQ_LOG_BASE", at("log")),
        ("RABBITMQ_PID_FILE", at("pid")),
        ("RABBITMQ_GENERATED_CONFIG_DIR", at("config")),
        ("RABBITMQ_SCHEMA_DIR", at("schema")),
        ("ERL_EPMD_ADDRESS", "127.0.0.1".to_owned()),
        ("ERL_EPMD_PORT", (port + TO_EPMD).to_string()),
        (
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
            "-kernel inet_dist_use_interface {127,0,0,1}".to_owned(),
        ),
    ];
    let guardian = Guardian::start(&RECIPE, &folder, &environment, || lets_in(port))?;
    Ok((url(port), guardian))
}

fn url(port: u16) -> String {
    format!("amqp://guest:guest@127.0.0.1:{port}/%2f")
}

/// Debian's programs themselves: those on the search path switch to a user of their own.
fn bin() -> Option<PathBuf> {
    let debian = PathBuf::from("/usr/lib/rabbitmq/bin");
    if debian.join("rabbitmq-server").is_file() {
        Some(debian)
    } else {
        on_path("rabbitmq-server")?.parent().map(PathBuf::from)
    }
}

/// Whether a broker takes `guest`: the protocol header, `Start`, our `StartOk`, and `Tune` in answer; a refusal closes the connection or says `Close`.
fn lets_in(port: u16) -> bool {
    const HEADER: &[u8] = b"AMQP\0\0\x09\x01";
    const START: [u8; 4] = [0, 10, 0, 10];
    const START_OK: &[u8] = b"\0\x0a\0\x0b\0\0\0\0\x05PLAIN\0\0\0\x0c\0guest\0guest\x05en_US";
    const TUNE: [u8; 4] = [0, 10, 0, 30];
    let Some(mut stream) = connect(port) else { return false };
    let Ok(length) = u32::try_from(START_OK.len()) else { return false };
    let frame = [&[1, 0, 0], &length.to_be_bytes()[..], START_OK, &[0xCE]].concat();
    stream.write_all(HEADER).is_ok()
        && method(&mut stream) == Some(START)
        && stream.write_all(&frame).is_ok()
        && method(&mut stream) == Some(TUNE)
}

/// Reads one frame and answers the class and method that it begins with.
fn method(stream: &mut impl Read) -> Option<[u8; 4]> {
    const LARGEST: usize = 64 * 1024;
    let mut head = [0; 7];
    stream.read_exact(&mut head).ok()?;
    let [1, _, _, size @ ..] = head else { return None };
    let size = usize::try_from(u32::from_be_bytes(size)).ok().filter(|size| *size <= LARGEST)?;
    let mut body = vec![0; size + 1]; // and the byte that ends a frame
    stream.read_exact(&mut body).ok()?;
    body.first_chunk().copied()
}
