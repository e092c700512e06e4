//! Passwords that are tried first: words that people choose, each plain, doubled and with what people
//! put behind them. The list is grown from its stems when it is first asked for, and what is only
//! disguised by digits for letters, or runs along the keyboard, is told by rule.
//!
//! The stems are ours: kinds of words that every published list shows (the word itself, keyboard
//! rows, first names, teams, pets, seasons, wishes), not a copy of any of them.
#![deny(clippy::wildcard_enum_match_arm)]

use std::collections::HashSet;
use std::sync::LazyLock;

const STEMS: &[&str] = &[
    "password",
    "passwort",
    "passw",
    "letmein",
    "welcome",
    "willkommen",
    "bienvenue",
    "admin",
    "administrator",
    "root",
    "user",
    "guest",
    "login",
    "master",
    "access",
    "secret",
    "geheim",
    "default",
    "changeme",
    "temporary",
    "test",
    "testing",
    "tester",
    "demo",
    "sample",
    "hello",
    "iloveyou",
    "loveyou",
    "ilove",
    "lovely",
    "love",
    "qwerty",
    "qwertz",
    "azerty",
    "qwertyuiop",
    "qwertzuiop",
    "azertyuiop",
    "asdfgh",
    "asdfghjkl",
    "zxcvbn",
    "zxcvbnm",
    "yxcvbnm",
    "qazwsx",
    "qazwsxedc",
    "onetwothree",
    "abcdef",
    "abcdefgh",
    "abc",
    "dragon",
    "monkey",
    "tiger",
    "lion",
    "eagle",
    "falcon",
    "wolf",
    "bear",
    "panther",
    "dolphin",
    "butterfly",
    "pussycat",
    "kitten",
    "puppy",
    "football",
    "soccer",
    "baseball",
    "basketball",
    "hockey",
    "tennis",
    "golf",
    "liverpool",
    "arsenal",
    "chelsea",
    "barcelona",
    "realmadrid",
    "juventus",
    "bayern",
    "superman",
    "batman",
    "spiderman",
    "starwars",
    "pokemon",
    "naruto",
    "matrix",
    "ninja",
    "samurai",
    "shadow",
    "sunshine",
    "princess",
    "prince",
    "angel",
    "diamond",
    "flower",
    "rainbow",
    "summer",
    "winter",
    "spring",
    "autumn",
    "sommer",
    "january",
    "february",
    "march",
    "april",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
    "monday",
    "friday",
    "sunday",
    "freedom",
    "whatever",
    "nothing",
    "forever",
    "trustno",
    "michael",
    "jennifer",
    "jessica",
    "ashley",
    "michelle",
    "daniel",
    "jordan",
    "thomas",
    "robert",
    "charlie",
    "andrew",
    "george",
    "maria",
    "anna",
    "alexander",
    "computer",
    "internet",
    "laptop",
    "server",
    "database",
    "network",
    "microsoft",
    "google",
    "apple",
    "samsung",
    "android",
    "facebook",
    "instagram",
    "company",
    "business",
    "office",
    "manager",
    "money",
    "million",
    "lucky",
    "coffee",
    "chocolate",
    "cookie",
    "banana",
    "orange",
    "pepper",
    "cheese",
    "pizza",
    "ferrari",
    "mercedes",
    "porsche",
    "harley",
    "mustang",
    "corvette",
    "yamaha",
    "london",
    "paris",
    "berlin",
    "madrid",
    "newyork",
    "america",
    "germany",
    "england",
    "canada",
    "india",
    "brasil",
    "mexico",
    "jesus",
    "christ",
    "blessed",
    "family",
    "mother",
    "father",
    "sister",
    "brother",
    "darling",
    "honey",
    "sweetheart",
    "baby",
    "killer",
    "hacker",
    "warrior",
    "phoenix",
    "thunder",
    "lightning",
    "storm",
    "fire",
    "silver",
    "golden",
    "black",
    "white",
    "purple",
    "yellow",
];

const ENDINGS: &[&str] = &[
    "",
    "1",
    "12",
    "123",
    "1234",
    "12345",
    "123456",
    "1234567",
    "12345678",
    "123456789",
    "1234567890",
    "0",
    "00",
    "000",
    "007",
    "11",
    "111",
    "1111",
    "22",
    "69",
    "77",
    "88",
    "99",
    "321",
    "666",
    "777",
    "888",
    "999",
    "abc",
    "qwerty",
    "!",
    "!!",
    "1!",
    "123!",
    "1234!",
    "@123",
    "#1",
    "?",
    ".",
    "2000",
    "2010",
    "2018",
    "2019",
    "2020",
    "2021",
    "2022",
    "2023",
    "2024",
    "2025",
    "2026",
    "2027",
    "2026!",
    "2025!",
    "isgood",
    "please",
    "forme",
    "now",
    "today",
    "me",
    "you",
    "yes",
];

/// Rows of keyboards and the two orders that everybody knows.
const RUNS: &[&str] = &[
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "qwertzuiop",
    "yxcvbnm",
    "azertyuiop",
    "qsdfghjklm",
    "01234567890",
    "abcdefghijklmnopqrstuvwxyz",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik",
];

static LIST: LazyLock<HashSet<String>> = LazyLock::new(|| {
    let with_endings =
        |stem: &str| ENDINGS.iter().map(|ending| format!("{stem}{ending}")).collect::<Vec<_>>();
    STEMS
        .iter()
        .flat_map(|stem| with_endings(stem).into_iter().chain(with_endings(&stem.repeat(2))))
        .chain(STEMS.iter().map(|stem| format!("the{stem}")))
        .chain(STEMS.iter().map(|stem| format!("my{stem}")))
        .collect()
});

/// Whether this text, in lower case, is among the common ones, as it is or thinly disguised.
pub(crate) fn contains(lower: &str) -> bool {
    is_listed(lower) || is_listed(&undisguised(lower)) || is_pattern(lower)
}

/// As it is, or without the digits and signs that people put around a word.
fn is_listed(text: &str) -> bool {
    let bare = text.trim_matches(|sign: char| !sign.is_alphabetic());
    let without_signs: String = text.chars().filter(|sign| sign.is_alphanumeric()).collect();
    [text, bare, without_signs.as_str()].iter().any(|text| LIST.contains(*text))
}

/// With the letters that digits and signs stand for, up to the last letter: what follows it is an
/// ending.
fn undisguised(text: &str) -> String {
    let last_letter = text.rfind(char::is_alphabetic).unwrap_or(0);
    let plain = |(at, sign): (usize, char)| match sign {
        _ if at > last_letter => sign,
        '0' => 'o',
        '1' | '!' => 'i',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        other => other,
    };
    text.char_indices().map(plain).collect()
}

/// Few signs over and over, or pieces of a keyboard's rows and of counting, and hardly anything else.
fn is_pattern(text: &str) -> bool {
    let signs: Vec<char> = text.chars().collect();
    let repeats =
        |width: usize| signs.iter().zip(signs.iter().skip(width)).all(|(one, other)| one == other);
    if (1..=4).any(repeats) {
        return true;
    }
    let run_length = 4;
    let mut covered = vec![false; signs.len()];
    for (start, window) in signs.windows(run_length).enumerate() {
        let piece: String = window.iter().collect();
        let back: String = window.iter().rev().collect();
        if RUNS.iter().any(|run| run.contains(&piece) || run.contains(&back)) {
            covered.iter_mut().skip(start).take(run_length).for_each(|sign| *sign = true);
        }
    }
    let own = covered.iter().filter(|covered| !**covered).count();
    own < 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_as_long_as_asked() {
        let of_lawful_length = LIST.iter().filter(|word| word.chars().count() >= 12).count();
        assert!(of_lawful_length >= 3_000, "{of_lawful_length} of {}", LIST.len());
    }

    #[test]
    fn stems_are_plain() {
        for stem in STEMS {
            assert!(stem.bytes().all(|byte| byte.is_ascii_lowercase()), "{stem}");
        }
    }

    #[test]
    fn disguises_are_seen_through() {
        for text in
            ["p4ssw0rd2026", "!!welcome2025!!", "l3tme1n123456", "1qaz2wsx3edc", "abababababab"]
        {
            assert!(contains(text), "{text}");
        }
        for text in ["plover-gadget-ochre", "x7#kq!m2vz9w", "seven green bottles"] {
            assert!(!contains(text), "{text}");
        }
    }
}
