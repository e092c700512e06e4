//! Writing: inserts in batches, updates and deletes under the same predicate as reads.
//!
//! Promises that a row of another tenant, or of a WABA beyond the caller's, is refused before it
//! reaches the database, on both databases; and that rows with ids beyond the partitions have one
//! made first (ISO-34). Affected rows are always answered: 0 is a lost race, never silence.

use std::sync::Arc;

use sea_orm::sea_query::{
    Condition, Expr, InsertStatement, IntoCondition, Keyword, OnConflict, Query, SimpleExpr,
};
use sea_orm::{
    ActiveModelTrait, ActiveValue, ColumnTrait, EntityName, EntityTrait, IdenStatic, Iterable,
    QueryFilter, QueryTrait, StatementBuilder, UpdateMany, Value,
};
use uuid::Uuid;

use crate::error::{Error, Fault};
use crate::raw::read;
use crate::tx::TxCore;

/// SQLite takes no more values in one statement.
const MOST_BINDS: usize = 32_766;
/// Beyond this a batch grows slower again on both databases.
const MOST_ROWS: usize = 1_000;

/// Which values of the columns that decide reach a writer may write.
pub(crate) trait Guard<E: EntityTrait>: Send + Sync {
    /// Errs when the row, or the changed column, lies outside.
    fn check(&self, column: E::Column, value: Option<&Value>) -> Result<(), Error>;
    /// The columns that every inserted row must fill lawfully.
    fn must(&self) -> Vec<E::Column>;
}

/// The table's name, for messages and checks.
pub(crate) fn table<E: EntityName + Default>() -> String {
    E::default().table_name().to_owned()
}

/// What an insert does with a row whose key is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    Fail,
    Ignore,
}

fn set_value<A: ActiveModelTrait>(
    row: &A,
    column: <A::Entity as EntityTrait>::Column,
) -> Option<Value> {
    match row.get(column) {
        ActiveValue::Set(value) | ActiveValue::Unchanged(value) => Some(value),
        ActiveValue::NotSet => None,
    }
}

/// One statement a batch, with the union of the columns that the rows fill.
fn statements<A: ActiveModelTrait>(
    rows: &[A],
    taken: Taken,
) -> Result<Vec<InsertStatement>, Error> {
    let columns: Vec<_> = <A::Entity as EntityTrait>::Column::iter()
        .filter(|column| rows.iter().any(|row| set_value(row, *column).is_some()))
        .collect();
    let batch = (MOST_BINDS / columns.len().max(1)).clamp(1, MOST_ROWS);
    let mut built = Vec::with_capacity(rows.len().div_ceil(batch));
    for rows in rows.chunks(batch) {
        let mut insert = Query::insert();
        insert.into_table(A::Entity::default().table_ref()).columns(columns.iter().copied());
        for row in rows {
            let value = |column: &<A::Entity as EntityTrait>::Column| -> SimpleExpr {
                match set_value(row, *column) {
                    Some(value) => column.save_as(Expr::val(value)),
                    None => SimpleExpr::Keyword(Keyword::Null),
                }
            };
            insert
                .values(columns.iter().map(value))
                .map_err(|error| Error::internal(format!("build an insert: {error}")))?;
        }
        if taken == Taken::Ignore {
            // Without a target: the scoped role may not read what it conflicts with (ISO-4).
            insert.on_conflict(OnConflict::new().do_nothing().to_owned());
        }
        built.push(insert);
    }
    Ok(built)
}

fn check_rows<A, G>(core: &TxCore, rows: &[A], guard: &G) -> Result<(), Error>
where
    A: ActiveModelTrait,
    G: Guard<A::Entity> + ?Sized,
{
    for column in guard.must() {
        for row in rows {
            guard.check(column, set_value(row, column).as_ref())?;
        }
    }
    check_partitions(core, rows)
}

fn check_partitions<A: ActiveModelTrait>(core: &TxCore, rows: &[A]) -> Result<(), Error> {
    let table = table::<A::Entity>();
    if !core.inner.known.is_partitioned(&table) {
        return Ok(());
    }
    let id = <A::Entity as EntityTrait>::Column::iter().find(|column| column.as_str() == "id");
    let Some(id) = id else { return Ok(()) };
    for row in rows {
        if let Some(Value::Uuid(Some(id))) = set_value(row, id) {
            in_partition(core, &table, id)?;
        }
    }
    Ok(())
}

/// Errs, and has the unit run again once there is a partition, when `id` lies in none.
pub(crate) fn in_partition(core: &TxCore, table: &str, id: Uuid) -> Result<(), Error> {
    if core.inner.known.covers(table, id) {
        return Ok(());
    }
    core.mark(Fault::Partition { table: table.to_owned(), id });
    Err(Error::internal(format!("write to {table}: no partition holds this id")))
}

pub(crate) async fn insert<A, G>(
    core: &TxCore,
    rows: Vec<A>,
    guard: &G,
    taken: Taken,
) -> Result<u64, Error>
where
    A: ActiveModelTrait,
    G: Guard<A::Entity> + ?Sized,
{
    check_rows(core, &rows, guard)?;
    let mut written = 0;
    for statement in statements(&rows, taken)? {
        written += core.execute(StatementBuilder::build(&statement, &core.dialect())).await?;
    }
    Ok(written)
}

/// Inserts and answers the rows that went in; with [`Taken::Ignore`] those alone.
pub(crate) async fn insert_returning<A, G>(
    core: &TxCore,
    rows: Vec<A>,
    guard: &G,
    taken: Taken,
) -> Result<Vec<<A::Entity as EntityTrait>::Model>, Error>
where
    A: ActiveModelTrait,
    G: Guard<A::Entity> + ?Sized,
{
    check_rows(core, &rows, guard)?;
    let mut written = Vec::new();
    for mut statement in statements(&rows, taken)? {
        let columns = <A::Entity as EntityTrait>::Column::iter();
        statement.returning(Query::returning().columns(columns));
        let rows = core.rows(StatementBuilder::build(&statement, &core.dialect())).await?;
        written.append(&mut read(&rows)?);
    }
    Ok(written)
}

/// Changes to the rows of `E` that the transaction may see.
#[must_use]
pub struct Update<E: EntityTrait> {
    core: Arc<TxCore>,
    reach: Result<Condition, Error>,
    guard: Box<dyn Guard<E>>,
    rows: UpdateMany<E>,
}

impl<E: EntityTrait> Update<E> {
    pub(crate) fn new(
        core: Arc<TxCore>,
        reach: Result<Condition, Error>,
        guard: Box<dyn Guard<E>>,
    ) -> Self {
        Self { core, reach, guard, rows: E::update_many() }
    }

    /// Sets a column to a value or an expression.
    pub fn set(mut self, column: E::Column, value: impl Into<SimpleExpr>) -> Self {
        let value = value.into();
        if self.guard.must().iter().any(|guarded| guarded.as_str() == column.as_str()) {
            let plain = if let SimpleExpr::Value(value) = &value { Some(value) } else { None };
            if let Err(error) = self.guard.check(column, plain) {
                self.reach = Err(error);
            }
        }
        self.rows = self.rows.col_expr(column, column.save_as(value));
        self
    }

    /// Only rows for which this holds too.
    pub fn filter(mut self, condition: impl IntoCondition) -> Self {
        self.rows = self.rows.filter(condition);
        self
    }

    /// Changes the rows and answers how many they were.
    pub async fn exec(self) -> Result<u64, Error> {
        let update = self.rows.filter(self.reach?);
        self.core.execute(update.build(self.core.dialect())).await
    }

    /// Changes the rows and answers them as they are now.
    pub async fn exec_returning(self) -> Result<Vec<E::Model>, Error> {
        let mut update = self.rows.filter(self.reach?);
        QueryTrait::query(&mut update).returning(Query::returning().columns(E::Column::iter()));
        let rows = self.core.rows(update.build(self.core.dialect())).await?;
        read(&rows)
    }
}

/// Removal of rows of `E` that the transaction may see.
#[must_use]
pub struct Delete<E: EntityTrait> {
    core: Arc<TxCore>,
    reach: Result<Condition, Error>,
    rows: sea_orm::DeleteMany<E>,
}

impl<E: EntityTrait> Delete<E> {
    pub(crate) fn new(core: Arc<TxCore>, reach: Result<Condition, Error>) -> Self {
        Self { core, reach, rows: E::delete_many() }
    }

    /// Only rows for which this holds too.
    pub fn filter(mut self, condition: impl IntoCondition) -> Self {
        self.rows = self.rows.filter(condition);
        self
    }

    /// Removes the rows and answers how many they were.
    pub async fn exec(self) -> Result<u64, Error> {
        let delete = self.rows.filter(self.reach?);
        self.core.execute(delete.build(self.core.dialect())).await
    }
}
