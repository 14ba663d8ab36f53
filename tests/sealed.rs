//! What `collect` seals: how it is identified, and how much of it a later look takes.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::process::Command;

use epitaph_bundle::{OpenedCore, open_core};
use epitaph_elf::CoreFile;
use epitaph_symbols::{FileSearch, SearchOptions};
use epitaph_testkit::crash::{Crash, program};
use epitaph_testkit::need_tool;
use epitaph_triage::{Options, Silent, triage};
use serde_json::Value;

use crate::fixtures::only_sealed;
use crate::support::{epitaph, folder};

/// Triages an opened core, and returns its threads.
fn threads(opened: &OpenedCore, exe: &Path) -> Value {
    let core = CoreFile::open(opened.source.clone()).unwrap();
    let files =
        FileSearch::new(SearchOptions { executable: Some(exe.to_owned()), ..SearchOptions::default() });
    let triaged = triage(core.process(), &core, &files, &Options::default(), &mut Silent);
    serde_json::to_value(triaged.summary.threads).unwrap()
}

#[test]
fn a_sealed_core_is_decompressed_only_where_it_is_read() {
    let Some(crash) = Crash::of_or_skip(program("big_heap")) else { return };
    let out = folder();
    epitaph().args(["collect", "--core", "full", "--out"]).arg(out.path()).arg(&crash.core).run().code(0);
    let (_, summary) = only_sealed(out.path());
    let sealed = open_core(&out.path().join(summary["core"]["file"].as_str().unwrap())).unwrap();
    assert_eq!(threads(&sealed, &crash.exe), threads(&open_core(&crash.core).unwrap(), &crash.exe));
    let frames = sealed.frames_read().unwrap();
    assert!(frames.total >= 48, "{frames:?}");
    assert!(frames.decompressed <= 6, "{frames:?}");
}

/// The same core with holes, without any, and compressed by somebody else.
#[test]
fn a_core_is_identified_by_what_it_holds() {
    need_tool!("zstd");
    let Some(crash) = Crash::of_or_skip(program("dump")) else { return };
    let work = folder();
    let [sparse, plain, compressed] = ["core.1", "core.2", "core.3.zst"].map(|name| work.path().join(name));
    std::fs::copy(&crash.core, &sparse).unwrap();
    let mut file = File::options().write(true).open(&sparse).unwrap();
    file.seek(SeekFrom::Start(12 << 20)).unwrap();
    file.write_all(b"the end").unwrap();
    std::fs::write(&plain, std::fs::read(&sparse).unwrap()).unwrap();
    let status = Command::new("zstd").args(["-q", "-o"]).arg(&compressed).arg(&plain).status().unwrap();
    assert!(status.success());
    let identities = [sparse, plain, compressed].map(|core| {
        let out = folder();
        epitaph().args(["collect", "--core", "full", "--out"]).arg(out.path()).arg(&core).run().code(0);
        let core = only_sealed(out.path()).1["core"].clone();
        assert_eq!(core["size"], (12 << 20) + 7);
        assert!(core["data_size"].as_u64().unwrap() < 8 << 20, "{core:#}");
        core["extents_sha256"].as_str().unwrap().to_owned()
    });
    assert!(identities.iter().all(|identity| *identity == identities[0]), "{identities:?}");
}
