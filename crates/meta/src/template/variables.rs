//! Finds the variables of a template's text: `{{1}}` or `{{first_name}}`.

use super::ParameterFormat;

/// A stretch of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Fixed words.
    Literal(&'a str),
    /// What stands between the braces.
    Variable(&'a str),
}

/// A text taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variables<'a> {
    /// Its stretches, in order, without empty ones.
    pub pieces: Vec<Piece<'a>>,
}

/// Why a text's variables can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A brace that opens or closes nothing.
    #[error("has a single or unbalanced brace; a variable is written {{{{1}}}} or {{{{name}}}}")]
    Brace,
    /// A name that is neither a number nor lower-case letters, digits and underscores.
    #[error("has a variable whose name is neither a number nor made of a-z, 0-9 and _")]
    Name,
    /// Both kinds in one text, or the kind that the template does not use.
    #[error("mixes numbered and named variables, or uses the kind that the template does not")]
    Mixed,
    /// Numbers that do not go up from 1 without gaps.
    #[error("must number its variables 1, 2, 3 … in order of appearance")]
    Order,
    /// A name used twice.
    #[error("uses the name of a variable twice")]
    Twice,
}

/// Takes a text apart.
pub fn variables(text: &str) -> Result<Variables<'_>, Malformed> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((literal, after)) = rest.split_once("{{") {
        let (name, tail) = after.split_once("}}").ok_or(Malformed::Brace)?;
        push_literal(&mut pieces, literal)?;
        if name.contains(['{', '}']) {
            return Err(Malformed::Brace);
        }
        if name.is_empty()
            || !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        {
            return Err(Malformed::Name);
        }
        pieces.push(Piece::Variable(name));
        rest = tail;
    }
    push_literal(&mut pieces, rest)?;
    Ok(Variables { pieces })
}

fn push_literal<'a>(pieces: &mut Vec<Piece<'a>>, literal: &'a str) -> Result<(), Malformed> {
    if literal.contains(['{', '}']) {
        return Err(Malformed::Brace);
    }
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal));
    }
    Ok(())
}

impl<'a> Variables<'a> {
    /// The variables in order of appearance; a number that appears again is listed once.
    #[must_use]
    pub fn names(&self) -> Vec<&'a str> {
        let mut names = Vec::new();
        for piece in &self.pieces {
            if let Piece::Variable(name) = piece
                && !names.contains(name)
            {
                names.push(*name);
            }
        }
        names
    }

    /// How many characters are fixed.
    #[must_use]
    pub fn fixed_characters(&self) -> usize {
        self.pieces
            .iter()
            .map(|piece| match piece {
                Piece::Literal(text) => text.chars().count(),
                Piece::Variable(_) => 0,
            })
            .sum()
    }

    /// Which of the two kinds the text uses; `None` without variables.
    #[must_use]
    pub fn format(&self) -> Option<ParameterFormat> {
        let numbered = |name: &&str| name.bytes().all(|b| b.is_ascii_digit());
        self.names().first().map(|name| {
            if numbered(name) { ParameterFormat::Positional } else { ParameterFormat::Named }
        })
    }

    /// Checks numbering and uniqueness for a template of this format.
    pub fn check(&self, format: &ParameterFormat) -> Result<(), Malformed> {
        let numbered = |name: &str| name.bytes().all(|b| b.is_ascii_digit());
        let all: Vec<&str> = self
            .pieces
            .iter()
            .filter_map(|piece| match piece {
                Piece::Variable(name) => Some(*name),
                Piece::Literal(_) => None,
            })
            .collect();
        if all.iter().any(|name| numbered(name)) && all.iter().any(|name| !numbered(name)) {
            return Err(Malformed::Mixed);
        }
        let named = *format == ParameterFormat::Named;
        if all.iter().any(|name| numbered(name) == named) {
            return Err(Malformed::Mixed);
        }
        let names = self.names();
        if named {
            return if names.len() == all.len() { Ok(()) } else { Err(Malformed::Twice) };
        }
        if names.iter().enumerate().all(|(at, name)| *name == (at + 1).to_string()) {
            Ok(())
        } else {
            Err(Malformed::Order)
        }
    }

    /// Whether nothing but blanks and punctuation stands before the first or after the last variable.
    #[must_use]
    pub fn at_an_edge(&self) -> bool {
        let silent = |piece: &Piece<'_>| matches!(piece, Piece::Literal(text) if text.chars().all(|c| c.is_whitespace() || c.is_ascii_punctuation()));
        let first = self.pieces.iter().find(|piece| !silent(piece));
        let last = self.pieces.iter().rev().find(|piece| !silent(piece));
        [first, last].into_iter().flatten().any(|piece| matches!(piece, Piece::Variable(_)))
    }

    /// Whether two variables stand side by side.
    #[must_use]
    pub fn adjacent(&self) -> bool {
        self.pieces.windows(2).any(|pair| matches!(pair, [Piece::Variable(_), Piece::Variable(_)]))
    }
}
