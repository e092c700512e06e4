//! How much of its call budgets an app has used, as Meta says it in headers of some answers.
//!
//! The last word on each budget is kept in memory, at most a few thousand, for whoever paces polling: slow down at 75 %, stop at 95 %.

use reqwest::header::HeaderMap;
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Most budgets that are remembered; beyond, those with the least use are forgotten.
const REMEMBERED: usize = 4_096;

/// Use of one budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BudgetUse {
    /// The fullest of calls, CPU time and time, in per cent of the budget; may pass 100.
    pub percent: u32,
    /// How long until calls are taken again; zero while they are.
    pub regain: Duration,
}

impl BudgetUse {
    /// Whether pollers should slow down.
    #[must_use]
    pub const fn is_high(self) -> bool {
        self.percent >= 75
    }

    /// Whether pollers should stop until the budget is regained.
    #[must_use]
    pub const fn is_spent(self) -> bool {
        self.percent >= 95 || !self.regain.is_zero()
    }
}

/// What an answer's headers say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Usage {
    /// The app's own budget.
    pub app: Option<BudgetUse>,
    /// Budgets of accounts, by Meta's id.
    pub accounts: Vec<(String, BudgetUse)>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Wire {
    call_count: f64,
    total_cputime: f64,
    total_time: f64,
    estimated_time_to_regain_access: f64,
}

impl Wire {
    fn budget(&self) -> BudgetUse {
        let fullest =
            self.call_count.max(self.total_cputime).max(self.total_time).clamp(0.0, 1_000.0);
        let minutes = self.estimated_time_to_regain_access.clamp(0.0, 10_080.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped to 0 … 1000"
        )]
        let percent = fullest.ceil() as u32;
        BudgetUse { percent, regain: Duration::from_secs_f64(minutes * 60.0) }
    }
}

impl Usage {
    /// Reads `x-app-usage` and `x-business-use-case-usage`; what does not read is ignored.
    pub(crate) fn from_headers(headers: &HeaderMap) -> Self {
        let json = |name: &str| headers.get(name).map(|value| value.as_bytes().to_vec());
        let app = json("x-app-usage")
            .and_then(|raw| serde_json::from_slice::<Wire>(&raw).ok())
            .map(|wire| wire.budget());
        let accounts = json("x-business-use-case-usage")
            .and_then(|raw| serde_json::from_slice::<HashMap<String, Vec<Wire>>>(&raw).ok())
            .unwrap_or_default()
            .into_iter()
            .filter_map(|(id, uses)| {
                let worst = uses
                    .iter()
                    .map(Wire::budget)
                    .max_by_key(|budget| (budget.regain, budget.percent))?;
                Some((id, worst))
            })
            .collect();
        Self { app, accounts }
    }
}

/// The last word on each budget.
#[derive(Debug, Default)]
pub(crate) struct UsageBoard(Mutex<HashMap<String, BudgetUse>>);

impl UsageBoard {
    pub(crate) fn note(&self, app: &str, usage: &Usage) {
        if usage.app.is_none() && usage.accounts.is_empty() {
            return;
        }
        let mut board = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(budget) = usage.app {
            board.insert(format!("app:{app}"), budget);
        }
        for (id, budget) in &usage.accounts {
            board.insert(format!("{app}:{id}"), *budget);
        }
        if board.len() > REMEMBERED {
            board.retain(|_, budget| budget.is_high());
        }
        if board.len() > REMEMBERED {
            board.clear();
        }
    }

    pub(crate) fn of_app(&self, app: &str) -> Option<BudgetUse> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&format!("app:{app}")).copied()
    }

    pub(crate) fn of_account(&self, app: &str, id: &str) -> Option<BudgetUse> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&format!("{app}:{id}")).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    fn headers(app: &'static str, business: &'static str) -> HeaderMap {
        HeaderMap::from_iter([
            (
                reqwest::header::HeaderName::from_static("x-app-usage"),
                HeaderValue::from_static(app),
            ),
            (
                reqwest::header::HeaderName::from_static("x-business-use-case-usage"),
                HeaderValue::from_static(business),
            ),
        ])
    }

    #[test]
    fn the_fullest_part_of_a_budget_counts() {
        let usage = Usage::from_headers(&headers(
            r#"{"call_count":12,"total_cputime":3,"total_time":77}"#,
            r#"{"90210551":[{"type":"whatsapp_business_management","call_count":96,"total_cputime":9,"total_time":11,"estimated_time_to_regain_access":2}]}"#,
        ));
        assert_eq!(usage.app, Some(BudgetUse { percent: 77, regain: Duration::ZERO }));
        assert!(usage.app.unwrap().is_high() && !usage.app.unwrap().is_spent());
        assert_eq!(
            usage.accounts,
            [("90210551".to_owned(), BudgetUse { percent: 96, regain: Duration::from_mins(2) })]
        );
    }

    #[test]
    fn headers_that_do_not_read_are_ignored() {
        assert_eq!(Usage::from_headers(&headers("nonsense", "[1]")), Usage::default());
        assert_eq!(Usage::from_headers(&HeaderMap::new()), Usage::default());
    }

    #[test]
    fn the_board_keeps_the_last_word_and_does_not_grow_for_ever() {
        let board = UsageBoard::default();
        for n in 0..10_000 {
            board.note(
                "7",
                &Usage {
                    app: None,
                    accounts: vec![(
                        n.to_string(),
                        BudgetUse { percent: 1, regain: Duration::ZERO },
                    )],
                },
            );
        }
        assert!(board.0.lock().unwrap().len() <= REMEMBERED);
        board.note(
            "7",
            &Usage {
                app: Some(BudgetUse { percent: 80, regain: Duration::ZERO }),
                accounts: vec![],
            },
        );
        assert_eq!(board.of_app("7").unwrap().percent, 80);
        assert_eq!(board.of_account("8", "1"), None);
    }
}
