//! How a step ends, and what that makes of the saga: one transaction with the step's own rows and the event.
//!
//! Whoever ends a step must still find the saga walking and standing at it; else somebody else moved it meanwhile and the
//! outcome is dropped. So two who work on one step do no harm, and a cancelled saga is never set going again.

use std::time::Duration;

use auth::Acting;
use proto::common::v1::MetaError;
use store::{Error as StoreError, ScopedTx};
use uuid::Uuid;

use super::App;
use crate::{
    domain::{
        retry,
        step::{State, Step, StepState},
    },
    events::KeptMetaError,
    rows::saga::{self, Saga},
};

/// What went wrong, in our words and Meta's.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Trouble {
    pub(crate) text: String,
    pub(crate) meta: Option<Box<MetaError>>,
}

impl Trouble {
    /// Trouble in our words alone.
    pub(crate) fn ours(text: impl Into<String>) -> Self {
        Self { text: text.into(), meta: None }
    }

    /// Meta's words as a row keeps them.
    pub(crate) fn kept(&self) -> Option<String> {
        self.meta.as_deref().cloned().and_then(KeptMetaError::keep)
    }

    /// The trouble that a step's row tells of.
    pub(crate) fn of_step(saga: &Saga, step: Step) -> Self {
        let row = saga.step(step);
        Self {
            text: row.map(|row| row.error.clone()).unwrap_or_default(),
            meta: row
                .and_then(|row| row.meta_error.as_deref())
                .and_then(KeptMetaError::read)
                .map(Box::new),
        }
    }
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome {
    /// It holds; the note is shown.
    Done(String),
    /// Not yet: looked at again after the pause. Not a failed try.
    Wait(Duration, String),
    /// It failed and will be tried again by itself, not before this pause.
    Again(Trouble, Duration),
    /// A person has to look.
    Person(Trouble),
    /// The business opens the dialog again.
    Reconnect(Trouble),
}

/// A saga that walks and stands at a step, its row locked.
async fn standing(tx: &ScopedTx, id: Uuid, step: Step) -> Result<Option<Saga>, StoreError> {
    let Some(saga) = saga::lock(tx, id).await? else { return Ok(None) };
    let there = saga.state()?.is_walking() && saga.at()? == step;
    Ok(there.then_some(saga))
}

/// Marks the step that a saga stands at as under way; `None` when the saga moved on meanwhile. A step that is under way
/// already is one that waited, or whose worker died: it goes on, and is not counted again.
pub(crate) async fn begin(
    app: &App,
    acting: &Acting,
    id: Uuid,
    step: Step,
) -> Result<Option<Saga>, StoreError> {
    app.store
        .write(acting, |tx: ScopedTx| async move {
            let Some(before) = standing(&tx, id, step).await? else { return Ok(None) };
            let now_us = tx.now().as_micros();
            let mut after = before.clone();
            let Some(row) = after.step_mut(step) else { return Ok(None) };
            if row.state == StepState::Running.as_str() {
                return Ok(Some(before));
            }
            StepState::Running.as_str().clone_into(&mut row.state);
            row.attempts += 1;
            row.started_us.get_or_insert(now_us);
            saga::save(&tx, &before, after).await.map(Some)
        })
        .await
}

/// Writes down how a step ended. `None` when somebody else moved the saga meanwhile.
pub(crate) async fn end(
    app: &App,
    acting: &Acting,
    id: Uuid,
    step: Step,
    outcome: &Outcome,
) -> Result<Option<Saga>, StoreError> {
    end_with(app, acting, id, step, |_, saga| async move { Ok((saga, outcome.clone())) }).await
}

/// The same, where the end is found in the transaction itself: `effect` changes the saga and other rows, and says how.
pub(crate) async fn end_with<F, Fut>(
    app: &App,
    acting: &Acting,
    id: Uuid,
    step: Step,
    effect: F,
) -> Result<Option<Saga>, StoreError>
where
    F: Fn(ScopedTx, Saga) -> Fut + Send + Sync,
    Fut: Future<Output = Result<(Saga, Outcome), StoreError>> + Send,
{
    let effect = &effect;
    app.store
        .write(acting, |tx: ScopedTx| async move {
            let Some(before) = standing(&tx, id, step).await? else { return Ok(None) };
            let (mut after, outcome) = effect(tx.clone(), before.clone()).await?;
            apply(&mut after, step, &outcome, tx.now().as_micros());
            saga::save(&tx, &before, after).await.map(Some)
        })
        .await
}

/// Moves a saga by how its step ended.
fn apply(saga: &mut Saga, step: Step, outcome: &Outcome, now_us: i64) {
    let tries = saga.tries(step);
    let (state, step_state, due_us) = match outcome {
        Outcome::Done(_) => {
            let state = if step.next().is_none() { State::Live } else { State::Running };
            (state, StepState::Done, now_us)
        }
        Outcome::Wait(pause, _) => (State::Running, StepState::Running, later(now_us, *pause)),
        Outcome::Again(_, least) if tries < step.most_tries() => {
            let pause = retry::pause(tries).max(*least);
            (State::Retrying, StepState::Failed, later(now_us, pause))
        }
        Outcome::Again(..) | Outcome::Person(_) => {
            (State::NeedsAttention, StepState::Failed, now_us)
        }
        Outcome::Reconnect(_) => (State::NeedsReconnect, StepState::Failed, now_us),
    };
    let (text, meta_error) = match outcome {
        Outcome::Done(note) | Outcome::Wait(_, note) => (note, None),
        Outcome::Again(trouble, _) | Outcome::Person(trouble) | Outcome::Reconnect(trouble) => {
            (&trouble.text, trouble.kept())
        }
    };
    state.as_str().clone_into(&mut saga.row.state);
    saga.row.due_us = due_us;
    if let Some(row) = saga.step_mut(step) {
        step_state.as_str().clone_into(&mut row.state);
        row.finished_us = (step_state == StepState::Done).then_some(now_us);
        row.retry_at_us = (state == State::Retrying).then_some(due_us);
        row.error.clone_from(text);
        row.meta_error = meta_error;
    }
    if matches!(outcome, Outcome::Done(_))
        && let Some(next) = step.next()
    {
        next.as_str().clone_into(&mut saga.row.step);
    }
}

/// An instant so much later.
pub(crate) fn later(now_us: i64, pause: Duration) -> i64 {
    now_us.saturating_add(i64::try_from(pause.as_micros()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::rows::onboarding;

    fn saga(step: Step, tries: i64) -> Saga {
        let row = onboarding::Model {
            tenant_id: Uuid::nil(),
            id: Uuid::nil(),
            partner_id: None,
            invitation_id: Uuid::nil(),
            answer_hash: String::new(),
            app_id: String::new(),
            environment: String::new(),
            state: State::Running.as_str().to_owned(),
            step: step.as_str().to_owned(),
            waba_hint: String::new(),
            number_hint: String::new(),
            waba_meta_id: String::new(),
            waba_id: None,
            numbers: String::new(),
            registered: String::new(),
            created_us: 0,
            version: 1,
            change_id: Uuid::nil(),
            webhooks_proven_us: None,
            due_us: 0,
            lease_us: 0,
        };
        let mut saga = Saga { steps: saga::fresh_steps(&row, &[]), row };
        saga.step_mut(step).unwrap().attempts = tries;
        saga
    }

    fn again(least_s: u64) -> Outcome {
        Outcome::Again(Trouble::ours("Meta is away"), Duration::from_secs(least_s))
    }

    #[rstest]
    #[case::first(Step::WebhooksSubscribed, 1, 0, State::Retrying, 1_000_000)]
    #[case::third(Step::WebhooksSubscribed, 3, 0, State::Retrying, 4_000_000)]
    #[case::meta_names_a_pause(Step::WebhooksSubscribed, 1, 300, State::Retrying, 300_000_000)]
    #[case::last(Step::WebhooksSubscribed, 8, 0, State::NeedsAttention, 0)]
    #[case::registrations_are_few(Step::NumberRegistered, 3, 0, State::NeedsAttention, 0)]
    fn a_failed_try_is_repeated_later_until_a_person_is_asked(
        #[case] step: Step,
        #[case] tries: i64,
        #[case] least_s: u64,
        #[case] state: State,
        #[case] due_us: i64,
    ) {
        let mut saga = saga(step, tries);
        apply(&mut saga, step, &again(least_s), 0);
        assert_eq!((saga.state().unwrap(), saga.row.due_us), (state, due_us));
        assert_eq!(saga.step_state(step), StepState::Failed);
        assert_eq!(saga.step(step).unwrap().error, "Meta is away");
        assert_eq!(saga.at().unwrap(), step);
    }

    #[test]
    fn the_last_step_makes_it_live() {
        let mut saga = saga(Step::Live, 1);
        apply(&mut saga, Step::Live, &Outcome::Done(String::new()), 7);
        assert_eq!(saga.state().unwrap(), State::Live);
        assert_eq!(saga.step(Step::Live).unwrap().finished_us, Some(7));
    }
}
