//! What Meta says of a template moves its state, in any order: rejections, flags, categories, stale answers, edits.

use meta::template::{QualityScore, TemplateCategory};
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn standing() -> Standing {
    Standing {
        status: PENDING.to_owned(),
        rejected_reason: String::new(),
        category: "UTILITY".to_owned(),
        quality: UNRATED.to_owned(),
        ttl_s: None,
        parameter_format: "POSITIONAL".to_owned(),
        components: "[]".to_owned(),
        heard: Heard::default(),
        read_us: 0,
    }
}

fn stamp(at: i64) -> Stamp {
    Stamp { told_us: at, heard_us: at, place: 0 }
}

fn status(event: &str) -> Word {
    Word::Status(TemplateStatusUpdate {
        event: TemplateEvent::parse(event),
        ..TemplateStatusUpdate::default()
    })
}

fn quality(score: &str) -> Word {
    Word::Quality(TemplateQualityUpdate {
        new_quality_score: QualityScore::parse(score),
        ..TemplateQualityUpdate::default()
    })
}

fn category(new: &str) -> Word {
    Word::Category(TemplateCategoryUpdate {
        new_category: TemplateCategory::parse(new),
        ..TemplateCategoryUpdate::default()
    })
}

fn node(status: &str) -> TemplateNode {
    serde_json::from_value(json!({"id": "1", "name": "n", "language": "en_US", "status": status,
        "category": "UTILITY", "components": [{"type": "BODY", "text": "Hi there"}]}))
    .unwrap()
}

#[test]
fn a_rejection_says_why_and_an_approval_forgets_it() {
    let mut template = standing();
    let rejected = Word::Status(TemplateStatusUpdate {
        event: TemplateEvent::Rejected,
        reason: Some("INVALID_FORMAT".to_owned()),
        ..TemplateStatusUpdate::default()
    });
    let entries = template.hear(&rejected, stamp(1));
    assert_eq!(entries[0], Entry::new(Field::Status, PENDING, "REJECTED", "INVALID_FORMAT"));
    assert_eq!(template.rejected_reason, "INVALID_FORMAT");
    template.hear(&status("APPROVED"), stamp(2));
    assert_eq!((template.status.as_str(), template.rejected_reason.as_str()), ("APPROVED", ""));
}

#[test]
fn a_flag_is_history_and_no_state() {
    let mut template = standing();
    assert_eq!(template.hear(&status("FLAGGED"), stamp(1)).len(), 1);
    assert_eq!(template.status, PENDING);
}

#[test]
fn an_announced_category_is_not_yet_one() {
    let mut template = standing();
    let announced = Word::Category(TemplateCategoryUpdate {
        new_category: TemplateCategory::Utility,
        correct_category: Some(TemplateCategory::Marketing),
        ..TemplateCategoryUpdate::default()
    });
    let entries = template.hear(&announced, stamp(1));
    assert_eq!((entries[0].new.as_str(), template.category.as_str()), ("MARKETING", "UTILITY"));
    template.hear(&category("MARKETING"), stamp(2));
    assert_eq!(template.category, "MARKETING");
}

#[test]
fn a_word_of_a_newer_build_is_kept_as_it_came() {
    let mut template = standing();
    template.hear(&status("HIBERNATING"), stamp(1));
    assert_eq!(template.status, "HIBERNATING");
}

#[test]
fn an_answer_from_before_a_word_does_not_undo_it() {
    let mut template = standing();
    template.hear(&status("APPROVED"), stamp(10));
    template.see(&node("PENDING"), 9);
    assert_eq!(template.status, "APPROVED");
    let entries = template.see(&node("PAUSED"), 11);
    assert_eq!(template.status, "PAUSED");
    assert_eq!(entries.len(), 1, "{entries:?}");
}

#[test]
fn an_edit_is_known_again_whatever_became_of_its_samples() {
    let body = |text: &str| Component::body(text).with_example(json!({"body_text": [["x"]]}));
    assert!(same_words(&[body("Hi {{1}} there")], &[Component::body("Hi {{1}} there")]));
    assert!(!same_words(&[body("Hi {{1}} there")], &[Component::body("Hello {{1}} there")]));
}

fn word() -> impl Strategy<Value = Word> {
    let statuses =
        ["APPROVED", "REJECTED", "PAUSED", "DISABLED", "DELETED", "FLAGGED", "REINSTATED"];
    prop_oneof![
        proptest::sample::select(statuses.to_vec()).prop_map(status),
        proptest::sample::select(vec!["GREEN", "YELLOW", "RED"]).prop_map(quality),
        proptest::sample::select(vec!["UTILITY", "MARKETING"]).prop_map(category),
    ]
}

proptest! {
    #[test]
    fn the_same_words_lead_to_the_same_state_in_any_order(
        words in proptest::collection::vec(word(), 1..6),
        order in Just(()).prop_perturb(|(), mut random| random.next_u64()),
    ) {
        let stamped: Vec<(Word, Stamp)> = words.into_iter().zip(1..).map(|(w, at)| (w, stamp(at))).collect();
        let mut shuffled = stamped.clone();
        let mut seed = order;
        for at in (1..shuffled.len()).rev() {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            shuffled.swap(at, usize::try_from(seed >> 33).unwrap_or(0) % (at + 1));
        }
        let end = |words: &[(Word, Stamp)]| {
            let mut template = standing();
            for (word, stamp) in words.iter().chain(words) {
                template.hear(word, *stamp);
            }
            (template.status, template.category, template.quality, template.heard)
        };
        prop_assert_eq!(end(&stamped), end(&shuffled));
    }
}
