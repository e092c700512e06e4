//! Gathers the fragments of `changelog.d` into `CHANGELOG.md`.
//!
//! The new text is written before any fragment is removed: if the process dies between, nothing is lost and the next run writes the same section twice, which a reader sees.

use crate::run::{files, read, relative, root, write};
use anyhow::{Context, Result, bail};
use std::fmt::Write as _;

/// The kinds of fragment, in the order in which readers want them.
pub(crate) const KINDS: [&str; 5] = ["breaking", "security", "added", "changed", "fixed"];

const HEADING: &str = "## Unreleased\n";

pub(crate) fn gather(version: &str) -> Result<()> {
    let fragments = files(&root().join("changelog.d"), ".md");
    let mut section = format!("## {version}\n");
    let mut taken = Vec::new();
    for kind in KINDS {
        let ending = format!(".{kind}.md");
        let of_kind: Vec<_> =
            fragments.iter().filter(|path| path.to_string_lossy().ends_with(&ending)).collect();
        if of_kind.is_empty() {
            continue;
        }
        let _written = writeln!(section, "\n### {kind}\n");
        for path in of_kind {
            let _written = writeln!(section, "- {}", read(path)?.trim().replace('\n', "\n  "));
            taken.push(path);
        }
    }
    if taken.is_empty() {
        bail!("changelog.d holds no fragment: `cargo xtask new change <slug>.<kind>` writes one");
    }
    let file = root().join("CHANGELOG.md");
    let text = read(&file)?;
    let (before, after) = text
        .split_once(HEADING)
        .with_context(|| format!("CHANGELOG.md has no line `{}`", HEADING.trim()))?;
    write(&file, &format!("{before}{HEADING}\n{section}{after}"))?;
    for path in &taken {
        std::fs::remove_file(path).with_context(|| format!("removing {}", relative(path)))?;
    }
    println!("{} fragments under {version}", taken.len());
    Ok(())
}
