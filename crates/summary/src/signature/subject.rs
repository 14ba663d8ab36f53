//! What died, without what differs from build to build.

use crate::model::CrashSummary;

/// How many hex digits cargo puts behind a test binary's name.
const CARGO_HASH: usize = 16;

/// Returns the name of what died: a test binary's without cargo's hash, a library's without its version.
pub(super) fn of(crash: &CrashSummary) -> Option<String> {
    let process = crash.process.as_ref();
    let main = crash.modules.iter().find(|module| module.main);
    let path = process
        .and_then(|process| process.executable.as_deref())
        .or_else(|| main?.path.as_deref())
        .or_else(|| main?.name.as_deref())
        .or_else(|| process?.name.as_deref())?;
    let name = module_name(path);
    (!name.is_empty()).then(|| name.to_owned())
}

/// Returns a module's name by its path, without what differs from build to build.
pub(super) fn module_name(path: &str) -> &str {
    without_hash(library_name(path))
}

/// Returns a file's name without folders and, where it is a library's, without what stands behind it:
/// `libfoo` of `/usr/lib/libfoo.so.1.2`, `libc` of `libc-2.31.so`.
fn library_name(path: &str) -> &str {
    let path = path.strip_suffix(" (deleted)").unwrap_or(path);
    let name = path.rsplit('/').next().unwrap_or(path);
    let stem = match name.find(".so") {
        Some(at) if matches!(name.as_bytes().get(at + 3), None | Some(b'.')) => {
            name.get(..at).unwrap_or(name)
        }
        _ => return name,
    };
    let unversioned = stem.trim_end_matches(|char: char| char.is_ascii_digit() || char == '.');
    unversioned.strip_suffix('-').filter(|start| !start.is_empty()).unwrap_or(stem)
}

fn without_hash(name: &str) -> &str {
    let is_hash = |text: &str| {
        text.len() == CARGO_HASH && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    name.rsplit_once('-')
        .filter(|(start, hash)| !start.is_empty() && is_hash(hash))
        .map_or(name, |(start, _)| start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_what_differs_from_build_to_build() {
        for (path, name) in [
            ("/usr/lib/x86_64-linux-gnu/libc.so.6", "libc"),
            ("/lib/libc-2.31.so", "libc"),
            ("/lib/libpython3.11.so.1.0", "libpython3.11"),
            ("/opt/libfoo.so (deleted)", "libfoo"),
            ("/jobs/plugin.so", "plugin"),
            ("/jobs/app.sock", "app.sock"),
            ("/jobs/app-2.0", "app-2.0"),
            ("[vdso]", "[vdso]"),
        ] {
            assert_eq!(library_name(path), name, "{path}");
        }
        assert_eq!(without_hash("parser-1f2e3d4c5b6a7988"), "parser");
        assert_eq!(without_hash("parser-1f2e3d4c5b6a798x"), "parser-1f2e3d4c5b6a798x");
    }
}
