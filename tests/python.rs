//! Python frames: those that the interpreter itself names before it dies, each with the evaluator's call that runs it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use epitaph_testkit::crash::{CoresHere, or_skip, without_core_limit};
use epitaph_testkit::skip::skipped;
use epitaph_testkit::tools;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{epitaph, folder, plain_environment};

/// The versions of CPython whose frames can be read.
const READ: std::ops::RangeInclusive<u32> = 9..=13;
/// Prints what Python itself says of all threads, then reads address 0 on the same line. Beneath that are calls in all
/// forms: plain and recursive ones, a callback that C calls, a constructor, a generator, a coroutine, a name and a file name
/// of characters of two and four bytes.
const PROGRAM: &str = r#"
import asyncio, ctypes, faulthandler, sys, threading

def größe(strlen):
    faulthandler.dump_traceback(sys.stderr); strlen(None)

def recurse(left):
    if left == 0:
        return größe(ctypes.CDLL(None).strlen)

    return recurse(
        left - 1
    )

class Shop:
    def __init__(self):
        self.sell()

    def sell(self):
        return sorted([2, 1], key=lambda item:
            recurse(20))

def generate():
    yield 1
    code = compile("def 𝒻(): Shop()\n\n\n𝒻()", "𝒻.py", "exec")
    exec(code, {"Shop": Shop})

async def inner():
    for item in generate():
        pass

async def outer():
    await inner()

def wait(ready, never):
    ready.set()
    never.acquire()

ready, never = threading.Event(), threading.Lock()
never.acquire()
threading.Thread(target=wait, args=(ready, never), daemon=True).start()
ready.wait()
asyncio.run(outer())
"#;

/// A frame: function, file, line.
type Frame = (String, String, u64);

/// An interpreter of this machine.
struct Python {
    minor: u32,
    exe: PathBuf,
}

impl Python {
    /// Asks a program whether it is one, which what is called so need not be.
    fn ask(program: &Path) -> Option<Python> {
        let script = "import ctypes, faulthandler, sys; assert sys.implementation.name == 'cpython'; \
                      print(sys.version_info[1], sys.executable)";
        let output = Command::new(program).args(["-c", script]).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        let (minor, exe) = text.trim_end().split_once(' ')?;
        Some(Python { minor: minor.parse().ok()?, exe: exe.into() })
    }

    /// Returns one of each 3.x: those in `PATH`, and those of pyenv.
    fn all() -> BTreeMap<u32, Python> {
        let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".pyenv"));
        let pyenv = std::env::var_os("PYENV_ROOT").map(PathBuf::from).or_else(home);
        let versions = pyenv.and_then(|root| root.join("versions").read_dir().ok());
        let of_pyenv = versions.into_iter().flatten().flatten().map(|entry| entry.path().join("bin/python3"));
        let names = (6..=*READ.end() + 1).map(|minor| format!("python3.{minor}"));
        let in_path = names.chain(["python3".to_owned()]).filter_map(|name| tools::find(&name));
        let found = in_path.chain(of_pyenv).filter_map(|program| Python::ask(&program));
        found.map(|python| (python.minor, python)).collect()
    }

    /// Lets it die of a program.
    fn crash(&self, program: &str) -> Option<Crash> {
        let _here = or_skip(CoresHere::acquire())?;
        let dir = folder();
        let (script, work) = (dir.path().join("crash_é.py"), dir.path().join("work"));
        std::fs::create_dir(&work).unwrap();
        std::fs::write(&script, program).unwrap();
        let mut command = without_core_limit(&self.exe);
        plain_environment(&mut command).env("PYTHONUTF8", "1").arg(&script).current_dir(&work);
        let output = command.output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        let core = CoresHere::core_in(&work).unwrap_or_else(|| panic!("3.{}: {stderr}", self.minor));
        Some(Crash { said: said(&stderr), core, script, _dir: dir })
    }
}

/// A Python that died.
struct Crash {
    /// What it said of its threads: first of the one that died.
    said: Vec<Vec<Frame>>,
    core: PathBuf,
    script: PathBuf,
    _dir: TempDir,
}

/// Reads what `faulthandler` prints. It writes what isn't ASCII as `\xe9`, `\u1234` or `\U00012345`.
fn said(text: &str) -> Vec<Vec<Frame>> {
    let mut threads: Vec<(bool, Vec<Frame>)> = Vec::new();
    for line in text.lines() {
        if line.ends_with("(most recent call first):") {
            threads.push((!line.starts_with("Current"), Vec::new()));
        }
        let Some(frame) = line.strip_prefix("  File \"") else { continue };
        let (file, rest) = frame.split_once("\", line ").unwrap();
        let (number, function) = rest.split_once(" in ").unwrap();
        let frame = (function.to_owned(), file.to_owned(), number.parse().unwrap());
        threads.last_mut().unwrap().1.push(frame);
    }
    threads.sort();
    threads.into_iter().map(|(_, frames)| frames).collect()
}

/// Writes a text as `faulthandler` does.
fn escaped(text: &str) -> String {
    let escape = |char: char| match u32::from(char) {
        0x20..=0x7e => char.to_string(),
        code @ ..=0xff => format!("\\x{code:02x}"),
        code @ ..=0xffff => format!("\\u{code:04x}"),
        code => format!("\\U{code:08x}"),
    };
    text.chars().map(escape).collect()
}

fn show(core: &Path) -> Value {
    epitaph().args(["show", "--json", "--frames", "0"]).arg(core).run().code(0).json()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn is_python(frame: &Value) -> bool {
    frame["language"] == "python"
}

/// The Python frames of threads that have some: first of the one that died.
fn shown(summary: &Value) -> Vec<Vec<Frame>> {
    let frame = |frame: &Value| {
        let function = frame["function"].as_str().unwrap();
        // Python's own list has plain names, ours has qualified ones since 3.11.
        let plain = function.rsplit('.').next().unwrap();
        let file = frame["file"].as_str().unwrap_or_default();
        (escaped(plain), escaped(file), frame["line"].as_u64().unwrap_or_default())
    };
    let python = |thread: &Value| -> Vec<Frame> {
        list(&thread["frames"]).iter().filter(|frame| is_python(frame)).map(frame).collect()
    };
    list(&summary["threads"]).iter().map(python).filter(|frames| !frames.is_empty()).collect()
}

fn is_evaluator(frame: &Value) -> bool {
    frame["function"] == "_PyEval_EvalFrameDefault" && frame["inlined"] == false
}

/// Checks that Python frames stand before a call of the evaluator, and that there is no other call of it.
fn check_places(summary: &Value) {
    let frames = list(&summary["threads"][0]["frames"]);
    assert!(frames.iter().filter(|frame| is_evaluator(frame)).count() > 2, "{frames:#?}");
    for pair in frames.windows(2) {
        let [inner, outer] = pair else { unreachable!() };
        let is_last = is_python(inner) && !is_python(outer);
        assert_eq!(is_last, is_evaluator(outer), "{inner:#}\n{outer:#}");
        if is_last {
            assert_eq!(inner["pc"], outer["pc"]);
        }
    }
}

/// Runs a check on each version that can be read and that this machine has.
fn for_each(check: impl Fn(&Python, &Crash)) {
    let pythons = Python::all();
    for minor in READ {
        let Some(python) = pythons.get(&minor) else {
            skipped(&format!("not installed: CPython 3.{minor}, in PATH or of pyenv"));
            continue;
        };
        let Some(crash) = python.crash(PROGRAM) else { return };
        check(python, &crash);
    }
}

#[test]
fn frames_are_those_that_python_tells_of() {
    for_each(|python, crash| {
        let summary = show(&crash.core);
        assert!(crash.said[0].len() > 30 && crash.said.len() == 2, "{:?}", crash.said);
        assert_eq!(shown(&summary), crash.said, "3.{}", python.minor);
        check_places(&summary);
        let warnings = list(&summary["warnings"]);
        assert!(warnings.iter().all(|warning| !warning["code"].as_str().unwrap().contains("python")));

        // The user's own lines are what counts.
        let names = list(&summary["signature"]["frames"]);
        assert_eq!(&names[1..3], ["größe", "recurse"], "{names:?}");
        assert!(names.iter().all(|name| !name.as_str().unwrap().contains("Py")), "{names:?}");
        let text = epitaph().arg("show").arg(&crash.core).run().code(0).stdout().to_owned();
        let place = format!("in größe at {}:5\n", crash.script.display());
        assert!(text.contains(&place), "{text}");
        assert!(text.contains("größe [Python]"), "{text}");

        // A small core has them all.
        let slim = crash.core.with_file_name("slim");
        epitaph().arg("slim").arg(&crash.core).arg("-o").arg(&slim).run().code(0);
        assert_eq!(shown(&show(&slim)), crash.said, "3.{}", python.minor);
    });
}

#[test]
fn what_cannot_be_read_is_told() {
    let pythons = Python::all();
    let others: Vec<&Python> = pythons.values().filter(|python| !READ.contains(&python.minor)).collect();
    if others.is_empty() {
        skipped("not installed: a CPython other than 3.9 to 3.13, in PATH or of pyenv");
    }
    for python in others {
        let Some(crash) = python.crash("import ctypes; ctypes.string_at(0)") else { return };
        let summary = show(&crash.core);
        let mut warnings = list(&summary["warnings"]).iter();
        let told = warnings.find(|warning| warning["code"] == "python_unread").expect("a warning");
        let version = format!("the frames of Python 3.{} can't be read", python.minor);
        assert!(told["text"].as_str().unwrap().starts_with(&version), "{told}");
        assert_eq!(shown(&summary), Vec::<Vec<Frame>>::new());
    }
}
