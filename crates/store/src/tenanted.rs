//! Which tables are whose, as types: a table that says nothing can't be read through a scope.

use auth::Wabas;
use kernel::id::{Id, Kind};
use sea_orm::sea_query::{Condition, IntoCondition as _, ValueType, ValueTypeErr};
use sea_orm::{ColIdx, ColumnTrait, EntityTrait, QueryResult, TryGetError, TryGetable, Value};
use uuid::Uuid;

/// A table whose rows belong to a tenant, and perhaps to one of its WABAs.
///
/// [`crate::tenanted!`] writes this for an entity with the usual columns.
pub trait Tenanted: EntityTrait {
    /// The column of the tenant.
    const TENANT: Self::Column;
    /// The column of the WABA, where the thing belongs to one.
    const WABA: Option<Self::Column>;
    /// Whose row this is.
    fn tenant_of(row: &Self::Model) -> Uuid;
    /// Which WABA's it is.
    fn waba_of(row: &Self::Model) -> Option<Uuid>;
}

/// A table that operators and partners may read: state, limits, money; no content, no contacts.
pub trait DeskTable: EntityTrait {
    /// The column of the partner; NULL where the tenant is the operator's own.
    const PARTNER: Self::Column;
}

/// The condition that holds a query to what its caller reaches.
pub(crate) fn reach_condition<E: Tenanted>(tenant: Uuid, wabas: &Wabas) -> Condition {
    let condition = E::TENANT.eq(tenant).into_condition();
    match (E::WABA, wabas) {
        (Some(column), Wabas::Only(few)) => {
            condition.add(column.is_in(few.iter().map(kernel::id::WabaId::uuid)))
        }
        (Some(_), Wabas::All) | (None, _) => condition,
    }
}

/// What stands in a column that holds one of our ids.
#[doc(hidden)]
pub trait RowId {
    fn row_id(&self) -> Option<Uuid>;
}

impl RowId for Uuid {
    fn row_id(&self) -> Option<Uuid> {
        Some(*self)
    }
}

impl<T: RowId> RowId for Option<T> {
    fn row_id(&self) -> Option<Uuid> {
        self.as_ref().and_then(RowId::row_id)
    }
}

impl<K: Kind> RowId for Db<Id<K>> {
    fn row_id(&self) -> Option<Uuid> {
        Some(self.0.uuid())
    }
}

/// Writes [`Tenanted`] for an entity whose module has `Entity`, `Column`, `Model`, with the column
/// `TenantId` and, with `waba`, the column `WabaId` (which may be nullable).
#[macro_export]
macro_rules! tenanted {
    ($entity:ty) => {
        impl $crate::Tenanted for $entity {
            const TENANT: Column = Column::TenantId;
            const WABA: Option<Column> = None;
            fn tenant_of(row: &Model) -> $crate::Uuid {
                $crate::RowId::row_id(&row.tenant_id).unwrap_or_default()
            }
            fn waba_of(_: &Model) -> Option<$crate::Uuid> {
                None
            }
        }
    };
    ($entity:ty, waba) => {
        impl $crate::Tenanted for $entity {
            const TENANT: Column = Column::TenantId;
            const WABA: Option<Column> = Some(Column::WabaId);
            fn tenant_of(row: &Model) -> $crate::Uuid {
                $crate::RowId::row_id(&row.tenant_id).unwrap_or_default()
            }
            fn waba_of(row: &Model) -> Option<$crate::Uuid> {
                $crate::RowId::row_id(&row.waba_id)
            }
        }
    };
}

/// A typed id as a column's type: `Db<TenantId>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Db<T>(pub T);

impl<K: Kind> From<Id<K>> for Db<Id<K>> {
    fn from(id: Id<K>) -> Self {
        Self(id)
    }
}

impl<K: Kind> From<Db<Self>> for Id<K> {
    fn from(column: Db<Self>) -> Self {
        column.0
    }
}

impl<K: Kind> From<Db<Id<K>>> for Value {
    fn from(column: Db<Id<K>>) -> Self {
        column.0.uuid().into()
    }
}

impl<K: Kind> TryGetable for Db<Id<K>> {
    fn try_get_by<I: ColIdx>(row: &QueryResult, index: I) -> Result<Self, TryGetError> {
        Uuid::try_get_by(row, index).map(|uuid| Self(Id::from_uuid(uuid)))
    }
}

impl<K: Kind> ValueType for Db<Id<K>> {
    fn try_from(value: Value) -> Result<Self, ValueTypeErr> {
        <Uuid as ValueType>::try_from(value).map(|uuid| Self(Id::from_uuid(uuid)))
    }

    fn type_name() -> String {
        <Uuid as ValueType>::type_name()
    }

    fn array_type() -> sea_orm::sea_query::ArrayType {
        <Uuid as ValueType>::array_type()
    }

    fn column_type() -> sea_orm::sea_query::ColumnType {
        <Uuid as ValueType>::column_type()
    }
}

impl<K: Kind> sea_orm::sea_query::Nullable for Db<Id<K>> {
    fn null() -> Value {
        <Uuid as sea_orm::sea_query::Nullable>::null()
    }
}

impl<K: Kind> sea_orm::TryFromU64 for Db<Id<K>> {
    fn try_from_u64(number: u64) -> Result<Self, sea_orm::DbErr> {
        <Uuid as sea_orm::TryFromU64>::try_from_u64(number).map(|uuid| Self(Id::from_uuid(uuid)))
    }
}
