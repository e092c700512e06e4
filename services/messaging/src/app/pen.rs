//! Steps and their events, collected while a unit decides and written at its end in two statements.

use kernel::time::Timestamp;
use store::{Event, ScopedTx};

use crate::domain::message::{Message, MetaError, StepName};
use crate::error::Error;
use crate::events;
use crate::rows::step::{self, Step};

/// What a unit has to tell.
pub(crate) struct Pen<'a> {
    tx: &'a ScopedTx,
    steps: Vec<Step>,
    events: Vec<Event>,
}

/// One step, before it has an id.
#[derive(Debug, Clone)]
pub(crate) struct Note {
    /// What happened.
    pub(crate) name: StepName,
    /// When.
    pub(crate) at: Timestamp,
    /// More, for people.
    pub(crate) detail: String,
    /// Meta's words.
    pub(crate) error: Option<MetaError>,
    /// Meta's pricing, as JSON.
    pub(crate) pricing: Option<String>,
}

impl Note {
    /// A step with nothing more to say.
    pub(crate) fn plain(name: StepName, at: Timestamp) -> Self {
        Self { name, at, detail: String::new(), error: None, pricing: None }
    }

    /// The same with words for people.
    pub(crate) fn with_detail(self, detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), ..self }
    }

    /// The same with Meta's words.
    pub(crate) fn with_error(self, error: Option<MetaError>) -> Self {
        Self { error, ..self }
    }
}

impl<'a> Pen<'a> {
    /// A pen for the unit of `tx`.
    pub(crate) const fn new(tx: &'a ScopedTx) -> Self {
        Self { tx, steps: Vec::new(), events: Vec::new() }
    }

    /// Writes down a step of `message`, which stands as it is after the step.
    pub(crate) fn note(&mut self, message: &Message, note: Note) {
        let (ids, now) = (self.tx.ids(), self.tx.now());
        let step = Step {
            id: ids.v7(now),
            waba: message.waba,
            message: message.id,
            at: note.at,
            name: note.name,
            detail: note.detail,
            error: note.error,
        };
        if step.name.is_told() || step.name == StepName::Received {
            let trace = message.outbound().and_then(|outbound| outbound.traceparent.clone());
            let event = events::stepped(ids, now, message, &step, note.pricing.as_deref());
            self.events.push(Event { traceparent: event.traceparent.clone().or(trace), ..event });
        }
        self.steps.push(step);
    }

    /// Stores all of it.
    pub(crate) async fn write(self) -> Result<(), Error> {
        step::insert(self.tx, &self.steps).await?;
        self.tx.publish_many(self.events).await?;
        Ok(())
    }
}
