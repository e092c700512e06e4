//! Files that are generated from the binary and committed: a reader finds them without building, a reviewer sees what a change does to them.
//!
//! `--check` writes nothing. The binary alone knows what stands in them (`switchboard print …`); here is only where they go.

use crate::run::{cargo, output, program, relative, root, run, write};
use anyhow::{Result, bail};
use std::path::PathBuf;

/// What the binary prints, and the file that keeps it.
const FILES: [(&str, &str); 4] = [
    ("schema", "gateway/schema.graphql"),
    ("errors", "docs/errors.md"),
    ("config", "docs/operate/configuration.md"),
    ("metrics", "docs/operate/metrics.md"),
];

pub(crate) fn generate(check: bool) -> Result<()> {
    let binary = binary()?;
    let mut stale = Vec::new();
    for (what, file) in FILES {
        let wanted = output(program(&binary).args(["print", what]))?;
        let path = root().join(file);
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        if kept == wanted {
            println!("gen: {file} is up to date");
        } else if check {
            println!("gen: {file} differs {}", first_difference(&kept, &wanted));
            stale.push(file);
        } else {
            write(&path, &wanted)?;
            println!("gen: wrote {}", relative(&path));
        }
    }
    if stale.is_empty() {
        Ok(())
    } else {
        bail!("{} not up to date: run `cargo xtask gen` and commit", stale.join(", "))
    }
}

/// The debug binary, freshly built together with the tests: alone it has fewer features, and most crates would be built again.
fn binary() -> Result<PathBuf> {
    run(&mut cargo(["build", "--quiet", "--locked", "--workspace", "--all-targets"]))?;
    Ok(crate::test::target().join("debug/switchboard"))
}

fn first_difference(kept: &str, wanted: &str) -> String {
    let mut kept_lines = kept.lines();
    for (number, wanted_line) in wanted.lines().enumerate() {
        let kept_line = kept_lines.next();
        if kept_line != Some(wanted_line) {
            return format!(
                "from line {}:\n  - {}\n  + {wanted_line}",
                number + 1,
                kept_line.unwrap_or("(the file ends)")
            );
        }
    }
    "at its end: the file has more lines".to_owned()
}
