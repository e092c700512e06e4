//! The clock of the emulated world. Everybody who follows Meta's time asks here.
//!
//! Business time is an anchor plus the machine's monotonic time since then, times a rate. It never
//! goes back, and it goes on while the process is down (by the machine's wall clock, at the same
//! rate), so a restart is not a jump for those who follow. Each change raises the version; so does
//! each start, because followers must take a new anchor then.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::Instant;

/// What is kept on disk.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Anchor {
    pub(crate) version: u64,
    pub(crate) now_us: i64,
    /// The machine's clock at the anchor; used on start alone.
    pub(crate) wall_us: i64,
    pub(crate) rate: f64,
}

/// What `GET /_sandbox/v1/clock` tells.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Reading {
    pub(crate) version: u64,
    pub(crate) now_us: i64,
    pub(crate) rate: f64,
}

/// A wish to move the clock.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Move {
    /// Forward by so much.
    pub(crate) advance_us: Option<i64>,
    /// Forward to this instant.
    pub(crate) set_us: Option<i64>,
    /// Seconds of business time to a second of the machine's; 0 stops the clock.
    pub(crate) rate: Option<f64>,
}

pub(crate) struct Clock {
    state: Mutex<State>,
    version: watch::Sender<u64>,
}

#[derive(Clone, Copy)]
struct State {
    anchor: Anchor,
    at: Instant,
}

impl State {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "microseconds since an anchor of this process: far below 2^52"
    )]
    fn now_us(&self) -> i64 {
        let elapsed = self.at.elapsed().as_micros() as f64;
        self.anchor.now_us.saturating_add((elapsed * self.anchor.rate) as i64)
    }
}

impl Clock {
    /// Goes on from what was kept, or begins at the machine's time.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "the gap is the time that the process was down"
    )]
    pub(crate) fn start(kept: Option<Anchor>, wall_us: i64) -> Self {
        let mut anchor = kept.unwrap_or(Anchor { version: 0, now_us: wall_us, wall_us, rate: 1.0 });
        let down = wall_us.saturating_sub(anchor.wall_us).max(0);
        anchor.now_us = anchor.now_us.saturating_add((down as f64 * anchor.rate) as i64);
        anchor.wall_us = wall_us;
        anchor.version += 1;
        let state = Mutex::new(State { anchor, at: Instant::now() });
        Self { state, version: watch::Sender::new(anchor.version) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Business time, microseconds since 1970.
    pub(crate) fn now_us(&self) -> i64 {
        self.state().now_us()
    }

    /// Time, version and rate at one instant.
    pub(crate) fn read(&self) -> Reading {
        let state = *self.state();
        Reading { version: state.anchor.version, now_us: state.now_us(), rate: state.anchor.rate }
    }

    /// The anchor to keep on disk.
    pub(crate) fn anchor(&self) -> Anchor {
        self.state().anchor
    }

    /// Hears each change.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// Moves the clock, or says why it may not be moved so.
    pub(crate) fn shift(&self, wish: Move, wall_us: i64) -> Result<Anchor, &'static str> {
        let mut state = self.state();
        let before = state.now_us();
        let advance = wish.advance_us.unwrap_or_default();
        if advance < 0 || wish.set_us.is_some_and(|to| to < before) {
            return Err("the clock never goes back");
        }
        if wish.rate.is_some_and(|rate| !rate.is_finite() || !(0.0..=1_000_000.0).contains(&rate)) {
            return Err("rate must be between 0 and 1000000");
        }
        let anchor = Anchor {
            version: state.anchor.version + 1,
            now_us: wish.set_us.unwrap_or(before).saturating_add(advance),
            wall_us,
            rate: wish.rate.unwrap_or(state.anchor.rate),
        };
        *state = State { anchor, at: Instant::now() };
        drop(state);
        self.version.send_replace(anchor.version);
        Ok(anchor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restart_goes_on_where_time_would_be() {
        let kept = Anchor { version: 4, now_us: 1_000, wall_us: 500, rate: 2.0 };
        let clock = Clock::start(Some(kept), 600);
        let reading = clock.read();
        assert_eq!(reading.version, 5);
        assert!(reading.now_us >= 1_200);
    }

    #[test]
    fn it_moves_forward_only() {
        let clock = Clock::start(None, 1_000_000);
        let stop = Move { rate: Some(0.0), ..Move::default() };
        clock.shift(stop, 0).unwrap();
        let before = clock.now_us();
        clock.shift(Move { advance_us: Some(5), ..Move::default() }, 0).unwrap();
        assert_eq!(clock.now_us(), before + 5);
        assert!(clock.shift(Move { advance_us: Some(-1), ..Move::default() }, 0).is_err());
        assert!(clock.shift(Move { set_us: Some(before), ..Move::default() }, 0).is_err());
    }
}
