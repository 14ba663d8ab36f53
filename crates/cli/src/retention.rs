//! How much is kept of a storm of crashes, and the least that is told of the rest.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::Instant;

use epitaph_bundle::{OutputFolder, fingerprint_of};
use epitaph_capture::Beyond;
use epitaph_summary::{Collection, Core, CrashSummary, Process, Signal, Warning};
use epitaph_triage::signal_name;

use crate::args::RetentionArgs;
use crate::environment;
use crate::examine::rfc3339;

/// Why a crash is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Enough crashes are in the folder.
    Cores(usize),
    /// Enough crashes of this signature are.
    Signature(usize),
    /// The cores in the folder have enough bytes.
    Bytes(u64),
    /// Reading and keeping has taken long enough.
    Time(u64),
    /// More cores were found than can be open at once.
    OpenFiles,
}

impl Refusal {
    /// The stable token of it, and a sentence.
    fn warning(self) -> Warning {
        let (code, text) = match self {
            Refusal::Cores(most) => {
                ("beyond_max_cores", format!("only {most} crashes are kept in the folder (--max-cores)"))
            }
            Refusal::Signature(most) => (
                "beyond_max_per_signature",
                format!("only the first {most} with the same signature are kept (--max-per-signature)"),
            ),
            Refusal::Bytes(most) => (
                "beyond_max_bytes",
                format!("only {most} bytes of cores are kept in the folder (--max-bytes)"),
            ),
            Refusal::Time(seconds) => (
                "beyond_max_time",
                format!("reading and keeping cores took more than {seconds} s (--max-time)"),
            ),
            Refusal::OpenFiles => {
                ("beyond_open_files", "there are more cores than can be open at once (ulimit -n)".to_owned())
            }
        };
        Warning::new(code, text)
    }

    /// The same where it is only the core that isn't kept.
    pub(crate) fn of_a_core(self, path: &Path) -> Warning {
        let (why, path) = (self.warning().text, path.display());
        let text = format!("the core was not stored: {why}; the original stays at {path}");
        Warning::new("core_not_stored", environment::masks().apply(&text))
    }
}

/// What the folder has, and how much more may come.
#[derive(Debug)]
pub(crate) struct Retention {
    limits: RetentionArgs,
    started: Instant,
    /// Fingerprints of the crashes in the folder.
    known: HashSet<String>,
    cores: usize,
    bytes: u64,
    by_signature: HashMap<String, usize>,
}

impl Retention {
    /// Looks at what is in the folder; the time begins now.
    pub(crate) fn new(limits: &RetentionArgs, folder: Option<&OutputFolder>) -> Retention {
        let mut retention = Retention {
            limits: limits.clone(),
            started: Instant::now(),
            known: HashSet::new(),
            cores: 0,
            bytes: 0,
            by_signature: HashMap::new(),
        };
        // What can't be read there counts as nothing: rather too much is kept than too little.
        let summaries = folder.and_then(|folder| folder.summaries().ok()).unwrap_or_default().summaries;
        for summary in summaries {
            retention.count(&summary);
            retention.bytes += summary.core.as_ref().and_then(|core| core.stored_size).unwrap_or(0);
            retention.known.extend(summary.id.as_deref().and_then(fingerprint_of).map(str::to_owned));
        }
        retention
    }

    fn count(&mut self, summary: &CrashSummary) {
        self.cores += 1;
        if let Some(signature) = signature(summary) {
            *self.by_signature.entry(signature.to_owned()).or_default() += 1;
        }
    }

    /// Says why no more time may be spent on cores, if so.
    pub(crate) fn time_is_over(&self) -> Option<Refusal> {
        let most = self.limits.time;
        (!most.is_zero() && self.started.elapsed() >= most).then_some(Refusal::Time(most.as_secs()))
    }

    /// Tells whether some crash might be refused by now: its story must not be told before it is judged.
    pub(crate) fn may_refuse(&self) -> bool {
        let fullest = self.by_signature.values().max().copied().unwrap_or(0);
        is_reached(self.limits.cores, self.cores) || is_reached(self.limits.per_signature, fullest)
    }

    /// Returns how many more crashes may be kept, if that is limited.
    pub(crate) fn room_for_crashes(&self) -> Option<usize> {
        (self.limits.cores > 0).then(|| self.limits.cores.saturating_sub(self.cores))
    }

    /// Counts a crash that is to be kept, or says why it isn't. One that is in the folder already stays there.
    pub(crate) fn judge(&mut self, summary: &CrashSummary, id: Option<&str>) -> Option<Refusal> {
        if id.and_then(fingerprint_of).is_some_and(|fingerprint| self.known.contains(fingerprint)) {
            return None;
        }
        let of_signature =
            signature(summary).and_then(|signature| self.by_signature.get(signature)).copied().unwrap_or(0);
        if is_reached(self.limits.per_signature, of_signature) {
            return Some(Refusal::Signature(self.limits.per_signature));
        }
        if is_reached(self.limits.cores, self.cores) {
            return Some(Refusal::Cores(self.limits.cores));
        }
        self.count(summary);
        self.known.extend(id.and_then(fingerprint_of).map(str::to_owned));
        None
    }

    /// Returns how many bytes another core may have; an error if none.
    pub(crate) fn room(&self) -> Result<u64, Refusal> {
        match (self.limits.bytes, self.limits.bytes.saturating_sub(self.bytes)) {
            (0, _) => Ok(u64::MAX),
            (most, 0) => Err(Refusal::Bytes(most)),
            (_, room) => Ok(room),
        }
    }

    /// Counts the bytes of a core that was stored.
    pub(crate) fn stored(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

/// Tells whether there is a limit, and `count` has reached it.
fn is_reached(limit: usize, count: usize) -> bool {
    limit > 0 && count >= limit
}

fn signature(summary: &CrashSummary) -> Option<&str> {
    summary.signature.as_ref()?.strict.as_deref()
}

/// Leaves of a summary what tells the crash from others, and says why there isn't more.
pub(crate) fn not_kept(summary: CrashSummary, collection: Collection, why: Refusal) -> CrashSummary {
    let CrashSummary { schema, tool, id, time, core, process, signal, cause, signature, test, .. } = summary;
    CrashSummary {
        schema,
        tool,
        id,
        time,
        core,
        process,
        signal,
        cause,
        signature,
        test,
        // There may be hundreds of them, and the others have it.
        collection: Some(Collection { output_tail: Vec::new(), ..collection }),
        warnings: vec![why.warning()],
        ..CrashSummary::new(env!("CARGO_PKG_VERSION"))
    }
}

/// Says of a core that was not read what its name and its file tell.
pub(crate) fn not_read(core: Beyond, collection: &Collection, why: Refusal) -> CrashSummary {
    let field = |letters: &[&str]| letters.iter().find_map(|letter| core.name_fields.get(*letter));
    let executable = field(&["E"]).map(|path| path.replace('!', "/"));
    let number = field(&["s"]).and_then(|text| text.parse().ok());
    let masks = environment::masks();
    let summary = CrashSummary {
        time: rfc3339(core.modified),
        core: Some(Core {
            path: Some(masks.apply(&core.path.to_string_lossy())),
            size: Some(core.size),
            size_on_disk: Some(core.size_on_disk),
            ..Core::default()
        }),
        process: Some(Process {
            pid: field(&["p", "P"]).and_then(|text| text.parse().ok()),
            name: field(&["e", "f"]).map(|name| masks.apply(name)),
            executable: executable.map(|path| masks.apply(&path)),
            ..Process::default()
        }),
        signal: number.map(|number| Signal {
            number: Some(number),
            name: signal_name(number).map(str::to_owned),
            ..Signal::default()
        }),
        ..CrashSummary::new(env!("CARGO_PKG_VERSION"))
    };
    let collection =
        Collection { source: Some(core.source), name_fields: core.name_fields, ..collection.clone() };
    not_kept(summary, collection, why)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use epitaph_summary::Signature;

    use super::*;

    fn limits(cores: usize, per_signature: usize) -> RetentionArgs {
        RetentionArgs { cores, per_signature, bytes: 100, time: Duration::from_secs(60) }
    }

    fn crash(signature: &str) -> CrashSummary {
        let signature = Signature { strict: Some(signature.to_owned()), ..Signature::default() };
        CrashSummary { signature: Some(signature), ..CrashSummary::new("0") }
    }

    fn judged(limits: &RetentionArgs, signatures: &str) -> Vec<Option<Refusal>> {
        let mut retention = Retention::new(limits, None);
        signatures.chars().map(|name| retention.judge(&crash(&name.to_string()), None)).collect()
    }

    #[test]
    fn the_first_ones_of_each_signature_are_kept_and_so_many_in_all() {
        let (cores, signature) = (Some(Refusal::Cores(3)), Some(Refusal::Signature(2)));
        assert_eq!(judged(&limits(3, 2), "aaabac"), [None, None, signature, None, signature, cores]);
        assert_eq!(judged(&limits(0, 2), "aaab"), [None, None, signature, None]);
        assert_eq!(judged(&limits(3, 0), "aaaa"), [None, None, None, cores]);
        assert_eq!(judged(&limits(0, 0), "aaaa"), [None; 4]);
    }

    #[test]
    fn a_story_is_held_back_only_where_it_might_not_be_told() {
        let mut retention = Retention::new(&limits(0, 2), None);
        for expected in [false, false, true] {
            assert_eq!(retention.may_refuse(), expected);
            retention.judge(&crash("a"), None);
        }
    }

    #[test]
    fn what_is_in_the_folder_counts_and_stays() {
        let dir = tempfile::tempdir().unwrap();
        let folder = OutputFolder::open(dir.path()).unwrap();
        let id = "20270115T080000Z-parser-sigsegv-1f2e3d4c5b6a7988";
        folder.seal(epitaph_bundle::SealRequest::new(id, crash("a"))).unwrap();
        let mut retention = Retention::new(&limits(0, 1), Some(&folder));
        assert_eq!(retention.judge(&crash("a"), Some(id)), None, "it is there already");
        let other = id.replace("7988", "0000");
        assert_eq!(retention.judge(&crash("a"), Some(&other)), Some(Refusal::Signature(1)));
        assert_eq!(retention.judge(&crash("b"), Some(&other)), None);
    }

    #[test]
    fn bytes_and_time_run_out() {
        let mut retention = Retention::new(&limits(0, 0), None);
        assert_eq!(retention.room(), Ok(100));
        retention.stored(70);
        assert_eq!(retention.room(), Ok(30));
        retention.stored(40);
        assert_eq!(retention.room(), Err(Refusal::Bytes(100)));
        assert_eq!(retention.time_is_over(), None);
        let none = RetentionArgs { bytes: 0, time: Duration::ZERO, ..limits(0, 0) };
        let none = Retention::new(&none, None);
        assert_eq!((none.room(), none.time_is_over()), (Ok(u64::MAX), None));
        let short = RetentionArgs { time: Duration::from_nanos(1), ..limits(0, 0) };
        assert_eq!(Retention::new(&short, None).time_is_over(), Some(Refusal::Time(0)));
    }

    #[test]
    fn a_name_tells_what_it_can() {
        let fields = [("p", "77"), ("s", "11"), ("e", "parser"), ("E", "!jobs!parser")];
        let core = Beyond {
            path: "/tmp/core.77".into(),
            name_fields: fields.map(|(letter, value)| (letter.to_owned(), value.to_owned())).into(),
            source: epitaph_summary::CoreSource::Pattern,
            modified: std::time::SystemTime::UNIX_EPOCH,
            size: 9,
            size_on_disk: 8,
        };
        let summary = not_read(core, &Collection::default(), Refusal::OpenFiles);
        let process = summary.process.unwrap();
        assert_eq!((process.pid, process.name.as_deref()), (Some(77), Some("parser")));
        assert_eq!(process.executable.as_deref(), Some("/jobs/parser"));
        assert_eq!(summary.signal.unwrap().name.as_deref(), Some("SIGSEGV"));
        assert_eq!(summary.warnings[0].code, "beyond_open_files");
    }
}
