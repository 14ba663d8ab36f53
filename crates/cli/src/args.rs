//! The command line. Every option can also be given by the variable that its help names.

mod ci;
mod handler;
mod keys;
mod late;
mod parse;
mod read;
mod stores;
mod variables;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};

pub(crate) use self::ci::{CiArgs, CiChoice, InitArgs};
pub(crate) use self::handler::{
    HandlerArgs, HandlerCommand, HandlerInstallArgs, HandlerServeArgs, HandlerStatusArgs,
    HandlerUninstallArgs,
};
pub(crate) use self::keys::{EncryptArgs, IdentityArgs, OidcArgs};
use self::late::Late;
use self::parse::{parse_span, parse_threshold};
pub(crate) use self::stores::{GcArgs, LsArgs, PullArgs, PushArgs, SelectArgs, ServeArgs};

/// Collects core dumps and tells what died, where and why.
#[derive(Debug, Parser)]
#[command(name = "epitaph", version, max_term_width = 100, arg_required_else_help = true)]
#[command(after_help = "Exit codes: 0 done (also when crashes were found), 1 failed, 2 wrong usage, \
    3 crashes were found and --fail-on-crash was given, or new ones and --fail-on-new. `run` gives the command's own status \
    (128 + signal), 124 after --timeout, 125 if epitaph itself failed, 126 and 127 as env(1).")]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Tell what died, where and why: from cores, collected folders or downloaded ones
    Show(Late<ShowArgs>),
    /// Find the cores that a job left, tell their stories, and keep them with what explains them (the on_fail step)
    Collect(Late<CollectArgs>),
    /// Run a command so that its crashes leave cores, and collect them
    Run(Late<RunArgs>),
    /// Tell whether a crash here leaves a core; if not, why, and what to do (the step to begin with)
    Doctor(Late<DoctorArgs>),
    /// Stop, and once continued become a command: what `run` starts in order to trace it
    #[command(hide = true)]
    StartStopped(Late<StartStoppedArgs>),
    /// Make a small core of a large one, in which debuggers find the same backtraces
    Slim(Late<SlimArgs>),
    /// Tell which crashes are the same, which are alike, and which are new since a baseline
    Group(Late<GroupArgs>),
    /// Render crashes as text, JSON, Markdown, JUnit, SARIF, a page for browsers, or findings of GitHub, GitLab and Azure
    Report(Late<ReportArgs>),
    /// Copy any files and folders into a store, as artifacts of this job
    Push(Late<PushArgs>),
    /// Copy the artifacts of a job from a store, or from CircleCI, GitHub or GitLab
    Pull(Late<PullArgs>),
    /// List the jobs and artifacts in a store, or of a job of CircleCI, GitHub or GitLab
    Ls(Late<LsArgs>),
    /// Show a store or a folder to browsers, scripts and debuggers, read-only
    ///
    /// Clients on other machines must send a token: set EPITAPH_SERVE_TOKEN to one, or give --token-file.
    Serve(Late<ServeArgs>),
    /// Print what to put into a CI system's configuration, so that its jobs tell and keep their crashes
    Init(Late<InitArgs>),
    /// Remove old pushes from a store, and what no push names any more
    Gc(Late<GcArgs>),
    /// Let the kernel hand every core of this host to epitaph: install, uninstall, status, run, serve
    Handler(HandlerArgs),
    /// Print the completions for a shell
    Completions(Late<CompletionsArgs>),
    /// Print the manual page
    Man,
}

/// Where the files of crashed programs are looked for.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct SearchArgs {
    /// The program that crashed, if it is not where the core says
    #[arg(long, value_name = "FILE", env = "EPITAPH_EXE")]
    pub(crate) exe: Option<PathBuf>,
    /// A folder that holds the crashed machine's root file system
    #[arg(long, value_name = "DIR", env = "EPITAPH_SYSROOT")]
    pub(crate) sysroot: Option<PathBuf>,
    /// A folder of debug files, besides /usr/lib/debug (may be repeated; in the variable, separated by colons)
    #[arg(long, value_name = "DIR", env = "EPITAPH_DEBUG_DIR", value_delimiter = ':')]
    pub(crate) debug_dir: Vec<PathBuf>,
    /// Use a program or library of another build rather than none: names and lines may be wrong
    #[arg(long, env = "EPITAPH_ALLOW_MISMATCH")]
    pub(crate) allow_mismatch: bool,
    /// The folder that holds the sources, of which the lines around a crash are shown; this one if not given
    #[arg(long, value_name = "DIR", env = "EPITAPH_SOURCE_ROOT")]
    pub(crate) source_root: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) debuginfod: DebuginfodArgs,
}

/// How debuginfod servers are asked for files that are not on this machine.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct DebuginfodArgs {
    /// A debuginfod server to ask for files that are not here, instead of those in DEBUGINFOD_URLS (may be repeated; in
    /// the variable, separated by spaces)
    #[arg(long, value_name = "URL", env = "EPITAPH_DEBUGINFOD", value_delimiter = ' ')]
    pub(crate) debuginfod: Vec<String>,
    /// Ask no debuginfod server, also where DEBUGINFOD_URLS names some
    #[arg(long, env = "EPITAPH_NO_DEBUGINFOD")]
    pub(crate) no_debuginfod: bool,
    /// How long debuginfod servers may be asked for the files of one core, such as `10s`, `5min`
    #[arg(long, value_name = "TIME", default_value = "30s", env = "EPITAPH_DEBUGINFOD_BUDGET", value_parser = parse_span)]
    pub(crate) debuginfod_budget: Duration,
    /// How many files debuginfod servers may be asked for, of one core
    #[arg(long, value_name = "N", default_value_t = 64, env = "EPITAPH_DEBUGINFOD_LOOKUPS")]
    pub(crate) debuginfod_lookups: u32,
}

/// The project's own rules: what is its code, what is machinery, which crashes are meant to happen.
#[derive(Debug, clap::Args)]
pub(crate) struct ConfigArgs {
    /// The file with the project's rules, instead of the epitaph.toml here or above in the repository
    #[arg(long, value_name = "FILE", env = "EPITAPH_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Use no rules but the built-in ones
    #[arg(long, env = "EPITAPH_NO_CONFIG")]
    pub(crate) no_config: bool,
}

/// Which threads are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Threads {
    /// Every thread, those with equal stacks once
    All,
    /// The crashing thread only
    Crashed,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ShowArgs {
    /// Cores, summaries, or folders with some; - reads a core from standard input
    #[arg(required_unless_present = "kernel_log", value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// Tell of the crashes in a log of the kernel, as `dmesg` or `journalctl -k` print it, without any core; - reads
    /// standard input
    #[arg(long, value_name = "FILE", env = "EPITAPH_KERNEL_LOG")]
    pub(crate) kernel_log: Option<PathBuf>,
    /// Print the summaries as JSON, one object a line
    #[arg(long, env = "EPITAPH_JSON")]
    pub(crate) json: bool,
    /// Which threads to show
    #[arg(long, value_enum, default_value = "all", env = "EPITAPH_THREADS")]
    pub(crate) threads: Threads,
    /// Most frames of a thread that are named from its inner end; 0 names all, and folds none
    #[arg(long, value_name = "N", default_value_t = 256, env = "EPITAPH_FRAMES")]
    pub(crate) frames: usize,
    /// Which variables of the frames to show, with their values: args in the line of their frame, all with locals beneath
    /// it [default: args, and none in a CI system]
    #[arg(long, value_enum, env = "EPITAPH_VARIABLES")]
    pub(crate) variables: Option<Variables>,
    #[command(flatten)]
    pub(crate) identity: IdentityArgs,
    #[command(flatten)]
    pub(crate) search: SearchArgs,
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
}

/// Which variables are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Variables {
    /// Arguments
    Args,
    /// Arguments and locals
    All,
    /// None
    None,
}

/// What is kept of a core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeepCore {
    /// The whole core, compressed
    Full,
    /// What debuggers need to show the same backtraces
    Slim,
    /// Nothing but the summary
    None,
    /// A slim core in a CI system and of a core that is larger than --slim-above; otherwise the whole one
    Auto,
}

/// Whether secrets are overwritten in what is kept of a core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scrub {
    /// In slim cores, in a CI system
    Auto,
    /// Wherever a core is kept
    Always,
    /// Nowhere
    Never,
}

/// How crashes are kept.
#[derive(Debug, clap::Args)]
pub(crate) struct KeepArgs {
    /// The folder that crashes are kept in, for the CI system to store
    #[arg(long, value_name = "DIR", default_value = "epitaph-out", env = "EPITAPH_OUT")]
    pub(crate) out: PathBuf,
    /// What to keep of each core
    #[arg(long, value_enum, default_value = "auto", env = "EPITAPH_CORE")]
    pub(crate) core: KeepCore,
    /// With --core auto, cores with more data than this are kept slim, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 512 << 20, env = "EPITAPH_SLIM_ABOVE")]
    pub(crate) slim_above: u64,
    /// Overwrite the environment and the values of secrets in what is kept of a core
    #[arg(long, value_enum, default_value = "auto", env = "EPITAPH_SCRUB")]
    pub(crate) scrub: Scrub,
    #[command(flatten)]
    pub(crate) encrypt: EncryptArgs,
    /// Largest compressed core, and largest binary, that is kept, in bytes (CircleCI stores files up to 3 GB); of a larger
    /// core what debuggers need is kept
    #[arg(long, value_name = "BYTES", default_value_t = 3_000_000_000, env = "EPITAPH_MAX_CORE_SIZE")]
    pub(crate) max_core_size: u64,
    /// End with status 3 if there were crashes
    #[arg(long, env = "EPITAPH_FAIL_ON_CRASH")]
    pub(crate) fail_on_crash: bool,
    /// What the CI system puts before the paths of the folder's files when it stores them, so that reports can link them
    #[arg(long, value_name = "PREFIX", env = "EPITAPH_DESTINATION")]
    pub(crate) destination: Option<String>,
    #[command(flatten)]
    pub(crate) ci: CiArgs,
    #[command(flatten)]
    pub(crate) retention: RetentionArgs,
    #[command(flatten)]
    pub(crate) search: SearchArgs,
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
}

/// How much is kept of a storm of crashes. What is beyond is counted and listed in `not-kept.jsonl`; its cores stay where
/// they are.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct RetentionArgs {
    /// Most crashes that are kept in the folder; 0 sets no limit
    #[arg(long = "max-cores", value_name = "N", default_value_t = 64, env = "EPITAPH_MAX_CORES")]
    pub(crate) cores: usize,
    /// Most crashes with the same signature that are kept in the folder: the first ones; 0 sets no limit
    #[arg(
        long = "max-per-signature",
        value_name = "N",
        default_value_t = 10,
        env = "EPITAPH_MAX_PER_SIGNATURE"
    )]
    pub(crate) per_signature: usize,
    /// Most bytes of compressed cores that are kept in the folder; 0 sets no limit
    #[arg(
        long = "max-bytes",
        value_name = "BYTES",
        default_value_t = 20_000_000_000,
        env = "EPITAPH_MAX_BYTES"
    )]
    pub(crate) bytes: u64,
    /// How long cores may be read and kept, such as `90s`; later ones are only listed. 0 sets no limit
    #[arg(long = "max-time", value_name = "TIME", default_value = "5min", env = "EPITAPH_MAX_TIME", value_parser = parse_span)]
    pub(crate) time: Duration,
}

#[derive(Debug, clap::Args)]
pub(crate) struct CollectArgs {
    /// Cores, and folders to search instead of this one and the usual places
    ///
    /// The usual places are where the core pattern leads, where processes stand, temporary folders, and the stores of
    /// systemd-coredump, apport and abrt.
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) keep: KeepArgs,
    /// Leave cores alone that are older, such as `90min`, `6h`, `2d`; `0` takes all. Cores given by name are taken
    #[arg(long, value_name = "TIME", default_value = "1d", env = "EPITAPH_MAX_AGE", value_parser = parse_span)]
    pub(crate) max_age: Duration,
    /// Fail when a crash could not be read or kept, or its core not stored (but for the limits on how much is kept)
    #[arg(long, env = "EPITAPH_STRICT")]
    pub(crate) strict: bool,
    /// Remove each core once its copy in the folder is complete and verified
    #[arg(long, env = "EPITAPH_REMOVE")]
    pub(crate) remove: bool,
}

/// How `run` gets cores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Capture {
    /// As the kernel writes them, or from the collector that it gives them to; by ptrace where neither can be had
    Auto,
    /// As the kernel writes them
    File,
    /// By tracing the command and all that it starts (sudo and other setuid programs then get no rights, unless this
    /// is root; debuggers and programs with LeakSanitizer are not traced)
    Ptrace,
    /// Not at all
    None,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) keep: KeepArgs,
    /// Let sanitizers and Go leave cores: set ASAN_OPTIONS and its siblings, and GOTRACEBACK
    ///
    /// They get the options for that (disable_coredump=0:abort_on_error=1, crash) where you have not set those yourself. A
    /// program that fails so then ends by SIGABRT (status 134), no longer with 1 or 2.
    #[arg(long, env = "EPITAPH_RUNTIME_OPTIONS")]
    pub(crate) runtime_options: bool,
    /// How long cores may be looked for after the command (0: not at all); what was not searched is told
    ///
    /// Where the core pattern names a folder, only that is looked into, unless the command died and no core is there. Elsewhere
    /// a command that ends well has only its own folder searched, and what has changed in /tmp; one that fails, or was seen to
    /// crash, also the rest of /tmp and the folders that other processes stand in.
    #[arg(long, value_name = "TIME", default_value = "5s", env = "EPITAPH_SEARCH_BUDGET", value_parser = parse_span)]
    pub(crate) search_budget: Duration,
    /// Keep the last lines that the command writes to stderr for the reports (50 if no number is given), unless stderr is a
    /// terminal
    ///
    /// The command's stderr is a pipe then, which is passed on unchanged. What the command leaves running can't write to it
    /// after its end.
    #[arg(long, value_name = "LINES", num_args = 0..=1, require_equals = true, default_missing_value = "50", env = "EPITAPH_OUTPUT_TAIL")]
    pub(crate) output_tail: Option<usize>,
    /// How to get cores
    #[arg(long, value_enum, default_value = "auto", env = "EPITAPH_CAPTURE")]
    pub(crate) capture: Capture,
    /// End a command that takes longer, such as `10min`, with status 124; every process that it started is dumped first
    /// (but with --capture none). 0 sets no limit
    #[arg(long, value_name = "TIME", env = "EPITAPH_TIMEOUT", value_parser = parse_span)]
    timeout: Option<Duration>,
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

impl RunArgs {
    /// How long the command may take, if that is limited.
    pub(crate) fn timeout(&self) -> Option<Duration> {
        self.timeout.filter(|timeout| !timeout.is_zero())
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct StartStoppedArgs {
    /// The process that is to trace it: this one's parent
    #[arg(value_name = "PID")]
    pub(crate) tracer: u32,
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "A program crashes on purpose in this folder, and its core is removed again where the kernel wrote it \
    into a file. Exit code 0: a crash here leaves a core that epitaph can collect; 1: it doesn't."
)]
pub(crate) struct DoctorArgs {
    /// Print the facts, the reason and the proof as one JSON object
    #[arg(long, env = "EPITAPH_JSON")]
    pub(crate) json: bool,
    /// Mend what can be mended safely, and say how to take it back: make the folder that an absolute core pattern names,
    /// raise the soft core size limit of the shell that started this. Kernel settings are left alone
    #[arg(long, env = "EPITAPH_FIX")]
    pub(crate) fix: bool,
    /// Crash on purpose, at once
    #[arg(long, hide = true, conflicts_with_all = ["json", "fix"])]
    pub(crate) canary: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SlimArgs {
    /// The core, or what it is wrapped in (compressed, in an apport report); - reads standard input
    #[arg(value_name = "CORE")]
    pub(crate) core: PathBuf,
    /// Where to write the slim core; compressed if it ends in .zst; - writes to stdout
    #[arg(long, short, value_name = "FILE", env = "EPITAPH_OUTPUT")]
    pub(crate) output: PathBuf,
    /// Most bytes of memory to keep; the stacks come first
    #[arg(long, value_name = "BYTES", default_value_t = 32 << 20, env = "EPITAPH_SLIM_BUDGET")]
    pub(crate) budget: u64,
    /// Overwrite the environment and the values of secrets
    #[arg(long, value_enum, default_value = "auto", env = "EPITAPH_SCRUB")]
    pub(crate) scrub: Scrub,
    #[command(flatten)]
    pub(crate) identity: IdentityArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ReportArgs {
    /// Summaries, cores, or folders with some; - reads a core from standard input
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// How to render them
    #[arg(long, value_enum, default_value = "text", env = "EPITAPH_FORMAT")]
    pub(crate) format: ReportFormat,
    /// Write to a file instead of stdout
    #[arg(long, short, value_name = "FILE", env = "EPITAPH_OUTPUT")]
    pub(crate) output: Option<PathBuf>,
    /// Which threads to render
    #[arg(long, value_enum, default_value = "all", env = "EPITAPH_THREADS")]
    pub(crate) threads: Threads,
    /// Crashes that are known, as `group` takes them: tell which of the others are new, known, or gone (html, junit, sarif,
    /// github, gitlab and azure; of the other formats `group` tells it)
    #[arg(long, value_name = "PATH|URL", env = "EPITAPH_BASELINE")]
    pub(crate) baseline: Vec<PathBuf>,
    /// Put the crashes into the test cases of the job's own JUnit file that died, and write that file; with -o and the
    /// same name, in its place
    #[arg(long, value_name = "JUNIT", conflicts_with = "baseline", env = "EPITAPH_MERGE")]
    pub(crate) merge: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) identity: IdentityArgs,
    #[command(flatten)]
    pub(crate) search: SearchArgs,
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
}

/// The formats of `report`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// For people, in a log or a terminal
    Text,
    /// One object; one a line where there are several
    Json,
    /// One object a line
    Jsonl,
    /// For job summaries and pull requests
    Markdown,
    /// JUnit XML, for test tabs
    Junit,
    /// One self-contained page, for browsers; its links lead to the output folder that it lies in
    Html,
    /// SARIF 2.1.0, for code scanning: a result for each kind of crash
    Sarif,
    /// Errors of GitHub Actions, one for each kind of crash: workflow commands, to be printed by a step
    Github,
    /// GitLab's Code Quality report: a finding for each kind of crash
    Gitlab,
    /// The same as github, for Azure Pipelines
    Azure,
}

#[derive(Debug, clap::Args)]
pub(crate) struct GroupArgs {
    /// Summaries, folders with some, and whatever `epitaph pull` reads: stores, and jobs of CircleCI, GitHub and GitLab; -
    /// reads summaries from standard input
    #[arg(required = true, value_name = "PATH|URL")]
    pub(crate) paths: Vec<PathBuf>,
    /// Crashes that are known: tell which of the others are new, and which are gone (may be repeated; the
    /// variable names one)
    #[arg(long, value_name = "PATH|URL", env = "EPITAPH_BASELINE")]
    pub(crate) baseline: Vec<PathBuf>,
    /// How far apart two stacks may be that count as alike: 0 takes equal ones only, 1 would take all
    #[arg(long, value_name = "DISTANCE", default_value_t = epitaph_summary::group::THRESHOLD, env = "EPITAPH_THRESHOLD", value_parser = parse_threshold)]
    pub(crate) threshold: f32,
    /// End with status 3 if there are crashes that the baseline neither has nor has anything like
    #[arg(long, requires = "baseline", env = "EPITAPH_FAIL_ON_NEW")]
    pub(crate) fail_on_new: bool,
    /// How to render the groups
    #[arg(long, value_enum, default_value = "text", env = "EPITAPH_GROUP_FORMAT")]
    pub(crate) format: GroupFormat,
    /// The same as --format json
    #[arg(long, env = "EPITAPH_JSON")]
    pub(crate) json: bool,
    /// Write to a file instead of stdout
    #[arg(long, short, value_name = "FILE", env = "EPITAPH_OUTPUT")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) select: SelectArgs,
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
}

/// The formats of `group`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum GroupFormat {
    /// For people, in a log or a terminal
    Text,
    /// One object
    Json,
    /// One object a line, for each group
    Jsonl,
    /// For job summaries and pull requests
    Markdown,
    /// JUnit XML: a test case for each signature, which passes where only the baseline has it
    Junit,
    /// One self-contained page, for browsers
    Html,
    /// SARIF 2.1.0: a result for each signature, with its state against the baseline
    Sarif,
    /// Errors of GitHub Actions for what is new, and warnings: workflow commands, to be printed by a step
    Github,
    /// GitLab's Code Quality report
    Gitlab,
    /// The same as github, for Azure Pipelines
    Azure,
}

#[derive(Debug, clap::Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        super::Args::command().debug_assert();
    }
}
