//! Suites that are run by themselves: the same tests as in `cargo xtask test`, and their longer forms.
//!
//! What a suite does and counts is its own; here is how it is chosen and how hard it tries.

use crate::test::{self, Selection};
use anyhow::Result;

/// Kills a load in CI.
const KILLS: u32 = 6;
/// Kills a load by `--long`.
const KILLS_LONG: u32 = 20;

/// Attacks every method and field that the contracts and the schema name.
pub(crate) fn isolation() -> Result<()> {
    let filters = only("isolation");
    // The matrices are the result: they are shown also when all is well.
    let environment = vec![("NEXTEST_SUCCESS_OUTPUT", "immediate".to_owned())];
    test::selected(&Selection { filters: &filters, environment })
}

/// Kills processes under load and accounts for every message.
pub(crate) fn faults(long: bool, seed: Option<u64>) -> Result<()> {
    let filters = only("faults");
    let kills = if long { KILLS_LONG } else { KILLS };
    let mut environment = vec![("SWITCHBOARD_FAULT_KILLS", kills.to_string())];
    if let Some(seed) = seed {
        environment.push(("SWITCHBOARD_FAULT_SEED", seed.to_string()));
    }
    println!(
        "faults: {kills} kills a load{}",
        seed.map_or_else(String::new, |seed| format!(", seed {seed}"))
    );
    test::selected(&Selection { filters: &filters, environment })
}

fn only(suite: &str) -> Vec<String> {
    vec!["-E".to_owned(), format!("package(e2e) & test(/^{suite}::/)")]
}
