//! The order inside one number: authentication strictly first, though with at most half of the rate
//! while others wait longer than 30 s; then by weight, interactive before bulk (OVL-4). Holds what was
//! claimed and not yet marked, a bounded line a class.

use std::collections::VecDeque;
use std::time::Duration;

use crate::domain::message::Class;

/// Others that have waited this long get every second turn.
const PATIENCE: Duration = Duration::from_secs(30);
/// Classes.
const N: usize = Class::ALL.len();

/// What was claimed of one number, in its lines.
#[derive(Debug)]
pub(crate) struct Lineup<T> {
    lines: [VecDeque<(Duration, T)>; N],
    /// Turns taken, scaled by weight: the line with the least is next.
    served: [u64; N],
    authentication_had_last: bool,
}

impl<T> Default for Lineup<T> {
    fn default() -> Self {
        Self {
            lines: std::array::from_fn(|_| VecDeque::new()),
            served: [0; N],
            authentication_had_last: false,
        }
    }
}

impl<T> Lineup<T> {
    /// Puts one at the end of its class's line; `since` is when it began to wait.
    pub(crate) fn push(&mut self, class: Class, since: Duration, item: T) {
        let floor = self.least_served();
        let at = class.index();
        if let (Some(line), Some(served)) = (self.lines.get_mut(at), self.served.get_mut(at)) {
            // A line that was empty starts with the others, not with the turns that it did not need.
            if line.is_empty() {
                *served = (*served).max(floor);
            }
            line.push_back((since, item));
        }
    }

    /// How many wait in a class's line.
    pub(crate) fn len_of(&self, class: Class) -> usize {
        self.lines.get(class.index()).map_or(0, VecDeque::len)
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.lines.iter().map(VecDeque::len).sum()
    }

    /// Whether nobody waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes all out, for giving them back.
    pub(crate) fn drain(&mut self) -> Vec<T> {
        self.lines.iter_mut().flat_map(|line| line.drain(..)).map(|(_, item)| item).collect()
    }

    /// Whose turn it is.
    pub(crate) fn pop(&mut self, now: Duration) -> Option<(Class, T)> {
        let class = self.next_class(now)?;
        let at = class.index();
        let (_, item) = self.lines.get_mut(at)?.pop_front()?;
        if let Some(served) = self.served.get_mut(at) {
            *served += 1_000 / u64::from(class.weight());
        }
        self.authentication_had_last = class == Class::Authentication;
        Some((class, item))
    }

    fn next_class(&self, now: Duration) -> Option<Class> {
        let others = || Class::ALL.into_iter().filter(|class| *class != Class::Authentication);
        let waits = |class: Class| self.len_of(class) > 0;
        let next_of_others = || {
            others()
                .filter(|class| waits(*class))
                .min_by_key(|class| (self.served.get(class.index()).copied(), class.index()))
        };
        if !waits(Class::Authentication) {
            return next_of_others();
        }
        let impatient = others().any(|class| {
            self.lines
                .get(class.index())
                .and_then(VecDeque::front)
                .is_some_and(|(since, _)| now.saturating_sub(*since) > PATIENCE)
        });
        if impatient && self.authentication_had_last {
            return next_of_others();
        }
        Some(Class::Authentication)
    }

    fn least_served(&self) -> u64 {
        Class::ALL
            .into_iter()
            .filter(|class| *class != Class::Authentication && self.len_of(*class) > 0)
            .filter_map(|class| self.served.get(class.index()).copied())
            .min()
            .unwrap_or_else(|| self.served.iter().copied().max().unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(each: usize, classes: &[Class]) -> Lineup<usize> {
        let mut lineup = Lineup::default();
        for class in classes {
            for n in 0..each {
                lineup.push(*class, Duration::ZERO, n);
            }
        }
        lineup
    }

    fn picks(lineup: &mut Lineup<usize>, count: usize, now: Duration) -> [usize; N] {
        let mut picked = [0; N];
        for _ in 0..count {
            let (class, _) = lineup.pop(now).unwrap();
            picked[class.index()] += 1;
        }
        picked
    }

    #[test]
    fn a_passcode_overtakes_everything() {
        let mut lineup = filled(100, &Class::ALL);
        assert_eq!(picks(&mut lineup, 100, Duration::from_secs(1))[0], 100);
    }

    #[test]
    fn passcodes_take_half_where_others_wait_long() {
        let mut lineup = filled(1_000, &Class::ALL);
        let picked = picks(&mut lineup, 400, Duration::from_secs(31));
        assert_eq!(picked[0], 200);
    }

    #[test]
    fn the_rest_goes_by_weight_and_none_starves() {
        let classes = &Class::ALL[1..];
        let mut lineup = filled(10_000, classes);
        let picked = picks(&mut lineup, 9_000, Duration::from_secs(1));
        let weights: u32 = classes.iter().map(|class| class.weight()).sum();
        for class in classes {
            let share = 9_000 * class.weight() / weights;
            let got = u32::try_from(picked[class.index()]).unwrap();
            assert!(got.abs_diff(share) <= 200, "{class:?} got {got} of {share}");
        }
    }

    #[test]
    fn a_line_that_was_empty_gets_no_arrears() {
        let mut lineup = filled(10_000, &[Class::Marketing]);
        picks(&mut lineup, 5_000, Duration::ZERO);
        for n in 0..1_000 {
            lineup.push(Class::BulkMarketing, Duration::ZERO, n);
        }
        let picked = picks(&mut lineup, 100, Duration::ZERO);
        assert!(picked[Class::Marketing.index()] >= 70, "{picked:?}");
    }

    #[test]
    fn a_class_keeps_its_order() {
        let mut lineup = filled(3, &[Class::Service]);
        let order: Vec<usize> =
            std::iter::from_fn(|| lineup.pop(Duration::ZERO).map(|(_, n)| n)).collect();
        assert_eq!(order, [0, 1, 2]);
    }
}
