//! What a caller can set, and what the variables of elfutils' client set (debuginfod-client-config(7)).

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How debuginfod servers are asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DebuginfodOptions {
    /// The servers as `DEBUGINFOD_URLS` has them: `http://`, `https://` or `file://` URLs. Without any, nothing is
    /// ever looked up.
    pub servers: Vec<String>,
    /// The folder of files that came, which elfutils' client shares.
    pub cache: PathBuf,
    /// How long a server may need for 100 KiB (`DEBUGINFOD_TIMEOUT`). Without it, 90 s until an answer begins, as
    /// elfutils has it, but 10 s from then on: other servers wait meanwhile.
    pub timeout: Option<Duration>,
    /// How long one file may take (`DEBUGINFOD_MAXTIME`).
    pub max_time: Option<Duration>,
    /// The largest file that is taken, in bytes (`DEBUGINFOD_MAXSIZE`). Without it, [`Self::LARGEST`].
    pub max_size: Option<u64>,
    /// How often a failed request is sent again (`DEBUGINFOD_RETRY_LIMIT`).
    pub retries: u32,
    /// A file with a header a line, which only the configured servers get (`DEBUGINFOD_HEADERS_FILE`).
    pub headers_file: Option<PathBuf>,
    /// PEM file of the certificate authorities to trust, instead of the built-in ones (`SSL_CERT_FILE`).
    pub ca_file: Option<PathBuf>,
}

/// As in elfutils.
const RETRIES: u32 = 2;

impl DebuginfodOptions {
    /// The largest file that is taken where nobody says otherwise, in bytes: the largest debug files of distributions
    /// have 2 GB.
    pub const LARGEST: u64 = 4 << 30;

    /// Reads the options from the variables that elfutils' client reads. A number that can't be parsed counts as 0,
    /// as there, and 0 or less as no limit.
    pub fn from_variables(variable: impl Fn(&str) -> Option<OsString>) -> DebuginfodOptions {
        let text = |name| variable(name).and_then(|value| value.into_string().ok());
        let number = |name| text(name).map(|value| leading_number(&value));
        let positive =
            |name| number(name).and_then(|value| u64::try_from(value).ok()).filter(|&value| value > 0);
        let file = |name| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        DebuginfodOptions {
            servers: text("DEBUGINFOD_URLS")
                .unwrap_or_default()
                .split_ascii_whitespace()
                .map(str::to_owned)
                .collect(),
            cache: cache_folder(file("DEBUGINFOD_CACHE_PATH"), file("XDG_CACHE_HOME"), file("HOME")),
            timeout: match number("DEBUGINFOD_TIMEOUT") {
                Some(seconds @ 1..) => Some(Duration::from_secs(seconds.unsigned_abs())),
                Some(_) => Some(Duration::MAX),
                None => None,
            },
            max_time: positive("DEBUGINFOD_MAXTIME").map(Duration::from_secs),
            max_size: positive("DEBUGINFOD_MAXSIZE"),
            retries: number("DEBUGINFOD_RETRY_LIMIT")
                .map_or(RETRIES, |limit| u32::try_from(limit.max(0)).unwrap_or(RETRIES)),
            headers_file: file("DEBUGINFOD_HEADERS_FILE"),
            ca_file: file("SSL_CERT_FILE"),
        }
    }
}

/// Chooses the cache's folder as elfutils does: the old one in the home folder only where it exists already.
fn cache_folder(given: Option<PathBuf>, xdg: Option<PathBuf>, home: Option<PathBuf>) -> PathBuf {
    if let Some(given) = given {
        return given;
    }
    let home = home.unwrap_or_else(|| Path::new("/").to_owned());
    let old = home.join(".debuginfod_client_cache");
    if old.exists() {
        return old;
    }
    xdg.unwrap_or_else(|| home.join(".cache")).join("debuginfod_client")
}

/// Parses as C's `atol` does: white space, a sign, digits, and whatever follows is passed over.
pub(super) fn leading_number(text: &str) -> i64 {
    let text = text.trim_start();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let digits = digits.chars().map_while(|c| c.to_digit(10));
    let value = digits.fold(0_i64, |value, digit| value.saturating_mul(10).saturating_add(i64::from(digit)));
    if negative { -value } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> DebuginfodOptions {
        DebuginfodOptions::from_variables(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into())
        })
    }

    #[test]
    fn nothing_set_means_no_servers_and_the_defaults() {
        let options = of(&[("HOME", "/nowhere")]);
        assert!(options.servers.is_empty());
        assert_eq!(options.cache, Path::new("/nowhere/.cache/debuginfod_client"));
        assert_eq!(
            (options.timeout, options.max_time, options.max_size, options.retries),
            (None, None, None, 2)
        );
    }

    #[test]
    fn the_variables_of_elfutils() {
        let options = of(&[
            ("DEBUGINFOD_URLS", "  https://a/x  http://b:8002 "),
            ("DEBUGINFOD_CACHE_PATH", "/c"),
            ("XDG_CACHE_HOME", "/x"),
            ("DEBUGINFOD_TIMEOUT", "5s"),
            ("DEBUGINFOD_MAXTIME", "7"),
            ("DEBUGINFOD_MAXSIZE", "1000"),
            ("DEBUGINFOD_RETRY_LIMIT", "0"),
        ]);
        assert_eq!(options.servers, ["https://a/x", "http://b:8002"]);
        assert_eq!(options.cache, Path::new("/c"));
        assert_eq!(options.timeout, Some(Duration::from_secs(5)));
        assert_eq!(options.max_time, Some(Duration::from_secs(7)));
        assert_eq!((options.max_size, options.retries), (Some(1000), 0));
        let unlimited =
            of(&[("DEBUGINFOD_TIMEOUT", "0"), ("DEBUGINFOD_MAXTIME", "-1"), ("DEBUGINFOD_MAXSIZE", "x")]);
        assert_eq!(unlimited.timeout, Some(Duration::MAX));
        assert_eq!((unlimited.max_time, unlimited.max_size), (None, None));
    }

    #[test]
    fn the_cache_is_where_elfutils_has_it() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().to_str().unwrap();
        let cache = |variables: &[(&str, &str)]| of(variables).cache;
        assert_eq!(cache(&[("HOME", path), ("XDG_CACHE_HOME", "/x")]), Path::new("/x/debuginfod_client"));
        assert_eq!(
            cache(&[("HOME", path), ("XDG_CACHE_HOME", "")]),
            home.path().join(".cache/debuginfod_client")
        );
        assert_eq!(cache(&[]), Path::new("/.cache/debuginfod_client"));
        let old = home.path().join(".debuginfod_client_cache");
        std::fs::create_dir(&old).unwrap();
        assert_eq!(cache(&[("HOME", path), ("XDG_CACHE_HOME", "/x")]), old);
        assert_eq!(cache(&[("HOME", path), ("DEBUGINFOD_CACHE_PATH", "/c")]), Path::new("/c"));
    }

    #[test]
    fn numbers_as_c_has_them() {
        for (text, number) in
            [("12", 12), (" -3x", -3), ("+4", 4), ("", 0), ("x", 0), ("99999999999999999999", i64::MAX)]
        {
            assert_eq!(leading_number(text), number, "{text}");
        }
    }
}
