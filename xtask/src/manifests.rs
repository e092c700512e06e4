//! What each crate's manifest must and must not say.
//!
//! Versions stand in the workspace's manifest alone, lints and metadata are its own, features for behaviour there are none (they add up over the workspace), and a package is
//! named as its folder.

use crate::edges::{Package, Workspace};
use crate::lint::Findings;
use crate::run::{read, relative};
use anyhow::{Context, Result};
use toml::{Table, Value};

/// Packages whose name is not their folder's, with why.
const NAMED_OTHERWISE: [(&str, &str); 1] = [("tests", "e2e")]; // `tests` alone would read like a kind of target

const SECTIONS: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

pub(crate) fn check(workspace: &Workspace) -> Result<Findings> {
    let mut findings = Findings::new();
    for package in &workspace.packages {
        let manifest: Table = read(&package.manifest_path)?
            .parse()
            .with_context(|| relative(&package.manifest_path))?;
        let file = relative(&package.manifest_path);
        findings.extend(
            one(package, &manifest).into_iter().map(|finding| format!("{file}: {finding}")),
        );
    }
    Ok(findings)
}

fn one(package: &Package, manifest: &Table) -> Findings {
    let mut findings = Findings::new();
    let folder = package
        .manifest_path
        .parent()
        .and_then(|folder| folder.file_name())
        .unwrap_or_default()
        .to_string_lossy();
    let named_so = NAMED_OTHERWISE.iter().any(|(of, name)| *of == folder && *name == package.name);
    if package.name != folder && !named_so {
        findings.push(format!("package `{}` in folder `{folder}`: name them alike", package.name));
    }
    for field in ["version", "edition", "rust-version", "license", "publish"] {
        if !inherits(manifest.get("package").and_then(|table| table.get(field))) {
            findings.push(format!("`{field}.workspace = true` is missing"));
        }
    }
    if !inherits(manifest.get("lints")) {
        findings.push("`[lints] workspace = true` is missing".to_owned());
    }
    if manifest.contains_key("features") {
        findings.push(
            "has features: they add up over the workspace; behaviour is configuration".to_owned(),
        );
    }
    let of_targets = manifest
        .get("target")
        .and_then(Value::as_table)
        .into_iter()
        .flat_map(Table::values)
        .filter_map(Value::as_table);
    for (section, table) in std::iter::once(manifest)
        .chain(of_targets)
        .flat_map(|table| SECTIONS.map(|section| (section, table)))
    {
        for (name, value) in table.get(section).and_then(Value::as_table).into_iter().flatten() {
            let own = ["version", "path", "git", "registry"]
                .into_iter()
                .any(|key| value.get(key).is_some());
            if !inherits(Some(value)) || own {
                findings.push(format!(
                    "{section}.{name}: versions and paths stand in [workspace.dependencies] alone"
                ));
            }
        }
    }
    findings
}

fn inherits(value: Option<&Value>) -> bool {
    value.and_then(|value| value.get("workspace")).and_then(Value::as_bool) == Some(true)
}

#[cfg(test)]
mod tests {
    use super::{Package, one};

    const GOOD: &str = "
        [package]
        version.workspace = true
        edition.workspace = true
        rust-version.workspace = true
        license.workspace = true
        publish.workspace = true
        [lints]
        workspace = true
        [dependencies]
        serde.workspace = true
    ";

    fn findings(manifest: &str) -> usize {
        let package: Package = serde_json::from_str(
            r#"{"name": "kernel", "manifest_path": "/x/kernel/Cargo.toml", "dependencies": []}"#,
        )
        .unwrap();
        one(&package, &manifest.parse().unwrap()).len()
    }

    #[test]
    fn what_is_inherited_passes() {
        assert_eq!(findings(GOOD), 0);
    }

    #[test]
    fn a_version_of_its_own_is_found() {
        assert_eq!(findings(&format!("{GOOD}\n[dev-dependencies]\nrand = \"0.10\"")), 1);
        assert_eq!(
            findings(&format!(
                "{GOOD}\n[target.'cfg(unix)'.dependencies]\nrand = {{ version = \"0.10\" }}"
            )),
            1
        );
    }

    #[test]
    fn features_are_found() {
        assert_eq!(findings(&format!("{GOOD}\n[features]\nfast = []")), 1);
    }
}
