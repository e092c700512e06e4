//! Routing keys `<service>.<aggregate>.<event>` and the patterns that groups and tails bind with.
//!
//! Promises that a pattern means the same on both buses: `*` is one word, `#` is any number of words, as
//! on a topic exchange. Pure; nothing is half done when the process dies.

/// The service that publishes under this key: its first word. `None` where the key is malformed.
pub(crate) fn service_of(key: &str) -> Option<&str> {
    well_formed(key).then(|| key.split('.').next()).flatten()
}

/// Whether `key` is three or more non-empty words of `[a-z0-9_]`, and short enough for a short string of AMQP.
pub(crate) fn well_formed(key: &str) -> bool {
    let word = |w: &str| {
        !w.is_empty()
            && w.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    key.len() <= 255 && key.split('.').all(word) && key.split('.').count() >= 3
}

/// What a group or a tail wants to hear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    words: Vec<Word>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Word {
    Exactly(String),
    One,
    Any,
}

impl Pattern {
    /// Reads a binding such as `assets.*.changed` or `messaging.#`.
    pub fn parse(binding: &str) -> Self {
        let words = binding
            .split('.')
            .map(|word| match word {
                "*" => Word::One,
                "#" => Word::Any,
                other => Word::Exactly(other.to_owned()),
            })
            .collect();
        Self { words }
    }

    /// Whether an event with this routing key is wanted.
    pub fn matches(&self, key: &str) -> bool {
        let key: Vec<&str> = key.split('.').collect();
        matches(&self.words, &key)
    }
}

fn matches(pattern: &[Word], key: &[&str]) -> bool {
    match (pattern.split_first(), key.split_first()) {
        (None, None) => true,
        (None, Some(_)) | (Some((Word::One | Word::Exactly(_), _)), None) => false,
        (Some((Word::Any, rest)), None) => matches(rest, key),
        (Some((Word::Any, rest)), Some((_, key_rest))) => {
            matches(rest, key) || matches(pattern, key_rest)
        }
        (Some((Word::One, rest)), Some((_, key_rest))) => matches(rest, key_rest),
        (Some((Word::Exactly(word), rest)), Some((first, key_rest))) => {
            word == first && matches(rest, key_rest)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case::same("assets.number.changed", "assets.number.changed", true)]
    #[case::other_event("assets.number.changed", "assets.number.gone", false)]
    #[case::star_is_one_word("assets.*.changed", "assets.template.changed", true)]
    #[case::star_is_not_two("assets.*", "assets.template.changed", false)]
    #[case::star_is_not_none("assets.number.changed.*", "assets.number.changed", false)]
    #[case::hash_is_none("assets.number.changed.#", "assets.number.changed", true)]
    #[case::hash_is_many("messaging.#", "messaging.message.stepped", true)]
    #[case::hash_in_the_middle("messaging.#.stepped", "messaging.message.stepped", true)]
    #[case::hash_alone("#", "onboarding.waba.changed", true)]
    #[case::two_hashes("#.message.#", "messaging.message.stepped", true)]
    #[case::longer_key("assets.number", "assets.number.changed", false)]
    fn a_binding_hears_what_a_topic_exchange_would_send(
        #[case] binding: &str,
        #[case] key: &str,
        #[case] heard: bool,
    ) {
        assert_eq!(Pattern::parse(binding).matches(key), heard);
    }

    #[rstest::rstest]
    #[case("messaging.message.stepped", Some("messaging"))]
    #[case("messaging", None)]
    #[case("messaging..stepped", None)]
    #[case("Messaging.message.stepped", None)]
    #[case("messaging.#.stepped", None)]
    #[case("", None)]
    fn the_service_of_a_key_is_its_first_word(#[case] key: &str, #[case] service: Option<&str>) {
        assert_eq!(service_of(key), service);
    }
}
