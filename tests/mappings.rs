//! A process with more mappings than an ELF header counts (PN_XNUM, elf(5)), and a kernel that orders what it dumps by size
//! (`kernel.core_sort_vma`, since Linux 6.15): through every way by which a core comes.
//!
//! These tests need root, and change settings of the host under the lock that all share; they are put back however the
//! tests end.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use epitaph_testkit::crash::{Built, PatternGuard, or_skip, program, without_core_limit};
use epitaph_testkit::skip::skipped;

use crate::fixtures::{functions, sealed};
use crate::handler::{Place, USER, kernel_starts};
use crate::support::{epitaph, plain_environment};

/// More than 65,535, from where on the header says `PN_XNUM`.
const MAPPINGS: &str = "70000";
/// Where an ELF64 header says how many segments there are (`e_phnum`, elf(5)).
const COUNT_AT: std::ops::Range<usize> = 56..58;

/// Lets the kernel allow so many mappings; says why where it doesn't.
fn allow(guard: &PatternGuard) -> Option<PatternGuard> {
    guard.also("vm/max_map_count", "200000").inspect_err(|error| skipped(&error.to_string())).ok()
}

/// Lets the program crash in a folder of root's, or as the user in `/`.
fn crash_in(folder: &Path, built: &Built, mappings: &str) {
    let mut command = without_core_limit(&built.exe);
    command.arg(mappings);
    if folder == Path::new("/") {
        command.uid(USER).gid(USER);
    }
    let status = plain_environment(&mut command).current_dir(folder).stderr(Stdio::null()).status().unwrap();
    assert!(!status.success(), "{status}");
}

/// Checks the stack of the process, as a core or what is kept of it tells.
#[track_caller]
fn assert_shown(core: &Path) {
    let shown = epitaph().args(["show", "--json"]).arg(core).run().code(0).json();
    assert_eq!(functions(&shown)[..2], ["write_first", "main"], "{shown:#}");
    assert_eq!(shown["threads"][0]["stop"], "end");
}

/// The core that the kernel writes into a folder, which is its working folder.
fn kernel_core(folder: &Path, built: &Built, mappings: &str) -> PathBuf {
    fs::create_dir(folder).unwrap();
    crash_in(folder, built, mappings);
    fs::read_dir(folder).unwrap().next().unwrap().unwrap().path()
}

#[test]
fn more_mappings_than_the_header_counts() {
    let Some(place) = Place::new() else { return };
    let Some(built) = or_skip(Built::of(program("mappings"))) else { return };
    let folder = place.exe().with_file_name("job");
    {
        let Some(guard) = kernel_starts("kernel.%p") else { return };
        let Some(_allowed) = allow(&guard) else { return };
        let core = kernel_core(&folder, &built, MAPPINGS);
        let header = fs::read(&core).unwrap();
        assert_eq!(header[COUNT_AT], 0xffff_u16.to_ne_bytes(), "this core is no test");
        assert_shown(&core);
        let slim = folder.join("slim");
        epitaph().arg("slim").arg(&core).arg("-o").arg(&slim).run().code(0);
        assert_shown(&slim);
    }
    {
        let Some(guard) = kernel_starts(&place.pattern()) else { return };
        let Some(_allowed) = allow(&guard) else { return };
        crash_in(Path::new("/"), &built, MAPPINGS);
        assert_shown(&place.wait_for(USER, ".core.zst", 1)[0]);
    }
    let Some(guard) = kernel_starts("|/bin/false") else { return };
    let Some(_allowed) = allow(&guard) else { return };
    let run = epitaph().within(&folder).args(["run", "--capture", "ptrace", "--out", "out", "--"]);
    let answer = run.arg(&built.exe).arg(MAPPINGS).run().code(139);
    let traced = sealed(&folder.join("out")).into_values().next().unwrap_or_else(|| panic!("{answer}"));
    assert_eq!(functions(&traced)[..2], ["write_first", "main"], "{answer}");
}

#[test]
fn segments_in_the_order_of_their_sizes() {
    let Some(place) = Place::new() else { return };
    let Some(built) = or_skip(Built::of(program("mappings"))) else { return };
    let sort = |guard: &PatternGuard| {
        let sorted = guard.also("kernel/core_sort_vma", "1");
        sorted.inspect_err(|error| skipped(&format!("this kernel doesn't sort segments: {error}"))).ok()
    };
    let folder = place.exe().with_file_name("job");
    {
        let Some(guard) = kernel_starts("kernel.%p") else { return };
        let Some(_sorted) = sort(&guard) else { return };
        assert_shown(&kernel_core(&folder, &built, "300"));
    }
    let Some(guard) = kernel_starts(&place.pattern()) else { return };
    let Some(_sorted) = sort(&guard) else { return };
    crash_in(Path::new("/"), &built, "300");
    assert_shown(&place.wait_for(USER, ".core.zst", 1)[0]);
}
