//! How a program in C or C++ is built: compiler, flags, linker, and what is done to the file afterwards.

use super::chain::Language;
use super::chance::Chance;

/// The commands that build a program, in a folder that holds its sources.
#[derive(Debug)]
pub(super) struct Recipe {
    /// One command each, its words apart.
    pub(super) steps: Vec<Vec<String>>,
    /// Programs that the commands need beside those that they start with.
    pub(super) helpers: Vec<&'static str>,
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

/// Where the program is loaded, and how it is linked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    Pie,
    NoPie,
    Static,
    StaticPie,
    /// Some of the source files are a shared library.
    Library,
}

/// Draws how to build these source files.
pub(super) fn draw(
    chance: &mut Chance,
    family: Family,
    language: Language,
    files: &[&str],
    protected: bool,
) -> Recipe {
    let layout = match chance.below(12) {
        0 | 1 => Layout::NoPie,
        2 => Layout::Static,
        3 => Layout::StaticPie,
        4 | 5 if files.len() > 1 => Layout::Library,
        _ => Layout::Pie,
    };
    let lto = layout != Layout::Library && chance.one_in(8);
    let linker = match family {
        Family::Clang if lto => "lld", // the only one that reads clang's bitcode as it comes
        Family::Gcc if lto => "bfd",
        _ if layout == Layout::StaticPie => "bfd",
        _ => chance.pick(&["bfd", "bfd", "bfd", "gold", "lld", "mold"]),
    };
    let mut flags = compile_flags(chance, family);
    if protected {
        flags.push("-fstack-protector-all");
    }
    if lto {
        flags.push("-flto");
    }
    let mut link = Vec::new();
    match layout {
        Layout::Pie => {}
        Layout::NoPie => {
            flags.push("-fno-pie");
            link.push("-no-pie");
        }
        Layout::Static => {
            flags.push("-fno-pie");
            link.push("-static");
        }
        Layout::StaticPie => {
            flags.push("-fPIE");
            link.push("-static-pie");
        }
        Layout::Library => flags.push("-fPIC"),
    }
    if layout == Layout::Pie {
        flags.push("-fPIE");
        link.push("-pie");
    }
    if linker != "bfd" {
        link.push(match linker {
            "gold" => "-fuse-ld=gold",
            "lld" => "-fuse-ld=lld",
            _ => "-fuse-ld=mold",
        });
    }
    if flags.contains(&"-ffunction-sections") && chance.one_in(2) {
        link.push("-Wl,--gc-sections");
    }
    link.push("-pthread");
    let recipe = Commands { family, language, flags, link, layout };
    let mut steps = recipe.commands(files);
    let mut helpers = Vec::new();
    if linker != "bfd" {
        helpers.push(match linker {
            "gold" => "ld.gold",
            "lld" => "ld.lld",
            _ => "mold",
        });
    }
    finish(chance, &mut steps);
    Recipe { steps, helpers }
}

/// Flags of the compiler proper.
fn compile_flags(chance: &mut Chance, family: Family) -> Vec<&'static str> {
    let gcc = family == Family::Gcc;
    let mut flags = vec!["-w"];
    flags.push(chance.pick(&["-O0", "-O1", "-O2", "-O2", "-O3", "-Os", "-Og"]));
    flags.push(chance.pick(&["-g", "-g", "-g", "-g", "-g1", "-g3", "-g0"]));
    if !flags.contains(&"-g0") {
        let dwarf =
            ["-gdwarf-2", "-gdwarf-3", "-gdwarf-4", "-gdwarf-4", "-gdwarf-5", "-gdwarf-5", "-gdwarf-5"];
        flags.push(chance.pick(&dwarf));
    }
    let mut maybe = |flag: &'static str, times: usize| {
        if chance.one_in(times) {
            flags.push(flag);
        }
    };
    maybe("-fno-omit-frame-pointer", 4);
    maybe("-fomit-frame-pointer", 6);
    maybe("-ffunction-sections", 5);
    maybe("-fdata-sections", 8);
    maybe("-fno-plt", 6);
    maybe("-gz", 8);
    maybe("-fcf-protection=full", 6);
    maybe("-fcf-protection=none", 8);
    maybe("-march=x86-64-v2", 8);
    maybe("-fno-inline", 12);
    maybe("-fno-optimize-sibling-calls", 10);
    maybe("-fstack-protector-strong", 6);
    maybe("-fstack-clash-protection", 8);
    maybe("-fno-semantic-interposition", 12);
    if gcc {
        maybe("-freorder-blocks-and-partition", 6);
        maybe("-fno-dwarf2-cfi-asm", 16);
        maybe("-gno-column-info", 8);
        maybe("-gno-statement-frontiers", 10);
        maybe("-fno-ipa-icf", 10);
        maybe("-maccumulate-outgoing-args", 12);
        maybe("-mno-red-zone", 12);
        maybe("-fipa-pta", 12);
        maybe("-fdebug-types-section", 12);
    } else {
        maybe("-mno-omit-leaf-frame-pointer", 10);
        maybe("-fdebug-types-section", 12);
        maybe("-gno-column-info", 8);
    }
    flags
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
    fn commands(&self, files: &[&str]) -> Vec<Vec<String>> {
        let mut steps = Vec::new();
        let (library, program): (Vec<&str>, Vec<&str>) = match files.split_last() {
            Some((last, rest)) if self.layout == Layout::Library => (vec![last], rest.to_vec()),
            _ => (Vec::new(), files.to_vec()),
        };
        for file in files {
            let language = if file.ends_with(".cpp") { Language::Cxx } else { Language::C };
            let mut step = vec![self.family.compiler(language)];
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
            step.extend(words(&["-rdynamic", "-L.", "-lpart", "-Wl,-rpath,$ORIGIN"]));
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

/// The name of a source file's object file.
fn object(file: &str) -> String {
    format!("{file}.o")
}
