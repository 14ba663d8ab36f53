//! Whose code is this: the user's own, or a system library's?

/// Folders whose libraries are the system's.
const SYSTEM_FOLDERS: [&str; 6] = ["/lib/", "/lib32/", "/lib64/", "/libx32/", "/usr/lib", "/nix/store/"];

/// Sources that are compiled into the user's program and are not the user's: standard libraries, by the paths that
/// their toolchains record.
const FOREIGN_SOURCES: [&str; 6] = [
    "/rustc/",
    "/usr/include/",
    "/usr/lib/",
    "/usr/local/include/c++/",
    "/.cargo/registry/src/",
    "/library/std/src/",
];

/// Names that runtimes put into the user's program.
const FOREIGN_NAMES: [&str; 8] =
    ["std::", "core::", "alloc::", "__gnu_cxx::", "__cxxabiv1::", "<std::", "<core::", "<alloc::"];

/// The frame around every thread's first function.
const STARTERS: [&str; 5] =
    ["_start", "__libc_start_main", "__libc_start_call_main", "start_thread", "clone3"];

/// First parts of the paths of packages in Go's standard library, among which no other package may be.
const GO_PACKAGES: [&str; 49] = [
    "archive",
    "bufio",
    "bytes",
    "cmp",
    "compress",
    "container",
    "context",
    "crypto",
    "database",
    "debug",
    "embed",
    "encoding",
    "errors",
    "expvar",
    "flag",
    "fmt",
    "go",
    "hash",
    "html",
    "image",
    "index",
    "internal",
    "io",
    "iter",
    "log",
    "maps",
    "math",
    "mime",
    "net",
    "os",
    "path",
    "plugin",
    "reflect",
    "regexp",
    "runtime",
    "slices",
    "sort",
    "strconv",
    "strings",
    "structs",
    "sync",
    "syscall",
    "testing",
    "text",
    "time",
    "unicode",
    "unique",
    "vendor",
    "weak",
];

/// Tells whether a function is of Go's standard library, or what Go's linker puts between Go and C. Its folder may
/// be anywhere, or be left out (`-trimpath`).
fn is_go_library(function: Option<&str>, file: Option<&str>) -> bool {
    let (Some(function), Some(file)) = (function, file) else { return false };
    let extension = file.rsplit('.').next();
    let package = function.split(['.', '/']).next().unwrap_or_default();
    matches!(extension, Some("go" | "s")) && (GO_PACKAGES.contains(&package) || function == "crosscall2")
}

/// Tells whether a function is the user's own, by its module's path, its name and its source file.
pub(super) fn in_app(module: &str, main: bool, function: Option<&str>, file: Option<&str>) -> bool {
    if !main && (module.starts_with('[') || SYSTEM_FOLDERS.iter().any(|folder| module.starts_with(folder))) {
        return false;
    }
    let foreign = |name: &str| {
        FOREIGN_NAMES.iter().any(|prefix| name.starts_with(prefix))
            || name.starts_with("__rust")
            || STARTERS.contains(&name)
    };
    !function.is_some_and(foreign)
        && !is_go_library(function, file)
        && !file.is_some_and(|file| FOREIGN_SOURCES.iter().any(|part| file.contains(part)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standard_libraries_are_not_the_users_code() {
        assert!(in_app("/jobs/bin/app", true, Some("main"), Some("/jobs/main.c")));
        assert!(in_app("/jobs/lib/libown.so", false, Some("helper"), None));
        assert!(!in_app("/usr/lib/x86_64-linux-gnu/libc.so.6", false, Some("abort"), None));
        assert!(!in_app("[vdso]", false, Some("clock_gettime"), None));
        assert!(!in_app("/jobs/bin/app", true, Some("core::panicking::panic_fmt"), None));
        assert!(!in_app("/jobs/bin/app", true, Some("operator()"), Some("/usr/include/c++/12/functional")));
        assert!(!in_app("/jobs/bin/app", true, Some("_start"), None));
    }

    #[test]
    fn gos_library_is_told_from_packages_of_others() {
        let own = |function, file| in_app("/jobs/bin/app", true, Some(function), Some(file));
        for (function, file) in [
            ("runtime.gopanic", "/usr/local/go/src/runtime/panic.go"),
            ("runtime.goexit", "runtime/asm_amd64.s"),
            ("sync.(*Mutex).Unlock", "/opt/go1.27/src/sync/mutex.go"),
            ("encoding/json.Unmarshal", "encoding/json/decode.go"),
            ("internal/runtime/maps.fatal", "internal/runtime/maps/map.go"),
            ("crosscall2", "/usr/local/go/src/runtime/cgo/asm_amd64.s"),
        ] {
            assert!(!own(function, file), "{function}");
        }
        for (function, file) in [
            ("main.main", "/jobs/main.go"),
            ("example.com/shop/sync.Run", "/jobs/sync/run.go"),
            ("shop/runtime.Start", "/jobs/runtime/start.go"),
            ("sort.part.0", "/jobs/sort.c"),
        ] {
            assert!(own(function, file), "{function}");
        }
    }

    #[test]
    fn a_program_of_the_system_has_its_own_code() {
        assert!(in_app("/usr/lib/systemd/systemd", true, Some("main"), None));
    }
}
