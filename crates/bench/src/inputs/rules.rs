//! The rules: what each input is built from, and how it dies.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Input, Needed, Room};

const MIB: u64 = 1 << 20;

/// The C library that programs get here.
const LIBC: &str = "libc.so.6";

/// Builds `busy` on the system's C library.
const BUSY: &str = "gcc -g -O2 -pthread -o exe $TESTDATA/bench/busy.c";

/// Builds `busy` on a C library whose build ID no debug file has, so that no tool reads one: a copy of the system's, and
/// of the loader, of which eight bytes of the build ID are overwritten.
const BUSY_WITHOUT_LIBC_DEBUG: &str = r#"
loader=$(readelf -lW "$(command -v sh)" | sed -n 's/.*interpreter: \(.*\)]/\1/p')
cp -L "$loader" loader
cp -L "$(gcc -print-file-name=libc.so.6)" libc.so.6
for library in libc.so.6 loader; do
    at=$(readelf -SW $library | sed -n 's/.*\.note\.gnu\.build-id *NOTE *[0-9a-f]* \([0-9a-f]*\) .*/\1/p')
    printf epitaph! | dd of=$library bs=1 seek=$((0x$at + 16)) conv=notrunc 2>/dev/null
done
gcc -g -O2 -Wl,-rpath,"$PWD",--dynamic-linker="$PWD"/loader -o exe $TESTDATA/bench/busy.c
"#;

/// A small program of five threads on a C library without a debug file.
pub fn small() -> Input {
    without_libc_debug(busy("small", 0, 4, 256))
}

/// The same on the system's C library, whose debug file is installed.
pub fn small_with_libc_debug() -> Input {
    Input {
        needs: Some(Needed {
            file: libc_debug_file(),
            otherwise: "the C library's debug file is not installed (apt-get install libc6-dbg)",
        }),
        ..busy("small-libc-debug", 0, 4, 256)
    }
}

/// A program of `threads` threads with stacks of `stack_kib`, over a heap of `heap_mib` that is all in use.
pub fn busy(name: &str, heap_mib: u64, threads: u64, stack_kib: u64) -> Input {
    Input {
        name: name.to_owned(),
        rule: BUSY.to_owned(),
        arguments: busy_arguments(heap_mib, threads, stack_kib, 0),
        // A thread's stack costs about 5 pages of memory and disk.
        room: room(heap_mib + threads / 16 + 16, heap_mib + threads / 16 + 16),
        needs: None,
    }
}

/// A program of nine threads over a heap that makes a core of 172 MB (10⁶ bytes), on a C library without a debug file:
/// it is there for the core's size.
pub fn heap_172m() -> Input {
    without_libc_debug(busy("heap-172m", 161, 8, 256))
}

/// The same with 4 GiB of heap, and two threads.
pub fn heap_4g() -> Input {
    without_libc_debug(busy("heap-4g", 4096, 1, 8192))
}

/// A program of four threads with a mapping of `mib` of which a page in each MiB is in use.
pub fn sparse(name: &str, mib: u64) -> Input {
    Input { arguments: busy_arguments(0, 4, 256, mib), ..busy(name, mib / 128, 4, 256) }
}

/// A recursion of `frames`, or, with 0, one that only the end of an 8 MiB stack ends.
pub fn deep(name: &str, frames: u64) -> Input {
    Input {
        name: name.to_owned(),
        rule: "gcc -g -O0 -pthread -o exe $TESTDATA/bench/deep.c".to_owned(),
        arguments: vec![frames.to_string()],
        room: room(32 + frames / 8192, 32 + frames / 8192),
        needs: None,
    }
}

/// A program whose crashing stack leads through `count` libraries, each with a build ID of its own.
pub fn modules(name: &str, count: u64) -> Input {
    let rule = format!(
        r"
gcc -g -O1 -fPIC -DMODULE -c -o module.o $TESTDATA/bench/modules.c
for i in $(seq {count}); do
    ld -shared --eh-frame-hdr --build-id=0x$(printf %040x $i) -o m$i.so module.o
done
gcc -g -O1 -o exe $TESTDATA/bench/modules.c -ldl
"
    );
    Input {
        name: name.to_owned(),
        rule,
        arguments: vec![count.to_string()],
        room: room(16 + count / 8, 16 + count / 16),
        needs: None,
    }
}

/// A program with about `mib` of debug information: as many copies of one unit of 1 MiB, of which up to 24 are on the
/// stack.
pub fn debug_info(name: &str, mib: u64) -> Input {
    let rule = format!(
        r"
awk -v COUNT=1000 -f $TESTDATA/bench/unit.awk >unit.c
gcc -g -O2 -c -o unit.o unit.c
awk -v COUNT={mib} -v STEPS={steps} -f $TESTDATA/bench/units.awk >main.c
seq 0 {last} | xargs -P 2 -I N objcopy --prefix-symbols=uN_ unit.o uN.o
seq -f u%g.o 0 {last} >objects
gcc -g -O1 -o exe main.c @objects
rm u*.o
",
        steps = mib.min(24),
        last = mib.saturating_sub(1),
    );
    Input {
        name: name.to_owned(),
        rule,
        arguments: Vec::new(),
        // Objects hold relocations too, and the linker maps all.
        room: room(64 + mib * 4, 64 + mib * 4),
        needs: None,
    }
}

fn without_libc_debug(input: Input) -> Input {
    Input { rule: BUSY_WITHOUT_LIBC_DEBUG.to_owned(), ..input }
}

fn busy_arguments(heap_mib: u64, threads: u64, stack_kib: u64, sparse_mib: u64) -> Vec<String> {
    [heap_mib, threads, stack_kib, sparse_mib].iter().map(u64::to_string).collect()
}

fn room(disk_mib: u64, memory_mib: u64) -> Room {
    Room { disk: disk_mib * MIB, memory: memory_mib * MIB }
}

/// Returns the debug file of the C library that programs get here, if it is installed.
fn libc_debug_file() -> Option<PathBuf> {
    let said = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().ok()?;
        String::from_utf8(output.stdout).ok()
    };
    let libc = said("gcc", &[&format!("-print-file-name={LIBC}")])?;
    let notes = said("readelf", &["-n", libc.trim()])?;
    let id = notes.lines().find_map(|line| line.trim().strip_prefix("Build ID: "))?.trim();
    let (folder, rest) = id.split_at_checked(2)?;
    let file = Path::new("/usr/lib/debug/.build-id").join(folder).join(format!("{rest}.debug"));
    file.is_file().then_some(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_names_sources_that_are_there() {
        let folder = epitaph_testkit::crash::sources_folder().join("..");
        let all = [
            small(),
            small_with_libc_debug(),
            busy("b", 1, 1, 1),
            sparse("s", 1),
            deep("d", 1),
            modules("m", 1),
            debug_info("i", 1),
        ];
        for input in all {
            let sources: Vec<&str> =
                input.rule.split_whitespace().filter_map(|word| word.strip_prefix("$TESTDATA/")).collect();
            assert!(!sources.is_empty(), "{}", input.name);
            for source in sources {
                assert!(folder.join(source).is_file(), "{}: {source}", input.name);
            }
        }
    }
}
