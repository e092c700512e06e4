//! Where a template stands, and what Meta's words and our reads make of it.

#![deny(clippy::wildcard_enum_match_arm)]

use meta::{
    template::{Component, ComponentKind, ParameterFormat, TemplateCategory, TemplateNode},
    webhook::{
        TemplateCategoryUpdate, TemplateComponentsUpdate, TemplateEvent, TemplateQualityUpdate,
        TemplateStatusUpdate,
    },
};

use super::heard::{Entry, Field, Heard, Stamp};

/// Ours: Meta is being asked.
pub(crate) const SUBMITTING: &str = "SUBMITTING";
/// Ours: Meta did not take it.
pub(crate) const SUBMIT_FAILED: &str = "SUBMIT_FAILED";
/// Meta's: gone for good.
pub(crate) const DELETED: &str = "DELETED";
/// Meta's: in review.
pub(crate) const PENDING: &str = "PENDING";
/// Meta's: not rated yet.
pub(crate) const UNRATED: &str = "UNKNOWN";

/// What changes of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) status: String,
    pub(crate) rejected_reason: String,
    pub(crate) category: String,
    pub(crate) quality: String,
    /// How long Meta tries to deliver a message of it, in seconds; -1: 30 days.
    pub(crate) ttl_s: Option<i64>,
    pub(crate) parameter_format: String,
    /// Meta's `components` as JSON.
    pub(crate) components: String,
    pub(crate) heard: Heard,
    /// When our last read of it began.
    pub(crate) read_us: i64,
}

/// What Meta tells of a template.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Word {
    Status(TemplateStatusUpdate),
    Quality(TemplateQualityUpdate),
    Category(TemplateCategoryUpdate),
    Components(TemplateComponentsUpdate),
}

impl Word {
    /// Meta's id, name and language of the template that it is about.
    pub(crate) fn subject(&self) -> (Option<&str>, Option<&str>, Option<&str>) {
        macro_rules! named {
            ($told:expr) => {
                (
                    $told.message_template_id.as_deref(),
                    $told.message_template_name.as_deref(),
                    $told.message_template_language.as_deref(),
                )
            };
        }
        match self {
            Self::Status(told) => named!(told),
            Self::Quality(told) => named!(told),
            Self::Category(told) => named!(told),
            Self::Components(told) => named!(told),
        }
    }

    /// Whether it says that the template is gone.
    pub(crate) fn is_deletion(&self) -> bool {
        matches!(self, Self::Status(told) if told.event == TemplateEvent::Deleted)
    }

    /// Whether it is a reason to read the template again: what it says of the new state is not all of it.
    pub(crate) fn asks_to_read(&self) -> bool {
        match self {
            Self::Components(_) => true,
            Self::Status(told) => told.event == TemplateEvent::Unarchived,
            Self::Quality(_) | Self::Category(_) => false,
        }
    }
}

/// The status that an event leads to; `None` for one that is no state.
fn status_of(event: &TemplateEvent) -> Option<&str> {
    match event {
        TemplateEvent::Flagged | TemplateEvent::Unarchived => None,
        TemplateEvent::Reinstated => Some("APPROVED"),
        TemplateEvent::Pending
        | TemplateEvent::Approved
        | TemplateEvent::Rejected
        | TemplateEvent::Paused
        | TemplateEvent::Disabled
        | TemplateEvent::InAppeal
        | TemplateEvent::PendingDeletion
        | TemplateEvent::Deleted
        | TemplateEvent::LimitExceeded
        | TemplateEvent::Archived
        | TemplateEvent::Locked
        | TemplateEvent::Unknown(_) => Some(event.as_str()),
    }
}

/// Meta writes NONE where there is no reason.
fn reason(word: Option<&str>) -> &str {
    word.filter(|word| *word != "NONE").unwrap_or_default()
}

impl Standing {
    /// What a word makes of it, with the entry of its history. The same words lead to the same state in any order.
    pub(crate) fn hear(&mut self, word: &Word, stamp: Stamp) -> Vec<Entry> {
        match word {
            Word::Status(told) => self.hear_status(told, stamp),
            Word::Quality(told) => {
                let (old, new) = (&told.previous_quality_score, told.new_quality_score.as_str());
                let old = old.as_ref().map_or(self.quality.as_str(), |score| score.as_str());
                let entry = Entry::new(Field::Quality, old, new, "");
                if self.heard.take(Field::Quality, stamp, self.read_us) {
                    new.clone_into(&mut self.quality);
                }
                vec![entry]
            }
            Word::Category(told) => vec![self.hear_category(told, stamp)],
            Word::Components(told) => {
                let text = told.message_template_element.as_deref().unwrap_or_default();
                vec![Entry::new(Field::Components, &body_text(&self.components), text, "")]
            }
        }
    }

    fn hear_status(&mut self, told: &TemplateStatusUpdate, stamp: Stamp) -> Vec<Entry> {
        let why = reason(told.reason.as_deref());
        let said = told.title().unwrap_or(why);
        let mut entries = vec![Entry::new(Field::Status, &self.status, told.event.as_str(), said)];
        if let Some(status) = status_of(&told.event) {
            let stands = self.heard.take(Field::Status, stamp, self.read_us);
            // Nothing follows a deletion, in whatever order the words come.
            if status == DELETED || (stands && self.status != DELETED) {
                status.clone_into(&mut self.status);
                why.clone_into(&mut self.rejected_reason);
            }
        }
        // Meta prices by the category that it names here.
        if let Some(category) = &told.message_template_category
            && self.heard.take(Field::Category, stamp, self.read_us)
            && self.category != category.as_str()
        {
            entries.push(Entry::new(Field::Category, &self.category, category.as_str(), ""));
            category.as_str().clone_into(&mut self.category);
        }
        entries
    }

    fn hear_category(&mut self, told: &TemplateCategoryUpdate, stamp: Stamp) -> Entry {
        let new = told.new_category.as_str();
        if let Some(coming) = &told.correct_category {
            let from = told.category_update_timestamp.unwrap_or_default();
            let why = format!("announced; takes effect at {from} (Unix time)");
            return Entry::new(Field::Category, new, coming.as_str(), &why);
        }
        let old =
            told.previous_category.as_ref().map_or(self.category.as_str(), |old| old.as_str());
        let entry = Entry::new(Field::Category, old, new, "");
        if self.heard.take(Field::Category, stamp, self.read_us) {
            new.clone_into(&mut self.category);
        }
        entry
    }

    /// What a read that began then makes of it: all that no newer word is known of.
    pub(crate) fn see(&mut self, node: &TemplateNode, began_us: i64) -> Vec<Entry> {
        if began_us < self.read_us {
            return Vec::new();
        }
        self.read_us = began_us;
        let mut entries = Vec::new();
        let mut turn = |behind: bool, field: Field, kept: &mut String, new: &str, why: &str| {
            if behind && kept != new {
                // What was never Meta's state is no entry of its history.
                if kept != SUBMITTING && kept != SUBMIT_FAILED {
                    entries.push(Entry::new(field, kept, new, why));
                }
                new.clone_into(kept);
            }
        };
        let why = reason(node.rejected_reason.as_deref());
        let behind = self.heard.is_behind(Field::Status, began_us);
        turn(behind, Field::Status, &mut self.status, node.status.as_str(), why);
        if behind {
            why.clone_into(&mut self.rejected_reason);
        }
        let behind = self.heard.is_behind(Field::Category, began_us);
        turn(behind, Field::Category, &mut self.category, node.category.as_str(), "");
        let rating = node.quality_score.as_ref().map_or(UNRATED, |rating| rating.score.as_str());
        let behind = self.heard.is_behind(Field::Quality, began_us);
        turn(behind, Field::Quality, &mut self.quality, rating, "");
        if components_of(&self.components) != node.components {
            let new = serde_json::to_string(&node.components).unwrap_or_default();
            let (old_text, new_text) = (body_text(&self.components), body_text(&new));
            if old_text != new_text {
                entries.push(Entry::new(Field::Components, &old_text, &new_text, ""));
            }
            self.components = new;
        }
        node.format().as_str().clone_into(&mut self.parameter_format);
        self.ttl_s = node.message_send_ttl_seconds;
        entries
    }

    /// What Meta's answer to a submission that began then makes of it: a word that came before the answer stands.
    pub(crate) fn take(&mut self, status: &str, category: &str, began_us: i64) {
        if began_us < self.read_us {
            return;
        }
        self.read_us = began_us;
        if self.heard.is_behind(Field::Status, began_us) {
            status.clone_into(&mut self.status);
        }
        if self.heard.is_behind(Field::Category, began_us) && !category.is_empty() {
            category.clone_into(&mut self.category);
        }
    }

    /// What an edit that Meta took makes of it: new words go to review again.
    pub(crate) fn edit(
        &mut self,
        category: Option<&TemplateCategory>,
        components: Option<&[Component]>,
        began_us: i64,
    ) {
        if began_us < self.read_us {
            return;
        }
        self.read_us = began_us;
        if let Some(category) = category {
            category.as_str().clone_into(&mut self.category);
        }
        if let Some(components) = components {
            self.components = serde_json::to_string(components).unwrap_or_default();
            if self.heard.is_behind(Field::Status, began_us) {
                PENDING.clone_into(&mut self.status);
            }
        }
    }

    /// What is left once Meta no longer has it.
    pub(crate) fn vanish(&mut self, began_us: i64, why: &str) -> Vec<Entry> {
        if began_us < self.read_us || self.status == DELETED {
            return Vec::new();
        }
        self.read_us = began_us;
        let entry = Entry::new(Field::Status, &self.status, DELETED, why);
        DELETED.clone_into(&mut self.status);
        vec![entry]
    }

    /// What a read found that was never seen before.
    pub(crate) fn first(node: &TemplateNode, began_us: i64) -> Self {
        let rating = node.quality_score.as_ref().map_or(UNRATED, |rating| rating.score.as_str());
        Self {
            status: node.status.as_str().to_owned(),
            rejected_reason: reason(node.rejected_reason.as_deref()).to_owned(),
            category: node.category.as_str().to_owned(),
            quality: rating.to_owned(),
            ttl_s: node.message_send_ttl_seconds,
            parameter_format: node.format().as_str().to_owned(),
            components: serde_json::to_string(&node.components).unwrap_or_default(),
            heard: Heard::default(),
            read_us: began_us,
        }
    }
}

/// The components that a row keeps.
pub(crate) fn components_of(kept: &str) -> Vec<Component> {
    serde_json::from_str(kept).unwrap_or_default()
}

/// The text of the body, which is what people know a template by.
fn body_text(kept: &str) -> String {
    components_of(kept)
        .into_iter()
        .find(|component| component.kind == ComponentKind::Body)
        .and_then(|component| component.text)
        .unwrap_or_default()
}

/// What a send must fill, as JSON.
pub(crate) fn shape_json(components: &str, format: &str) -> String {
    let format = ParameterFormat::parse(format);
    let shape = meta::template::parameter_shape(&components_of(components), &format);
    serde_json::to_string(&shape).unwrap_or_default()
}

/// Whether what Meta shows is what was asked for: words and buttons; samples come back in other shapes.
pub(crate) fn same_words(asked: &[Component], shown: &[Component]) -> bool {
    type Words<'a> = (String, Option<&'a str>, Option<&'a str>, Vec<(String, Option<&'a str>)>);
    fn words(components: &[Component]) -> Vec<Words<'_>> {
        let mut all: Vec<Words<'_>> = components
            .iter()
            .map(|one| {
                let buttons = one.buttons.iter();
                let buttons =
                    buttons.map(|button| (button.kind.to_string(), button.text.as_deref()));
                let format = one.format.as_ref().map(meta::template::HeaderFormat::as_str);
                (one.kind.to_string(), format, one.text.as_deref(), buttons.collect())
            })
            .collect();
        all.sort();
        all
    }
    words(asked) == words(shown)
}

#[cfg(test)]
mod tests;
