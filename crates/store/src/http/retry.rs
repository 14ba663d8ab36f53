//! How long to wait before a request is sent again.

use std::time::Duration;

use crate::options::Network;
use crate::{Progress, StoreError};

/// Counts the failures of one transfer.
#[derive(Debug)]
pub(crate) struct Retry<'a> {
    network: &'a Network,
    failures: u32,
}

impl<'a> Retry<'a> {
    pub(crate) fn new(network: &'a Network) -> Self {
        Self { network, failures: 0 }
    }

    /// Goes on counting.
    pub(crate) fn after(network: &'a Network, failures: u32) -> Self {
        Self { network, failures }
    }

    /// How many there were.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// Forgets earlier failures, because the transfer moved on since.
    pub(crate) fn moved_on(&mut self) {
        self.failures = 0;
    }

    /// Sleeps, if it makes sense to try again; gives the error back if not.
    pub(crate) async fn wait(
        &mut self,
        error: StoreError,
        name: &str,
        progress: &dyn Progress,
    ) -> Result<(), StoreError> {
        self.failures += 1;
        if !error.is_transient() || self.failures >= self.network.attempts {
            return Err(error);
        }
        let wait = self.pause(error.retry_after(), fastrand::f64());
        progress.retrying(name, self.failures, wait, &error);
        tokio::time::sleep(wait).await;
        Ok(())
    }

    /// Doubles with each failure; chance (0 to 1) takes away up to half, so that clients which failed together don't
    /// come back together. What the server asks for is a minimum.
    fn pause(&self, asked: Option<Duration>, chance: f64) -> Duration {
        let doublings = self.failures.saturating_sub(1).min(20);
        let full = self.network.first_wait.saturating_mul(1 << doublings).min(self.network.longest_wait);
        let asked = asked.unwrap_or_default().min(self.network.longest_retry_after);
        full.mul_f64(1.0 - chance.clamp(0.0, 1.0) / 2.0).max(asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_limit() {
        let network = Network::default();
        let mut retry = Retry::new(&network);
        let mut waits = Vec::new();
        for failures in [1, 2, 3, 7, 8, 1000] {
            retry.failures = failures;
            waits.push(retry.pause(None, 0.0).as_millis());
        }
        assert_eq!(waits, [500, 1000, 2000, 30_000, 30_000, 30_000]);
        retry.failures = 1;
        assert_eq!(retry.pause(None, 1.0).as_millis(), 250);
    }

    #[test]
    fn the_server_may_ask_for_more_but_not_for_an_hour() {
        let network = Network::default();
        let retry = Retry { network: &network, failures: 1 };
        let seconds = |asked| retry.pause(Some(Duration::from_secs(asked)), 0.0).as_secs();
        assert_eq!(seconds(7), 7);
        assert_eq!(seconds(3600), 120);
        assert_eq!(retry.pause(Some(Duration::ZERO), 0.0).as_millis(), 500);
    }
}
