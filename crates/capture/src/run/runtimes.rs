//! Variables by which sanitizers and language runtimes leave a core where they would otherwise only print and exit.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

/// Options of the sanitizers' common part (compiler-rt, sanitizer_flags.inc; gcc has the same): a report ends in `abort`
/// rather than in an exit status, and the limit on the core's size is not set to 0, as it is on 64-bit machines. Their
/// shadow memory is kept out of cores by the sanitizers themselves (`use_madv_dontdump`, on by default).
const SANITIZER: [(&str, &str); 2] = [("disable_coredump", "0"), ("abort_on_error", "1")];
/// The variables that those options stand in. LeakSanitizer's is not among them: a leak at the end is no crash. The others'
/// runtimes read UBSan's as well, after their own: an option in one of them is meant for all.
const SANITIZERS: [&str; 5] =
    ["ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "MSAN_OPTIONS", "HWASAN_OPTIONS"];
/// Go's runtime (package runtime, "Environment Variables"): after its traceback it raises SIGABRT instead of exiting with 2.
const GO: (&str, &str) = ("GOTRACEBACK", "crash");

/// Returns the variables to set so that crashes leave cores, by what `variable` says of those that are set: what somebody
/// has decided stays as it is, option by option.
pub(super) fn additions(variable: impl Fn(&str) -> Option<OsString>) -> Vec<(&'static str, OsString)> {
    let given = SANITIZERS.map(|name| (name, variable(name).unwrap_or_default()));
    let is_open = |option: &&(&str, &str)| !given.iter().any(|(_, given)| speaks_of(given, option.0));
    let open: Vec<(&str, &str)> = SANITIZER.iter().filter(is_open).copied().collect();
    let sanitizers = given.iter().filter(|_| !open.is_empty());
    let sanitizers = sanitizers.map(|(name, given)| (*name, completed(given, &open)));
    let go = variable(GO.0).is_none().then(|| (GO.0, OsString::from(GO.1)));
    sanitizers.chain(go).collect()
}

/// Tells whether the options in a variable say something of one.
fn speaks_of(given: &OsStr, option: &str) -> bool {
    // sanitizer_flag_parser.cpp, `is_space`.
    let options = given.as_bytes().split(|byte| b" ,:\n\t\r".contains(byte));
    options
        .map(|option| option.split(|byte| *byte == b'=').next())
        .any(|name| name == Some(option.as_bytes()))
}

/// Adds options to those that are given.
fn completed(given: &OsStr, missing: &[(&str, &str)]) -> OsString {
    let mut all = given.as_bytes().to_vec();
    for (name, value) in missing {
        if !all.is_empty() {
            all.push(b':');
        }
        all.extend_from_slice(format!("{name}={value}").as_bytes());
    }
    OsString::from_vec(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a variable becomes where only that one is set, to `given`.
    fn with(name: &str, given: &str) -> Option<String> {
        let added = additions(|asked| (asked == name).then(|| OsString::from(given)));
        added.into_iter().find(|(added, _)| *added == name)?.1.into_string().ok()
    }

    #[test]
    fn options_are_added_where_nobody_has_decided() {
        for (given, expected) in [
            ("", Some("disable_coredump=0:abort_on_error=1")),
            ("halt_on_error=1", Some("halt_on_error=1:disable_coredump=0:abort_on_error=1")),
            ("abort_on_error=0", Some("abort_on_error=0:disable_coredump=0")),
            ("a=b,disable_coredump=1 x=y", Some("a=b,disable_coredump=1 x=y:abort_on_error=1")),
            ("abort_on_error=1:disable_coredump=0", None),
        ] {
            assert_eq!(with("TSAN_OPTIONS", given).as_deref(), expected, "{given}");
        }
    }

    #[test]
    fn what_is_decided_for_one_sanitizer_is_not_overruled_by_anothers_variable() {
        let added = additions(|name| (name == "ASAN_OPTIONS").then(|| "abort_on_error=0".into()));
        let ubsan = added.iter().find(|(name, _)| *name == "UBSAN_OPTIONS").unwrap();
        assert_eq!(ubsan.1, "disable_coredump=0");
    }

    #[test]
    fn a_variable_of_go_stays_as_it_is() {
        assert_eq!(with("GOTRACEBACK", "single"), None);
        let unset = additions(|_| None);
        assert!(unset.contains(&("GOTRACEBACK", "crash".into())));
    }
}
