//! The gRPC and event contracts, by buf: their form, and what a change takes away from those who use them.
//!
//! The form is held from the first file on; breaking changes are held against the last release, before the first one against what stood before this change.

use crate::run::{files, output, program, root, run};
use crate::tools::tool;
use anyhow::Result;
use std::ffi::OsStr;
use std::path::Path;

pub(super) fn lint() -> Result<()> {
    if files(&root().join("proto"), ".proto").is_empty() {
        println!("buf: skipped, no contract yet");
        return Ok(());
    }
    run(tool("buf")?.arg("lint"))
}

pub(super) fn breaking() -> Result<()> {
    let Some(base) = base() else {
        println!("breaking: skipped, nothing before this commit");
        return Ok(());
    };
    let listed = output(program("git").args([
        "ls-tree",
        "-r",
        "--name-only",
        &base,
        "--",
        "proto",
        "buf.yaml",
    ]))?;
    let has_contracts =
        listed.lines().any(|name| Path::new(name).extension() == Some(OsStr::new("proto")))
            && listed.lines().any(|name| name == "buf.yaml");
    if !has_contracts {
        println!("breaking: skipped, {base} has no contract");
        return Ok(());
    }
    let before = tempfile::tempdir()?;
    let archive = before.path().join("contracts.tar");
    output(
        program("git")
            .args(["archive", "--format=tar", "-o"])
            .arg(&archive)
            .args([&base, "buf.yaml", "proto"]),
    )?;
    output(program("tar").arg("-xf").arg(&archive).arg("-C").arg(before.path()))?;
    println!("against {base}");
    run(tool("buf")?.args(["breaking", "--against"]).arg(before.path()))
}

/// The last release; else the main branch as others have it, when this is ahead of it; else the commit before.
fn base() -> Option<String> {
    let git = |words: &[&str]| {
        output(program("git").args(words))
            .ok()
            .map(|answer| answer.trim().to_owned())
            .filter(|answer| !answer.is_empty())
    };
    let head = git(&["rev-parse", "HEAD"])?;
    git(&["describe", "--tags", "--abbrev=0", "--match", "v*", "HEAD~1"])
        .or_else(|| git(&["merge-base", "HEAD", "origin/main"]).filter(|main| *main != head))
        .or_else(|| git(&["rev-parse", "--verify", "--quiet", "HEAD~1"]))
}
