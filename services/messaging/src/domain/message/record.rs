//! A message as a whole, in either direction, and how a word about it changes it.
#![deny(clippy::wildcard_enum_match_arm)]

use std::fmt;

use kernel::id::{ContactId, ConversationId, MessageId, NumberId, TemplateId, TenantId, WabaId};
use kernel::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Category, Class, Dispatch, Failure, MessageStatus, Origin, accepted_until};

/// An error of Meta's, kept as it came.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct MetaError {
    /// Meta's code.
    pub(crate) code: i64,
    /// Its subcode.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) subcode: Option<i64>,
    /// Its title.
    pub(crate) title: String,
    /// Its message.
    pub(crate) message: String,
    /// The human reason.
    pub(crate) details: String,
    /// What Meta's support asks for.
    pub(crate) fbtrace_id: String,
}

/// A message.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Message {
    /// Ours.
    pub(crate) id: MessageId,
    /// Whose.
    pub(crate) tenant: TenantId,
    /// Of which WABA.
    pub(crate) waba: WabaId,
    /// From or to which number.
    pub(crate) number: NumberId,
    /// In which conversation.
    pub(crate) conversation: ConversationId,
    /// With whom.
    pub(crate) contact: ContactId,
    /// Meta's word: text, template, image …
    pub(crate) kind: String,
    /// Meta's message object as JSON.
    pub(crate) body: String,
    /// Meta's wamid, once known.
    pub(crate) meta_id: Option<String>,
    /// As Meta names the other side: digits, or a BSUID.
    pub(crate) counterpart: String,
    /// The message that it quotes or reacts to, where it is one of ours.
    pub(crate) context: Option<MessageId>,
    /// The id in Meta's form that was named, where it is none of ours.
    pub(crate) context_meta_id: Option<String>,
    /// When it came to be: Meta's time for inbound ones.
    pub(crate) created: Timestamp,
    /// Rises with each change.
    pub(crate) version: i64,
    /// Which way it went, and what only that way has.
    pub(crate) course: Course,
}

/// Which way a message went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Course {
    /// From the customer.
    Inbound,
    /// To the customer.
    Outbound(Box<Outbound>),
}

/// What only an outbound message has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outbound {
    /// Where it came from.
    pub(crate) origin: Origin,
    /// How far we are.
    pub(crate) dispatch: Dispatch,
    /// What callers see.
    pub(crate) status: MessageStatus,
    /// Meta's words: of the no that the status is, or of one that is tried again (`refusal`).
    pub(crate) error: Option<MetaError>,
    /// What it costs as.
    pub(crate) category: Category,
    /// The template, for templates.
    pub(crate) template: Option<TemplateId>,
    /// How long Meta keeps trying, where the template says.
    pub(crate) ttl_s: Option<i64>,
    /// The id that its tenant sees.
    pub(crate) edge_id: Option<String>,
    /// The tenant's own data.
    pub(crate) callback_data: Option<String>,
    /// Its line inside the number.
    pub(crate) class: Class,
    /// Not before then.
    pub(crate) due: Timestamp,
    /// Given up when it has not left by then.
    pub(crate) expires: Timestamp,
    /// When the sweeper looks at it next; none when nothing can change by time.
    pub(crate) deadline: Option<Timestamp>,
    /// Tries that count towards a bound.
    pub(crate) tries: u32,
    /// POSTs that may have left.
    pub(crate) attempts: u32,
    /// Fencing token of who claimed it.
    pub(crate) fence: i64,
    /// Trace that it was accepted in.
    pub(crate) traceparent: Option<String>,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No text and nobody's number: a log line may hold this.
        f.debug_struct("Message")
            .field("id", &self.id)
            .field("number", &self.number)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// One word about an outbound message: Meta's, or ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    /// What it says.
    pub(crate) status: MessageStatus,
    /// When: Meta's time where Meta told it.
    pub(crate) at: Timestamp,
    /// Meta's words, for a no.
    pub(crate) error: Option<MetaError>,
}

impl Message {
    /// Its outbound part.
    pub(crate) fn outbound(&self) -> Option<&Outbound> {
        match &self.course {
            Course::Inbound => None,
            Course::Outbound(outbound) => Some(outbound),
        }
    }

    /// Its outbound part.
    pub(crate) fn outbound_mut(&mut self) -> Option<&mut Outbound> {
        match &mut self.course {
            Course::Inbound => None,
            Course::Outbound(outbound) => Some(outbound),
        }
    }
}

impl Outbound {
    /// The no that Meta told by webhook about a POST that it had taken, while the message goes again.
    pub(crate) fn refusal(&self) -> Option<&MetaError> {
        match self.status {
            MessageStatus::Failed(Failure::Local(_) | Failure::Meta(_)) => None,
            MessageStatus::Queued
            | MessageStatus::Unknown
            | MessageStatus::Accepted
            | MessageStatus::Sent
            | MessageStatus::Delivered
            | MessageStatus::Read
            | MessageStatus::Played
            | MessageStatus::Failed(Failure::OutcomeUnknown) => self.error.as_ref(),
        }
    }

    /// Takes in a word; answers whether the status changed.
    ///
    /// A word of Meta's settles what was on its way. What still waits with us stays there: a late word
    /// about an earlier attempt must not stop a later one that is already lawful. An end of ours, while
    /// Meta's no stands, is that no: ours would change nothing of the `accepted` that Meta took back.
    pub(crate) fn hear(&mut self, word: &Word) -> bool {
        let before = self.status;
        let refusal = self.refusal().cloned();
        let (status, error) = match &refusal {
            Some(no) if word.status.is_end_of_ours() => {
                (MessageStatus::Failed(Failure::Meta(no.code)), &refusal)
            }
            Some(_) | None => (word.status, &word.error),
        };
        let settles = word.status.is_word_of_meta() && self.dispatch == Dispatch::Sending;
        self.status = MessageStatus::after(before, status);
        let rose = self.status == status && self.status != before;
        if rose || (settles && refusal.is_some()) {
            self.error.clone_from(error);
        }
        if settles {
            self.dispatch = Dispatch::Settled;
            // The one by which we wanted to know is kept; from here on Meta's own counts.
            self.deadline = None;
        }
        if self.dispatch == Dispatch::Settled || self.dispatch == Dispatch::Expired {
            self.deadline = self.deadline_when_settled(word.at);
        }
        self.status != before
    }

    /// Takes in that Meta had taken a POST which it refused since: the status may rise by it, while the
    /// next POST goes on and the refusal stands.
    pub(crate) fn hear_late(&mut self, status: MessageStatus) {
        self.status = MessageStatus::after(self.status, status);
    }

    fn deadline_when_settled(&self, at: Timestamp) -> Option<Timestamp> {
        if self.dispatch == Dispatch::Expired {
            return None;
        }
        match self.status {
            MessageStatus::Accepted | MessageStatus::Sent => {
                self.deadline.or_else(|| Some(accepted_until(at, &self.category, self.ttl_s)))
            }
            MessageStatus::Queued
            | MessageStatus::Unknown
            | MessageStatus::Delivered
            | MessageStatus::Read
            | MessageStatus::Played
            | MessageStatus::Failed(_) => None,
        }
    }

    /// Marks it as posted with an outcome that nobody knows, until `until`.
    pub(crate) fn lose_sight(&mut self, until: Timestamp) -> bool {
        let before = self.status;
        self.status = MessageStatus::after(before, MessageStatus::Unknown);
        self.deadline = Some(until);
        self.status != before
    }

    /// Goes into the queue when its hour has come. `false` where it waits for none, or not yet.
    pub(crate) fn release(&mut self, now: Timestamp) -> bool {
        let released = self.dispatch == Dispatch::Scheduled && self.due <= now;
        if released {
            self.dispatch = Dispatch::Queued;
        }
        released
    }

    /// Goes back to the queue until `due`. `false` where it may not.
    pub(crate) fn requeue(&mut self, due: Timestamp, counted: bool) -> bool {
        if !self.dispatch.may_become(Dispatch::Queued) {
            return false;
        }
        self.dispatch = Dispatch::Queued;
        self.due = due;
        self.deadline = Some(self.expires);
        self.tries += u32::from(counted);
        true
    }

    /// Goes again after `no`, which Meta told by webhook (I2 d). It is kept: a step until the message
    /// arrives after all, and its end where nothing comes of the next try.
    pub(crate) fn try_again(&mut self, no: MetaError, due: Timestamp) -> bool {
        let queued = self.requeue(due, true);
        if queued {
            self.error = Some(no);
        }
        queued
    }

    /// Meta answered a final no, or we did: over.
    pub(crate) fn fail(
        &mut self,
        failure: Failure,
        error: Option<MetaError>,
        at: Timestamp,
    ) -> bool {
        if self.dispatch.may_become(Dispatch::Settled) {
            self.dispatch = Dispatch::Settled;
        }
        self.hear(&Word { status: MessageStatus::Failed(failure), at, error })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use kernel::time::Timestamp;
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;
    use crate::domain::message::LocalReason;

    pub(crate) fn sending() -> Outbound {
        Outbound {
            origin: Origin::Api,
            dispatch: Dispatch::Sending,
            status: MessageStatus::Queued,
            error: None,
            category: Category::Service,
            template: None,
            ttl_s: None,
            edge_id: None,
            callback_data: None,
            class: Class::Service,
            due: Timestamp::EPOCH,
            expires: Timestamp::from_seconds(1_000),
            deadline: Some(Timestamp::from_seconds(900)),
            tries: 0,
            attempts: 1,
            fence: 1,
            traceparent: None,
        }
    }

    fn word(status: MessageStatus) -> Word {
        Word { status, at: Timestamp::from_seconds(10), error: None }
    }

    #[test]
    fn a_status_before_the_answer_settles_the_send() {
        let mut message = sending();
        assert!(message.hear(&word(MessageStatus::Sent)));
        assert_eq!(message.dispatch, Dispatch::Settled);
        assert!(!message.hear(&word(MessageStatus::Accepted)));
        assert_eq!(message.status, MessageStatus::Sent);
    }

    #[test]
    fn what_is_settled_by_policy_is_lifted_by_a_late_word() {
        let mut message = sending();
        assert!(message.lose_sight(Timestamp::from_seconds(20)));
        assert_eq!(message.dispatch, Dispatch::Sending);
        assert!(message.fail(Failure::OutcomeUnknown, None, Timestamp::from_seconds(20)));
        assert_eq!(message.deadline, None);
        assert!(message.hear(&word(MessageStatus::Delivered)));
        assert_eq!(message.status, MessageStatus::Delivered);
    }

    #[test]
    fn what_meta_took_has_a_deadline_until_it_arrives() {
        let mut message = sending();
        let days = |days: i64| Some(Timestamp::from_seconds(10 + days * 86_400 + 300));
        message.hear(&word(MessageStatus::Accepted));
        assert_eq!(message.deadline, days(30), "not the deadline of its sending");
        message.hear(&Word { at: Timestamp::from_seconds(500), ..word(MessageStatus::Sent) });
        assert_eq!(message.deadline, days(30), "counted from when Meta took it");
        message.hear(&word(MessageStatus::Read));
        assert_eq!(message.deadline, None);
    }

    #[test]
    fn what_left_is_not_queued_again_without_a_no() {
        let mut message = sending();
        message.hear(&word(MessageStatus::Accepted));
        assert!(message.requeue(Timestamp::EPOCH, false), "I2 d alone, which the caller has");
        let mut cancelled = sending();
        cancelled.dispatch = Dispatch::Cancelled;
        assert!(!cancelled.requeue(Timestamp::EPOCH, false));
    }

    fn no(code: i64) -> MetaError {
        MetaError { code, ..MetaError::default() }
    }

    /// Taken by Meta, refused by webhook, and in the queue again.
    fn going_again() -> Outbound {
        let mut message = sending();
        message.hear(&word(MessageStatus::Accepted));
        assert!(message.try_again(no(131_056), Timestamp::EPOCH));
        message
    }

    #[rstest]
    #[case::cancelled(Dispatch::Cancelled, Failure::Local(LocalReason::Cancelled))]
    #[case::expired(Dispatch::Expired, Failure::Local(LocalReason::Expired))]
    #[case::refused_by_us(Dispatch::Settled, Failure::Local(LocalReason::WindowClosed))]
    #[case::lost_again(Dispatch::Sending, Failure::OutcomeUnknown)]
    fn our_end_after_metas_no_is_that_no(#[case] dispatch: Dispatch, #[case] end: Failure) {
        let mut message = going_again();
        assert_eq!((message.status, message.dispatch), (MessageStatus::Accepted, Dispatch::Queued));
        message.dispatch = dispatch;
        message.hear(&word(MessageStatus::Failed(end)));
        assert_eq!(message.status, MessageStatus::Failed(Failure::Meta(131_056)));
        assert_eq!(message.error, Some(no(131_056)));
        assert_eq!(message.refusal(), None);
        message.hear(&word(MessageStatus::Delivered));
        assert_eq!((message.status, message.error), (MessageStatus::Delivered, None));
    }

    #[rstest]
    #[case(MessageStatus::Accepted)]
    #[case(MessageStatus::Sent)]
    #[case(MessageStatus::Delivered)]
    fn the_next_posts_word_ends_the_refusal(#[case] status: MessageStatus) {
        let mut message = going_again();
        message.dispatch = Dispatch::Sending;
        message.hear(&word(status));
        assert_eq!((message.status, message.dispatch), (status, Dispatch::Settled));
        assert_eq!(message.refusal(), None);
    }

    #[test]
    fn a_late_word_about_the_refused_post_leaves_the_next_under_way() {
        let mut message = sending();
        assert!(message.try_again(no(131_056), Timestamp::EPOCH));
        message.hear_late(MessageStatus::Accepted);
        message.dispatch = Dispatch::Sending;
        message.hear_late(MessageStatus::Sent);
        assert_eq!((message.status, message.dispatch), (MessageStatus::Sent, Dispatch::Sending));
        message.fail(Failure::OutcomeUnknown, None, Timestamp::from_seconds(20));
        assert_eq!(message.status, MessageStatus::Failed(Failure::Meta(131_056)));
    }

    proptest! {
        #[test]
        fn words_commute(
            (words, shuffled) in prop::collection::vec(0_usize..6, 0..6)
                .prop_flat_map(|words| (Just(words.clone()), Just(words).prop_shuffle())),
        ) {
            let all = [
                MessageStatus::Accepted,
                MessageStatus::Sent,
                MessageStatus::Delivered,
                MessageStatus::Read,
                MessageStatus::Failed(Failure::Meta(131_026)),
                MessageStatus::Failed(Failure::Local(LocalReason::Expired)),
            ];
            let heard = |list: &[usize]| {
                let mut message = sending();
                for index in list {
                    message.hear(&word(all[*index]));
                }
                (message.status, message.dispatch)
            };
            prop_assert_eq!(heard(&words), heard(&shuffled));
        }
    }
}
