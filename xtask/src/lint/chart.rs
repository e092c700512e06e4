//! The Helm chart: linted, rendered with each set of values, and the result validated against Kubernetes' own schemas and
//! held to the rules of pods and of the network.
//!
//! Sets of values are the chart's defaults and each file in its `ci` folder, one of which turns everything on. Objects of other projects' kinds (monitors, alert rules) are
//! rendered but not validated: their schemas are not Kubernetes'.

mod network;
mod pods;

use crate::run::{files, output, quietly, read, relative, root, write};
use crate::tools::tool;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::path::PathBuf;

/// The oldest Kubernetes that the manifests are held against, and the newest with a bundled schema.
const KUBERNETES: [&str; 2] = ["1.34", "1.37"];

pub(super) fn lint() -> Result<()> {
    let chart = root().join("charts/switchboard");
    if !chart.join("Chart.yaml").is_file() {
        println!("chart: skipped, no chart yet");
        return Ok(());
    }
    let sets: Vec<Option<PathBuf>> = std::iter::once(None)
        .chain(files(&chart.join("ci"), ".yaml").into_iter().map(Some))
        .collect();
    if sets.len() == 1 {
        bail!("charts/switchboard/ci has no values file: one must turn everything on");
    }
    let rendered = tempfile::tempdir()?;
    for values in &sets {
        let name = values.as_ref().map_or_else(|| "defaults".to_owned(), |path| relative(path));
        let given: Vec<_> = values
            .iter()
            .flat_map(|path| ["--values".into(), path.clone().into_os_string()])
            .collect();
        quietly(tool("helm")?.args(["lint", "--strict"]).arg(&chart).args(&given))
            .with_context(|| format!("with {name}"))?;
        let text = output(
            tool("helm")?
                .args(["template", "switchboard"])
                .arg(&chart)
                .args(["--namespace", "switchboard"])
                .args(&given),
        )
        .with_context(|| format!("with {name}"))?;
        let (ours, others): (Vec<_>, Vec<_>) =
            documents(&text).partition(|document| of_kubernetes(document));
        if ours.is_empty() {
            bail!("with {name}: the chart renders nothing");
        }
        // Who reaches a pod without a proxy between could name any address as its own (AUTH-16).
        let has_proxy = ours.iter().any(|document| document.lines().any(|l| l == "kind: Ingress"));
        if has_proxy != text.contains("trusted_hops = ") {
            bail!("with {name}: proxies are trusted if and only if the chart has its ingress");
        }
        let objects = ours
            .iter()
            .map(|document| serde_yaml_ng::from_str(document))
            .collect::<Result<Vec<Value>, _>>()
            .with_context(|| format!("with {name}"))?;
        let set = values.as_ref().map_or_else(|| Ok(String::new()), |path| read(path))?;
        let findings = [
            pods::check(&objects, &pods::Sharing::of(&set)?),
            network::check(&objects, &network::contracts()?),
        ]
        .concat();
        if !findings.is_empty() {
            bail!("with {name}:\n{}\n{} findings", findings.join("\n"), findings.len());
        }
        let file = rendered.path().join("manifests.yaml");
        write(&file, &format!("---\n{}", ours.join("\n---\n")))?;
        for version in KUBERNETES {
            quietly(tool("kubernetes-validate")?.args(["--strict", "-k", version]).arg(&file))
                .with_context(|| format!("with {name}, Kubernetes {version}"))?;
        }
        println!(
            "chart: {name}: {} objects valid, {} of other projects' kinds",
            ours.len(),
            others.len()
        );
    }
    Ok(())
}

fn documents(text: &str) -> impl Iterator<Item = &str> {
    text.split("\n---")
        .map(|part| part.trim_start_matches("---").trim())
        .filter(|part| part.lines().any(|line| line.starts_with("kind:")))
}

/// Kubernetes' own groups have no dot (`apps/v1`, `v1`) or end in `.k8s.io`.
fn of_kubernetes(document: &str) -> bool {
    let version = document
        .lines()
        .find_map(|line| line.strip_prefix("apiVersion:"))
        .unwrap_or_default()
        .trim();
    let group = version.split_once('/').map_or("", |(group, _)| group);
    !group.contains('.') || group.ends_with(".k8s.io")
}

#[cfg(test)]
mod tests {
    use super::{documents, of_kubernetes};

    const TEXT: &str = "---\n# Source: a\napiVersion: apps/v1\nkind: Deployment\n---\n# only a comment\n---\napiVersion: monitoring.coreos.com/v1\nkind: ServiceMonitor\n";

    #[test]
    fn empty_documents_do_not_count() {
        assert_eq!(documents(TEXT).count(), 2);
    }

    #[test]
    fn kinds_of_other_projects_are_told_apart() {
        assert_eq!(documents(TEXT).map(of_kubernetes).collect::<Vec<_>>(), [true, false]);
        assert!(of_kubernetes("apiVersion: networking.k8s.io/v1"));
    }
}
