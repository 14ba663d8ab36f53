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

/// Tells whether a function is the user's own, by its module's path, its name and its source file.
pub(crate) fn in_app(module: &str, main: bool, function: Option<&str>, file: Option<&str>) -> bool {
    if !main && (module.starts_with('[') || SYSTEM_FOLDERS.iter().any(|folder| module.starts_with(folder))) {
        return false;
    }
    let foreign = |name: &str| {
        FOREIGN_NAMES.iter().any(|prefix| name.starts_with(prefix))
            || name.starts_with("__rust")
            || STARTERS.contains(&name)
    };
    !function.is_some_and(foreign)
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
    fn a_program_of_the_system_has_its_own_code() {
        assert!(in_app("/usr/lib/systemd/systemd", true, Some("main"), None));
    }
}
