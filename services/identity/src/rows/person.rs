//! People, each once in the installation, known by their address.

use sea_orm::entity::prelude::*;
use store::{Bind, Error, RawSql, SystemTx};

/// One person.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "person")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: Uuid,
    pub(crate) email: String,
    pub(crate) name: String,
    /// Tokens issued earlier are dead.
    pub(crate) not_before_us: i64,
    pub(crate) created_us: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// What a sign-in is judged by: one query, whether the person exists or not (AUTH-5).
#[derive(Debug, Clone, sea_orm::FromQueryResult)]
pub(crate) struct Login {
    pub(crate) id: Uuid,
    pub(crate) hash: Option<String>,
    pub(crate) pepper_id: Option<String>,
}

/// The person and password of an address.
pub(crate) async fn login(tx: &SystemTx, email: &str) -> Result<Option<Login>, Error> {
    // By iso5_person_email, then the credential's primary key.
    const LOGIN: &str = "SELECT p.id AS id, c.hash AS hash, c.pepper_id AS pepper_id \
        FROM person p LEFT JOIN credential c ON c.user_id = p.id \
        WHERE p.email = {1} AND {purpose}";
    tx.raw(RawSql::both(LOGIN, vec![email.into()])).one().await
}

/// One person by id.
pub(crate) async fn get(tx: &SystemTx, id: Uuid) -> Result<Option<Model>, Error> {
    tx.find::<Entity>().filter(Column::Id.eq(id)).one().await
}

/// The person of an address, made where there is none, and locked: places of one person are given
/// one after the other.
pub(crate) async fn of_email(tx: &SystemTx, new: &Model) -> Result<Model, Error> {
    tx.insert_ignore(vec![ActiveModel::from(new.clone())]).await?;
    let found = tx.find::<Entity>().filter(Column::Email.eq(&new.email)).for_update().one().await?;
    found.ok_or_else(|| Error::internal("find the person that was just inserted"))
}

/// Declares every token of a person dead that was issued before an instant.
pub(crate) async fn kill_tokens(tx: &SystemTx, id: Uuid, before_us: i64) -> Result<(), Error> {
    tx.update::<Entity>()
        .set(Column::NotBeforeUs, before_us)
        .filter(Column::Id.eq(id))
        .filter(Column::NotBeforeUs.lt(before_us))
        .exec()
        .await
        .map(drop)
}

/// People whose tokens died after an instant.
pub(crate) async fn dead_since(tx: &SystemTx, since_us: i64) -> Result<Vec<(Uuid, i64)>, Error> {
    #[derive(sea_orm::FromQueryResult)]
    struct Row {
        id: Uuid,
        not_before_us: i64,
    }
    const DEAD: &str =
        "SELECT id, not_before_us FROM person WHERE not_before_us > {1} AND {purpose}";
    let binds: Vec<Bind> = vec![since_us.into()];
    let rows: Vec<Row> = tx.raw(RawSql::both(DEAD, binds)).all().await?;
    Ok(rows.into_iter().map(|row| (row.id, row.not_before_us)).collect())
}
