use proptest::prelude::*;

use super::*;
use crate::pattern::{CorePattern, Facts, Rules};

fn pattern(text: &[u8]) -> CorePattern {
    CorePattern::parse(text, Rules::default())
}

fn matcher(text: &str) -> Matcher {
    pattern(text.as_bytes()).matcher().unwrap()
}

/// The fields of `name`, as `letter=value` in the order of the letters.
fn fields(text: &str, name: &str) -> Option<String> {
    let fields = matcher(text).match_name(name.as_bytes())?;
    let shown: Vec<String> =
        fields.to_strings().into_iter().map(|(letter, value)| format!("{letter}={value}")).collect();
    Some(shown.join(" "))
}

#[test]
fn a_plain_name_matches_itself_only() {
    assert_eq!(fields("core", "core").as_deref(), Some(""));
    for name in ["core.1", "cores", "cor", "", "Core"] {
        assert_eq!(fields("core", name), None, "{name}");
    }
    assert!(matcher("core").is_one_name());
    assert!(!matcher("core.%p").is_one_name());
    assert_eq!(fields("100%%", "100%").as_deref(), Some(""));
}

#[test]
fn an_empty_pattern_matches_nothing() {
    assert_eq!(fields("", ""), None);
    assert_eq!(fields("/tmp/", "x"), None);
    let hidden = CorePattern::parse("", Rules { uses_pid: true, ..Rules::default() }).matcher().unwrap();
    assert_eq!(hidden.match_name(b".12").unwrap().number(Specifier::Pid), Some(12));
}

#[test]
fn numbers_are_digits_without_leading_zeros_and_in_range() {
    assert_eq!(fields("core.%p", "core.4711").as_deref(), Some("p=4711"));
    for name in
        ["core.", "core.x", "core.12x", "core.-1", "core.+1", "core.012", "core.99999999999", "core.1.2"]
    {
        assert_eq!(fields("core.%p", name), None, "{name}");
    }
    assert_eq!(fields("%d", "3"), None);
    assert_eq!(fields("%d", "0").as_deref(), Some("d=0"));
    assert_eq!(fields("%c", "18446744073709551615").as_deref(), Some("c=18446744073709551615"));
    assert_eq!(fields("%c", "18446744073709551616"), None);
}

#[test]
fn a_clock_that_stands_at_1970_is_still_a_time() {
    assert_eq!(fields("core.%t", "core.17").as_deref(), Some("t=17"));
}

#[test]
fn texts_may_hold_the_separator() {
    assert_eq!(fields("core.%e.%p", "core.a.b.7").as_deref(), Some("e=a.b p=7"));
    assert_eq!(fields("core.%p.%E", "core.4711.!jobs!a.b!c d").as_deref(), Some("E=!jobs!a.b!c d p=4711"));
    assert_eq!(fields("core.%e.%E", "core.a.b.!x").as_deref(), Some("E=!x e=a.b"));
    assert_eq!(fields("%h-%e-%p", "build-7-cc1plus-12").as_deref(), Some("e=7-cc1plus h=build p=12"));
}

#[test]
fn values_without_a_separator_are_split_where_real_hosts_would() {
    assert_eq!(fields("%p%t", "47111763800000").as_deref(), Some("p=4711 t=1763800000"));
    assert_eq!(fields("%e%p", "cc1plus42").as_deref(), Some("e=cc1plus p=42"));
}

#[test]
fn a_repeated_value_must_be_the_same_each_time() {
    assert_eq!(fields("%p.%p", "12.12").as_deref(), Some("p=12"));
    assert_eq!(fields("%p.%p", "12.13"), None);
    assert_eq!(fields("%e.%p.%e", "a.1.b.2.a.1.b").as_deref(), Some("e=a.1.b p=2"));
}

#[test]
fn lengths_that_the_kernel_never_makes_do_not_match() {
    assert_eq!(fields("%e.%p", "123456789012345.7").as_deref(), Some("e=123456789012345 p=7"));
    assert_eq!(fields("%e.%p", "1234567890123456.7"), None);
    assert_eq!(fields("core.%e", "core."), None);
    assert_eq!(fields("core.%e", "core..."), None, "a value is never `..`");
    assert_eq!(fields("core.%E", "core.relative"), None);
    assert_eq!(fields("core.%E", "core.a (path unknown)").as_deref(), Some("E=a (path unknown)"));
}

#[test]
fn executables_are_decoded_as_well_as_it_goes() {
    let executable = |name: &str| matcher("core.%E").match_name(name.as_bytes()).unwrap().executable();
    assert_eq!(executable("core.!jobs!bin!a"), Some("/jobs/bin/a".into()));
    assert_eq!(executable("core.!a (deleted)"), Some("/a".into()));
    assert_eq!(executable("core.a (path unknown)"), None);
    assert_eq!(matcher("core").match_name(b"core").unwrap().executable(), None);
}

#[test]
fn folders_are_matched_with_the_whole_path() {
    let absolute = matcher("/cores//./%e/core.%p");
    assert_eq!(absolute.folder(), Some("/cores".into()));
    assert_eq!(absolute.depth_below_folder(), 1);
    let fields = absolute.match_path(Path::new("/cores/a b/core.7")).unwrap();
    assert_eq!(fields.get(Specifier::ThreadName), Some(&b"a b"[..]));
    assert_eq!(fields.number(Specifier::Pid), Some(7));
    assert_eq!(absolute.match_path(Path::new("/x/cores/a/core.7")), None);
    assert_eq!(absolute.match_path(Path::new("/cores/core.7")), None);

    let relative = matcher("../dumps/core.%p");
    assert_eq!(relative.folder(), None);
    assert!(relative.match_path(Path::new("/job/dumps/core.7")).is_some());
    assert!(relative.match_path(Path::new("/job/core.7")).is_none());
    assert!(relative.match_path(Path::new("core.7")).is_none());
    assert_eq!(matcher("/core.%p").folder(), Some("/".into()));
    assert_eq!(matcher("/%h/core").folder(), Some("/".into()));
}

#[test]
fn a_pattern_tells_by_its_fixed_text() {
    for (text, telling) in [
        ("core", true),
        ("%e.core", true),
        ("/x/core.%p", true),
        ("%e.%p", false),
        ("/core/%e", false),
        ("%p", false),
    ] {
        assert_eq!(matcher(text).is_telling(), telling, "{text}");
    }
}

#[test]
fn a_name_made_to_be_slow_is_given_up_on() {
    let slow = matcher("%e%h%f%e%h%f%e%h%f.x");
    let started = std::time::Instant::now();
    assert_eq!(slow.match_name(&[b'a'; 255]), None);
    assert!(started.elapsed() < std::time::Duration::from_secs(2));
}

fn text(longest: usize) -> impl Strategy<Value = Vec<u8>> {
    let hostile = prop_oneof![
        3 => prop::sample::select(b"a.!-7 _".to_vec()),
        1 => prop::sample::select(b"\n\x1b\xff/%".to_vec()),
        1 => 1u8..=255,
    ];
    prop::collection::vec(hostile, 0..=longest)
}

prop_compose! {
    fn facts()(
        pid in 1u32..4_194_304, tid in 1u32..4_194_304, uid in any::<u32>(), gid in any::<u32>(),
        dumpable in 0u8..=2, signal in 1u32..=64, time in 0u64..20_000_000_000, host_name in text(64),
        thread_name in text(15), executable in prop::option::of(text(80)), core_limit in any::<u64>(),
        cpu in 0u32..8192,
    ) -> Facts {
        let executable = executable.map(|path| [b"/".as_slice(), &path].concat());
        Facts {
            pid, host_pid: pid.wrapping_mul(3) % 4_194_304 + 1, tid, host_tid: tid ^ 1, uid, gid, dumpable, signal,
            time, host_name, thread_name, executable, core_limit, cpu,
        }
    }
}

/// Specifiers, by their index in [`ALL`], and what follows each.
fn letters() -> impl Strategy<Value = Vec<(usize, usize)>> {
    prop::collection::vec((0..ALL.len(), 0..4usize), 1..5)
}

fn bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..most)
}

const ALL: &[u8] = b"pPiIugdsthefEcC";

proptest! {
    /// One value between fixed texts comes back as the kernel wrote it, whatever its bytes are.
    #[test]
    fn each_specifier_comes_back(facts in facts(), index in 0..ALL.len()) {
        let letter = ALL[index];
        let pattern = pattern(&[b"core.", [b'%', letter].as_slice(), b".end"].concat());
        let name = pattern.expand(&facts).unwrap();
        let fields = pattern.matcher().unwrap().match_name(&name).unwrap();
        let specifier = Specifier::of_letter(letter).unwrap();
        let value = facts.value(specifier);
        prop_assert_eq!(fields.get(specifier), Some(value.as_slice()));
    }

    /// Whatever pattern made a name recognises it, and the values that it reads make the same name again.
    #[test]
    fn a_made_name_is_recognised(facts in facts(), letters in letters()) {
        // With more values that may be anything, there are more ways to split a name than are tried.
        let free = letters.iter().filter(|(index, _)| b"hefE".contains(&ALL[*index])).count();
        prop_assume!(free <= 2);
        let mut text = b"c".to_vec();
        for (index, separator) in letters {
            text.extend([&[b'%', ALL[index]], [&b""[..], b".", b"-", b"_x_"][separator]].concat());
        }
        let pattern = pattern(&text);
        let name = pattern.expand(&facts).unwrap();
        prop_assume!(name.len() <= 255);
        let fields = pattern.matcher().unwrap().match_name(&name);
        prop_assert!(fields.is_some(), "{} made {}", text.escape_ascii(), name.escape_ascii());
        let again: Vec<u8> = pattern.file().unwrap().tokens.iter().flat_map(|token| match token {
            Token::Text(text) => text.clone(),
            Token::Value(specifier) => fields.as_ref().unwrap().get(*specifier).unwrap().to_vec(),
        }).collect();
        prop_assert_eq!(again, name);
    }

    /// No pattern and no name make the matcher panic or hang.
    #[test]
    fn any_bytes_are_survived(text in bytes(140), name in bytes(300)) {
        if let Some(matcher) = pattern(&text).matcher() {
            let _ = matcher.match_name(&name);
            let _ = matcher.match_path(Path::new(std::ffi::OsStr::from_bytes(&name)));
        }
    }
}
