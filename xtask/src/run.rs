//! Running other programs: shown as one would type them, failing with their name, from the workspace's root.
//!
//! Programs run in the foreground and die with the terminal; nothing here retries.

use anyhow::{Context, Result, bail};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The workspace's root.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// An environment variable that is set to something.
pub(crate) fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// A program that runs in the workspace's root.
pub(crate) fn program(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(name);
    command.current_dir(root());
    // What cargo told this process about its own package would tell the inner cargo's build scripts that something changed.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        // `CARGO` goes with them: cargo's plug-ins read from it and a missing `CARGO_PKG_NAME` that they were called as `cargo <plug-in>`.
        if text == "CARGO" || text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_")
        {
            command.env_remove(&name);
        }
    }
    command
}

/// Cargo, with these words.
pub(crate) fn cargo<I: IntoIterator<Item: AsRef<OsStr>>>(words: I) -> Command {
    let mut command = program("cargo");
    command.args(words);
    command
}

/// Shows the command and runs it; what it prints goes where ours goes.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    println!("$ {}", shown(command));
    let status = command.status().with_context(|| format!("`{}` did not start", shown(command)))?;
    if !status.success() {
        bail!("`{}` failed ({status})", shown(command));
    }
    Ok(())
}

/// Runs the command in silence; when it fails, all that it said is in the error.
pub(crate) fn quietly(command: &mut Command) -> Result<()> {
    output(command).map(drop)
}

/// What the command writes to its standard output.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    command.stdin(Stdio::null());
    let done = command.output().with_context(|| format!("`{}` did not start", shown(command)))?;
    if !done.status.success() {
        bail!(
            "`{}` failed ({})\n{}{}",
            shown(command),
            done.status,
            String::from_utf8_lossy(&done.stdout),
            String::from_utf8_lossy(&done.stderr)
        );
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

fn shown(command: &Command) -> String {
    let root = root();
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| {
            let text = word.to_string_lossy();
            let text =
                text.strip_prefix(&format!("{}/", root.display())).unwrap_or(&text).to_owned();
            if text.contains(char::is_whitespace) { format!("'{text}'") } else { text }
        })
        .collect::<Vec<_>>()
        .join(" ")
}

/// Where a program stands on the search path.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&variable("PATH")?)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// The text of a file, named in the error.
pub(crate) fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("reading {}", relative(path)))
}

/// Writes a file and the folders above it.
pub(crate) fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("making {}", relative(folder)))?;
    }
    std::fs::write(path, text).with_context(|| format!("writing {}", relative(path)))
}

/// A path as seen from the workspace's root.
pub(crate) fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// All files below a folder whose name ends so, sorted; build output and hidden folders are passed by.
pub(crate) fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_folder && !name.starts_with('.') && name != "target" && name != "node_modules" {
                folders.push(path);
            } else if !is_folder && name.ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
