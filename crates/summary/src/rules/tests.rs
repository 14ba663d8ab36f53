use super::*;

fn in_app(module: &str, main: bool, function: Option<&str>, file: Option<&str>) -> bool {
    Rules::default().judge(&Place { module, main, function, file, raw_name: None, language: None }).in_app
}

fn own(function: &str, file: &str) -> bool {
    in_app("/jobs/bin/app", true, Some(function), Some(file))
}

#[test]
fn standard_libraries_are_not_the_users_code() {
    assert!(in_app("/jobs/bin/app", true, Some("main"), Some("/jobs/main.c")));
    assert!(in_app("/jobs/lib/libown.so", false, Some("helper"), None));
    assert!(!in_app("/usr/lib/x86_64-linux-gnu/libc.so.6", false, Some("abort"), None));
    assert!(!in_app("/opt/toolchain/lib64/libstdc++.so.6", false, Some("helper"), None));
    assert!(!in_app("[vdso]", false, Some("clock_gettime"), None));
    assert!(!in_app("", false, Some("helper"), None));
    assert!(!in_app("/jobs/bin/app", true, Some("core::panicking::panic_fmt"), None));
    assert!(!in_app("/jobs/bin/app", true, Some("void std::sort<int*>(int*, int*)"), None));
    assert!(!in_app("/jobs/bin/app", true, Some("operator()"), Some("/usr/include/c++/12/functional")));
    assert!(!in_app("/jobs/bin/app", true, Some("_start"), None));
}

#[test]
fn a_method_in_rust_is_its_types_or_its_traits() {
    for own in [
        "<app::Shop as core::fmt::Display>::fmt",
        "<alloc::vec::Vec<u8> as app::Pay>::pay",
        "<u8 as app::Pay>::pay",
    ] {
        assert!(in_app("/jobs/app", true, Some(own), None), "{own}");
    }
    for foreign in [
        "<alloc::vec::Vec<u8> as core::ops::index::Index<usize>>::index",
        "<T as core::convert::Into<U>>::into",
        "<core::option::Option<app::Shop>>::unwrap",
    ] {
        assert!(!in_app("/jobs/app", true, Some(foreign), None), "{foreign}");
    }
}

#[test]
fn a_static_c_library_is_not_the_users_code() {
    for (function, file, expected) in [
        ("__strlen_avx2", None, false),
        ("_int_malloc", Some("./malloc/malloc.c"), false),
        ("send", None, false),
        ("send", Some("/jobs/net/send.c"), true),
        ("send_all", None, true),
    ] {
        assert_eq!(in_app("/jobs/app", true, Some(function), file), expected, "{function}");
    }
}

#[test]
fn gos_library_is_told_from_packages_of_others() {
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

#[test]
fn machinery_is_known_by_its_names() {
    let rule = |function: &str, module: &str, main: bool| {
        let place = Place { module, main, function: Some(function), ..Place::default() };
        Rules::default().judge(&place).rule
    };
    let libc = |function| rule(function, "/lib/x86_64-linux-gnu/libc.so.6", false);
    assert_eq!(libc("__GI_abort"), Some(FrameRule::Cut));
    assert_eq!(libc("__assert_fail_base.cold"), Some(FrameRule::Cut));
    assert_eq!(libc("__memcpy_chk"), Some(FrameRule::Cut));
    assert_eq!(libc("__libc_start_call_main"), Some(FrameRule::End));
    assert_eq!(libc("puts"), None);
    let app = |function| rule(function, "/jobs/app", true);
    assert_eq!(app("std::__throw_out_of_range_fmt(char const*, ...)"), Some(FrameRule::Cut));
    assert_eq!(app("std::panicking::begin_panic_handler"), Some(FrameRule::Cut));
    assert_eq!(app("std::panicking::catch_unwind"), None);
    assert_eq!(app("__rustc::rust_begin_unwind"), Some(FrameRule::Cut));
    assert_eq!(app("std::sys::backtrace::__rust_begin_short_backtrace::<fn(), ()>"), Some(FrameRule::End));
    assert_eq!(app("app::main"), Some(FrameRule::End));
    assert_eq!(app("google::LogMessageFatal::~LogMessageFatal()"), Some(FrameRule::Cut));
    // One's own function of a common name is no machinery.
    let place = Place {
        module: "/jobs/app",
        main: true,
        function: Some("raise"),
        file: Some("/jobs/raise.c"),
        ..Place::default()
    };
    assert_eq!(Rules::default().judge(&place), Verdict { in_app: true, rule: None });
}

#[test]
fn a_users_rules_come_first() {
    let text = r#"
        in_app = { modules = ["libshop.so*"], sources = ["*/third_party/ours/*"] }
        not_in_app = { sources = ["*/third_party/*"], functions = ["log_*"] }
        frames = { cut = ["shop::check_failed"], sentinel = ["abort"] }
    "#;
    let rules = Rules::with(Settings::parse(text).unwrap());
    let judge = |module: &str, function: &str, file: Option<&str>| {
        rules.judge(&Place {
            module,
            main: false,
            function: Some(function),
            file,
            raw_name: None,
            language: None,
        })
    };
    assert!(judge("/usr/lib/libshop.so.1", "f", None).in_app);
    assert!(!judge("/jobs/app", "f", Some("/jobs/third_party/z/inflate.c")).in_app);
    assert!(judge("/jobs/app", "f", Some("/jobs/third_party/ours/f.c")).in_app);
    assert!(!judge("/jobs/app", "log_all(int)", None).in_app);
    assert_eq!(judge("/jobs/app", "shop::check_failed(char const*)", None).rule, Some(FrameRule::Cut));
    assert_eq!(judge("/lib/libc.so.6", "abort", None).rule, Some(FrameRule::Sentinel));
}

#[test]
fn the_id_tells_rules_on_frames_apart_and_nothing_else() {
    let id = |text: &str| Rules::with(Settings::parse(text).unwrap()).id();
    assert_eq!(id(""), "builtin-2");
    assert_eq!(id("[[ignore]]\nclass = \"a\"\nreason = \"b\""), "builtin-2");
    let cut = id("[frames]\ncut = [\"a\"]");
    assert!(cut.starts_with("builtin-2+") && cut.len() == 18, "{cut}");
    assert_ne!(cut, id("[frames]\nskip = [\"a\"]"));
    assert_eq!(cut, id("# why\n[frames]\ncut = [\"a\"]\nskip = []"));
}
