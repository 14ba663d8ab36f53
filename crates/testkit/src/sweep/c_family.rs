//! Programs in C and C++: source files and headers.

use super::chain::{Language, Linkage, Pieces, Place, Step, Wish, draw};
use super::snippet::Snippet;
use crate::chance::Chance;

const COMMON_HEADER: &str = include_str!("snippets/common.h.in");
const COMMON_CXX_HEADER: &str = include_str!("snippets/common.hpp.in");

const C_FILES: [&str; 3] = ["main.c", "one.c", "two.c"];
const CXX_FILES: [&str; 3] = ["main.cpp", "one.cpp", "two.cpp"];

const NAMESPACES: &[&[&str]] = &[&[], &["shop"], &["shop", "detail"], &["shop", ""], &[""], &["v1"]];

/// The pieces in C.
pub(super) fn c_pieces() -> Pieces {
    Pieces {
        language: Language::C,
        calls: Snippet::all(include_str!("snippets/calls.c.in")),
        crashes: Snippet::all(include_str!("snippets/crashes.c.in")),
        files: C_FILES.len(),
        scopes: &[&[]],
    }
}

/// The pieces in C++.
pub(super) fn cxx_pieces() -> Pieces {
    Pieces {
        language: Language::Cxx,
        calls: Snippet::all(include_str!("snippets/calls.cpp.in")),
        crashes: Snippet::all(include_str!("snippets/crashes.cpp.in")),
        files: CXX_FILES.len(),
        scopes: NAMESPACES,
    }
}

/// A program's sources.
#[derive(Debug)]
pub(super) struct Sources {
    /// Name and text of each file.
    pub(super) files: Vec<(String, String)>,
    /// The functions that the program's end goes through, outermost first.
    pub(super) steps: Vec<Step>,
}

/// Draws a program in C, or in C++ with parts in C.
pub(super) fn sources(chance: &mut Chance, language: Language, gcc: bool) -> Sources {
    let (c, cxx) = (c_pieces(), cxx_pieces());
    let pieces: &[&Pieces] = match language {
        Language::Cxx => &[&cxx, &cxx, &c],
        _ => &[&c],
    };
    let steps = draw(chance, pieces, |snippet| gcc || !snippet.is("gcc_only"));
    let mut writer = Writer { chance, steps: &steps, language };
    let mut files = vec![("common.h".to_owned(), writer.common_header())];
    for (of, include, header, names) in
        [(Language::C, "common.h", "steps.h", C_FILES), (Language::Cxx, "common.hpp", "steps.hpp", CXX_FILES)]
    {
        let body = writer.functions(of, Place::Header);
        files.push((header.to_owned(), format!("#include \"{include}\"\n\n{body}")));
        for (number, name) in names.into_iter().enumerate() {
            let mut body = writer.functions(of, Place::File(number));
            if number == 0 && of == language {
                body.push_str(&writer.main());
            }
            if !body.is_empty() {
                files.push((name.to_owned(), format!("#include \"{header}\"\n\n{body}")));
            }
        }
    }
    files.push(("common.hpp".to_owned(), COMMON_CXX_HEADER.to_owned()));
    Sources { files, steps }
}

/// Writes the functions of a chain down.
struct Writer<'a> {
    chance: &'a mut Chance,
    steps: &'a [Step],
    /// That of `main`.
    language: Language,
}

impl Writer<'_> {
    /// The header that every file includes: it declares the functions that files share.
    fn common_header(&self) -> String {
        let (mut plain, mut cxx) = (String::new(), String::new());
        for step in self.steps.iter().filter(|step| step.linkage == Linkage::Extern) {
            let declaration = format!("int {}(int x);\n", step.name);
            if step.shared || step.language == Language::C {
                plain.push_str(&declaration);
            } else {
                cxx.push_str(&within(&step.scope, &declaration));
            }
        }
        format!(
            "{COMMON_HEADER}#ifdef __cplusplus\n{cxx}extern \"C\" {{\n#endif\n{plain}#ifdef __cplusplus\n}}\n#endif\n#endif\n"
        )
    }

    /// The functions that are written in one place. Whoever is called stands before its caller.
    fn functions(&mut self, language: Language, place: Place) -> String {
        let steps = self.steps;
        let here = |step: &Step| step.language == language && step.place == place;
        let numbers = (0..steps.len()).rev().filter(|number| here(&steps[*number]));
        numbers.map(|number| self.function(number)).collect()
    }

    fn function(&mut self, number: usize) -> String {
        let step = &self.steps[number];
        let next = self.steps.get(number + 1).map(qualified).unwrap_or_default();
        let chance = &mut *self.chance;
        let constant = 1 + chance.below(99);
        let text = step.snippet.fill(|word, argument| match word {
            "self" => step.name.clone(),
            "linkage" => linkage(step).to_owned(),
            "callee" => next.clone(),
            "next" => call(chance, &next, argument),
            "help" => format!("mix{}({argument})", chance.below(3)),
            "k" => constant.to_string(),
            _ => panic!("{} has a placeholder @{word}", step.snippet.name),
        });
        let blank = "\n".repeat(1 + chance.below(4));
        within(&step.scope, text.trim_end()) + &blank
    }

    /// `main`, and what else there is one of.
    fn main(&mut self) -> String {
        let first = qualified(&self.steps[0]);
        let callable: Vec<&Step> = self.steps.iter().filter(|step| step.linkage == Linkage::Extern).collect();
        let mut parts = vec!["volatile int zero, sink;\nvoid *volatile nowhere;\n\n".to_owned()];
        let mut calls = Vec::new();
        for decoy in 0..self.chance.below(3) {
            let Some(step) = callable.get(self.chance.below(callable.len().max(1))) else { break };
            parts.push(DECOY.replace("@number", &decoy.to_string()).replace("@callee", &qualified(step)));
            calls.push(format!("    if (zero)\n        KEEP(decoy{decoy}(zero));\n"));
        }
        let others = if self.chance.one_in(4) { 1 + self.chance.below(3) } else { 0 };
        if others > 0 {
            parts.push(IDLE.to_owned());
            calls.push(format!("    for (int i = 0; i < {others}; i++)\n        start_idle();\n"));
        }
        if self.chance.one_in(8) {
            let before_main = match self.language {
                Language::Cxx => BEFORE_MAIN_CXX,
                _ => BEFORE_MAIN_C,
            };
            parts.push(before_main.replace("@callee", &first));
        }
        let arguments = self.chance.pick(&["void", "int argc, char **argv"]);
        let end = format!("    int r = {first}(1);\n    KEEP(r);\n    return r & 1;\n}}\n");
        parts.extend([format!("int main({arguments})\n{{\n"), calls.concat(), end]);
        parts.concat()
    }
}

/// A function that could call one of the chain, and isn't called.
const DECOY: &str = "\
static int decoy@number(int x)
{
    if (x > 3)
        x = @callee(mix1(x));
    return x + @number;
}

";

const BEFORE_MAIN_C: &str = "\
__attribute__((constructor)) static void before_main(void)
{
    KEEP(@callee(1));
}

";

/// Comes after the initializers of the headers, as `std::cerr` has to.
const BEFORE_MAIN_CXX: &str = "static int before_main = (KEEP(@callee(1)), 0);\n\n";

/// A thread that sleeps; its maker waits until it is about to.
const IDLE: &str = "\
static volatile int awake;

static void *idle(void *data)
{
    __atomic_fetch_add(&awake, 1, __ATOMIC_SEQ_CST);
    for (;;)
        pause();
    return data;
}

static void start_idle(void)
{
    pthread_t thread;
    int before = awake;
    pthread_create(&thread, 0, idle, 0);
    while (awake == before)
        usleep(100);
    usleep(2000);
}

";

/// A function's name, as every other function may write it.
fn qualified(step: &Step) -> String {
    let named = step.scope.iter().copied().filter(|name| !name.is_empty());
    named.chain([&*step.name]).collect::<Vec<&str>>().join("::")
}

/// Puts a text into namespaces.
fn within(scope: &[&str], text: &str) -> String {
    let open: Vec<String> = scope.iter().map(|name| format!("namespace {name} {{\n")).collect();
    open.concat() + text + "\n" + &"}\n".repeat(scope.len())
}

/// A call, laid out in one way or the other.
fn call(chance: &mut Chance, function: &str, argument: &str) -> String {
    match chance.below(5) {
        0 => format!("CALL({function}, {argument})"),
        1 => format!("{function}(\n            {argument})"),
        2 => format!("{function}(\n#line 100 \"made.up\"\n            {argument})"),
        _ => format!("{function}({argument})"),
    }
}

/// What stands before a function.
fn linkage(step: &Step) -> &'static str {
    let cxx = step.language == Language::Cxx;
    match (step.linkage, step.wish) {
        (Linkage::Extern, Wish::Nothing | Wish::AlwaysInline) => "",
        (Linkage::Extern, Wish::NeverInline) => "__attribute__((noinline))",
        (Linkage::Extern, Wish::Cold) => "__attribute__((cold))",
        (Linkage::Extern, Wish::Hot) => "__attribute__((hot))",
        (Linkage::Inline, Wish::NeverInline) if cxx => "inline __attribute__((noinline))",
        (Linkage::Inline, Wish::Nothing) if cxx => "inline",
        (Linkage::Inline, Wish::Cold) if cxx => "inline __attribute__((cold))",
        (Linkage::Inline, Wish::AlwaysInline) if cxx => "inline __attribute__((always_inline))",
        (_, Wish::AlwaysInline) => "static inline __attribute__((always_inline))",
        (_, Wish::NeverInline) => "static __attribute__((noinline))",
        (_, Wish::Cold) => "static __attribute__((cold))",
        (Linkage::Inline, _) => "static inline",
        (_, Wish::Hot) => "static __attribute__((hot))",
        (_, Wish::Nothing) => "static",
    }
}
