//! Sparing requests the wait for a server that does not answer.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// After so many failures in a row nobody asks for a while.
const FAILURES: u32 = 3;

/// How long nobody asks; then one request does, and the others wait for what it hears.
const PAUSE: Duration = Duration::from_secs(1);

/// Whether to ask.
#[derive(Debug, Default)]
pub(crate) struct Circuit(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    failures_in_a_row: u32,
    paused_until: Duration,
    /// Whether one request asks whether the pause is over.
    is_probed: bool,
}

/// What a failure led to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum AfterFailure {
    /// Nothing: the next request asks again, or nobody asks already.
    GoOn,
    /// For a while no request asks.
    Pause,
}

impl Circuit {
    /// Whether to ask, at this age of the process's clock.
    pub(crate) fn may_ask(&self, now: Duration) -> bool {
        let mut state = self.lock();
        if state.failures_in_a_row < FAILURES {
            return true;
        }
        if now < state.paused_until {
            return false;
        }
        state.paused_until = now.saturating_add(PAUSE);
        state.is_probed = true;
        true
    }

    /// There was an answer; whether that ends a pause.
    pub(crate) fn note_answer(&self) -> bool {
        std::mem::take(&mut *self.lock()).failures_in_a_row >= FAILURES
    }

    /// There was none.
    pub(crate) fn note_failure(&self, now: Duration) -> AfterFailure {
        let mut state = self.lock();
        state.failures_in_a_row = state.failures_in_a_row.saturating_add(1);
        // Of many requests that were under way, all but one find the pause begun.
        let begins = state.failures_in_a_row == FAILURES || std::mem::take(&mut state.is_probed);
        if !begins {
            return AfterFailure::GoOn;
        }
        state.paused_until = now.saturating_add(PAUSE);
        AfterFailure::Pause
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_three_failures_in_a_row_nobody_asks_for_a_second_and_then_one_does() {
        let circuit = Circuit::default();
        let at = Duration::from_millis;
        assert_eq!([0, 1].map(|now| circuit.note_failure(at(now))), [AfterFailure::GoOn, AfterFailure::GoOn]);
        assert!(!circuit.note_answer(), "an answer in between: they were not in a row");
        assert_eq!([2, 3].map(|now| circuit.note_failure(at(now))), [AfterFailure::GoOn, AfterFailure::GoOn]);
        assert!(circuit.may_ask(at(3)));
        assert_eq!(circuit.note_failure(at(4)), AfterFailure::Pause);
        assert_eq!(circuit.note_failure(at(4)), AfterFailure::GoOn, "it was under way when the pause began");
        assert!(!circuit.may_ask(at(4)) && !circuit.may_ask(at(1_003)));
        assert!(circuit.may_ask(at(1_004)), "one asks");
        assert!(!circuit.may_ask(at(1_004)), "the others wait for what it hears");
        assert_eq!(circuit.note_failure(at(1_054)), AfterFailure::Pause);
        assert!(!circuit.may_ask(at(2_053)) && circuit.may_ask(at(2_054)));
        assert!(circuit.note_answer());
        assert!(circuit.may_ask(at(2_055)) && circuit.may_ask(at(2_055)));
    }
}
