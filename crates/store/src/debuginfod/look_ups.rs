//! The look-ups for one core, and their limits.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::cache::Cached;
use super::problems::{Problems, with_causes};
use super::round::{Check, Outcome, Round, Seen};
use super::wanted::DebuginfodWanted;
use super::{Debuginfod, Started};
use crate::{Progress, StoreError, Warning};

/// How much may be looked up for one core. What the cache or a folder has costs nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LookUpLimits {
    /// How long all look-ups together may take.
    pub time: Duration,
    /// How many files servers are asked for.
    pub count: u32,
}

/// The look-ups for one core. They never fail: what is not found is not there, and [`warnings`](Self::warnings) says
/// what went wrong.
#[derive(Debug)]
pub struct LookUps<'a> {
    debuginfod: &'a Debuginfod,
    limits: LookUpLimits,
    used: Mutex<Used>,
}

/// What was used, and what came of it.
#[derive(Debug, Default)]
struct Used {
    time: Duration,
    count: u32,
    problems: Problems,
    /// Files that were not looked up, or not to the end, because a limit was reached.
    beyond: u32,
}

impl<'a> LookUps<'a> {
    pub(super) fn new(debuginfod: &'a Debuginfod, limits: LookUpLimits) -> Self {
        Self { debuginfod, limits, used: Mutex::default() }
    }

    /// Gets a file and returns where it lies. `check` is shown each file that comes, wherever from, and says of a wrong
    /// one what is wrong with it; such a file is neither kept nor returned.
    pub fn find(
        &self,
        wanted: &DebuginfodWanted<'_>,
        check: &mut dyn FnMut(&Path) -> Result<(), String>,
        progress: &dyn Progress,
    ) -> Option<PathBuf> {
        if !wanted.is_valid() {
            return None;
        }
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(path) = self.in_folders(wanted, check, &mut used.problems) {
            return Some(path);
        }
        if self.debuginfod.servers.web.is_empty() {
            return None;
        }
        match self.debuginfod.cache.look(wanted.build_id, wanted.file) {
            Cached::Absent => return None,
            Cached::Unknown => {}
            Cached::File(path) => match check(&path) {
                Ok(()) => return Some(path),
                Err(why) => used.problems.add(&path.display().to_string(), format!("not used: {why}")),
            },
        }
        self.on_network(wanted, check, progress, &mut used)
    }

    /// What went wrong so far: each server once, what can't be asked, and whether a limit was reached.
    pub fn warnings(&self) -> Vec<Warning> {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let mut warnings: Vec<Warning> =
            self.debuginfod.problems().into_iter().chain(used.problems.warnings()).collect();
        if used.beyond > 0 {
            let limit = if used.count >= self.limits.count {
                format!("the {} look-ups for this core were used up", self.limits.count)
            } else {
                format!("the {} s for this core were used up", self.limits.time.as_secs_f32())
            };
            let files = if used.beyond == 1 {
                "1 file was".to_owned()
            } else {
                format!("{} files were", used.beyond)
            };
            let message = format!("{limit}: {files} not looked up to the end");
            warnings.push(Warning { path: "debuginfod".to_owned(), message });
        }
        warnings
    }

    /// Searches the servers that are folders.
    fn in_folders(
        &self,
        wanted: &DebuginfodWanted<'_>,
        check: &mut Check<'_>,
        problems: &mut Problems,
    ) -> Option<PathBuf> {
        for folder in &self.debuginfod.servers.folders {
            let path = folder.join("buildid").join(wanted.build_id).join(wanted.file.name());
            if !path.is_file() {
                continue;
            }
            match check(&path) {
                Ok(()) => return Some(path),
                Err(why) => problems.add(&path.display().to_string(), format!("not used: {why}")),
            }
        }
        None
    }

    fn on_network(
        &self,
        wanted: &DebuginfodWanted<'_>,
        check: &mut Check<'_>,
        progress: &dyn Progress,
        used: &mut Used,
    ) -> Option<PathBuf> {
        let Debuginfod { servers, cache, options, network, .. } = self.debuginfod;
        for server in &servers.web {
            if let Some(why) = server.down() {
                used.problems.add(&server.name(), why.to_owned());
            }
        }
        if servers.web.iter().all(|server| server.down().is_some()) {
            return None;
        }
        let left = self.limits.time.saturating_sub(used.time);
        if left.is_zero() || used.count >= self.limits.count {
            used.beyond += 1;
            return None;
        }
        let mut started = self.debuginfod.started.lock().unwrap_or_else(PoisonError::into_inner);
        let Started { runtime, secret, headers } = match Started::get(&mut started, options) {
            Ok(started) => started,
            Err(error) => {
                used.problems.add("debuginfod", with_causes(&error));
                return None;
            }
        };
        let seen = Seen::default();
        let round = Round {
            wanted,
            servers: &servers.web,
            cache,
            secret,
            headers,
            ca_file: options.ca_file.as_deref(),
            network,
            patience: self.debuginfod.patience(),
            max_size: self.debuginfod.max_size(),
            progress,
            seen: &seen,
        };
        let allowed = options.max_time.map_or(left, |most| most.min(left));
        let began = Instant::now();
        let outcome = runtime.wait(async { tokio::time::timeout(allowed, round.run(check)).await });
        let spent = began.elapsed();
        // Whoever had all the time there was and was silent would cost the next core the same.
        let had_all = used.time.is_zero();
        used.time += spent;
        used.count += 1;
        self.note_failures(&seen, used);
        match outcome {
            Ok(Outcome::Found(path)) => Some(path),
            Ok(Outcome::Absent) => {
                cache.note_absent(wanted.build_id, wanted.file);
                None
            }
            Ok(Outcome::Failed) => None,
            Err(_) => {
                used.beyond += u32::from(allowed == left);
                self.note_unfinished(wanted, &seen, spent, had_all, progress, used);
                None
            }
        }
    }

    /// Tells failures, and asks a server that failed as such nothing more.
    fn note_failures(&self, seen: &Seen, used: &mut Used) {
        for (index, error) in seen.failures.take() {
            let message = with_causes(&error);
            if let StoreError::Io { .. } = error {
                used.problems.add("debuginfod", message);
                continue;
            }
            let Some(server) = self.debuginfod.servers.web.get(index) else { continue };
            // 406: the file is larger than what was asked for at most.
            let of_file = matches!(
                error,
                StoreError::TooLarge { .. }
                    | StoreError::Refused { .. }
                    | StoreError::Status { status: 406, .. }
            );
            if !of_file {
                server.give_up(format!("it is not asked any more: {message}"));
            }
            used.problems.add(&server.name(), server.down().map_or(message, str::to_owned));
        }
    }

    /// Tells what was still going on when the time was up.
    fn note_unfinished(
        &self,
        wanted: &DebuginfodWanted<'_>,
        seen: &Seen,
        spent: Duration,
        had_all: bool,
        progress: &dyn Progress,
        used: &mut Used,
    ) {
        let servers = &self.debuginfod.servers.web;
        if let Some((index, received)) = seen.sending.get()
            && let Some(server) = servers.get(index)
        {
            let error = StoreError::TooSlow { url: server.url(wanted).into(), received, after: spent };
            progress.failed(wanted.name, &error);
            used.problems.add(&server.name(), error.to_string());
            return;
        }
        for server in seen.waiting.take().into_iter().filter_map(|index| servers.get(index)) {
            let message = StoreError::Stalled { url: server.url(wanted).into(), after: spent }.to_string();
            if had_all {
                server.give_up(format!("it is not asked any more: {message}"));
            }
            used.problems.add(&server.name(), server.down().map_or(message, str::to_owned));
        }
    }
}
