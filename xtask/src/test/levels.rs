//! Which level a test is of, told from where it stands, and what a run took by level.
//!
//! Counts come from nextest's own list and report; seconds are the tests' own, added up, so that with two at once they exceed the wall clock.

use anyhow::{Context, Result};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Unit,
    Service,
    Contract,
    EndToEnd,
    Isolation,
    Faults,
}

impl Level {
    const ALL: [Self; 6] =
        [Self::Unit, Self::Service, Self::Contract, Self::EndToEnd, Self::Isolation, Self::Faults];

    const fn name(self) -> &'static str {
        match self {
            Self::Unit => "unit",
            Self::Service => "service",
            Self::Contract => "contract",
            Self::EndToEnd => "end to end",
            Self::Isolation => "isolation",
            Self::Faults => "faults",
        }
    }

    /// Tests of the package `e2e` by their first module; others by their package, and by whether they stand in `src` or in `tests`.
    fn of(package: &str, kind: &str, test: &str) -> Self {
        match (package, kind, test.split("::").next().unwrap_or_default()) {
            ("e2e", _, "isolation") => Self::Isolation,
            ("e2e", _, "faults") => Self::Faults,
            ("e2e", ..) => Self::EndToEnd,
            ("proto", ..) | ("gateway" | "sandbox", "test", _) => Self::Contract,
            (_, "test", _) => Self::Service,
            _ => Self::Unit,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct List {
    rust_suites: BTreeMap<String, Suite>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Suite {
    package_name: String,
    kind: String,
    testcases: BTreeMap<String, Case>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Case {
    ignored: bool,
    filter_match: Match,
}

#[derive(Deserialize)]
struct Match {
    status: String,
}

/// The level of each test that will run, by binary and name.
pub(super) struct Listed(BTreeMap<(String, String), Level>);

/// Reads `cargo nextest list --message-format json`.
pub(super) fn listed(json: &str) -> Result<Listed> {
    let list: List = serde_json::from_str(json).context("reading nextest's list")?;
    let mut tests = BTreeMap::new();
    for (binary, suite) in list.rust_suites {
        for (name, case) in suite.testcases {
            if case.filter_match.status == "matches" && !case.ignored {
                let level = Level::of(&suite.package_name, &suite.kind, &name);
                tests.insert((binary.clone(), name), level);
            }
        }
    }
    Ok(Listed(tests))
}

#[derive(Default)]
struct Row {
    passed: usize,
    failed: usize,
    seconds: f64,
}

impl Listed {
    pub(super) fn tests(&self) -> usize {
        self.0.len()
    }

    /// What will run.
    pub(super) fn plan(&self) -> String {
        let count = |level| self.0.values().filter(|of| **of == level).count();
        let parts: Vec<_> =
            Level::ALL.map(|level| format!("{} {}", count(level), level.name())).into();
        format!("tests: {} ({})", self.tests(), parts.join(", "))
    }

    /// What ran, from nextest's report; its last line is what machines look for.
    pub(super) fn summary(&self, report: &str, wall: f64) -> String {
        let mut rows = BTreeMap::<Level, Row>::new();
        for case in report.split("<testcase ").skip(1) {
            let (Some(name), Some(binary)) =
                (attribute(case, "name"), attribute(case, "classname"))
            else {
                continue;
            };
            let Some(level) = self.0.get(&(binary, name)) else { continue };
            let row = rows.entry(*level).or_default();
            let own = case.split("</testcase>").next().unwrap_or(case);
            let failed = own.contains("<failure") || own.contains("<error");
            if failed {
                row.failed += 1;
            } else {
                row.passed += 1;
            }
            row.seconds += attribute(case, "time")
                .and_then(|time| time.parse::<f64>().ok())
                .unwrap_or_default();
        }
        let mut text =
            format!("\n{:<12} {:>7} {:>7} {:>10}\n", "level", "passed", "failed", "seconds");
        for level in Level::ALL {
            let row = rows.entry(level).or_default();
            let _written = writeln!(
                text,
                "{:<12} {:>7} {:>7} {:>10.1}",
                level.name(),
                row.passed,
                row.failed,
                row.seconds
            );
        }
        let (passed, failed) = rows
            .values()
            .fold((0, 0), |(passed, failed), row| (passed + row.passed, failed + row.failed));
        let _written = write!(
            text,
            "in {wall:.1} s\ntests: {passed} passed, {failed} failed, {} skipped",
            self.tests().saturating_sub(passed + failed)
        );
        text
    }
}

/// An attribute of the element whose text begins here, with XML's five escapes undone.
fn attribute(element: &str, name: &str) -> Option<String> {
    let head = element.split('>').next()?;
    let (_, rest) = format!(" {head}")
        .split_once(&format!(" {name}=\""))
        .map(|(before, rest)| (before.len(), rest.to_owned()))?;
    let value = rest.split('"').next()?;
    Some(
        value
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&quot;", "\"")
            .replace("&apos;", "'")
            .replace("&amp;", "&"),
    )
}

#[cfg(test)]
mod tests {
    use super::{Level, listed};

    const LIST: &str = r#"{"rust-suites": {
        "kernel": {"package-name": "kernel", "kind": "lib", "testcases": {"money::tests::adds": {"ignored": false, "filter-match": {"status": "matches"}}}},
        "e2e::it": {"package-name": "e2e", "kind": "test", "testcases": {
            "isolation::every_method": {"ignored": false, "filter-match": {"status": "matches"}},
            "delivery::arrives": {"ignored": false, "filter-match": {"status": "mismatch"}}}}}}"#;
    const REPORT: &str = r#"<testsuites><testsuite name="kernel">
        <testcase name="money::tests::adds" classname="kernel" time="0.250"></testcase></testsuite><testsuite name="e2e::it">
        <testcase name="isolation::every_method" classname="e2e::it" time="1.500"><failure message="x"/></testcase></testsuite></testsuites>"#;

    #[test]
    fn the_level_follows_from_the_place() {
        assert_eq!(Level::of("kernel", "lib", "money::tests::adds"), Level::Unit);
        assert_eq!(Level::of("messaging", "test", "accept::twice"), Level::Service);
        assert_eq!(Level::of("sandbox", "test", "openapi::answers"), Level::Contract);
        assert_eq!(Level::of("e2e", "test", "production::tour"), Level::EndToEnd);
        assert_eq!(Level::of("e2e", "test", "faults::storm"), Level::Faults);
    }

    #[test]
    fn only_what_matches_is_counted() {
        assert_eq!(
            listed(LIST).unwrap().plan(),
            "tests: 2 (1 unit, 0 service, 0 contract, 0 end to end, 1 isolation, 0 faults)"
        );
    }

    #[test]
    fn the_summary_ends_with_the_line_that_machines_read() {
        let summary = listed(LIST).unwrap().summary(REPORT, 2.0);
        assert!(summary.ends_with("tests: 1 passed, 1 failed, 0 skipped"), "{summary}");
        assert!(summary.contains("isolation          0       1        1.5"), "{summary}");
    }
}
