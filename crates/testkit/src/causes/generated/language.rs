//! Languages: their pieces, what stands around them, and how programs in them are built.

use std::sync::LazyLock;

use crate::chance::Chance;

use super::piece::Piece;

/// A language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    C,
    Cxx,
    Rust,
    Go,
}

/// The pieces of a language.
pub(super) struct Pieces {
    /// Functions that die.
    pub(super) kinds: Vec<Piece>,
    /// Functions that call another one.
    pub(super) shapes: Vec<Piece>,
}

static C: LazyLock<Pieces> = LazyLock::new(|| Pieces {
    kinds: Piece::all(include_str!("pieces/kinds.c.in")),
    shapes: Piece::all(include_str!("pieces/shapes.c.in")),
});
/// C++ has its own kinds alone, so that they come up often enough, but the shapes of both.
static CXX: LazyLock<Pieces> = LazyLock::new(|| Pieces {
    kinds: Piece::all(include_str!("pieces/kinds.cpp.in")),
    shapes: [include_str!("pieces/shapes.cpp.in"), include_str!("pieces/shapes.c.in")]
        .into_iter()
        .flat_map(Piece::all)
        .collect(),
});
static RUST: LazyLock<Pieces> = LazyLock::new(|| Pieces {
    kinds: Piece::all(include_str!("pieces/kinds.rs.in")),
    shapes: Piece::all(include_str!("pieces/shapes.rs.in")),
});
static GO: LazyLock<Pieces> = LazyLock::new(|| Pieces {
    kinds: Piece::all(include_str!("pieces/kinds.go.in")),
    shapes: Piece::all(include_str!("pieces/shapes.go.in")),
});

/// What C++ includes besides C's headers.
const CXX_HEADERS: &str = "#include <functional>\n#include <stdexcept>\n#include <string>\n#include <thread>\n\
                           #include <typeinfo>\n#include <vector>\n";

impl Language {
    /// All of them.
    #[cfg(test)]
    pub(super) const ALL: [Language; 4] = [Language::C, Language::Cxx, Language::Rust, Language::Go];

    pub(super) fn draw(chance: &mut Chance) -> Language {
        match chance.below(12) {
            0..5 => Language::C,
            5..8 => Language::Cxx,
            8..11 => Language::Rust,
            _ => Language::Go,
        }
    }

    pub(super) fn pieces(self) -> &'static Pieces {
        match self {
            Language::C => &C,
            Language::Cxx => &CXX,
            Language::Rust => &RUST,
            Language::Go => &GO,
        }
    }

    /// What stands around the functions.
    pub(super) fn program(self) -> &'static str {
        match self {
            Language::C | Language::Cxx => include_str!("pieces/program.c.in"),
            Language::Rust => include_str!("pieces/program.rs.in"),
            Language::Go => include_str!("pieces/program.go.in"),
        }
    }

    pub(super) fn includes(self) -> &'static str {
        if self == Language::Cxx { CXX_HEADERS } else { "" }
    }

    pub(super) fn source(self) -> &'static str {
        match self {
            Language::C => "main.c",
            Language::Cxx => "main.cpp",
            Language::Rust => "main.rs",
            Language::Go => "main.go",
        }
    }

    /// Draws the command that builds a program that dies by `kind`.
    pub(super) fn command(self, chance: &mut Chance, kind: &Piece) -> Vec<String> {
        let mut words = match self {
            Language::C | Language::Cxx => self.c_family(chance, kind),
            Language::Rust => rust(chance),
            Language::Go => vec!["go", "build"],
        };
        if self == Language::Go {
            words.extend(chance.pick(&[&[][..], &["-gcflags=-l"], &["-ldflags=-s"]]));
        }
        let words = words.into_iter().map(str::to_owned).chain(kind.head.flags.iter().cloned());
        words.chain(["-o", "exe", self.source()].map(str::to_owned)).collect()
    }

    fn c_family(self, chance: &mut Chance, kind: &Piece) -> Vec<&'static str> {
        let sanitized = kind.head.flags.iter().any(|flag| flag.starts_with("-fsanitize"));
        let gcc = sanitized || chance.below(5) < 3;
        let mut words = vec![match (self, gcc) {
            (Language::Cxx, true) => "g++",
            (Language::Cxx, false) => "clang++",
            (_, true) => "gcc",
            (_, false) => "clang",
        }];
        words.push(chance.pick(&["-O0", "-O1", "-O2", "-O3", "-Os"]));
        words.push(chance.pick(&["-g", "-g", "-gdwarf-4", "-g1"]));
        words.extend(["-w", "-pthread"]);
        if chance.one_in(4) {
            words.push("-fno-omit-frame-pointer");
        }
        let is = |property| kind.head.is(property);
        match chance.below(10) {
            0 | 1 if !sanitized => words.push("-no-pie"),
            2 if is("small") || is("static") => words.push("-static"),
            3 | 4 if is("small") && self == Language::C => {
                words[0] = "musl-gcc";
                words.extend(chance.one_in(2).then_some("-static"));
            }
            5..8 if words[0] == "clang++" && !is("libstdcxx") => words.push("-stdlib=libc++"),
            _ => {}
        }
        words
    }
}

fn rust(chance: &mut Chance) -> Vec<&'static str> {
    let level = chance.pick(&["opt-level=0", "opt-level=1", "opt-level=2", "opt-level=3", "opt-level=s"]);
    let mut words = vec!["rustc", "--edition", "2024", "-g", "-C", "panic=abort", "-C", level];
    words.extend(["-C", "debug-assertions=off", "-C", "overflow-checks=on"]);
    words.extend(chance.one_in(3).then_some(["-C", "codegen-units=1"]).into_iter().flatten());
    words
}
