//! Idempotency keys (DEL-7): one key, one effect, one answer.
//!
//! The key's row goes in first in the transaction of the effect and carries the answer. Of two
//! requests at once the second waits for the first one's commit (2 s on PostgreSQL) and reads its
//! answer. A refusal rolls back and leaves no row, so the key may come again. A row without an
//! answer is an operation that asks Meta outside any transaction: it is under way, or its process
//! died, and its worker settles it.

use std::collections::BTreeMap;

use auth::Environment;
use kernel::id::TenantId;
use sea_orm::sea_query::{Alias, OnConflict, Query};
use sea_orm::{FromQueryResult, StatementBuilder, Value};

use crate::error::Error;
use crate::raw::{Bind, own, read};
use crate::tx::TxCore;

/// A request that names itself, so that its repetition is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyClaim {
    /// What is asked for: the same key names another thing for another operation.
    pub operation: &'static str,
    /// The caller's key: 1 to 255 printable characters, which the service has checked.
    pub key: String,
    /// SHA-256 of the normalised request.
    pub fingerprint: [u8; 32],
    /// Of the caller's token: a key of the sandbox is not one of the live environment.
    pub environment: Environment,
}

/// What the first request with a key was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAnswer(pub Vec<u8>);

/// What became of one of several keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// Its first request: do it.
    New,
    /// It was done: answer this.
    Answered(StoredAnswer),
    /// The same key and request as an earlier item of this batch: answer what that one gets.
    SameAs(usize),
    /// The key belongs to another request.
    Reused,
    /// The first request is under way.
    InProgress,
}

#[derive(FromQueryResult)]
struct Row {
    environment: String,
    operation: String,
    key: String,
    fingerprint: Vec<u8>,
    answer: Option<Vec<u8>>,
}

impl KeyClaim {
    fn name(&self) -> (String, String, String) {
        let environment = self.environment.as_str().to_owned();
        (environment, self.operation.to_owned(), self.key.clone())
    }
}

fn verdict(row: &Row, claim: &KeyClaim) -> Claimed {
    if row.fingerprint != claim.fingerprint {
        return Claimed::Reused;
    }
    match &row.answer {
        Some(answer) => Claimed::Answered(StoredAnswer(answer.clone())),
        None => Claimed::InProgress,
    }
}

pub(crate) async fn claim(
    core: &TxCore,
    tenant: TenantId,
    claim: &KeyClaim,
) -> Result<Option<StoredAnswer>, Error> {
    let inserted = match insert(core, tenant, &[(claim, None)]).await {
        // The first request held the row for longer than one waits for a lock.
        Err(Error::Busy(_)) => return Err(Error::KeyInProgress),
        inserted => inserted?,
    };
    if inserted.len() == 1 {
        return Ok(None);
    }
    let found = find(core, tenant, &[claim]).await?;
    match found.first().map(|row| verdict(row, claim)) {
        Some(Claimed::Answered(answer)) => Ok(Some(answer)),
        Some(Claimed::Reused) => Err(Error::KeyReused),
        // Its row went away between the two statements, or has no answer yet.
        Some(Claimed::InProgress | Claimed::New | Claimed::SameAs(_)) | None => {
            Err(Error::KeyInProgress)
        }
    }
}

pub(crate) async fn claim_many(
    core: &TxCore,
    tenant: TenantId,
    claims: &[(KeyClaim, Vec<u8>)],
) -> Result<Vec<Claimed>, Error> {
    // Answered before SQL: the same key twice in one batch (ISO-32).
    let mut first: BTreeMap<_, usize> = BTreeMap::new();
    let mut verdicts: Vec<Option<Claimed>> = Vec::with_capacity(claims.len());
    let mut distinct = Vec::new();
    for (index, (claim, answer)) in claims.iter().enumerate() {
        let name = claim.name();
        let earlier = first.get(&name).and_then(|at| claims.get(*at).map(|first| (*at, first)));
        verdicts.push(earlier.map(|(at, (earlier, _))| {
            let same = earlier.fingerprint == claim.fingerprint;
            if same { Claimed::SameAs(at) } else { Claimed::Reused }
        }));
        if earlier.is_none() {
            first.insert(name, index);
            distinct.push((claim, Some(answer.clone())));
        }
    }
    let inserted = match insert(core, tenant, &distinct).await {
        Err(Error::Busy(_)) => return Err(Error::KeyInProgress),
        inserted => inserted?,
    };
    let is_new = |claim: &KeyClaim| {
        let (environment, operation, key) = claim.name();
        inserted.iter().any(|row| {
            row.key == key && row.operation == operation && row.environment == environment
        })
    };
    let old: Vec<&KeyClaim> =
        distinct.iter().map(|(claim, _)| *claim).filter(|claim| !is_new(claim)).collect();
    let known: BTreeMap<_, Row> = find(core, tenant, &old)
        .await?
        .into_iter()
        .map(|row| ((row.environment.clone(), row.operation.clone(), row.key.clone()), row))
        .collect();
    let decide = |(index, known_verdict): (usize, Option<Claimed>)| {
        known_verdict.unwrap_or_else(|| match claims.get(index) {
            Some((claim, _)) if is_new(claim) => Claimed::New,
            Some((claim, _)) => {
                known.get(&claim.name()).map_or(Claimed::InProgress, |row| verdict(row, claim))
            }
            None => Claimed::InProgress,
        })
    };
    Ok(verdicts.into_iter().enumerate().map(decide).collect())
}

pub(crate) async fn keep(
    core: &TxCore,
    tenant: TenantId,
    claim: &KeyClaim,
    answer: Vec<u8>,
) -> Result<(), Error> {
    let text = "UPDATE idempotency SET answer = {1} WHERE tenant_id = {2} AND environment = {3} \
        AND operation = {4} AND key = {5} AND fingerprint = {6}";
    let binds: Vec<Bind> = vec![
        answer.into(),
        tenant.uuid().into(),
        claim.environment.as_str().into(),
        claim.operation.into(),
        claim.key.clone().into(),
        claim.fingerprint.to_vec().into(),
    ];
    match core.execute(own(core, text, binds)?).await? {
        1 => Ok(()),
        _ => Err(Error::internal("keep the answer of a key that this request does not hold")),
    }
}

/// Answers the rows that went in.
async fn insert(
    core: &TxCore,
    tenant: TenantId,
    claims: &[(&KeyClaim, Option<Vec<u8>>)],
) -> Result<Vec<Row>, Error> {
    let names =
        ["tenant_id", "environment", "operation", "key", "fingerprint", "answer", "created_us"];
    let mut written = Vec::new();
    for batch in claims.chunks(500) {
        let mut insert = Query::insert();
        insert
            .into_table(Alias::new("idempotency"))
            .columns(names.map(Alias::new))
            .on_conflict(OnConflict::new().do_nothing().to_owned())
            .returning(Query::returning().columns(names.map(Alias::new)));
        for (claim, answer) in batch {
            let row: [Value; 7] = [
                tenant.uuid().into(),
                claim.environment.as_str().into(),
                claim.operation.into(),
                claim.key.clone().into(),
                claim.fingerprint.to_vec().into(),
                answer.clone().into(),
                core.now().as_micros().into(),
            ];
            insert
                .values(row.map(Into::into))
                .map_err(|error| Error::internal(format!("build an insert: {error}")))?;
        }
        let rows = core.rows(StatementBuilder::build(&insert, &core.dialect())).await?;
        written.append(&mut read::<Row>(&rows)?);
    }
    Ok(written)
}

async fn find(core: &TxCore, tenant: TenantId, claims: &[&KeyClaim]) -> Result<Vec<Row>, Error> {
    let mut found = Vec::new();
    for batch in claims.chunks(1_000) {
        // By key, then by the rest in memory: one tenant's keys rarely meet over operations.
        let text = "SELECT environment, operation, key, fingerprint, answer FROM idempotency \
            WHERE tenant_id = {1} AND environment IN ({2}) AND operation IN ({3}) AND key IN ({4})";
        let binds = vec![
            tenant.uuid().into(),
            Bind::list(batch.iter().map(|claim| claim.environment.as_str())),
            Bind::list(batch.iter().map(|claim| claim.operation)),
            Bind::list(batch.iter().map(|claim| claim.key.clone())),
        ];
        let rows = core.rows(own(core, text, binds)?).await?;
        found.append(&mut read::<Row>(&rows)?);
    }
    let wanted = |row: &Row| {
        claims.iter().any(|claim| {
            row.key == claim.key
                && row.operation == claim.operation
                && row.environment == claim.environment.as_str()
        })
    };
    found.retain(wanted);
    Ok(found)
}
