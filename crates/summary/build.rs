//! Turns the built-in rules on frames into tables: to read them each time anew would cost more than a small core's stack.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;

use serde::Deserialize;

const RULES: &str = "src/rules/builtin.toml";

/// The form that the rules are written in.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Source {
    foreign: Foreign,
    family: BTreeMap<String, Family>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Foreign {
    folders: Vec<String>,
    modules: Vec<String>,
    sources: Vec<String>,
    functions: Vec<String>,
    c_library: Vec<String>,
    go_packages: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Family {
    foreign: bool,
    cut: Vec<String>,
    skip: Vec<String>,
    end: Vec<String>,
    heap: Vec<String>,
}

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={RULES}");
    let source: Source = toml::from_str(&std::fs::read_to_string(RULES)?)?;
    let Foreign { folders, modules, sources, functions, c_library, go_packages } = source.foreign;
    let machinery = |foreign: bool| {
        let of = |list: fn(&Family) -> &Vec<String>| {
            let families = source.family.values().filter(|family| family.foreign == foreign);
            patterns(&families.flat_map(list).cloned().collect::<Vec<_>>())
        };
        let (cut, skip, end) =
            (of(|family| &family.cut), of(|family| &family.skip), of(|family| &family.end));
        format!("Machinery {{ cut: {cut}, skip: {skip}, end: {end} }}")
    };
    let heap: Vec<String> = source.family.values().flat_map(|family| family.heap.clone()).collect();
    let mut code = String::new();
    writeln!(code, "Builtin {{")?;
    writeln!(code, "foreign: Foreign {{")?;
    writeln!(code, "folders: &{folders:?}, sources: &{sources:?},")?;
    writeln!(code, "modules: {}, functions: {},", patterns(&modules), patterns(&functions))?;
    writeln!(code, "c_library: {}, go_packages: {},", patterns(&c_library), patterns(&go_packages))?;
    writeln!(code, "}},")?;
    writeln!(code, "anywhere: {},", machinery(false))?;
    writeln!(code, "in_foreign: {},", machinery(true))?;
    writeln!(code, "heap: {},", patterns(&heap))?;
    writeln!(code, "}}")?;
    let out = std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?;
    Ok(std::fs::write(Path::new(&out).join("builtin.rs"), code)?)
}

/// Writes patterns as a table: names, sorted; beginnings of names; and what stands between the `*` of the others.
fn patterns(texts: &[String]) -> String {
    let (mut names, mut beginnings, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for text in texts {
        match text.split_once('*') {
            None => names.push(text.as_str()),
            Some((beginning, "")) => beginnings.push(beginning),
            Some(_) => others.push(text.split('*').collect::<Vec<_>>()),
        }
    }
    names.sort_unstable();
    names.dedup();
    let others: Vec<String> = others.iter().map(|parts| format!("&{parts:?}")).collect();
    format!("Table {{ names: &{names:?}, beginnings: &{beginnings:?}, others: &[{}] }}", others.join(", "))
}
