//! House laws that no tool knows: file heads, sizes, who may name what, cited rules.
//!
//! Reads text, not syntax: what a law here looks for is chosen so that a plain reading decides.

use crate::lint::Findings;
use crate::run::{files, read, relative, root};
use anyhow::Result;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The longest source file; the aim is 400.
const LINES: usize = 500;
/// Files that may be longer, each with its reason.
const LONGER: [(&str, &str); 0] = [];

/// The kinds of rule ids, as `docs/develop/rules.md` numbers them.
const RULES: [&str; 9] = ["AUTH", "DATA", "DEL", "IN", "ISO", "OUT", "OVL", "SEC", "SUP"];
const RULES_FILE: &str = "docs/develop/rules.md";

/// Where every reason of an error is explained, and the files whose words in capitals are reasons.
const REASONS_FILE: &str = "gateway/src/reasons.rs";
const ANSWERING: [&str; 8] = [
    "/src/error.rs",
    "crates/bus/src/admin/service.rs",
    "crates/server/src/layer.rs",
    "crates/server/src/watch.rs",
    "gateway/src/auth_routes.rs",
    "gateway/src/bearer.rs",
    "gateway/src/graphql/execute.rs",
    "gateway/src/graphql/socket.rs",
];

/// A domain is pure, and its matches name every variant.
const DOMAIN_HEAD: &str = "#![deny(clippy::wildcard_enum_match_arm)]";
const NOT_IN_DOMAIN: [&str; 5] = ["sea_orm", "tonic::", "tokio::", "async fn", ".await"];

/// What the sandbox may not take from the kernel: our words, which are not Meta's.
const NOT_IN_SANDBOX: [&str; 4] = ["id", "money", "page", "phone"];

pub(crate) fn check() -> Result<Findings> {
    let top = root();
    let mut findings = Findings::new();
    let mut cited = BTreeMap::<String, String>::new();
    for path in files(&top, ".rs") {
        let (text, name) = (read(&path)?, relative(&path));
        findings
            .extend(source(&name, &text).into_iter().map(|finding| format!("{name}: {finding}")));
        cited.extend(rule_ids(&text).into_iter().map(|id| (id, name.clone())));
    }
    for path in files(&top.join("proto"), ".proto") {
        cited.extend(rule_ids(&read(&path)?).into_iter().map(|id| (id, relative(&path))));
    }
    findings.extend(domains(&top)?);
    findings.extend(reasons(&top)?);
    let known = rule_ids(&std::fs::read_to_string(top.join(RULES_FILE)).unwrap_or_default());
    findings.extend(
        cited
            .iter()
            .filter(|(id, _)| !known.contains(*id))
            .map(|(id, file)| format!("{file}: {id} does not stand in {RULES_FILE}")),
    );
    Ok(findings)
}

/// Every reason that an error can carry stands in the one table that users read, and no other does.
fn reasons(top: &Path) -> Result<Findings> {
    let explained = quoted_words(&read(&top.join(REASONS_FILE))?);
    let mut answered = BTreeMap::<String, String>::new();
    let mut findings = Findings::new();
    for path in ["services", "gateway/src", "crates"]
        .iter()
        .flat_map(|folder| files(&top.join(folder), ".rs"))
    {
        let (text, name) = (read(&path)?, relative(&path));
        if name == REASONS_FILE {
            continue;
        }
        let errors = ANSWERING.iter().any(|ending| name.ends_with(ending));
        for word in quoted_words(before_tests(&text)) {
            if errors && !explained.contains(&word) {
                findings
                    .push(format!("{name}: the reason {word} does not stand in {REASONS_FILE}"));
            }
            answered.insert(word, name.clone());
        }
    }
    findings.extend(
        explained
            .iter()
            .filter(|word| !answered.contains_key(*word))
            .map(|word| format!("{REASONS_FILE}: nothing answers {word}")),
    );
    Ok(findings)
}

/// Words like `TEMPLATE_EXISTS` between quotes.
fn quoted_words(text: &str) -> BTreeSet<String> {
    text.split('"')
        .filter(|word| {
            word.contains('_') && word.chars().all(|c| c.is_ascii_uppercase() || c == '_')
        })
        .map(str::to_owned)
        .collect()
}

/// One source file, by its name from the root and its text.
fn source(name: &str, text: &str) -> Findings {
    let mut findings = Findings::new();
    if name.ends_with("/mod.rs") {
        findings.push("a module is `foo.rs` beside `foo/`".to_owned());
    }
    if !opens_with_its_promise(text) {
        findings.push("does not open with `//!`: what it promises, what it leaves to others, what happens if the process dies".to_owned());
    }
    let lines = text.lines().count();
    if lines > LINES && !LONGER.iter().any(|(file, _)| *file == name) {
        findings.push(format!("{lines} lines: more than {LINES}; one purpose a file"));
    }
    if text.lines().any(|line| line.trim_start().starts_with("#[ignore")) {
        findings.push("an ignored test: a test that cannot run fails".to_owned());
    }
    let parts: Vec<_> = name.split('/').collect();
    let ["services", service, "src", inside @ ..] = parts.as_slice() else { return findings };
    let noun = inside.first().map_or("", |first| first.trim_end_matches(".rs"));
    let product = before_tests(text);
    if noun == "domain" {
        let words =
            NOT_IN_DOMAIN.into_iter().filter(|word| code(product).any(|line| line.contains(word)));
        findings.extend(words.map(|word| format!("`{word}` in a domain: rules are pure")));
    }
    if *service == "sandbox" {
        let modules =
            kernel_modules(product).into_iter().filter(|module| NOT_IN_SANDBOX.contains(module));
        findings.extend(modules.map(|module| format!("`kernel::{module}`: our words, which the sandbox must not share (clock, ids, time and secret it may)")));
    } else if noun != "rows" && code(product).any(|line| line.contains("sea_orm")) {
        findings.push("names sea_orm: only `rows/` does".to_owned());
    }
    findings
}

/// Each service's domain denies wildcard arms for all that is below it.
fn domains(top: &Path) -> Result<Findings> {
    let mut findings = Findings::new();
    for service in std::fs::read_dir(top.join("services")).into_iter().flatten().flatten() {
        let file = service.path().join("src/domain.rs");
        if !file.is_file() {
            if file.with_extension("").is_dir() {
                findings.push(format!("{}: missing beside its folder", relative(&file)));
            }
        } else if !read(&file)?.contains(DOMAIN_HEAD) {
            findings.push(format!("{}: does not open with `{DOMAIN_HEAD}`", relative(&file)));
        }
    }
    Ok(findings)
}

/// The modules of the kernel that a text names, one by one or in a group.
fn kernel_modules(text: &str) -> Vec<&str> {
    let mut modules = Vec::new();
    for (_, rest) in text
        .match_indices("kernel::")
        .filter_map(|(at, found)| text.split_at_checked(at + found.len()))
    {
        let group = rest.strip_prefix('{').and_then(|group| group.split("};").next());
        modules.extend(
            group
                .unwrap_or(rest)
                .split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
                .take(if group.is_some() { usize::MAX } else { 1 }),
        );
    }
    modules
}

/// The text without its unit tests, which stand at the end of a file.
fn before_tests(text: &str) -> &str {
    text.split_once("#[cfg(test)]").map_or(text, |(before, _)| before)
}

/// Lines that are not comments.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.trim_start().starts_with("//"))
}

/// `//!` comes first; only attributes of the file may stand before it.
fn opens_with_its_promise(text: &str) -> bool {
    let mut rest = text.trim_start();
    while let Some(attribute) = rest.strip_prefix("#![") {
        let Some((_, after)) = attribute.split_once("]\n") else { return false };
        rest = after.trim_start();
    }
    rest.starts_with("//!")
}

/// Words like `ISO-3`, of the kinds that we number.
fn rule_ids(text: &str) -> BTreeSet<String> {
    text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-')
        .filter_map(|word| {
            let (kind, number) = word.split_once('-')?;
            let numbered = !number.is_empty() && number.chars().all(|digit| digit.is_ascii_digit());
            (RULES.contains(&kind) && numbered).then(|| word.to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{opens_with_its_promise, rule_ids, source};

    #[test]
    fn a_file_opens_with_what_it_promises() {
        assert!(opens_with_its_promise("//! Promises.\n"));
        assert!(opens_with_its_promise(
            "#![deny(clippy::wildcard_enum_match_arm)]\n//! Promises.\n"
        ));
        assert!(!opens_with_its_promise("use std::fmt;\n//! Too late.\n"));
        assert!(!opens_with_its_promise(""));
    }

    #[test]
    fn a_rule_is_told_from_other_words_with_a_number() {
        let ids = rule_ids(
            "refused (ISO-3, DEL-1); SHA-256 and UTF-8 are not rules, nor is SEC-x; OUT-1 to OUT-3.",
        );
        assert_eq!(ids.into_iter().collect::<Vec<_>>(), ["DEL-1", "ISO-3", "OUT-1", "OUT-3"]);
    }

    #[test]
    fn a_domain_that_waits_is_found() {
        assert_eq!(
            source("services/assets/src/domain/template.rs", "//! Rules.\nasync fn f() {}\n").len(),
            1
        );
        assert_eq!(
            source("services/assets/src/domain/template.rs", "//! Rules.\n// no async fn here\n")
                .len(),
            0
        );
        assert_eq!(
            source("services/assets/src/app/create.rs", "//! Use case.\nasync fn f() {}\n").len(),
            0
        );
    }

    #[test]
    fn only_rows_name_the_database() {
        let text = "//! Promises.\nuse sea_orm::EntityTrait;\n";
        assert_eq!(source("services/assets/src/rows/template.rs", text).len(), 0);
        assert_eq!(source("services/assets/src/rows.rs", text).len(), 0);
        assert_eq!(source("services/assets/src/app/create.rs", text).len(), 1);
    }

    #[test]
    fn the_sandbox_shares_none_of_our_words() {
        let found = |text| source("services/sandbox/src/clock.rs", text).len();
        assert_eq!(
            found(
                "//! Clock.\nuse kernel::clock::Clock;\nuse kernel::{ids::Ids, time::Timestamp};\n"
            ),
            0
        );
        assert_eq!(found("//! Clock.\nuse kernel::phone::PhoneNumber;\n"), 1);
        assert_eq!(found("//! Clock.\nuse kernel::{ids::Ids, money::Money};\n"), 1);
    }

    #[test]
    fn a_long_file_is_found() {
        assert_eq!(
            source("crates/kernel/src/id.rs", &format!("//! Promises.\n{}", "\n".repeat(500)))
                .len(),
            1
        );
    }
}
