//! Why there is no core, and what to do about it.
//!
//! A table of rows, each a condition over the [`Situation`] and a stable code. The first row that holds is
//! the reason; rows about the host come before rows about one file, because what the host forbids no folder
//! can mend.
//!
//! # The codes
//!
//! A code never changes its meaning. Reasons, in the order in which they are asked:
//!
//! | code | what is the matter |
//! |---|---|
//! | `gvisor` | the kernel is gVisor's, which writes no cores |
//! | `no_core_pattern`, `core_pattern_unreadable` | the kernel writes no cores, or it is unknown where |
//! | `pattern_empty` | the core pattern is empty |
//! | `pattern_pipe_discard` | cores go to `false` or `true` |
//! | `pattern_pipe_limit_one` | cores go to a program, and a core size limit of 1 byte refuses them |
//! | `pattern_pipe_wsl` | WSL writes them into a folder of Windows |
//! | `pattern_pipe_apport_missing`, `pattern_pipe_missing` | the program that cores go to is not there |
//! | `pattern_pipe_interpreter_missing` | it is a script whose interpreter is not there |
//! | `pattern_socket_missing`, `pattern_socket_refused` | the socket that cores go to is not there, or nobody listens |
//! | `pipe_limit_reached`, `pattern_socket_busy` | the kernel says that cores came too fast for who takes them |
//! | `pattern_pipe_systemd_container`, `pattern_pipe_apport_container` | the program is outside of this container |
//! | `pattern_pipe_systemd_limit` | systemd-coredump keeps none below a limit of one page |
//! | `pattern_pipe_systemd_down` | systemd-coredump is installed and does not run |
//! | `pattern_pipe_systemd_storage` | systemd-coredump is set to keep none |
//! | `pattern_pipe_apport_limit` | apport keeps none of this program while the limit is 0 |
//! | `pattern_pipe_abrt`, `pattern_pipe_systemd`, `pattern_pipe_apport_unpackaged`, `pattern_pipe_apport`, `pattern_pipe_epitaph`, `pattern_socket_epitaph` | cores go to a collector that keeps them |
//! | `pattern_pipe_unknown`, `pattern_socket` | cores go to somebody of whom nothing else is known |
//! | `core_unreadable`, `core_foreign_owner`, `core_empty` | a core is there and can't be had |
//! | `limit_hard_zero`, `limit_zero`, `limit_too_small` | the core size limit is below 4096 bytes |
//! | `file_size_limit_too_small` | the file size limit is |
//! | `umask_hides_core` | the umask takes the owner's rights, so the kernel leaves an empty file |
//! | `cwd_removed` | the folder that the crasher stands in was removed |
//! | `pattern_dir_missing`, `pattern_dir_unwritable`, `disk_full` | the folder that cores go to can take none |
//! | `folder_maps_owners` | its file system gives files other owners or modes, as a canary showed |
//! | `name_too_long`, `name_is_a_folder` | the core's name is impossible, or taken |
//! | `program_guarded`, `suid_needs_absolute_path` | the program runs as another user, or may not be read |
//! | `canary_core_cut`, `canary_lost` | a canary's core was cut, or none came for no reason that is known |
//! | `kernel_refused` | the kernel says why it wrote none |
//! | `java_report`, `minidump` | a runtime left a report of its own |
//! | `sanitizer_exit`, `rust_panic`, `go_panic` | a runtime ended the program without a signal |
//! | `oom_killed`, `killed`, `signal_without_core` | the command was ended by a signal that leaves no core |
//! | `core_not_found` | the kernel says that it wrote one, and it is nowhere |
//! | `dump_refused` | a process crashed, and the kernel wrote none |
//! | `search_cut` | the search was cut short |
//! | `child_crashed` | a shell passed on the crash of a program whose core is nowhere |
//! | `tracer_kept_signal` | a debugger may have kept the signal |
//! | `nothing_crashed` | no process was seen to crash |
//! | `only_older_cores` | all cores are older than the job |
//! | `nothing_found` | none of the above |
//!
//! What a collector says of a core that it didn't keep goes before all of them ([`why_not_kept`](crate::why_not_kept)):
//!
//! | code | what the collector says |
//! |---|---|
//! | `store_limit` | the process's core size limit allowed none |
//! | `store_disabled` | it is set to keep none |
//! | `store_refused`, `store_apport_refused` | it refused this one |
//! | `store_in_journal` | it is in the journal, where it can be taken out |
//! | `store_removed`, `store_unreadable` | it kept the core, which is gone, or may not be read |
//! | `store_unfinished` | it began, and never came to the end |
//!
//! Risks, which are told beside the reason:
//!
//! | code | what may go wrong |
//! |---|---|
//! | `name_hidden` | the names of cores begin with a dot |
//! | `systemd_sizes`, `systemd_without_journal` | systemd-coredump cuts, removes or doesn't list cores |
//! | `pipe_limit` | cores beyond a number at a time are dropped |
//! | `limit_finite`, `file_size_limit` | large cores are cut |
//! | `dump_filter` | cores lack memory |
//! | `traced` | a tracer may keep signals |
//! | `folder_may_map_owners` | the file system may give files other owners or modes |
//! | `pattern_relative` | cores land wherever the crasher stands |
//! | `name_not_distinct` | the last core replaces the others |
//! | `name_may_be_too_long` | programs in deep folders leave none |
//! | `suid_relative` | programs that change their user leave none |

mod rows;
mod situation;

pub use situation::{
    CommandFacts, Folder, FolderTrouble, Guarded, Inherited, LastWords, LostCore, OwnReport, Program,
    Receiver, Situation, Systemd,
};

use self::rows::{Row, Weight};

/// Why there is no core, or may be none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoCore {
    /// A token that never changes its meaning, such as `limit_zero`.
    pub code: &'static str,
    /// What is the matter, as one sentence without a final period.
    pub sentence: String,
    /// What to do about it, likewise.
    pub advice: String,
}

impl NoCore {
    /// Tells whether the program ended by itself, after its runtime had reported an error: to the kernel that is no crash.
    pub fn is_runtimes_end(&self) -> bool {
        rows::RUNTIMES_ENDS.contains(&self.code)
    }

    /// Returns whether it only says that nothing known is the reason.
    pub fn is_unexplained(&self) -> bool {
        self.code == rows::NOTHING_FOUND
    }
}

/// Returns the reason why a search found no core.
pub fn explain(situation: &Situation) -> NoCore {
    // What happened goes before what must have happened.
    if let Some(not_kept) = &situation.not_kept {
        return not_kept.clone();
    }
    rows::table()
        .filter(|row| row.weight != Weight::Risk)
        .find_map(|row| row.check(situation))
        .unwrap_or_else(|| rows::nothing_found(situation))
}

/// Returns what forbids cores here, if anything does. That somebody else keeps them forbids none.
pub fn forbids(situation: &Situation) -> Option<NoCore> {
    rows::table().filter(|row| row.weight == Weight::Reason).find_map(|row| row.check(situation))
}

/// Returns what made, or may make, cores go missing though nothing forbids them.
pub fn risks(situation: &Situation) -> Vec<NoCore> {
    rows::table().filter(|row| row.weight == Weight::Risk).filter_map(|row| row.check(situation)).collect()
}

impl Row {
    fn check(&self, situation: &Situation) -> Option<NoCore> {
        let (sentence, advice) = (self.holds)(situation)?;
        Some(NoCore { code: self.code, sentence, advice })
    }
}

#[cfg(test)]
mod tests;
