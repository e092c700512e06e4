//! `new`: starts a piece in its place, with the next number or today's date, and says what else it needs.
//!
//! A file that is there already is never written over.

use crate::changelog::KINDS;
use crate::run::{files, output, program, read, relative, root, write};
use anyhow::{Context, Result, bail};
use clap::Subcommand;
use std::path::Path;

#[derive(Subcommand)]
pub(crate) enum Piece {
    /// A method of a contract: `assets/template_service/CreateTemplate`.
    Rpc { name: String },
    /// A migration of a service's schema: `assets/templates`.
    Migration { name: String },
    /// A decision: its title, as one would say it.
    Decision { name: String },
    /// A fragment of the change log: `<slug>.<added|changed|fixed|security|breaking>`.
    Change { name: String },
}

pub(crate) fn run(piece: &Piece) -> Result<()> {
    match piece {
        Piece::Rpc { name } => rpc(name),
        Piece::Migration { name } => migration(name),
        Piece::Decision { name } => decision(name),
        Piece::Change { name } => change(name),
    }
}

fn rpc(name: &str) -> Result<()> {
    let words: Vec<_> = name.split('/').collect();
    let [service, file, method] = words.as_slice() else {
        bail!(
            "`{name}` does not read as <service>/<file>/<Method>, say assets/template_service/CreateTemplate"
        )
    };
    let path = root().join(format!("proto/switchboard/{service}/v1/{file}.proto"));
    let text = read(&path)?;
    if text.contains(&format!("rpc {method}(")) {
        bail!("{} has a method {method} already", relative(&path));
    }
    let skeleton = format!(
        "
// To move into the service above, with a comment that says what it does, what it answers the second time and which limits hold:
//   rpc {method}({method}Request) returns ({method}Response) {{
//     option (switchboard.options.v1.access) = {{
//       permission: \"\", resource: RESOURCE_WABA, id_field: \"waba_id\", principals: [USER], callers: [\"gateway\"]
//     }};
//   }}

// Asks for {method}.
message {method}Request {{}}

// Answers {method}.
message {method}Response {{}}
"
    );
    write(&path, &format!("{}\n{skeleton}", text.trim_end()))?;
    println!(
        "{path}: skeleton at its end. Then, in this order:
  1. {path}: the rpc in its service, its access option, its messages, limits in comments; its event under proto/switchboard/events/v1; `cargo xtask lint buf`
  2. migrations/src/{service}/: `cargo xtask new migration {service}/<what>` when a table or a column is new
  3. services/{service}/src: domain/ (rules and limits, with tests), rows/, error.rs, app/, events.rs, api/
  4. services/{service}/tests/it/: through a real client, over both databases
  5. tests/it/isolation/: how to make another tenant's object; the suite finds the method by itself and fails until it can call it
  6. gateway/src/graphql and, where Meta has the path, gateway/src/edge; `cargo xtask gen`
  7. `cargo xtask new change <slug>.added`, docs, the chart when settings changed",
        path = relative(&path)
    );
    Ok(())
}

fn migration(name: &str) -> Result<()> {
    let (service, what) = name.split_once('/').with_context(|| {
        format!("`{name}` does not read as <service>/<what>, say assets/templates")
    })?;
    let what = slug(what, '_')?;
    let folder = root().join("migrations/src").join(service);
    if !folder.is_dir() && !folder.with_extension("rs").is_file() {
        bail!("migrations/src has no `{service}`");
    }
    let day = output(program("date").args(["-u", "+%Y%m%d"]))?.trim().to_owned();
    let number = files(&folder, ".rs")
        .iter()
        .filter(|path| stem(path).starts_with(&format!("m{day}_")))
        .count()
        + 1;
    let module = format!("m{day}_{number:06}_{what}");
    let text = "//! What this adds, and why the release before runs beside it.

use sea_orm_migration::prelude::*;

/// Shipped migrations are never edited: a mistake is mended by the next one.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // Tables that tenants have go through `store::schema::tenant_table`: columns, indexes and policies in one.
        manager.create_table(Table::create()).await
    }
}
";
    create(&folder.join(format!("{module}.rs")), text)?;
    println!(
        "  add `mod {module};` and `Box::new({module}::Migration)` to migrations/src/{service}.rs
  safe beside the old release: add, backfill in batches, switch, drop one release later (SUP-7)"
    );
    Ok(())
}

fn decision(title: &str) -> Result<()> {
    let folder = root().join("docs/decisions");
    let last = files(&folder, ".md")
        .iter()
        .filter_map(|path| stem(path).split('-').next()?.parse::<u32>().ok())
        .max()
        .unwrap_or(0);
    let number = format!("{:04}", last + 1);
    let text = format!(
        "# {number}. {title}

## Context

## Decision

## What we give up

## When to look again
"
    );
    create(&folder.join(format!("{number}-{}.md", slug(title, '-')?)), &text)
}

fn change(name: &str) -> Result<()> {
    let Some((words, kind)) = name.rsplit_once('.').filter(|(_, kind)| KINDS.contains(kind)) else {
        bail!("`{name}` does not end in a kind: one of {}", KINDS.join(", "))
    };
    create(
        &root().join(format!("changelog.d/{}.{kind}.md", slug(words, '-')?)),
        "What a user notices, in a sentence, and what they do about it.\n",
    )
}

fn create(path: &Path, text: &str) -> Result<()> {
    if path.exists() {
        bail!("{} is there already", relative(path));
    }
    write(path, text)?;
    println!("wrote {}", relative(path));
    Ok(())
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn slug(words: &str, joint: char) -> Result<String> {
    let parts: Vec<_> = words
        .split(|letter: char| !letter.is_ascii_alphanumeric())
        .filter(|part| !part.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    if parts.is_empty() {
        bail!("`{words}` has no letter or digit to make a name of");
    }
    Ok(parts.join(&joint.to_string()))
}

#[cfg(test)]
mod tests {
    use super::slug;

    #[test]
    fn a_title_becomes_a_file_name() {
        assert_eq!(slug("Ids: minted, not told", '-').unwrap(), "ids-minted-not-told");
    }

    #[test]
    fn a_title_without_letters_is_refused() {
        assert!(slug(" — ", '-').is_err());
    }
}
