//! Reading messages, contacts and conversations: one, several by id, and pages in either order.

use auth::Scope;
use kernel::id::{ContactId, ConversationId, MessageId, NumberId, TenantId};
use kernel::page::{CursorScope, Cursors, Order, Page, filter_hash, page_size};
use meta::ids::MetaNumberId;
use store::Store;
use tonic::Status;
use uuid::Uuid;

use crate::domain::message::Message;
use crate::error::{Error, Thing};
use crate::rows::view::View;
use crate::rows::{contact, conversation, message, number_state, step};

/// Items of a page unless asked otherwise, and at most.
const USUAL: u32 = 25;
const MOST: u32 = 100;
/// Ids of a batch at most.
pub(crate) const MOST_IDS: usize = 200;

/// What part of a list is wanted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    /// Items.
    pub(crate) size: u32,
    /// A cursor that an earlier answer gave.
    pub(crate) token: String,
    /// Which way.
    pub(crate) order: Order,
}

/// A list's cursors: of this caller's tenant, for this list with these filters. The order is left out,
/// since a cursor is a page token in either.
struct Marks {
    scope: CursorScope,
    hash: [u8; 32],
}

impl Marks {
    fn of(scope: &Scope, list: &str, filters: &[&str]) -> Result<Self, Error> {
        let tenant: TenantId = scope.tenant().ok_or(store::Error::NoTenant)?;
        Ok(Self { scope: CursorScope::Tenant(tenant), hash: filter_hash(list, filters) })
    }

    fn after(&self, cursors: &Cursors, wanted: &Wanted) -> Result<Option<Uuid>, Error> {
        if wanted.token.is_empty() {
            return Ok(None);
        }
        Ok(Some(cursors.decode(&self.scope, &self.hash, &wanted.token)?))
    }

    fn cut<T>(
        &self,
        cursors: &Cursors,
        wanted: &Wanted,
        rows: Vec<T>,
        id: impl Fn(&T) -> Uuid,
    ) -> Page<T> {
        Page::cut(rows, page_size(wanted.size, USUAL, MOST), cursors, &self.scope, &self.hash, id)
    }
}

/// Rows to read for a page: one more tells whether there is another.
fn rows(wanted: &Wanted) -> u64 {
    u64::from(page_size(wanted.size, USUAL, MOST)) + 1
}

/// Messages by id, those left out that the caller does not reach.
pub(crate) async fn messages(
    store: &Store,
    scope: &Scope,
    ids: &[MessageId],
) -> Result<Vec<Message>, Error> {
    store
        .read(
            scope,
            |tx| async move { Ok(message::among(View::of(&tx, scope).messages(), ids).await?) },
        )
        .await
}

/// One message.
pub(crate) async fn message(store: &Store, scope: &Scope, id: MessageId) -> Result<Message, Error> {
    let found = messages(store, scope, &[id]).await?.into_iter().next();
    found.ok_or(Error::NotFound(Thing::Message))
}

/// The caller's number by our id, or by Meta's phone number id, which is digits.
pub(crate) async fn number_named(
    store: &Store,
    scope: &Scope,
    named: &str,
) -> Result<NumberId, Status> {
    if MetaNumberId::new(named).is_err() {
        return server::parse_id("number_id", named);
    }
    let found = store
        .read(scope, |tx| async move { Ok::<_, Error>(number_state::of_meta(&tx, named).await?) })
        .await?;
    let row = found.ok_or(Error::NotFound(Thing::Number))?;
    Ok(NumberId::from_uuid(row.id))
}

/// A page of messages.
pub(crate) async fn page_of_messages(
    store: &Store,
    cursors: &Cursors,
    scope: &Scope,
    filter: message::Filter,
    wanted: &Wanted,
) -> Result<Page<Message>, Error> {
    let text = |id: Option<Uuid>| id.map(|id| id.to_string()).unwrap_or_default();
    let filters = [
        text(filter.waba.map(|id| id.uuid())),
        text(filter.number.map(|id| id.uuid())),
        text(filter.conversation.map(|id| id.uuid())),
    ];
    let filters: Vec<&str> = filters.iter().map(String::as_str).collect();
    let marks = Marks::of(scope, "messages", &filters)?;
    let after = marks.after(cursors, wanted)?;
    let found = store
        .read(scope, |tx| async move {
            let all = View::of(&tx, scope).messages();
            Ok::<_, Error>(message::page(all, filter, after, wanted.order, rows(wanted)).await?)
        })
        .await?;
    Ok(marks.cut(cursors, wanted, found, |one| one.id.uuid()))
}

/// The steps of one message, oldest first.
pub(crate) async fn steps(
    store: &Store,
    scope: &Scope,
    id: MessageId,
) -> Result<Vec<step::Model>, Error> {
    store
        .read(scope, |tx| async move {
            let found = message::among(View::of(&tx, scope).messages(), &[id]).await?;
            if found.is_empty() {
                return Err(Error::NotFound(Thing::Message));
            }
            let mut steps = step::of_message(&tx, id).await?;
            // Meta tells whole seconds: within one, the order in which we learned of them.
            steps.sort_by_key(|step| (step.at_us.div_euclid(1_000_000), step.id));
            Ok(steps)
        })
        .await
}

/// Contacts by id, those left out that the caller does not see.
pub(crate) async fn contacts(
    store: &Store,
    scope: &Scope,
    ids: &[ContactId],
) -> Result<Vec<contact::Model>, Error> {
    store
        .read(scope, |tx| async move {
            let ids = ids.iter().map(ContactId::uuid).collect();
            Ok(contact::among(View::of(&tx, scope).contacts(), ids).await?)
        })
        .await
}

/// A page of contacts.
pub(crate) async fn page_of_contacts(
    store: &Store,
    cursors: &Cursors,
    scope: &Scope,
    wanted: &Wanted,
) -> Result<Page<contact::Model>, Error> {
    let marks = Marks::of(scope, "contacts", &[])?;
    let after = marks.after(cursors, wanted)?;
    let found = store
        .read(scope, |tx| async move {
            let all = View::of(&tx, scope).contacts();
            Ok::<_, Error>(contact::page(all, after, wanted.order, rows(wanted)).await?)
        })
        .await?;
    Ok(marks.cut(cursors, wanted, found, |one| one.id))
}

/// Conversations by id, those left out that the caller does not reach.
pub(crate) async fn conversations(
    store: &Store,
    scope: &Scope,
    ids: &[ConversationId],
) -> Result<Vec<conversation::Model>, Error> {
    store
        .read(scope, |tx| async move {
            let ids = ids.iter().map(ConversationId::uuid).collect();
            Ok(conversation::among(View::of(&tx, scope).conversations(), ids).await?)
        })
        .await
}

/// A page of conversations.
pub(crate) async fn page_of_conversations(
    store: &Store,
    cursors: &Cursors,
    scope: &Scope,
    filter: conversation::Filter,
    wanted: &Wanted,
) -> Result<Page<conversation::Model>, Error> {
    let text = |id: Option<Uuid>| id.map(|id| id.to_string()).unwrap_or_default();
    let (waba, number) =
        (text(filter.waba.map(|id| id.uuid())), text(filter.number.map(|id| id.uuid())));
    let marks = Marks::of(scope, "conversations", &[&waba, &number])?;
    let after = marks.after(cursors, wanted)?;
    let found = store
        .read(scope, |tx| async move {
            let all = View::of(&tx, scope).conversations();
            let page = conversation::page(all, filter, after, wanted.order, rows(wanted));
            Ok::<_, Error>(page.await?)
        })
        .await?;
    Ok(marks.cut(cursors, wanted, found, |one| one.id))
}
