//! When a command was started, though the clock may be set while it runs.
//!
//! Files have the times of the clock that they were written by. Where that was set back, what is written afterwards seems
//! older than the command that wrote it; only a clock that nobody sets shows how much.

use std::time::{Duration, Instant, SystemTime};

/// What is less than this may be the clocks' own difference, and doesn't matter for the times of files.
const LEAST: Duration = Duration::from_millis(20);

/// A moment, by the clock that may be set and by one that can't be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    told: SystemTime,
    steady: Instant,
}

impl Moment {
    pub(super) fn now() -> Moment {
        Moment { told: SystemTime::now(), steady: Instant::now() }
    }

    pub(super) fn told(self) -> SystemTime {
        self.told
    }

    /// Returns by how much the clock was set back between this moment and a later one: zero if it was not. While the
    /// machine sleeps, the steady clock stands still: what was set back by less than that is not seen.
    pub(super) fn set_back(self, later: Moment) -> Duration {
        let expected = self.told.checked_add(later.steady.saturating_duration_since(self.steady));
        let less = expected.and_then(|expected| expected.duration_since(later.told).ok()).unwrap_or_default();
        if less < LEAST { Duration::ZERO } else { less }
    }

    /// Returns the earliest time that a file has which was written after this moment, if the clock was set back by so
    /// much since.
    pub(super) fn earliest(self, set_back: Duration) -> SystemTime {
        self.told.checked_sub(set_back).unwrap_or(SystemTime::UNIX_EPOCH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_back_is_seen_and_one_that_is_set_ahead_does_no_harm() {
        let told = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let begin = Moment { told, steady: Instant::now() };
        let after = |told: SystemTime| Moment { told, steady: begin.steady + Duration::from_secs(60) };
        let minute = Duration::from_secs(60);
        assert_eq!(begin.set_back(after(told + minute)), Duration::ZERO);
        assert_eq!(begin.set_back(after(told + minute - Duration::from_millis(1))), Duration::ZERO);
        assert_eq!(begin.set_back(after(told + minute + Duration::from_hours(1))), Duration::ZERO);
        let set_back = begin.set_back(after(told + minute - Duration::from_hours(1)));
        assert_eq!(set_back, Duration::from_hours(1));
        assert_eq!(begin.earliest(set_back), told - Duration::from_hours(1));
        assert_eq!(begin.earliest(Duration::MAX), SystemTime::UNIX_EPOCH);
    }
}
