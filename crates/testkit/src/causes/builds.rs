//! How the programs are built: by several compilers, at several levels, with several libraries.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use crate::crash::CrashError;

/// Builds that go together.
#[derive(Debug)]
pub(super) struct Set {
    name: &'static str,
    /// The commands, as far as they differ; `@NAME` is a file of `testdata/causes`.
    builds: &'static [&'static str],
    /// What they have in common.
    common: &'static str,
    /// A shell's command that succeeds where this machine can do it; what it prints (libraries) is added to the commands' ends.
    probe: Option<&'static str>,
}

const C: &str = "-g -w -pthread";
const GLIB: &str = "pkg-config --cflags --libs glib-2.0";
const CLANG_SANITIZERS: &str =
    "echo 'int main(void) { return 0; }' | clang -fsanitize=address -o /dev/null -x c -";
const LIBCXX: &str = "echo '#include <vector>' | clang++ -stdlib=libc++ -fsyntax-only -x c++ -";

const fn set(name: &'static str, common: &'static str, builds: &'static [&'static str]) -> Set {
    Set { name, builds, common, probe: None }
}

/// Every set.
const SETS: &[Set] = &[
    set(
        "c",
        C,
        &[
            "gcc -O0",
            "gcc -O1",
            "gcc -O2",
            "gcc -O3",
            "clang -O0",
            "clang -O1",
            "clang -O2",
            "clang -O3",
            "gcc -O2 -include @rebuilt.h",
        ],
    ),
    set("threads", C, &["gcc -O0", "gcc -O2", "clang -O2"]),
    set(
        "protected",
        "-g -w -fstack-protector-all",
        &["gcc -O0", "gcc -O1", "gcc -O2", "gcc -O3", "clang -O0", "clang -O2"],
    ),
    set(
        "fortified",
        "-g -w -D_FORTIFY_SOURCE=2",
        &["gcc -O1", "gcc -O2", "gcc -O3", "clang -O1", "clang -O2"],
    ),
    set("musl", "-g -w", &["musl-gcc -static -O0", "musl-gcc -static -O2", "musl-gcc -O2"]),
    set("static", "-g -w", &["gcc -static -O0", "gcc -static -O2", "gcc -static-pie -O2"]),
    set(
        "small",
        "-g -w",
        &[
            "musl-gcc -static -O0",
            "musl-gcc -static -O2",
            "musl-gcc -O2",
            "gcc -static -O0",
            "gcc -static -O2",
        ],
    ),
    Set { probe: Some(GLIB), ..set("glib", "-g -w", &["gcc -O0", "gcc -O2"]) },
    set(
        "libstdcxx",
        C,
        &[
            "g++ -O0",
            "g++ -O1",
            "g++ -O2",
            "g++ -O3",
            "clang++ -O0",
            "clang++ -O2",
            "g++ -O2 -include @rebuilt.h",
        ],
    ),
    Set {
        probe: Some(LIBCXX),
        ..set("libcxx", "-stdlib=libc++ -g -w -pthread", &["clang++ -O0", "clang++ -O2"])
    },
    set("libstdcxx_checked", "-D_GLIBCXX_ASSERTIONS -g -w -pthread", &["g++ -O0", "g++ -O2"]),
    Set {
        probe: Some(LIBCXX),
        ..set(
            "libcxx_checked",
            "-stdlib=libc++ -D_LIBCPP_DEBUG=0 -g -w -pthread",
            &["clang++ -O0", "clang++ -O2"],
        )
    },
    set(
        "rust",
        "--edition 2024 -g -C panic=abort -C debug-assertions=off -C overflow-checks=on",
        &["rustc -C opt-level=0", "rustc -C opt-level=1", "rustc -C opt-level=2", "rustc -C opt-level=3"],
    ),
    set("rust_unwinding", "--edition 2024 -g", &["rustc -C opt-level=0", "rustc -C opt-level=2"]),
    set("go", "", &["go build", "go build -gcflags=-l", "go build -ldflags=-s"]),
    set("asan", "-fsanitize=address -g -w", &["gcc -O0", "gcc -O1", "gcc -O2"]),
    Set {
        probe: Some(CLANG_SANITIZERS),
        ..set("asan_clang", "-fsanitize=address -g -w", &["clang -O0", "clang -O1"])
    },
    Set {
        probe: Some(CLANG_SANITIZERS),
        ..set("ubsan_clang", "-fsanitize=undefined -fno-sanitize-recover=all -g -w", &["clang -O1"])
    },
    Set { probe: Some(CLANG_SANITIZERS), ..set("tsan_clang", "-fsanitize=thread -g -w", &["clang -O1"]) },
    set("ubsan", "-fsanitize=undefined -fno-sanitize-recover=all -g -w", &["gcc -O0", "gcc -O2"]),
    set(
        "ubsan_trap",
        "-fsanitize=undefined -g -w",
        &[
            "gcc -fsanitize-undefined-trap-on-error -O0",
            "gcc -fsanitize-undefined-trap-on-error -O2",
            "clang -fsanitize-trap=all -O1",
        ],
    ),
    set("tsan", "-fsanitize=thread -g -w", &["gcc -O0", "gcc -O2"]),
];

/// One way of building a program.
#[derive(Clone, Copy, Debug)]
pub(super) struct Build {
    set: &'static Set,
    /// What tells it from the others of its set.
    pub(super) label: &'static str,
}

impl Build {
    /// Those that a program is built by: of these sets, or else of all that its language has.
    ///
    /// # Panics
    /// When there is no such set.
    pub(super) fn of(sets: Option<&str>, source: &str) -> Vec<Build> {
        let names = match (sets, source.rsplit_once('.').map(|(_, extension)| extension)) {
            (Some(names), _) => names.split('|').collect(),
            (None, Some("c")) => vec!["c"],
            (None, Some("cpp")) => vec!["libstdcxx", "libcxx"],
            (None, Some("rs")) => vec!["rust"],
            (None, Some("go")) => vec!["go"],
            _ => panic!("no language has sources like {source}"),
        };
        let named = |name: &&str| {
            SETS.iter().find(|set| set.name == *name).unwrap_or_else(|| panic!("no builds {name}"))
        };
        names
            .iter()
            .map(named)
            .flat_map(|set| set.builds.iter().map(move |label| Build { set, label }))
            .collect()
    }

    /// Its name: those of two sets may have one label.
    pub(super) fn name(&self) -> String {
        format!("{} {}", self.set.name, self.label)
    }

    /// Tells whether the compiler may move code from one function to another.
    pub(super) fn is_optimized(&self) -> bool {
        ["-O2", "-O3", "opt-level=2", "opt-level=3"].iter().any(|level| self.label.contains(level))
    }

    /// The words of the command before the source and after it.
    ///
    /// # Errors
    /// [`CrashError::Unavailable`] where this machine lacks what it takes.
    pub(super) fn words(&self) -> Result<[Vec<String>; 2], CrashError> {
        let found = self.set.probe.map_or(Ok(String::new()), probe)?;
        let before = [self.label, self.set.common].join(" ");
        Ok([before, found].map(|words| words.split_whitespace().map(str::to_owned).collect()))
    }
}

/// Runs a probe, once.
fn probe(command: &'static str) -> Result<String, CrashError> {
    static FOUND: Mutex<BTreeMap<&str, Option<String>>> = Mutex::new(BTreeMap::new());
    let mut found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
    let answer = found.entry(command).or_insert_with(|| {
        let output = Command::new("sh")
            .args(["-c", command])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    });
    let failed =
        || CrashError::Unavailable(format!("this fails here: {command} (make setup installs what it takes)"));
    answer.clone().ok_or_else(failed)
}
