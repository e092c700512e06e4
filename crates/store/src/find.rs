//! Reading: a query whose predicate of tenant and WABA, of purpose, or of partner is in before the
//! caller adds anything, and is added last, so that nothing the caller does can take it away.

use std::sync::Arc;

use sea_orm::sea_query::{
    Alias, Asterisk, Condition, Expr, Func, IntoCondition, LockBehavior, LockType, Query,
};
use sea_orm::{
    EntityTrait, FromQueryResult, Order, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select,
    StatementBuilder,
};

use crate::error::{Error, classify};
use crate::tx::TxCore;

/// A query over the rows of `E` that its transaction may see.
#[must_use]
pub struct Find<E: EntityTrait> {
    core: Arc<TxCore>,
    reach: Result<Condition, Error>,
    select: Select<E>,
}

impl<E: EntityTrait> Find<E> {
    pub(crate) fn new(core: Arc<TxCore>, reach: Result<Condition, Error>) -> Self {
        Self { core, reach, select: E::find() }
    }

    /// Only rows for which this holds too.
    pub fn filter(mut self, condition: impl IntoCondition) -> Self {
        self.select = self.select.filter(condition);
        self
    }

    /// Sorts by a column.
    pub fn order_by(mut self, column: E::Column, order: Order) -> Self {
        self.select = self.select.order_by(column, order);
        self
    }

    /// At most this many rows.
    pub fn limit(mut self, rows: u64) -> Self {
        self.select = self.select.limit(rows);
        self
    }

    /// Locks the rows until the end of the unit (PostgreSQL; on SQLite a writer is alone anyway).
    pub fn for_update(mut self) -> Self {
        self.select = self.select.lock(LockType::Update);
        self
    }

    /// Locks the rows and leaves out those that others hold.
    pub fn for_update_skip_locked(mut self) -> Self {
        self.select = self.select.lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
        self
    }

    /// What the builder has no word for: grouping, expressions, aliases. Joined tables get no
    /// predicate here; join with raw SQL, which names its tenant itself.
    pub fn with(mut self, change: impl FnOnce(Select<E>) -> Select<E>) -> Self {
        self.select = change(self.select);
        self
    }

    /// Only these columns, for [`Self::all_as`].
    pub fn columns(mut self, columns: impl IntoIterator<Item = E::Column>) -> Self {
        self.select = self.select.select_only().columns(columns);
        self
    }

    fn build(self) -> Result<(Arc<TxCore>, Select<E>), Error> {
        Ok((self.core, self.select.filter(self.reach?)))
    }

    /// All rows.
    pub async fn all(self) -> Result<Vec<E::Model>, Error> {
        self.all_as::<E::Model>().await
    }

    /// The first row, where there is one.
    pub async fn one(self) -> Result<Option<E::Model>, Error> {
        self.one_as::<E::Model>().await
    }

    /// All rows, read as another shape.
    pub async fn all_as<M: FromQueryResult>(self) -> Result<Vec<M>, Error> {
        let (core, select) = self.build()?;
        let rows = core.rows(select.build(core.dialect())).await?;
        crate::raw::read(&rows)
    }

    /// The first row, read as another shape.
    pub async fn one_as<M: FromQueryResult>(self) -> Result<Option<M>, Error> {
        Ok(self.limit(1).all_as::<M>().await?.into_iter().next())
    }

    /// How many rows there are; with [`Self::limit`] at most that many are counted.
    pub async fn count(self) -> Result<u64, Error> {
        let (core, select) = self.build()?;
        let inner = select.select_only().expr_as(Expr::val(1), "one").into_query();
        let count = Query::select()
            .expr_as(Func::count(Expr::col(Asterisk)), Alias::new("rows"))
            .from_subquery(inner, Alias::new("found"))
            .take();
        let rows = core.rows(StatementBuilder::build(&count, &core.dialect())).await?;
        let Some(row) = rows.first() else { return Ok(0) };
        let counted: i64 = row.try_get("", "rows").map_err(|error| classify(&error).0)?;
        Ok(u64::try_from(counted).unwrap_or(0))
    }

    /// Whether there is any.
    pub async fn exists(self) -> Result<bool, Error> {
        Ok(self.limit(1).count().await? > 0)
    }
}
