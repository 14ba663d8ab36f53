//! How a program in C or C++ is built: compiler, flags, linker, and what is done to the file afterwards.

use super::chain::Language;
use super::flags;
use crate::chance::Chance;

/// The commands that build a program, in a folder that holds its sources.
#[derive(Debug)]
pub(super) struct Recipe {
    /// One command each, its words apart.
    pub(super) steps: Vec<Vec<String>>,
    /// The linker that they call.
    pub(super) linker: Linker,
}

/// A compiler family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Gcc,
    Clang,
}

impl Family {
    pub(super) fn draw(chance: &mut Chance) -> Family {
        if chance.one_in(3) { Family::Clang } else { Family::Gcc }
    }

    fn compiler(self, language: Language) -> &'static str {
        match (self, language) {
            (Family::Gcc, Language::Cxx) => "g++",
            (Family::Gcc, _) => "gcc",
            (Family::Clang, Language::Cxx) => "clang++",
            (Family::Clang, _) => "clang",
        }
    }
}

/// A linker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Linker {
    Bfd,
    Gold,
    Lld,
    Mold,
}

impl Linker {
    /// One of them, most often the one that compilers take by themselves.
    pub(super) fn draw(chance: &mut Chance) -> Linker {
        *chance.pick(&[&Linker::Bfd, &Linker::Bfd, &Linker::Bfd, &Linker::Gold, &Linker::Lld, &Linker::Mold])
    }

    /// The flag that makes a C compiler call it.
    pub(super) fn flag(self) -> &'static str {
        match self {
            Linker::Bfd => "-fuse-ld=bfd",
            Linker::Gold => "-fuse-ld=gold",
            Linker::Lld => "-fuse-ld=lld",
            Linker::Mold => "-fuse-ld=mold",
        }
    }

    /// The program's name.
    pub(super) fn program(self) -> &'static str {
        match self {
            Linker::Bfd => "ld.bfd",
            Linker::Gold => "ld.gold",
            Linker::Lld => "ld.lld",
            Linker::Mold => "mold",
        }
    }
}

/// Where the program is loaded, and how it is linked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    Pie,
    NoPie,
    Static,
    StaticPie,
    /// The last source file is a shared library.
    Library,
}

impl Layout {
    fn draw(chance: &mut Chance, files: usize) -> Layout {
        match chance.below(12) {
            0 | 1 => Layout::NoPie,
            2 => Layout::Static,
            3 => Layout::StaticPie,
            4 | 5 if files > 1 => Layout::Library,
            _ => Layout::Pie,
        }
    }

    /// The flags that the compiler and the linker are given.
    fn flags(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Layout::Pie => ("-fPIE", &["-pie"]),
            Layout::NoPie => ("-fno-pie", &["-no-pie"]),
            Layout::Static => ("-fno-pie", &["-static"]),
            Layout::StaticPie => ("-fPIE", &["-static-pie"]),
            Layout::Library => ("-fPIC", &[]),
        }
    }
}

/// Draws how to build these source files. `protected` programs count on the stack protector.
pub(super) fn draw(
    chance: &mut Chance,
    family: Family,
    language: Language,
    files: &[&str],
    protected: bool,
) -> Recipe {
    let layout = Layout::draw(chance, files.len());
    let lto = layout != Layout::Library && chance.one_in(8);
    let linker = match family {
        Family::Clang if lto => Linker::Lld, // the only one that reads clang's bitcode as it comes
        Family::Gcc if lto => Linker::Bfd,
        _ if layout == Layout::StaticPie => Linker::Bfd,
        _ => Linker::draw(chance),
    };
    let (compile, link) = layout.flags();
    let mut flags = flags::draw(chance, family);
    flags.push(compile);
    flags.extend(protected.then_some("-fstack-protector-all"));
    flags.extend(lto.then_some("-flto"));
    let mut link = [link, &[linker.flag(), "-pthread"]].concat();
    if flags.contains(&"-ffunction-sections") && chance.one_in(2) {
        link.push("-Wl,--gc-sections");
    }
    let mut steps = Commands { family, language, flags, link, layout }.of(files);
    finish(chance, &mut steps);
    Recipe { steps, linker }
}

/// What the commands are made of.
struct Commands {
    family: Family,
    language: Language,
    flags: Vec<&'static str>,
    link: Vec<&'static str>,
    layout: Layout,
}

impl Commands {
    fn of(&self, files: &[&str]) -> Vec<Vec<String>> {
        let mut steps = Vec::new();
        let (library, program): (Vec<&str>, Vec<&str>) = match files.split_last() {
            Some((last, rest)) if self.layout == Layout::Library => (vec![last], rest.to_vec()),
            _ => (Vec::new(), files.to_vec()),
        };
        for file in files {
            let mut step = vec![self.family.compiler(language_of(file).unwrap_or(self.language))];
            step.extend(&self.flags);
            let object = object(file);
            step.extend(["-o", &object, "-c", file]);
            steps.push(words(&step));
        }
        let linker = self.family.compiler(self.language);
        if !library.is_empty() {
            let mut step = words(&[linker, "-shared", "-o", "libpart.so"]);
            step.extend(library.iter().map(|file| object(file)));
            step.extend(words(&self.link));
            steps.push(step);
        }
        let mut step = words(&[linker, "-o", "exe"]);
        step.extend(words(&self.flags)); // those that the linker's code generator heeds
        step.extend(program.iter().map(|file| object(file)));
        if !library.is_empty() {
            step.extend(words(&["-rdynamic", "-L.", "-lpart", "-Wl,-rpath,$ORIGIN"])); // each calls the other
        }
        step.extend(words(&self.link));
        steps.push(step);
        steps
    }
}

/// What may be done to the linked file: its debug information goes elsewhere, is packed, or is lost.
fn finish(chance: &mut Chance, steps: &mut Vec<Vec<String>>) {
    match chance.below(16) {
        0 => {
            steps.push(words(&["objcopy", "--only-keep-debug", "exe", "exe.debug"]));
            steps.push(words(&["strip", "exe"]));
            steps.push(words(&["objcopy", "--add-gnu-debuglink=exe.debug", "exe"]));
        }
        1 => steps.push(words(&["strip", "--strip-debug", "exe"])),
        2 => steps.push(words(&["objcopy", "--compress-debug-sections=zlib", "exe"])),
        3 => steps.push(words(&["objcopy", "--compress-debug-sections=zlib-gnu", "exe"])),
        _ => {}
    }
}

fn words(of: &[&str]) -> Vec<String> {
    of.iter().map(|word| (*word).to_owned()).collect()
}

/// The language of a source file; `None` for a header.
pub(super) fn language_of(file: &str) -> Option<Language> {
    match file.rsplit_once('.')?.1 {
        "c" => Some(Language::C),
        "cpp" => Some(Language::Cxx),
        _ => None,
    }
}

/// The name of a source file's object file.
fn object(file: &str) -> String {
    format!("{file}.o")
}
