//! A saga as it is loaded, changed and saved: its row and its steps in one transaction, with the event that tells of it.

use kernel::id::OnboardingId;
use sea_orm::Order;
use sea_orm::{ExprTrait as _, entity::prelude::*};
use store::{Bind, Error, Find, RawSql, ScopedTx};

use super::{due::Lease, onboarding, step};
use crate::{
    domain::step::{State, Step, StepState},
    events,
};

/// A saga in hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Saga {
    pub(crate) row: onboarding::Model,
    /// In the steps' order.
    pub(crate) steps: Vec<step::Model>,
}

impl Saga {
    /// How it stands.
    pub(crate) fn state(&self) -> Result<State, Error> {
        State::parse(&self.row.state).ok_or_else(|| Error::bad_row("onboarding", &self.row.state))
    }

    /// The step that it stands at.
    pub(crate) fn at(&self) -> Result<Step, Error> {
        Step::parse(&self.row.step).ok_or_else(|| Error::bad_row("onboarding", &self.row.step))
    }

    /// The record of a step.
    pub(crate) fn step(&self, step: Step) -> Option<&step::Model> {
        self.steps.iter().find(|row| row.step == step.as_str())
    }

    /// The record of a step, to be changed.
    pub(crate) fn step_mut(&mut self, step: Step) -> Option<&mut step::Model> {
        self.steps.iter_mut().find(|row| row.step == step.as_str())
    }

    /// Tries of a step since somebody last looked.
    pub(crate) fn tries(&self, step: Step) -> u32 {
        self.step(step).map_or(1, |row| u32::try_from(row.attempts).unwrap_or(u32::MAX))
    }

    /// Begins to take it back; the note stands at the end that it does not reach, or reached.
    pub(crate) fn take_back(&mut self, now_us: i64, note: &str) {
        State::Undoing.as_str().clone_into(&mut self.row.state);
        self.row.due_us = now_us;
        self.note(note);
    }

    fn note(&mut self, note: &str) {
        if let Some(row) = self.step_mut(Step::Live) {
            note.clone_into(&mut row.error);
        }
    }

    /// How a step stands.
    pub(crate) fn step_state(&self, step: Step) -> StepState {
        self.step(step).and_then(|row| StepState::parse(&row.state)).unwrap_or(StepState::Pending)
    }

    /// Meta's ids of its numbers.
    pub(crate) fn numbers(&self) -> Vec<String> {
        list(&self.row.numbers)
    }

    /// Meta's ids of the numbers that this saga itself registered.
    pub(crate) fn registered(&self) -> Vec<String> {
        list(&self.row.registered)
    }
}

fn list(text: &str) -> Vec<String> {
    text.split(',').filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// Puts a new saga down, with all its steps.
pub(crate) async fn insert(tx: &ScopedTx, mut saga: Saga) -> Result<Saga, Error> {
    saga.row.change_id = tx.ids().v7(tx.now());
    tx.insert(super::whole::<_, onboarding::ActiveModel>(saga.row.clone())).await?;
    tx.insert_many(saga.steps.iter().cloned().map(super::whole::<_, step::ActiveModel>).collect())
        .await?;
    tx.publish(events::onboarding_changed(tx, &saga)).await?;
    Ok(saga)
}

/// A saga, its row locked until the end of the unit.
pub(crate) async fn lock(tx: &ScopedTx, id: Uuid) -> Result<Option<Saga>, Error> {
    let Some(row) = tx
        .find::<onboarding::Entity>()
        .filter(onboarding::Column::Id.eq(id))
        .for_update()
        .one()
        .await?
    else {
        return Ok(None);
    };
    let steps = steps_of(tx, &[id]).await?;
    Ok(Some(Saga { row, steps: in_order(steps) }))
}

/// The steps of several sagas.
pub(crate) async fn steps_of(tx: &ScopedTx, ids: &[Uuid]) -> Result<Vec<step::Model>, Error> {
    tx.find::<step::Entity>()
        .filter(step::Column::OnboardingId.is_in(ids.iter().copied()))
        .all()
        .await
}

/// Saves a saga and the steps that differ from `before`, raises its version and tells of it. Where nothing but its next
/// instant changed, that is saved alone: nobody sees it.
pub(crate) async fn save(tx: &ScopedTx, before: &Saga, mut saga: Saga) -> Result<Saga, Error> {
    let mut quiet = before.clone();
    quiet.row.due_us = saga.row.due_us;
    if quiet == saga {
        tx.update::<onboarding::Entity>()
            .set(onboarding::Column::DueUs, saga.row.due_us)
            .filter(onboarding::Column::Id.eq(saga.row.id))
            .exec()
            .await?;
        return Ok(saga);
    }
    saga.row.version = before.row.version + 1;
    saga.row.change_id = tx.ids().v7(tx.now());
    let row = saga.row.clone();
    let changed = tx
        .update::<onboarding::Entity>()
        .set(onboarding::Column::State, row.state)
        .set(onboarding::Column::Step, row.step)
        .set(onboarding::Column::WabaMetaId, row.waba_meta_id)
        .set(onboarding::Column::WabaId, row.waba_id)
        .set(onboarding::Column::Numbers, row.numbers)
        .set(onboarding::Column::Registered, row.registered)
        .set(onboarding::Column::Version, row.version)
        .set(onboarding::Column::ChangeId, row.change_id)
        .set(onboarding::Column::WebhooksProvenUs, row.webhooks_proven_us)
        .set(onboarding::Column::DueUs, row.due_us)
        .filter(
            onboarding::Column::Id
                .eq(row.id)
                .and(onboarding::Column::Version.eq(before.row.version)),
        )
        .exec()
        .await?;
    if changed == 0 {
        return Err(Error::internal("a saga changed under its own lock"));
    }
    for (new, _) in saga.steps.iter().zip(&before.steps).filter(|(new, old)| new != old) {
        save_step(tx, new).await?;
    }
    tx.publish(events::onboarding_changed(tx, &saga)).await?;
    Ok(saga)
}

async fn save_step(tx: &ScopedTx, row: &step::Model) -> Result<(), Error> {
    tx.update::<step::Entity>()
        .set(step::Column::State, row.state.clone())
        .set(step::Column::Attempts, row.attempts)
        .set(step::Column::StartedUs, row.started_us)
        .set(step::Column::FinishedUs, row.finished_us)
        .set(step::Column::Error, row.error.clone())
        .set(step::Column::MetaError, row.meta_error.clone())
        .set(step::Column::RetryAtUs, row.retry_at_us)
        .filter(
            step::Column::OnboardingId
                .eq(row.onboarding_id)
                .and(step::Column::Step.eq(row.step.clone())),
        )
        .exec()
        .await
        .map(drop)
}

/// Steps as the contract lists them.
pub(crate) fn in_order(mut steps: Vec<step::Model>) -> Vec<step::Model> {
    steps.sort_by_key(|row| Step::parse(&row.step));
    steps
}

/// Joins sagas with their steps.
pub(crate) fn join(rows: Vec<onboarding::Model>, steps: Vec<step::Model>) -> Vec<Saga> {
    let mut by_saga: std::collections::HashMap<Uuid, Vec<step::Model>> =
        std::collections::HashMap::new();
    for row in steps {
        by_saga.entry(row.onboarding_id).or_default().push(row);
    }
    rows.into_iter()
        .map(|row| Saga { steps: in_order(by_saga.remove(&row.id).unwrap_or_default()), row })
        .collect()
}

/// These sagas with their steps.
pub(crate) async fn all_of(
    tx: &ScopedTx,
    rows: Find<onboarding::Entity>,
) -> Result<Vec<Saga>, Error> {
    let rows = rows.all().await?;
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let steps = steps_of(tx, &ids).await?;
    Ok(join(rows, steps))
}

/// The steps of a new saga, some of them done already.
pub(crate) fn fresh_steps(row: &onboarding::Model, done: &[(Step, i64)]) -> Vec<step::Model> {
    Step::ALL
        .into_iter()
        .map(|step| {
            let at = done.iter().find(|(finished, _)| *finished == step).map(|(_, at)| *at);
            let state = if at.is_some() { StepState::Done } else { StepState::Pending };
            step::Model {
                tenant_id: row.tenant_id,
                onboarding_id: row.id,
                partner_id: row.partner_id,
                step: step.as_str().to_owned(),
                state: state.as_str().to_owned(),
                attempts: i64::from(at.is_some()),
                started_us: at,
                finished_us: at,
                error: String::new(),
                meta_error: None,
                retry_at_us: None,
            }
        })
        .collect()
}

/// Gives a claimed saga back, unless the lease ran out and somebody else has it.
pub(crate) async fn release(tx: &ScopedTx, id: Uuid, held_us: i64) -> Result<(), Error> {
    tx.update::<onboarding::Entity>()
        .set(onboarding::Column::LeaseUs, 0_i64)
        .filter(onboarding::Column::Id.eq(id).and(onboarding::Column::LeaseUs.eq(held_us)))
        .exec()
        .await
        .map(drop)
}

/// Renews a claim by the database's clock; `None` where somebody else has the saga by now.
pub(crate) async fn renew(
    tx: &ScopedTx,
    id: Uuid,
    held_us: i64,
    life_us: i64,
) -> Result<Option<i64>, Error> {
    // Primary key.
    const RENEW: &str = "UPDATE onboarding SET lease_us = {db_now} + {3} \
         WHERE tenant_id = {tenant} AND {wabas} AND id = {1} AND lease_us = {2} RETURNING lease_us";
    let binds: Vec<Bind> = vec![id.into(), held_us.into(), life_us.into()];
    let row: Option<Lease> = tx.raw(RawSql::both(RENEW, binds)).one().await?;
    Ok(row.map(|row| row.lease_us))
}

/// Writes a number down as registered by this saga, or strikes it out. Nobody sees the list, so no event tells of it.
pub(crate) async fn note_registered(
    tx: &ScopedTx,
    id: Uuid,
    number: &str,
    registered: bool,
) -> Result<(), Error> {
    let Some(row) = tx
        .find::<onboarding::Entity>()
        .filter(onboarding::Column::Id.eq(id))
        .for_update()
        .one()
        .await?
    else {
        return Ok(());
    };
    let mut numbers = list(&row.registered);
    numbers.retain(|known| known != number);
    if registered {
        numbers.push(number.to_owned());
    }
    keep_registered(tx, id, &numbers).await
}

/// Numbers that the sagas of a WABA registered and nobody took back yet.
pub(crate) async fn registered_of(tx: &ScopedTx, waba: Uuid) -> Result<Vec<String>, Error> {
    let mut numbers = Vec::new();
    for row in registering(tx, waba).all().await? {
        numbers.extend(list(&row.registered));
    }
    numbers.sort_unstable();
    numbers.dedup();
    Ok(numbers)
}

/// Strikes numbers out of the lists of all sagas of a WABA: they are taken back.
pub(crate) async fn strike_registered(
    tx: &ScopedTx,
    waba: Uuid,
    numbers: &[String],
) -> Result<(), Error> {
    // One or two: a WABA has a saga for each time that its business signed up.
    for row in registering(tx, waba).for_update().all().await? {
        let mut left = list(&row.registered);
        left.retain(|number| !numbers.contains(number));
        keep_registered(tx, row.id, &left).await?;
    }
    Ok(())
}

async fn keep_registered(tx: &ScopedTx, id: Uuid, numbers: &[String]) -> Result<(), Error> {
    tx.update::<onboarding::Entity>()
        .set(onboarding::Column::Registered, numbers.join(","))
        .filter(onboarding::Column::Id.eq(id))
        .exec()
        .await
        .map(drop)
}

fn registering(tx: &ScopedTx, waba: Uuid) -> Find<onboarding::Entity> {
    tx.find::<onboarding::Entity>()
        .filter(onboarding::Column::WabaId.eq(waba).and(onboarding::Column::Registered.ne("")))
        .order_by(onboarding::Column::Id, Order::Asc)
}

/// The onboarding beside this one that is live on a WABA.
pub(crate) async fn live_beside(
    tx: &ScopedTx,
    saga: Uuid,
    waba: Uuid,
) -> Result<Option<Saga>, Error> {
    let row = tx
        .find::<onboarding::Entity>()
        .filter(onboarding::Column::WabaId.eq(waba).and(onboarding::Column::Id.ne(saga)))
        .filter(onboarding::Column::State.eq(State::Live.as_str()))
        .one()
        .await?;
    let Some(row) = row else { return Ok(None) };
    let steps = steps_of(tx, &[row.id]).await?;
    Ok(Some(Saga { row, steps: in_order(steps) }))
}

/// Ends the other sagas of a WABA: this one went live on it.
pub(crate) async fn replace_others(tx: &ScopedTx, saga: &Saga, waba: Uuid) -> Result<(), Error> {
    let rows = tx
        .find::<onboarding::Entity>()
        .filter(onboarding::Column::WabaId.eq(waba).and(onboarding::Column::Id.ne(saga.row.id)))
        .filter(onboarding::Column::State.ne(State::Cancelled.as_str()))
        .order_by(onboarding::Column::Id, Order::Asc)
        .for_update()
        .all()
        .await?;
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let note = format!("replaced by {}", OnboardingId::from_uuid(saga.row.id));
    for before in join(rows, steps_of(tx, &ids).await?) {
        let mut after = before.clone();
        State::Cancelled.as_str().clone_into(&mut after.row.state);
        after.note(&note);
        save(tx, &before, after).await?;
    }
    Ok(())
}

/// Takes back the earlier tries on an invitation that proved nothing yet: a new try came.
pub(crate) async fn replace_tries(tx: &ScopedTx, invitation: Uuid) -> Result<(), Error> {
    let early = [Step::TokenExchanged, Step::AssetsDiscovered].map(Step::as_str);
    let open = [State::Running, State::Retrying, State::NeedsAttention, State::NeedsReconnect]
        .map(State::as_str);
    let rows = tx
        .find::<onboarding::Entity>()
        .filter(onboarding::Column::InvitationId.eq(invitation))
        .filter(onboarding::Column::Step.is_in(early).and(onboarding::Column::State.is_in(open)))
        .order_by(onboarding::Column::Id, Order::Asc)
        .for_update()
        .all()
        .await?;
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    for before in join(rows, steps_of(tx, &ids).await?) {
        let mut after = before.clone();
        after.take_back(tx.now().as_micros(), "the business opened the dialog again");
        save(tx, &before, after).await?;
    }
    Ok(())
}

/// The saga that an answer of the dialog began on an invitation.
pub(crate) async fn of_answer(
    tx: &ScopedTx,
    invitation: Uuid,
    answer_hash: &str,
) -> Result<Option<Saga>, Error> {
    let of_invitation = tx
        .find::<onboarding::Entity>()
        .filter(onboarding::Column::InvitationId.eq(invitation))
        .filter(onboarding::Column::AnswerHash.eq(answer_hash));
    Ok(all_of(tx, of_invitation).await?.into_iter().next())
}

/// A saga as it stands.
pub(crate) async fn get(tx: &ScopedTx, id: Uuid) -> Result<Option<Saga>, Error> {
    one_of(tx, tx.find(), id).await
}

/// The same, where it is among these.
pub(crate) async fn one_of(
    tx: &ScopedTx,
    rows: Find<onboarding::Entity>,
    id: Uuid,
) -> Result<Option<Saga>, Error> {
    let Some(row) = rows.filter(onboarding::Column::Id.eq(id)).one().await? else {
        return Ok(None);
    };
    Ok(Some(Saga { row, steps: in_order(steps_of(tx, &[id]).await?) }))
}
