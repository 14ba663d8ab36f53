//! Programs that don't work while they are traced: debuggers, which want to trace others, and what looks for leaks.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;

use epitaph_elf::{Bytes, Object};
use rustix::process::Pid;

/// Names of programs that trace others.
const TRACERS: [&[u8]; 8] =
    [b"gdb", b"gdbserver", b"lldb", b"lldb-server", b"strace", b"ltrace", b"rr", b"rust-gdb"];
/// Symbols of LeakSanitizer, by itself or within AddressSanitizer: at its end, the process traces itself.
const SANITIZERS: [&[u8]; 3] = [b"__asan_init", b"__lsan_", b"__hwasan_init"];

/// Which programs are let alone.
#[derive(Debug, Default)]
pub(super) struct Alone {
    /// What is known of files, by device and inode.
    known: HashMap<(u64, u64), bool>,
}

impl Alone {
    /// Tells whether the program that a process has just executed is to be let alone.
    pub(super) fn is_for(&mut self, process: Pid) -> bool {
        let link = format!("/proc/{}/exe", process.as_raw_pid());
        let traces = std::fs::read_link(&link)
            .ok()
            .and_then(|path| Some(TRACERS.contains(&path.file_name()?.as_bytes())));
        if traces == Some(true) {
            return true;
        }
        let Ok(file) = File::open(&link) else { return false };
        let Ok(metadata) = file.metadata() else { return false };
        *self.known.entry((metadata.dev(), metadata.ino())).or_insert_with(|| is_sanitized(&file))
    }
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
