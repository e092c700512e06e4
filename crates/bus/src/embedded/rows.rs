//! The two tables of the embedded bus.

/// The log: one row an event, in the order of their commit.
pub(super) mod log {
    use sea_orm::entity::prelude::*;

    /// A row of `bus_log`.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "bus_log")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub seq: i64,
        pub id: Uuid,
        pub key: String,
        pub kind: String,
        pub tenant_id: Option<Uuid>,
        pub waba_id: Option<Uuid>,
        pub aggregate_id: Uuid,
        pub version: i64,
        pub body: Vec<u8>,
        pub headers: String,
        pub source: String,
        pub traceparent: Option<String>,
        pub event_us: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// The groups: how far each has come.
pub(super) mod group {
    use sea_orm::entity::prelude::*;

    /// A row of `bus_group`.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "bus_group")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub name: String,
        pub bindings: String,
        pub after_seq: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(super) use group::Model as Cursor;
