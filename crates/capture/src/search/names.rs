//! Which file names are those of cores.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::SystemTime;

use epitaph_bundle::StoreName;
use epitaph_summary::CoreSource;

use crate::host::Host;
use crate::pattern::{CorePattern, Matcher, Rules};

/// Patterns that hosts use by default, or that recipes for CI recommend. More telling ones come first.
const USUAL_PATTERNS: [&str; 10] = [
    "core",
    "core.%p",
    "core.%p.%E",
    "core.%e.%p",
    "core-%e.%p",
    "core-%e-%p",
    "core_%e.%p",
    "%e.%p.core",
    "%p.core",
    "vgcore.%p",
];

/// What the names of compressed cores end in.
const COMPRESSED: [&[u8]; 5] = [b".zst", b".gz", b".xz", b".lz4", b".bz2"];

/// The letter that core patterns have for the real user.
const USER: &str = "u";

/// How sure a name is that of a core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Likeness {
    /// `core.js` looks like this too: nothing is said about such a file unless it is a core.
    Vague,
    /// `a.core`: worth a word where it can't be read, but not where it is something else.
    Likely,
    /// A file of this name ought to be a core, and where it is none, that is told.
    Sure,
}

/// What a file's name says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hit {
    pub(super) likeness: Likeness,
    pub(super) source: CoreSource,
    pub(super) fields: BTreeMap<String, String>,
}

impl Hit {
    /// Returns the user whose process left the core, where it lies in the store of a collector that says so.
    pub(super) fn user(&self) -> Option<u32> {
        (self.source == CoreSource::Store).then(|| self.fields.get(USER)?.parse().ok()).flatten()
    }
}

/// Recognises cores by their names.
pub(super) struct Names {
    host: Host,
    pattern: Option<Matcher>,
    usual: Vec<Matcher>,
}

impl Names {
    pub(super) fn of(host: &Host) -> Names {
        let usual =
            USUAL_PATTERNS.iter().filter_map(|text| CorePattern::parse(text, Rules::default()).matcher());
        Names {
            host: host.clone(),
            pattern: host.settings().pattern.as_ref().ok().and_then(CorePattern::matcher),
            usual: usual.collect(),
        }
    }

    /// Returns the host's own pattern, where it makes files.
    pub(super) fn pattern(&self) -> Option<&Matcher> {
        self.pattern.as_ref()
    }

    /// Returns what the name of `path` says, or `None` where it isn't the name of a core.
    pub(super) fn recognise(&self, path: &Path) -> Option<Hit> {
        if is_sealed_core(path) {
            return None;
        }
        let name = path.file_name()?.as_bytes();
        if let Some(pattern) = self.pattern.as_ref().filter(|pattern| pattern.may_make(name))
            && let Some(fields) = pattern.match_path(&self.host.own_path(&std::path::absolute(path).ok()?))
        {
            let likeness = if pattern.is_telling() { Likeness::Sure } else { Likeness::Vague };
            return Some(Hit { likeness, source: CoreSource::Pattern, fields: fields.to_strings() });
        }
        if let Some(kept) = StoreName::of(OsStr::from_bytes(name)) {
            return Some(Hit {
                likeness: Likeness::Sure,
                source: CoreSource::Store,
                fields: fields_of(&kept),
            });
        }
        match COMPRESSED.iter().find_map(|suffix| name.strip_suffix(*suffix)) {
            // Whoever compresses files may do so with more than cores.
            Some(plain) => self.recognise_name(plain).map(|hit| Hit { likeness: Likeness::Vague, ..hit }),
            None => self.recognise_name(name),
        }
    }

    fn recognise_name(&self, name: &[u8]) -> Option<Hit> {
        // A core that was moved, or written in a container, isn't where the pattern puts it.
        let moved = self.pattern.iter().filter(|pattern| pattern.is_telling());
        if let Some(fields) = moved.chain(&self.usual).find_map(|pattern| pattern.match_name(name)) {
            let source = CoreSource::UsualName;
            return Some(Hit { likeness: Likeness::Sure, source, fields: fields.to_strings() });
        }
        let (likeness, source) = if name.ends_with(b".core") {
            (Likeness::Likely, CoreSource::UsualName)
        } else if [&b"core."[..], b"core-", b"core_"].iter().any(|start| name.starts_with(start)) {
            (Likeness::Vague, CoreSource::UsualName)
        } else if name == b"coredump" || name.ends_with(b".crash") {
            (Likeness::Vague, CoreSource::Store) // abrt's, apport's
        } else {
            return None;
        };
        Some(Hit { likeness, source, fields: BTreeMap::new() })
    }

    /// Returns whether every core of this host gets the very name of `path`.
    pub(super) fn is_the_only_name(&self, path: &Path) -> bool {
        let name = path.file_name().map(|name| name.as_bytes()).unwrap_or_default();
        self.pattern.as_ref().is_some_and(|it| it.is_one_name() && it.match_name(name).is_some())
    }
}

/// Returns what a collector's name says, by the letters that core patterns have for it.
fn fields_of(name: &StoreName) -> BTreeMap<String, String> {
    let time = name.time.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
    let fields = [
        ("P", Some(name.pid.to_string())),
        ("e", name.comm.clone()),
        ("s", name.signal.map(|signal| signal.to_string())),
        ("t", time.map(|time| time.as_secs().to_string())),
        (USER, name.uid.map(|user| user.to_string())),
    ];
    fields.into_iter().filter_map(|(letter, value)| Some((letter.to_owned(), value?))).collect()
}

/// Tells whether `path` is that of a core in an output folder: it was collected before.
fn is_sealed_core(path: &Path) -> bool {
    (path.ends_with("core.zst") || path.ends_with("core.zst.age"))
        && path.ancestors().nth(2).and_then(Path::file_name).is_some_and(|folder| folder == "crashes")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::tests::fake;

    /// Likeness, source, and the fields as `letter=value`.
    type Seen = Option<(Likeness, CoreSource, String)>;

    fn recognise(pattern: &str, path: &str) -> Seen {
        let (_root, host) = fake(&[("kernel/core_pattern", pattern)]);
        let hit = Names::of(&host).recognise(&host.path(path))?;
        let fields: Vec<String> =
            hit.fields.iter().map(|(letter, value)| format!("{letter}={value}")).collect();
        Some((hit.likeness, hit.source, fields.join(" ")))
    }

    #[expect(clippy::unnecessary_wraps, reason = "it is compared with what `recognise` returns")]
    fn sure(source: CoreSource, fields: &str) -> Seen {
        Some((Likeness::Sure, source, fields.to_owned()))
    }

    #[test]
    fn the_hosts_pattern_goes_first() {
        let name = "/job/core.7.!jobs!a";
        assert_eq!(recognise("core.%p.%E", name), sure(CoreSource::Pattern, "E=!jobs!a p=7"));
        assert_eq!(recognise("|/bin/false", name), sure(CoreSource::UsualName, "E=!jobs!a p=7"));
        assert_eq!(recognise("dump-%e", "/job/dump-a"), sure(CoreSource::Pattern, "e=a"));
    }

    #[test]
    fn an_absolute_pattern_counts_in_its_folder() {
        assert_eq!(recognise("/cores/d.%p.dump", "/cores/d.7.dump"), sure(CoreSource::Pattern, "p=7"));
        assert_eq!(recognise("/cores/d.%p.dump", "/job/d.7.dump"), sure(CoreSource::UsualName, "p=7"));
    }

    #[test]
    fn a_pattern_that_fits_any_name_is_vague() {
        assert_eq!(recognise("%e.%p", "/job/a.7").unwrap().0, Likeness::Vague);
        assert_eq!(recognise("/cores/%e.%p", "/job/a.7"), None);
    }

    #[test]
    fn usual_names_are_known_whatever_the_pattern_is() {
        let usual = |name: &str| recognise("|/bin/false", &format!("/job/{name}"));
        for (name, fields) in [
            ("core", ""),
            ("core.12", "p=12"),
            ("core.parser.12", "e=parser p=12"),
            ("core-parser.12", "e=parser p=12"),
            ("parser.12.core", "e=parser p=12"),
            ("12.core", "p=12"),
            ("vgcore.12", "p=12"),
        ] {
            assert_eq!(usual(name), sure(CoreSource::UsualName, fields), "{name}");
        }
        assert_eq!(usual("parser.core").unwrap().0, Likeness::Likely);
        let store =
            |name: &str, fields: &str| assert_eq!(usual(name), sure(CoreSource::Store, fields), "{name}");
        let boot = "0123456789abcdef0123456789abcdef";
        store(&format!("core.a.1000.{boot}.7.1700000000000000.zst"), "P=7 e=a t=1700000000 u=1000");
        let boot = "01234567-89ab-cdef-0123-456789abcdef";
        store(&format!("core._usr_bin_a.1000.{boot}.7.17"), "P=7 u=1000");
        store("wsl-crash-1700000000-7-_usr_bin_a-11.dmp", "P=7 s=11 t=1700000000");
        for name in ["core.js", "core.py", "core-utils", "core.parser"] {
            assert_eq!(usual(name).unwrap().0, Likeness::Vague, "{name}");
        }
        for name in
            ["core.12.gz", "core.zst", "core.js.xz", "coredump", "coredump.lz4", "_usr_bin_a.1000.crash"]
        {
            assert_eq!(usual(name).unwrap().0, Likeness::Vague, "{name}");
        }
        assert_eq!(usual("crashes/20260101T000000Z-a-sigsegv-0/core.zst"), None, "collected before");
        for name in ["cores", "score.12", "Core", "corefile", "main.c", ".core.12"] {
            assert_eq!(usual(name), None, "{name}");
        }
    }
}
