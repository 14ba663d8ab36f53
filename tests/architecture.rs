//! The walls of the house: which crate may use which, and who may print or exit.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cargo_metadata::{Dependency, DependencyKind, MetadataCommand, Package};

use crate::support::repository;

/// Our crates, and those of ours that each may use. The first column is complete: a new crate gets a row here.
const OURS: [(&str, &[&str]); 16] = [
    ("epitaph-elf", &[]),
    ("epitaph-summary", &[]),
    ("epitaph-store", &[]),
    ("epitaph-testkit", &[]),
    ("epitaph-bundle", &["epitaph-elf", "epitaph-summary"]),
    ("epitaph-unwind", &["epitaph-elf"]),
    ("epitaph-symbols", &["epitaph-elf"]),
    ("epitaph-variables", &["epitaph-elf", "epitaph-symbols"]),
    ("epitaph-python", &["epitaph-elf"]),
    ("epitaph-capture", &["epitaph-elf", "epitaph-summary", "epitaph-bundle"]),
    ("epitaph-explain", &["epitaph-elf", "epitaph-summary"]),
    (
        "epitaph-triage",
        &[
            "epitaph-elf",
            "epitaph-unwind",
            "epitaph-symbols",
            "epitaph-variables",
            "epitaph-python",
            "epitaph-summary",
            "epitaph-explain",
        ],
    ),
    ("epitaph-report", &["epitaph-summary"]),
    ("epitaph-serve", &["epitaph-store", "epitaph-summary", "epitaph-report"]),
    // Measures the stages by themselves, and everything else from outside.
    (
        "epitaph-bench",
        &[
            "epitaph-elf",
            "epitaph-summary",
            "epitaph-bundle",
            "epitaph-unwind",
            "epitaph-symbols",
            "epitaph-testkit",
        ],
    ),
    (
        "epitaph",
        &[
            "epitaph-elf",
            "epitaph-summary",
            "epitaph-store",
            "epitaph-bundle",
            "epitaph-unwind",
            "epitaph-symbols",
            "epitaph-capture",
            "epitaph-triage",
            "epitaph-report",
            "epitaph-serve",
        ],
    ),
];

/// Libraries that only some crates may use, other than for tests.
const OWNERS: [(&[&str], &[&str]); 18] = [
    (&["goblin", "ruzstd"], &["epitaph-elf"]),
    // Machine code: where it leads, and what it tells of a fault.
    (&["iced-x86", "yaxpeax-arm"], &["epitaph-elf", "epitaph-explain"]),
    // Rules, and crashes that are alike.
    (&["toml", "wildmatch", "kodama"], &["epitaph-summary"]),
    (&["gimli"], &["epitaph-unwind", "epitaph-symbols", "epitaph-variables"]),
    (&["addr2line"], &["epitaph-symbols"]),
    (&["procfs", "libc"], &["epitaph-capture"]),
    // Codecs of whole core files.
    (&["age", "zstd", "lz4_flex", "bzip2"], &["epitaph-bundle"]),
    // Checks of what is read twice; lz4 has them as well.
    (&["twox-hash"], &["epitaph-bundle", "epitaph-store"]),
    // Cores within reports of other collectors, forms that secrets take, how a password is sent, and hashes of what a page
    // may run.
    (&["base64"], &["epitaph-bundle", "epitaph-report", "epitaph-serve", "epitaph-store", "epitaph-triage"]),
    // Pages.
    (&["maud"], &["epitaph-report"]),
    (&["aho-corasick"], &["epitaph-triage"]),
    // zlib: compressed sections, and cores in .gz. xz: packaged symbol tables, and cores in .xz.
    (&["flate2", "lzma-rust2"], &["epitaph-elf", "epitaph-bundle"]),
    // The network, and whatever is asynchronous.
    (&["hickory-resolver", "reqwest", "rustls", "webpki-roots", "object_store", "url"], &["epitaph-store"]),
    (&["tokio", "futures-util", "bytes"], &["epitaph-store", "epitaph-serve"]),
    // The server.
    (&["axum", "hyper", "hyper-util"], &["epitaph-serve"]),
    // The terminal.
    (&["clap"], &["epitaph", "epitaph-bench"]),
    (&["clap_complete", "clap_mangen", "indicatif", "anstream", "anstyle"], &["epitaph"]),
    // Errors of libraries are typed.
    (&["anyhow"], &["epitaph"]),
];

/// Libraries that can trace processes, by a feature that only `capture` may ask for, and the tests' own crate, which
/// goes into no product.
const TRACERS: [&str; 2] = ["nix", "rustix"];

/// Texts that print to the terminal or end the process: only the command line's crate does that.
const TERMINAL: [&str; 5] = ["println!", "eprintln!", "print!(", "eprint!(", "process::exit"];

fn packages() -> Vec<Package> {
    let mut command = MetadataCommand::new();
    command.manifest_path(repository().join("Cargo.toml")).no_deps();
    command.other_options(["--locked".to_owned(), "--offline".to_owned()]);
    command.exec().unwrap().packages
}

/// The dependencies that go into the product (or run when it is built), not those of tests alone.
fn shipped(package: &Package) -> impl Iterator<Item = &Dependency> {
    package.dependencies.iter().filter(|dependency| dependency.kind != DependencyKind::Development)
}

fn allowed(package: &str) -> &'static [&'static str] {
    let row = OURS.iter().find(|(name, _)| *name == package);
    row.unwrap_or_else(|| panic!("{package} has no row in the table of tests/architecture.rs")).1
}

#[test]
fn arrows_between_our_crates_never_run_sideways_or_up() {
    let packages = packages();
    assert_eq!(packages.len(), OURS.len(), "a row of tests/architecture.rs names a crate that isn't there");
    let mut wrong = Vec::new();
    for package in &packages {
        let allowed = allowed(&package.name);
        for dependency in &package.dependencies {
            let name = dependency.name.as_str();
            let test_only = dependency.kind == DependencyKind::Development && name == "epitaph-testkit";
            if name.starts_with("epitaph-") && !allowed.contains(&name) && !test_only {
                wrong.push(format!("{} may not use {name}", package.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn libraries_stay_with_their_owners() {
    let owners: BTreeMap<&str, &[&str]> = OWNERS
        .iter()
        .flat_map(|(libraries, owners)| libraries.iter().map(|library| (*library, *owners)))
        .collect();
    let mut wrong = Vec::new();
    for package in packages() {
        for dependency in shipped(&package) {
            let name = dependency.name.as_str();
            if owners.get(name).is_some_and(|owners| !owners.contains(&package.name.as_str())) {
                wrong.push(format!("{} may not use {name}", package.name));
            }
            let traces =
                TRACERS.contains(&name) && dependency.features.iter().any(|feature| feature == "ptrace");
            if traces && !["epitaph-capture", "epitaph-testkit"].contains(&package.name.as_str()) {
                wrong.push(format!("{} may not trace processes", package.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_the_command_line_prints_and_exits() {
    let mut wrong = Vec::new();
    for package in packages().iter().filter(|package| *package.name != "epitaph") {
        let files = sources(&folder_of(package).join("src"));
        for path in files.iter().filter(|path| !path.ends_with("tests.rs")) {
            let text = std::fs::read_to_string(path).unwrap();
            // Tests stand at a file's end or in a file of that name, and may print.
            let shipped = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
            for (number, line) in shipped.lines().enumerate() {
                let code = line.split("//").next().unwrap_or_default();
                if TERMINAL.iter().any(|text| code.contains(text)) {
                    wrong.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What two of them share has a home of its own.
#[test]
fn no_command_uses_another_one() {
    let commands = repository().join("crates/cli/src/commands");
    let sources = sources(&commands);
    assert!(sources.len() > 15, "{sources:?}");
    for path in sources {
        let text = std::fs::read_to_string(&path).unwrap();
        // A command in several files may use its own.
        let of_folder = path.parent().filter(|folder| **folder != commands).and_then(Path::file_name);
        let own = of_folder.map(|name| format!("crate::commands::{}", name.display()));
        let uses = text.match_indices("crate::commands::");
        let others = uses.filter(|(at, _)| own.as_ref().is_none_or(|own| !text[*at..].starts_with(own)));
        assert_eq!(others.count(), 0, "{}", path.display());
        assert!(of_folder.is_some() || !text.contains("use super::"), "{}", path.display());
    }
}

#[test]
fn every_library_says_its_job_and_shows_an_example() {
    for package in packages().iter().filter(|package| *package.name != "epitaph") {
        let path = folder_of(package).join("src/lib.rs");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("//! "), "{} doesn't start by saying its job", path.display());
        // One that needs a core or a server is at least compiled.
        let tested = text.lines().any(|line| line == "//! ```" || line == "//! ```no_run");
        assert!(tested, "{} has no example that is tested", path.display());
    }
}

fn folder_of(package: &Package) -> PathBuf {
    package.manifest_path.parent().unwrap().as_std_path().to_owned()
}

/// Returns the Rust files beneath a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}
