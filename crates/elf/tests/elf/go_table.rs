//! Tables that Go's linker wrote, for this machine and others, against what Go's own reader says.

use std::fmt::Write as _;
use std::path::Path;

use epitaph_elf::{Bytes, GoTable, Object, SymbolTable};
use epitaph_testkit::need_tool;
use epitaph_testkit::scratch::Scratch;

const SOURCE: &str = r#"
    package main

    import "fmt"

    type stack[T any] struct{ items []T }

    func (s *stack[T]) push(item T) { s.items = append(s.items, item) }

    func double(n int) int { return n * 2 }

    func main() {
        var s stack[int]
        for i := 0; i < 3; i++ {
            s.push(double(i))
        }
        func() { fmt.Println(s.items) }()
    }
"#;

/// Bytes between addresses that are asked for.
const STEP: usize = 3;

/// Function, file and line at each address, as `go tool addr2line` prints them.
fn told(scratch: &Scratch, addresses: &[u64]) -> Vec<(String, String)> {
    let mut list = String::new();
    for address in addresses {
        writeln!(list, "{address:#x}").unwrap();
    }
    scratch.write("addresses", list);
    scratch.write("ask", "go tool addr2line exe <addresses >told");
    scratch.run("sh ask");
    let told = String::from_utf8(scratch.read("told")).unwrap();
    let mut lines = told.lines().map(str::to_owned);
    std::iter::from_fn(|| Some((lines.next()?, lines.next()?))).collect()
}

fn agrees_on(architecture: &str) {
    need_tool!("go", "sh");
    let scratch = Scratch::new();
    scratch.write("main.go", SOURCE);
    // As little of the standard library as possible is compiled for other architectures.
    scratch.run(&format!("env GOARCH={architecture} GOFLAGS= go build -o exe main.go"));
    let object = Object::parse(Bytes::from(scratch.read("exe"))).unwrap();
    let table = GoTable::find(&object).unwrap();
    let addresses: Vec<u64> = object
        .symbols(SymbolTable::Static)
        .filter(|symbol| symbol.name().starts_with(b"main.") || symbol.name().starts_with(b"fmt."))
        .flat_map(|symbol| (symbol.address..symbol.address + symbol.size).step_by(STEP))
        .collect();
    assert!(addresses.len() > 1000, "{architecture}: {}", addresses.len());
    let told = told(&scratch, &addresses);
    assert_eq!(told.len(), addresses.len());
    let mut inlined = 0;
    for (address, (function, place)) in addresses.iter().zip(&told) {
        let context = format!("{architecture} {address:#x} {function} {place}");
        let calls = table.function(*address).unwrap_or_else(|| panic!("{context}")).calls(*address);
        let (innermost, outermost) = (calls.first().unwrap(), calls.last().unwrap());
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        // A type parameter's name is in the symbol; the table of old versions has `[...]`.
        let same = text(outermost.name).split('[').next() == function.split('[').next();
        assert!(same, "{context}: {calls:?}");
        let ours = format!("{}:{}", text(innermost.file.unwrap()), innermost.line.unwrap());
        assert_eq!(Path::new(&ours), Path::new(place), "{context}");
        assert!(calls[..calls.len() - 1].iter().all(|call| call.inlined) && !outermost.inlined, "{context}");
        inlined += usize::from(calls.len() > 1);
    }
    assert!(inlined > 100, "{architecture}: {inlined} addresses of inlined calls");
}

#[test]
fn lines_are_those_that_gos_own_reader_finds() {
    agrees_on("amd64");
}

/// 32-bit, and big-endian: compiling the standard library for each takes its time.
#[test]
fn lines_are_right_on_other_architectures() {
    if std::env::var_os("EPITAPH_TEST_ALL").is_none_or(|value| value.is_empty() || value == "0") {
        return;
    }
    for architecture in ["386", "s390x", "arm64", "arm"] {
        agrees_on(architecture);
    }
}
