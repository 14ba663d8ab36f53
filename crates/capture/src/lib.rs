//! Why there is a core or none, and how to get one.
//!
//! This crate knows what Linux does when a process dies: where the [core pattern](CorePattern) sends the
//! core, and what keeps it from arriving. It [runs](run()) the job's command so that a crash can leave a
//! core, or traces it and writes cores itself ([`Trace`], [`Timeout`]); it [searches](Search) for cores that a
//! crash left, and where there are none [explains](explain()) why. It alone reads `/proc`, and it alone does
//! what takes privileges.
//!
//! It is *not* a reader of cores (`elf` is) and doesn't keep them (`bundle` does): what it hands on is an
//! open file whose first bytes say that it is a core. It never moves or changes a file of others, deletes none but the
//! core of its own [canary](Canary), and changes a setting of the host only where that is its task: what [`fix`] is asked
//! to, and its own [`handler`] of cores, which is installed when somebody asks for it and uninstalled likewise.
//!
//! What a crasher names, it may have named to harm us. Names are bytes throughout, and a file is opened only
//! without following links, without blocking, and taken only if it is a regular file of ours or of root's.
//!
//! ```
//! use epitaph_capture::{CorePattern, Facts, Host, Rules, Search, Situation, Specifier, explain};
//!
//! // Which name does a crash get, and which crash does a name stand for?
//! let pattern = CorePattern::parse("core.%p.%E\n", Rules::default());
//! let facts = Facts { pid: 4711, executable: Some(b"/jobs/parser".to_vec()), ..Facts::default() };
//! assert_eq!(pattern.expand(&facts).unwrap(), b"core.4711.!jobs!parser");
//! let fields = pattern.matcher().unwrap().match_name(b"core.4711.!jobs!parser").unwrap();
//! assert_eq!(fields.number(Specifier::Pid), Some(4711));
//!
//! // Are there cores in this folder, and if not, why?
//! let host = Host::real();
//! let found = Search::new(&host).tree("src").run();
//! if found.candidates.is_empty() {
//!     let why = explain(&Situation::of(&host).after_search(&found));
//!     println!("no core: {}; {}", why.sentence, why.advice);
//! }
//! ```

mod canary;
mod container;
mod doctor;
mod error;
pub mod handler;
mod host;
mod kernel_log;
mod limits;
mod live;
mod mode;
mod pattern;
mod ptrace;
mod run;
mod search;
mod stores;
mod text;
mod trace;
mod why;

pub use canary::{CANARY_NAME, Canary, CanaryError, Fate, Flight};
pub use doctor::{Diagnosis, FixError, Fixed, diagnose, fix};
pub use error::CaptureError;
pub use host::{Host, Settings};
pub use kernel_log::{
    CodeSearch, FilePlaces, KernelCrash, KernelLog, RefusedCore, kernel_crashes, kernel_crashes_since,
    refused_cores_since,
};
pub use limits::{CoreLimit, LEAST_FOR_A_CORE, raise_open_files, survive_file_size_limit};
pub use live::LiveCoreError;
pub use mode::CaptureMode;
pub use pattern::{
    CorePattern, Facts, FilePattern, LONGEST_PATTERN, Matcher, NameFields, Pipe, Rules, Socket, Specifier,
    Target,
};
pub use run::{
    Exit, Reaped, RunCommand, RunError, RunOptions, RunOutcome, Stage, Tail, Timeout, Trace, dumps_core, run,
    run_and,
};
pub use search::{Beyond, Candidate, Found, Limit, Reason, Rejected, Search, SearchLimits};
pub use stores::{
    Collector, InJournal, InJournalError, Patience, TakenOut, Waited, in_journal, sends_to_one_place,
    take_out_of_journal, wait_for_dumps, why_not_kept,
};
pub use trace::{Dumped, Dumps, start_stopped, why_untraced};
pub use why::{
    CommandFacts, Folder, FolderTrouble, Guarded, Inherited, LastWords, LostCore, NoCore, OwnReport, Program,
    Receiver, Situation, Systemd, explain, forbids, risks,
};
