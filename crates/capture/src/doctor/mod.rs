//! Will a crash here leave a core that can be collected? If not, why, and what can be done.

mod fix;

use std::path::PathBuf;

pub use fix::{FixError, Fixed, fix};

use crate::canary::{Canary, CanaryError, Fate, Flight};
use crate::host::Host;
use crate::why::{NoCore, Situation, explain, forbids, risks};

/// What there is to say about a host, as a step of a job finds it.
#[derive(Debug)]
pub struct Diagnosis {
    /// The one reason why a crash here leaves no core that can be collected; `None` if it leaves one.
    pub reason: Option<NoCore>,
    /// What may make cores go missing all the same.
    pub risks: Vec<NoCore>,
    /// What a canary has proved, or why none could.
    pub canary: Result<Flight, CanaryError>,
    /// The facts.
    pub situation: Situation,
}

/// Looks at `host` from where this process stands, and lets a canary crash there.
pub fn diagnose(host: &Host, canary: &Canary) -> Diagnosis {
    let situation = Situation::of(host);
    // A folder that was removed has no name any more but the one that the kernel remembers.
    let remembered = || situation.inherited.folder.clone().unwrap_or_else(|| PathBuf::from("/"));
    let cwd = std::env::current_dir().unwrap_or_else(|_| remembered());
    let mut situation = situation.standing_in(host, &cwd);
    let canary = canary.send(host, &cwd);
    if let Ok(flight) = &canary {
        situation = situation.after_canary(&flight.fate);
    }
    let goes_elsewhere = situation.file().is_none();
    let reason = forbids(&situation).or_else(|| match &canary {
        Ok(Flight { fate: Fate::Core { .. }, .. }) => None,
        // Its core went to somebody who may keep it.
        Ok(_) => Some(explain(&situation)),
        Err(_) => goes_elsewhere.then(|| explain(&situation)),
    });
    Diagnosis { reason, risks: risks(&situation), canary, situation }
}
