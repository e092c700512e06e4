//! The setting that somebody most likely meant.

use serde_json::Value as Json;

/// The known setting nearest to `wrong`: first among its neighbours, then anywhere.
pub(super) fn to(wrong: &[String], known: &Json) -> Vec<String> {
    let mut all = Vec::new();
    collect(known, &mut Vec::new(), &mut all);
    let text = wrong.join(".");
    let last = wrong.last().map_or("", String::as_str);
    let depth = wrong.len();
    let score = |candidate: &Vec<String>| {
        let neighbour = candidate.len() == depth
            && candidate.split_last().map(|(_, rest)| rest) == wrong.split_last().map(|(_, r)| r);
        let name = candidate.last().map_or("", String::as_str);
        let by_name = distance(last, name);
        // A neighbour whose name is close, else the same name elsewhere, else the closest path.
        if neighbour && by_name <= 1 + last.len() / 3 {
            (0, by_name)
        } else if by_name == 0 {
            (1, distance(&text, &candidate.join(".")))
        } else {
            (2, distance(&text, &candidate.join(".")))
        }
    };
    all.into_iter().min_by_key(score).unwrap_or_default()
}

fn collect(at: &Json, path: &mut Vec<String>, out: &mut Vec<Vec<String>>) {
    match at {
        Json::Object(map) => {
            for (name, inner) in map {
                path.push(name.clone());
                out.push(path.clone());
                collect(inner, path, out);
                path.pop();
            }
        }
        Json::Array(items) => {
            for (index, inner) in items.iter().enumerate() {
                path.push(index.to_string());
                collect(inner, path, out);
                path.pop();
            }
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}

/// How many letters must change to make one of the other (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut next = vec![i + 1];
        for (j, b) in other.iter().enumerate() {
            let at = |row: &[usize], k: usize| row.get(k).copied().unwrap_or(usize::MAX - 1);
            let change = at(&row, j) + usize::from(a != *b);
            next.push(change.min(at(&row, j + 1) + 1).min(at(&next, j) + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}
