//! Names of fields. Services speak of their contracts' fields; our callers know the arguments that they wrote, and hear
//! of those alone.

/// Names that the contracts have and GraphQL has otherwise, beyond what the suffixes tell.
const OTHERWISE: [(&str, &str); 2] = [("key_id", "apiKeyId"), ("body_json", "content")];
/// The same, of arguments of questions: a page's size and cursor are arguments of the list itself.
const OF_QUESTIONS: [(&str, &str); 4] = [
    ("page.page_token", "after"),
    ("page.page_size", "first"),
    ("after_id", "after"),
    ("limit", "first"),
];
/// A message whose fields are an input's own.
const SPREAD: &str = "profile";
/// What follows these is an object that the caller wrote as Meta has it: its names are not ours to turn.
const METAS: [&str; 5] = [
    "components",
    "content.json",
    "content.contacts",
    "content.interactive",
    "content.template.components",
];

/// The path of an input's field, from the name that the contract has for it: `send_at_us` is `["input", "sendAt"]`.
pub(super) fn input_path(field: &str) -> Vec<String> {
    std::iter::once("input".to_owned()).chain(turned(field)).collect()
}

/// The argument of a question, from the name that the contract has for it.
pub(super) fn argument(field: &str) -> String {
    match OF_QUESTIONS.iter().find(|(contract, _)| *contract == field) {
        Some((_, ours)) => (*ours).to_owned(),
        None => turned(field).join("."),
    }
}

/// What is wrong with a field: without the contract's name of it, where the sentence begins with that.
pub(super) fn problem(field: &str, message: &str) -> String {
    let rest = message.strip_prefix(field).filter(|rest| rest.starts_with([':', ' ']));
    sentence(rest.map_or(message, |rest| rest.trim_start_matches([':', ' '])))
}

/// A sentence of a service's with our names for what the contracts alone call so.
pub(super) fn sentence(text: &str) -> String {
    let is_name = |sign: char| sign.is_ascii_alphanumeric() || sign == '_';
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(is_name) {
        let (before, from) = rest.split_at(start);
        let (word, after) = from.split_at(from.find(|sign| !is_name(sign)).unwrap_or(from.len()));
        out.push_str(before);
        let named = if of_contracts(word) { root(word) } else { word.to_owned() };
        out.push_str(&named);
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Whether a word can be nothing but a contract's name of a field: Meta ends none of its names so.
fn of_contracts(word: &str) -> bool {
    let suffixed = |suffix| word.strip_suffix(suffix).is_some_and(|rest| !rest.is_empty());
    suffixed("_us") || suffixed("_json") || suffixed("_in_s")
}

fn turned(field: &str) -> Vec<String> {
    let field = field.strip_prefix(SPREAD).and_then(|rest| rest.strip_prefix('.')).unwrap_or(field);
    let parts = field.split(['.', '[', ']']).filter(|part| !part.is_empty());
    let mut path: Vec<String> = Vec::new();
    for part in parts {
        let here = path.join(".");
        let inside = METAS.iter().any(|metas| {
            here.strip_prefix(metas).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        });
        path.push(match (path.is_empty(), inside) {
            (true, _) => root(part),
            (false, true) => part.to_owned(),
            (false, false) => camel(part),
        });
    }
    path
}

fn root(name: &str) -> String {
    if let Some((_, ours)) = OTHERWISE.iter().find(|(contract, _)| *contract == name) {
        return (*ours).to_owned();
    }
    if let Some(bare) = name.strip_suffix("_in_s") {
        return camel(&format!("{bare}_in_seconds"));
    }
    match name.strip_suffix("_us") {
        // Instants: `expires_us`, and `send_at_us`, which has its "at" already.
        Some(at) if at.ends_with("_at") => camel(at),
        Some(bare) if !bare.is_empty() => camel(&format!("{bare}_at")),
        _ => camel(name.strip_suffix("_json").unwrap_or(name)),
    }
}

fn camel(snake: &str) -> String {
    let mut out = String::with_capacity(snake.len());
    let mut upper = false;
    for letter in snake.chars() {
        if letter == '_' {
            upper = !out.is_empty();
        } else if upper {
            out.extend(letter.to_uppercase());
            upper = false;
        } else {
            out.push(letter);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("name", &["input", "name"])]
    #[case("waba_id", &["input", "wabaId"])]
    #[case("key_id", &["input", "apiKeyId"])]
    #[case("expires_us", &["input", "expiresAt"])]
    #[case("send_at_us", &["input", "sendAt"])]
    #[case("expires_in_s", &["input", "expiresInSeconds"])]
    #[case("profile.about", &["input", "about"])]
    #[case("websites[1]", &["input", "websites", "1"])]
    #[case("body_json.text.preview_url", &["input", "content", "text", "previewUrl"])]
    fn a_violation_names_the_argument(#[case] field: &str, #[case] path: &[&str]) {
        assert_eq!(input_path(field), path);
    }

    #[rstest]
    #[case("components_json[0].example.body_text", &["components", "0", "example", "body_text"])]
    #[case("components[0].example.body_text", &["components", "0", "example", "body_text"])]
    #[case("body_json.json.text.preview_url", &["content", "json", "text", "preview_url"])]
    #[case("body_json.interactive.action.catalog_id", &["content", "interactive", "action", "catalog_id"])]
    #[case("body_json.template.components[0].sub_type", &["content", "template", "components", "0", "sub_type"])]
    fn what_was_written_as_meta_has_it_keeps_its_names(#[case] field: &str, #[case] path: &[&str]) {
        assert_eq!(turned(field), path);
    }

    #[rstest]
    #[case("expires_us must lie after send_at_us", "must lie after sendAt")]
    #[case("expires_us: is over", "is over")]
    #[case("wants expires_in_s, not `body_json`", "wants expiresInSeconds, not `content`")]
    #[case(
        "needs example.body_text and header_handle",
        "needs example.body_text and header_handle"
    )]
    #[case("_us and ünits_äus", "_us and ünits_äus")]
    fn a_sentence_has_our_names(#[case] text: &str, #[case] ours: &str) {
        assert_eq!(problem("expires_us", text), ours);
    }

    #[test]
    fn a_page_is_named_as_the_list_names_it() {
        assert_eq!(argument("page.page_token"), "after");
        assert_eq!(argument("from_day"), "fromDay");
    }
}
