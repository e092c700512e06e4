//! The matrix: what was called × which of its fields held another's id × who called, and how each cell ended.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

/// How one cell ended well, or what is wrong with it.
pub(crate) type Verdict = Result<&'static str, String>;

/// One thing that was called.
#[derive(Debug, Default)]
struct Row {
    /// Whether the rightful caller succeeded with the arguments of the attacks.
    control: Option<Result<(), String>>,
    cells: Vec<(String, &'static str, Verdict)>,
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Matrix {
    title: &'static str,
    rows: BTreeMap<String, Row>,
    faults: Vec<String>,
}

impl Matrix {
    pub(crate) fn new(title: &'static str) -> Self {
        Self { title, rows: BTreeMap::new(), faults: Vec::new() }
    }

    /// Something that belongs in the matrix; without a control and a cell it fails.
    pub(crate) fn row(&mut self, name: &str) {
        self.rows.entry(name.to_owned()).or_default();
    }

    pub(crate) fn control(&mut self, name: &str, passed: Result<(), String>) {
        self.rows.entry(name.to_owned()).or_default().control = Some(passed);
    }

    pub(crate) fn cell(&mut self, name: &str, field: &str, caller: &'static str, verdict: Verdict) {
        self.rows.entry(name.to_owned()).or_default().cells.push((
            field.to_owned(),
            caller,
            verdict,
        ));
    }

    /// Something that is wrong with no single cell.
    pub(crate) fn fault(&mut self, what: impl Into<String>) {
        self.faults.push(what.into());
    }

    /// Prints it, and fails on anything that is wrong.
    pub(crate) fn finish(self) {
        let (text, faults) = self.read();
        println!("{text}");
        assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    }

    /// The printed matrix, and everything that is wrong.
    fn read(mut self) -> (String, Vec<String>) {
        let mut text = String::new();
        let (mut cells, mut passed) = (0, 0);
        let (mut fields, mut callers) = (BTreeSet::new(), BTreeSet::new());
        for (name, row) in &self.rows {
            match &row.control {
                Some(Ok(())) => passed += 1,
                Some(Err(why)) => {
                    self.faults.push(format!("{name}: its rightful caller failed: {why}"));
                }
                None => self.faults.push(format!("{name}: no rightful caller succeeded with it")),
            }
            if row.cells.is_empty() {
                self.faults.push(format!("{name}: nobody attacked it"));
            }
            let control =
                if matches!(row.control, Some(Ok(()))) { "control passed" } else { "NO CONTROL" };
            writeln!(text, "{name} ({control})").expect("a string takes all");
            let mut by_field: BTreeMap<&str, Vec<String>> = BTreeMap::new();
            for (field, caller, verdict) in &row.cells {
                cells += 1;
                callers.insert(*caller);
                fields.insert((name, field));
                let word = verdict.as_ref().map_or("FAULT", |word| *word);
                by_field.entry(field).or_default().push(format!("{caller}: {word}"));
                if let Err(why) = verdict {
                    self.faults.push(format!("{name}, {field}, {caller}: {why}"));
                }
            }
            for (field, words) in by_field {
                writeln!(text, "    {field:<22} {}", words.join(" · "))
                    .expect("a string takes all");
            }
        }
        let summary = format!(
            "{}: {} of them × {} fields × {} callers = {cells} cells; {passed} positive controls passed, {} faults",
            self.title,
            self.rows.len(),
            fields.len(),
            callers.len(),
            self.faults.len()
        );
        (format!("{text}{summary}"), self.faults)
    }
}

#[test]
fn a_cell_without_a_passed_control_fails() {
    let mut matrix = Matrix::new("methods");
    matrix.cell("a.B", "id", "stranger", Ok("absent"));
    assert_eq!(matrix.read().1, ["a.B: no rightful caller succeeded with it"]);
}

#[test]
fn what_nobody_attacked_fails() {
    let mut matrix = Matrix::new("methods");
    matrix.row("a.B");
    matrix.control("a.B", Ok(()));
    assert_eq!(matrix.read().1, ["a.B: nobody attacked it"]);
}

#[test]
fn a_leak_fails_and_is_named() {
    let mut matrix = Matrix::new("methods");
    matrix.control("a.B", Ok(()));
    matrix.cell("a.B", "id", "stranger", Err("answered".to_owned()));
    let (text, faults) = matrix.read();
    assert_eq!(faults, ["a.B, id, stranger: answered"]);
    assert!(text.contains("stranger: FAULT") && text.contains("1 faults"), "{text}");
}
