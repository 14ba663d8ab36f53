//! Programs that don't work while they are traced: debuggers, which want to trace others, and what looks for leaks.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;

use epitaph_elf::{Bytes, Object};
use rustix::process::Pid;

/// Names of programs that trace others; followed by what they are for, or their version, as in `gdb-multiarch` and
/// `lldb-server-19`.
const TRACERS: [&str; 6] = ["gdb", "gdbserver", "lldb", "strace", "ltrace", "rr"];
/// Symbols of LeakSanitizer, by itself or within AddressSanitizer: at its end, the process traces itself.
const SANITIZERS: [&[u8]; 3] = [b"__asan_init", b"__lsan_", b"__hwasan_init"];
/// Parts of the names of their libraries (`libasan.so.8`, `libclang_rt.hwasan-x86_64.so`).
const LIBRARIES: [&[u8]; 2] = [b"asan", b"lsan"];
/// Most bytes of an environment that are read.
const MOST_ENVIRONMENT: u64 = 1 << 20;

/// Which programs are let alone.
#[derive(Debug, Default)]
pub(super) struct Alone {
    /// What is known of files.
    known: HashMap<FileId, bool>,
}

/// What tells a file from those that had its inode before, and from what it was itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct FileId {
    device: u64,
    inode: u64,
    size: u64,
    /// When its content or its inode changed, in seconds and nanoseconds.
    changed: (i64, i64),
}

impl FileId {
    fn of(metadata: &Metadata) -> FileId {
        FileId {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

impl Alone {
    /// Tells whether the program that a process has just executed is to be let alone.
    pub(super) fn is_for(&mut self, process: Pid) -> bool {
        let link = format!("/proc/{}/exe", process.as_raw_pid());
        let traces = std::fs::read_link(&link).is_ok_and(|path| path.file_name().is_some_and(is_tracer));
        if traces || preloads_sanitizer(process) {
            return true;
        }
        let Ok(file) = File::open(&link) else { return false };
        let Ok(metadata) = file.metadata() else { return false };
        *self.known.entry(FileId::of(&metadata)).or_insert_with(|| is_sanitized(&file))
    }
}

/// Tells whether a program of this name traces others. Debuggers for other machines have those before theirs
/// (`aarch64-linux-gnu-gdb`).
fn is_tracer(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else { return false };
    TRACERS.iter().any(|tracer| match name.strip_prefix(tracer) {
        Some(rest) => rest.is_empty() || rest.starts_with('-'),
        None => *tracer == "gdb" && name.ends_with("-gdb"),
    })
}

/// Tells whether a process has LeakSanitizer in it because its environment asks for that: its program need not show it.
fn preloads_sanitizer(process: Pid) -> bool {
    let mut environment = Vec::new();
    let read = File::open(format!("/proc/{}/environ", process.as_raw_pid()))
        .and_then(|file| file.take(MOST_ENVIRONMENT).read_to_end(&mut environment));
    read.is_ok() && names_sanitizer(&environment)
}

fn names_sanitizer(environment: &[u8]) -> bool {
    let mut variables = environment.split(|byte| *byte == 0);
    let preloaded = variables.find_map(|variable| variable.strip_prefix(b"LD_PRELOAD="));
    // ld.so(8): separated by spaces or colons.
    let files = preloaded.into_iter().flat_map(|files| files.split(|byte| b": ".contains(byte)));
    files.filter_map(|file| file.rsplit(|byte| *byte == b'/').next()).any(|name| {
        name.starts_with(b"lib") && LIBRARIES.iter().any(|part| memchr::memmem::find(name, part).is_some())
    })
}

/// Tells whether an executable has a sanitizer in it that looks for leaks.
fn is_sanitized(file: &File) -> bool {
    let Some(object) = Bytes::map(file).ok().and_then(|bytes| Object::parse(bytes).ok()) else {
        return false;
    };
    let Ok(Some(names)) = object.section(".dynstr") else { return false };
    SANITIZERS.iter().any(|symbol| memchr::memmem::find(names, symbol).is_some())
}

#[cfg(test)]
mod tests {
    use epitaph_testkit::need_tool;
    use epitaph_testkit::scratch::Scratch;

    use super::*;

    #[test]
    fn debuggers_are_known_by_their_names() {
        let known = |name: &str| is_tracer(OsStr::new(name));
        for name in
            ["gdb", "gdb-multiarch", "gdbserver", "s390x-linux-gnu-gdb", "lldb-19", "lldb-server", "rr"]
        {
            assert!(known(name), "{name}");
        }
        for name in ["gdbus", "rrdtool", "make", "lldbish", "mygdb"] {
            assert!(!known(name), "{name}");
        }
    }

    #[test]
    fn a_sanitizer_may_be_preloaded() {
        for (environment, expected) in [
            (&b"A=1\0LD_PRELOAD=/usr/lib/libx.so /usr/lib/gcc/12/libasan.so\0B=2\0"[..], true),
            (b"LD_PRELOAD=/opt/libclang_rt.hwasan-x86_64.so:libx.so\0", true),
            (b"LD_PRELOAD=/opt/asan/libfake.so\0", false),
            (b"MY_LD_PRELOAD=/usr/lib/libasan.so\0", false),
            (b"", false),
        ] {
            assert_eq!(names_sanitizer(environment), expected);
        }
    }

    /// File systems give the inode of a file that was removed to the next one.
    #[test]
    fn another_file_of_the_same_inode_is_another_file() {
        let scratch = Scratch::new();
        scratch.write("a", "one");
        let id = || FileId::of(&std::fs::metadata(scratch.path("a")).unwrap());
        let first = id();
        assert_eq!(first, id());
        // Coarse clocks tick a hundred times a second at least.
        std::thread::sleep(std::time::Duration::from_millis(20));
        std::fs::write(scratch.path("a"), "two").unwrap();
        let second = id();
        assert_eq!((first.inode, first.size), (second.inode, second.size));
        assert_ne!(first, second);
    }

    #[test]
    fn programs_with_a_leak_sanitizer_are_known() {
        need_tool!("gcc");
        let scratch = Scratch::new();
        scratch.write("main.c", "int main(void) { return 0; }");
        scratch.run("gcc -o plain main.c");
        let sanitized = |name: &str| is_sanitized(&File::open(scratch.path(name)).unwrap());
        assert!(!sanitized("plain") && !sanitized("main.c"));
        match scratch.try_run("gcc -fsanitize=address -o asan main.c") {
            Ok(()) => assert!(sanitized("asan")),
            Err(said) => epitaph_testkit::skip::skipped(&said),
        }
    }
}
