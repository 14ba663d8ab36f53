//! `epitaph show --variables`: arguments and locals, compared with what gdb says of them and with what the sources say.

use std::collections::BTreeMap;

use epitaph_testkit::crash::{Crash, or_skip};
use epitaph_testkit::gdb::{self, FrameVariables};
use epitaph_testkit::need_tool;
use epitaph_testkit::variables::{BUILDS, Build, FEW};
use serde_json::Value;

use crate::support::{epitaph, test_all};

/// Frames that are compared.
const FRAMES: usize = 40;

/// A variable of ours and of gdb's.
struct Pair<'p> {
    name: &'p str,
    ours: &'p str,
    gdb: &'p str,
    build: &'p Build,
}

/// A difference that is not a mistake of ours, and why. What isn't listed here is one.
struct Excuse {
    applies: fn(&Pair<'_>) -> bool,
    ours_is_better: bool,
    why: &'static str,
}

const EXCUSES: [Excuse; 9] = [
    Excuse {
        applies: |pair| pair.gdb == "<optimized out>" && !pair.ours.starts_with('<'),
        ours_is_better: true,
        why: "the caller tells what it passed, also where gdb finds the call's target ambiguous",
    },
    Excuse {
        applies: |pair| pair.gdb.contains("<error reading") || pair.gdb.contains("Python Exception"),
        ours_is_better: true,
        why: "gdb can't print it",
    },
    Excuse {
        applies: |pair| {
            pair.gdb.starts_with("<synthetic pointer>") && pair.ours.starts_with("<synthetic pointer")
        },
        ours_is_better: true,
        why: "we also say what the pointer that isn't there would lead to",
    },
    Excuse {
        applies: |pair| pair.ours.contains("<unavailable>") && pair.build.is_optimized_by_clang(),
        ours_is_better: true,
        why: "gdb shows a register of an outer frame as the innermost frame left it, which clang's calls may change: \
              some values are right by luck, others are garbage",
    },
    Excuse {
        applies: |pair| {
            pair.ours.contains("<optimized out>")
                && pair.build.is_optimized_by_clang()
                && (pair.gdb.contains("\\000")
                    || pair.gdb.contains("0 <repeats")
                    || pair.gdb.contains("<synthetic"))
        },
        ours_is_better: true,
        why: "gdb takes the pieces that clang doesn't describe for zeros, which they are not in the source",
    },
    Excuse {
        applies: |pair| pair.gdb.starts_with("0x") && pair.ours.starts_with('{'),
        ours_is_better: true,
        why: "an array whose length the program computes: gdb gives up on its type and shows where it is",
    },
    Excuse {
        applies: |pair| !pair.ours.is_ascii() && pair.gdb.contains('\\'),
        ours_is_better: true,
        why: "we show UTF-8",
    },
    Excuse {
        applies: |pair| ["single", "real", "huge"].contains(&pair.name) && pair.build.command.contains("-O"),
        ours_is_better: false,
        why: "floating-point registers are not read from cores yet, nor values of 16 bytes in an entry value",
    },
    Excuse {
        applies: |pair| pair.gdb.contains("field = &"),
        ours_is_better: false,
        why: "gdb names the member that a pointer to a member leads to",
    },
];

trait Optimized {
    fn is_optimized_by_clang(&self) -> bool;
}

impl Optimized for Build {
    fn is_optimized_by_clang(&self) -> bool {
        self.command.starts_with("clang") && !self.command.contains("-O0")
    }
}

/// How often the two agree.
#[derive(Debug, Default)]
struct Tally {
    equal: usize,
    ours_better: usize,
    gdb_better: usize,
    wrong: Vec<String>,
    ours_optimized_out: usize,
    gdb_optimized_out: usize,
}

fn frames_of(crash: &Crash, variables: &str) -> Vec<Value> {
    let answer = epitaph()
        .args(["show", "--json", "--threads", "crashed", "--variables", variables, "--exe"])
        .arg(&crash.exe)
        .arg(&crash.core)
        .run()
        .code(0);
    answer.json()["threads"][0]["frames"].as_array().unwrap().clone()
}

/// Returns a frame's variables of a kind by name, the first of those of one name.
fn values(frame: &Value, kind: &str) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    for variable in frame[kind].as_array().into_iter().flatten() {
        let state = variable["state"].as_str().map(|state| match state {
            "optimized_out" => "<optimized out>".to_owned(),
            "unavailable" => "<unavailable>".to_owned(),
            _ => "<no memory>".to_owned(),
        });
        let value = variable["value"].as_str().map(str::to_owned).or(state).unwrap();
        values.entry(variable["name"].as_str().unwrap().to_owned()).or_insert(value);
    }
    values
}

/// Takes out what the two spell differently on purpose: the namespaces of names, and how unreadable memory is told.
fn normal(text: &str) -> String {
    let mut out = text.to_owned();
    for (start, end) in [("<error: Cannot access memory", '>'), ("<unmapped: ", '>'), ("<not in core: ", '>')]
    {
        while let Some(at) = out.find(start) {
            let len = out[at..].find(end).map_or(out.len() - at, |len| len + 1);
            out.replace_range(at..at + len, "<no memory>");
        }
    }
    while let Some(at) = out.find("::") {
        let before = out[..at].rfind(|c: char| !c.is_alphanumeric() && c != '_').map_or(0, |at| at + 1);
        out.replace_range(before..at + 2, "");
    }
    out
}

fn compare(build: &Build, ours: &[Value], theirs: &[FrameVariables]) -> Tally {
    let mut tally = Tally::default();
    let mut seen: BTreeMap<u64, usize> = BTreeMap::new();
    for frame in theirs {
        let nth = seen.entry(frame.pc).or_default();
        let pc = format!("{:#x}", frame.pc);
        let Some(mine) = ours.iter().filter(|mine| mine["pc"] == *pc).nth(*nth) else {
            tally.wrong.push(format!("no frame at {pc} of {:?}", frame.function));
            continue;
        };
        *nth += 1;
        for (kind, list) in [("arguments", &frame.arguments), ("variables", &frame.locals)] {
            let values = values(mine, kind);
            let mut told: Vec<&str> = Vec::new();
            for variable in list {
                // A block within another may have one of the same name, and the innermost comes first in both.
                if told.contains(&variable.name.as_str()) {
                    continue;
                }
                told.push(&variable.name);
                let Some(value) = values.get(&variable.name) else {
                    // What an outlined or abstract block declares, and the instruction isn't in.
                    if variable.value != "<optimized out>" && !variable.name.starts_with("__") {
                        tally.wrong.push(format!("{:?}: no {}", frame.function, variable.name));
                    }
                    continue;
                };
                let (ours, gdb) = (normal(value), normal(&variable.value));
                tally.ours_optimized_out += usize::from(ours == "<optimized out>");
                tally.gdb_optimized_out += usize::from(gdb == "<optimized out>");
                let pair = Pair { name: &variable.name, ours: &ours, gdb: &gdb, build };
                match EXCUSES.iter().find(|excuse| (excuse.applies)(&pair)) {
                    _ if ours == gdb => tally.equal += 1,
                    Some(excuse) if excuse.ours_is_better => tally.ours_better += 1,
                    Some(_) => tally.gdb_better += 1,
                    None => {
                        let place = format!("{} {:?}", variable.name, frame.function);
                        tally.wrong.push(format!("{place}\n  ours {ours}\n  gdb  {gdb}"));
                    }
                }
            }
        }
    }
    tally
}

/// Builds whose values are compared with gdb's. Of Rust gdb 13 dies, and how it spells the C++ library's containers is its
/// own: what those hold is compared with the sources.
fn is_compared(build: &Build) -> bool {
    !["values.rs", "containers.cpp", "corrupt.cpp"].contains(&build.source)
}

#[test]
#[expect(clippy::print_stdout, reason = "the table is for whoever asks to see it")]
fn values_are_those_that_gdb_shows() {
    need_tool!("gdb");
    let builds = if test_all() { BUILDS } else { &BUILDS[..FEW] };
    let mut wrong = Vec::new();
    for build in builds.iter().filter(|build| is_compared(build)) {
        let Some(crash) = or_skip(build.crash()) else { continue };
        let theirs = gdb::variables(&crash.exe, &crash.core, FRAMES).unwrap();
        let tally = compare(build, &frames_of(&crash, "all"), &theirs);
        println!(
            "{} {}: {} equal, {} ours better, {} gdb better; optimized out: {} and {}",
            build.source,
            build.command,
            tally.equal,
            tally.ours_better,
            tally.gdb_better,
            tally.ours_optimized_out,
            tally.gdb_optimized_out
        );
        assert!(tally.equal > 15, "{build:?}: {tally:#?}");
        if tally.ours_optimized_out > tally.gdb_optimized_out + tally.gdb_better {
            wrong.push(format!("{build:?}: more is optimized out than for gdb: {tally:#?}"));
        }
        wrong.extend(tally.wrong.iter().map(|wrong| format!("{build:?}: {wrong}")));
    }
    for excuse in &EXCUSES {
        println!("{}: {}", if excuse.ours_is_better { "ours" } else { "gdb" }, excuse.why);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Asks about a program's function, whose values are known from its source.
fn known(build: &Build, function: &str, expected: &[(&str, &str)]) {
    let Some(crash) = or_skip(build.crash()) else { return };
    let frames = frames_of(&crash, "all");
    let is_wanted = |frame: &&Value| frame["function"].as_str().is_some_and(|name| name.contains(function));
    let frame = frames.iter().find(is_wanted).unwrap_or_else(|| panic!("{build:?}: {frames:#?}"));
    let mut values = values(frame, "arguments");
    values.extend(self::values(frame, "variables"));
    let wrong: Vec<String> = expected
        .iter()
        .filter_map(|(name, expected)| {
            let value = values.get(*name).map_or("nothing", String::as_str);
            // Addresses differ from run to run.
            let is_right = match expected.strip_prefix("~") {
                Some(end) => value.ends_with(end),
                None => value == *expected,
            };
            (!is_right).then(|| format!("{name}: {value}, and not {expected}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{build:?}\n{}", wrong.join("\n"));
}

#[test]
fn containers_of_the_cxx_library_are_what_they_hold() {
    let expected = [
        ("name", "~: \"Ada\""),
        ("view", "\"a view of it\""),
        ("numbers", "vector(3) {1, 2, 3}"),
        ("ages", "~: map(2) {[\"ada\"] = 36, [\"alan\"] = 41}"),
        ("maybe", "optional(5)"),
        ("order", "~: {number = 12, customer = \"Grace\", prices = vector(2) {1.5, 2.25}})"),
        ("empty", "\"\""),
        ("long_text", "\"a text that does not fit into the object itself\""),
        ("words", "vector(3) {\"one\", \"two\", \"three\"}"),
        ("nothing", "vector(0) {}"),
        ("many", "vector(30) {7 <repeats 30 times>}"),
        ("absent", "nullopt"),
        ("present", "optional(\"here\")"),
        ("shared", "~: 17)"),
        ("null", "unique_ptr(nullptr)"),
        ("set", "set(3) {1, 2, 3}"),
        ("hash", "unordered_map(1) {[1] = 10}"),
        ("pair", "{first = 5, second = \"five\"}"),
        ("tuple", "tuple(1, 2.5, \"three\")"),
        ("array", "{_M_elems = {7, 8, 9}}"),
        ("deque", "deque(3) {4, 5, 6}"),
        ("nested", "map(2) {[1] = vector(2) {1, 2}, [2] = vector(0) {}}"),
    ];
    let builds = BUILDS.iter().filter(|build| build.source == "containers.cpp");
    for build in builds.filter(|build| build.command.ends_with("-O0")).take(if test_all() { 9 } else { 1 }) {
        known(build, "take", &expected);
    }
}

#[test]
fn values_of_rust_are_spelled_as_rust_does() {
    let build = BUILDS.iter().find(|build| build.source == "values.rs").unwrap();
    let library = [
        ("text", "\"text\""),
        ("owned", "\"owned\""),
        ("numbers", "Vec(3) [1, 2, 3]"),
        ("slice", "&[10, 20, 30]"),
        ("maybe", "Some(7)"),
        ("boxed", "Box(Point {x: 5, y: 6})"),
        ("none", "None"),
        ("reference", "Some(\"inside\")"),
        ("nothing", "None"),
        ("good", "Ok(3)"),
        ("bad", "Err(\"went wrong\")"),
        ("shapes", "Vec(3) [Empty, Circle(1.5), Named {name: \"box\", sides: 4}]"),
        ("counted", "Rc(5)"),
        ("shared", "Arc(Point {x: 1, y: 2})"),
        ("words", "Vec(2) [\"one\", \"two\"]"),
        ("map", "HashMap(1) {\"key\": 1}"),
        ("empty", "Vec(0) []"),
    ];
    known(build, "library", &library);
    let scalars = [
        ("letter", "233 'é'"),
        ("byte", "200"),
        ("small", "-5"),
        ("large", "1099511627776"),
        ("wide", "-1267650600228229401496703205376"),
        ("single", "3.1400001"),
        ("truth", "true"),
        ("colour", "Colour::Green"),
        ("tuple", "(1, 122 'z', 2.5)"),
        ("zeros", "[0 <repeats 30 times>]"),
        ("point", "Point {x: 3, y: -4}"),
        ("pair", "Pair(9, true)"),
        ("unit", "Unit"),
    ];
    known(build, "scalars", &scalars);
}

#[test]
fn arguments_stand_in_the_line_of_their_frame_and_locals_beneath_it() {
    let Some(crash) = or_skip(BUILDS[0].crash()) else { return };
    let show = |variables: &[&str]| {
        let asked = epitaph().arg("show").args(variables).arg("--exe").arg(&crash.exe).arg(&crash.core);
        asked.without_env("CI")
    };
    let usual = show(&[])
        .run()
        .code(0)
        .says(&["pointers(count=5, words=0x", "scalars(letter=97 'a', byte=200 '\\310'"]);
    usual.hides(&["colour = BLUE"]);
    show(&["--variables", "all"]).run().code(0).says(&["  colour = BLUE", "  variable = {0, 1, 4, 9, 16}"]);
    show(&["--variables", "none"]).run().code(0).says(&["pointers "]).hides(&["count=5"]);
    // In a CI system everybody reads the log.
    let in_ci = show(&[]).env("CI", "true").run().code(0);
    in_ci.hides(&["count=5"]);
    show(&["--variables", "args"]).env("CI", "true").run().code(0).says(&["count=5"]);
}

#[test]
fn corrupt_containers_are_called_corrupt() {
    let build = BUILDS.iter().find(|build| build.source == "corrupt.cpp").unwrap();
    let Some(crash) = or_skip(build.crash()) else { return };
    let frames = frames_of(&crash, "all");
    let frame = frames
        .iter()
        .find(|frame| frame["function"].as_str().is_some_and(|name| name.starts_with("inspect")));
    let values = values(frame.unwrap(), "variables");
    for (name, said) in [
        ("backwards", "<corrupt vector: from 0x"),
        ("torn", "<corrupt vector: from 0x"),
        ("endless", "vector(274877906944) {1, 2, 3"),
        ("wild", "<no memory>"),
        ("huge", "\"huge"),
        ("cyclic", "<corrupt: "),
        ("counted", "<corrupt: 1 elements>"),
        ("odd", "<corrupt optional: 7"),
        ("loop", "<corrupt: a cycle>"),
        ("lost", "<no memory>"),
    ] {
        let value = normal(&values[name]);
        assert!(value.contains(said) && value.len() < 2000, "{name}: {value}");
    }
}

/// Whatever stands in the debug information, it is read to an end, and the stack is told.
#[test]
fn damaged_debug_information_costs_values_and_nothing_else() {
    let Some(crash) = or_skip(BUILDS[1].crash()) else { return };
    let whole = std::fs::read(&crash.exe).unwrap();
    // Debug information stands between the program's data and the section headers.
    let headers = u64::from_le_bytes(*whole[0x28..].first_chunk().unwrap()) as usize;
    let start = 0x3100;
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for _ in 0..if test_all() { 400 } else { 30 } {
        let mut damaged = whole.clone();
        for _ in 0..=next(40) {
            let at = start + next(headers - start);
            damaged[at] = [0, 0xff, next(256) as u8][next(3)];
        }
        std::fs::write(&crash.exe, &damaged).unwrap();
        let shown = epitaph()
            .args(["show", "--variables", "all", "--threads", "crashed", "--exe"])
            .arg(&crash.exe)
            .arg(&crash.core)
            .run()
            .code(0);
        assert!(shown.stdout().contains("crashed:") && shown.stdout().len() < 1 << 20, "{}", shown.stderr());
    }
}
