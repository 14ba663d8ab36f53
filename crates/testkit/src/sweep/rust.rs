//! Programs in Rust: modules, and how they are built.

use super::c_family::Sources;
use super::chain::{Language, Pieces, Place, Step, Wish, draw};
use super::recipe::{Linker, Recipe};
use super::snippet::Snippet;
use crate::chance::Chance;

const FILES: [&str; 3] = ["main", "one", "two"];

/// The pieces in Rust.
pub(super) fn pieces() -> Pieces {
    Pieces {
        language: Language::Rust,
        calls: Snippet::all(include_str!("snippets/calls.rs.in")),
        crashes: Snippet::all(include_str!("snippets/crashes.rs.in")),
        files: FILES.len(),
        scopes: &[&[], &[], &["shop"], &["shop", "detail"]],
    }
}

/// Draws a program in Rust. `aborts` tells that a panic doesn't unwind.
pub(super) fn sources(chance: &mut Chance, aborts: bool) -> Sources {
    let steps = draw(chance, &[&pieces()], |_| true);
    let mut files = Vec::new();
    for (number, name) in FILES.iter().enumerate() {
        let mut text = String::new();
        for (at, step) in steps.iter().enumerate().filter(|(_, step)| file_of(step) == number) {
            text.push_str(&function(chance, step, steps.get(at + 1)));
        }
        if number == 0 {
            text = include_str!("snippets/common.rs.in").to_owned()
                + "mod one;\nmod two;\n\n"
                + &text
                + &main(chance, &path(&steps[0]), aborts);
        }
        files.push((format!("{name}.rs"), text));
    }
    Sources { files, steps }
}

/// There are no headers in Rust: what would be there is in the first file.
fn file_of(step: &Step) -> usize {
    match step.place {
        Place::File(number) => number,
        Place::Header => 0,
    }
}

/// The path by which every module finds a function.
fn path(step: &Step) -> String {
    let file = match file_of(step) {
        0 => "crate".to_owned(),
        number => format!("crate::{}", FILES[number]),
    };
    let parts: Vec<String> = [file].into_iter().chain(modules(step)).chain([step.name.clone()]).collect();
    parts.join("::")
}

/// The modules that a function is in: each has its own, so that none is declared twice.
fn modules(step: &Step) -> Vec<String> {
    step.scope.iter().map(|name| format!("{name}_{}", step.name)).collect()
}

fn function(chance: &mut Chance, step: &Step, next: Option<&Step>) -> String {
    let next = next.map(path).unwrap_or_default();
    let constant = 1 + chance.below(99);
    let text = step.snippet.fill(|word, argument| match word {
        "self" => step.name.clone(),
        "linkage" => attribute(step.wish).to_owned(),
        "callee" => next.clone(),
        "next" => match chance.below(4) {
            0 => format!("through!({next}, ({argument}))"),
            1 => format!("{next}(\n            {argument})"),
            _ => format!("{next}({argument})"),
        },
        "help" => format!("crate::mix{}({argument})", chance.below(3)),
        "k" => constant.to_string(),
        _ => panic!("{} has a placeholder @{word}", step.snippet.name),
    });
    let modules = modules(step);
    let open: Vec<String> = modules.iter().map(|name| format!("pub mod {name} {{\n")).collect();
    open.concat() + text.trim_end() + "\n" + &"}\n".repeat(modules.len()) + &"\n".repeat(1 + chance.below(3))
}

fn attribute(wish: Wish) -> &'static str {
    match wish {
        Wish::Nothing => "",
        Wish::AlwaysInline => "#[inline(always)]",
        Wish::NeverInline => "#[inline(never)]",
        Wish::Cold => "#[cold]",
        Wish::Hot => "#[inline]",
    }
}

fn main(chance: &mut Chance, first: &str, aborts: bool) -> String {
    let mut text = "fn main() -> std::process::ExitCode {\n".to_owned();
    if !aborts {
        text.push_str("    std::panic::set_hook(Box::new(|_| std::process::abort()));\n");
    }
    if chance.one_in(4) {
        text.push_str(
            "    std::thread::spawn(|| loop { std::thread::sleep(std::time::Duration::from_secs(100)) });\n",
        );
        text.push_str("    std::thread::sleep(std::time::Duration::from_millis(5));\n");
    }
    text + &format!(
        "    let r = {first}(1);\n    keep(r);\n    std::process::ExitCode::from((r & 1) as u8)\n}}\n"
    )
}

/// Draws how to build a program in Rust.
pub(super) fn recipe(chance: &mut Chance, aborts: bool) -> Recipe {
    let mut flags = vec!["--edition", "2024", "-C", if aborts { "panic=abort" } else { "panic=unwind" }];
    let options: [&[&str]; 5] = [
        &["opt-level=0", "opt-level=1", "opt-level=2", "opt-level=3", "opt-level=s", "opt-level=z"],
        &["debuginfo=0", "debuginfo=1", "debuginfo=2", "debuginfo=2", "debuginfo=line-tables-only"],
        &["codegen-units=1", "codegen-units=16"],
        &["lto=off", "lto=off", "lto=off", "lto=off", "lto=off", "lto=off", "lto=thin", "lto=fat"],
        &["force-frame-pointers=no", "force-frame-pointers=no", "force-frame-pointers=yes"],
    ];
    for option in options {
        let option = chance.pick(option);
        flags.extend(["-C", option]);
    }
    if chance.one_in(2) {
        flags.extend(["-C", "symbol-mangling-version=v0"]); // the default since 1.95
    }
    match chance.below(8) {
        0 => flags.extend(["-C", "relocation-model=static"]),
        1 => flags.extend(["-C", "target-feature=+crt-static"]),
        2 => flags.extend(["-C", "strip=debuginfo"]),
        3 => flags.extend(["-C", "target-cpu=x86-64-v2"]),
        _ => {}
    }
    let linker = Linker::draw(chance);
    let through_cc = format!("link-arg={}", linker.flag());
    flags.extend(["-C", &through_cc]);
    let words = ["rustc"].into_iter().chain(flags).chain(["-o", "exe", "main.rs"]);
    Recipe { steps: vec![words.map(str::to_owned).collect()], linker }
}
