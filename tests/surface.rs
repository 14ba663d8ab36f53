//! The command line itself: help, completions, manual, and how wrong usage ends.

use crate::support::{Epitaph, epitaph, folder};

/// Every command, with the variables that can stand for its options.
const COMMANDS: [(&str, &[&str]); 15] = [
    (
        "show",
        &[
            "EPITAPH_JSON",
            "EPITAPH_THREADS",
            "EPITAPH_FRAMES",
            "EPITAPH_VARIABLES",
            "EPITAPH_IDENTITY",
            "EPITAPH_EXE",
            "EPITAPH_SYSROOT",
            "EPITAPH_DEBUG_DIR",
            "EPITAPH_ALLOW_MISMATCH",
            "EPITAPH_DEBUGINFOD",
            "EPITAPH_NO_DEBUGINFOD",
            "EPITAPH_DEBUGINFOD_BUDGET",
            "EPITAPH_DEBUGINFOD_LOOKUPS",
            "EPITAPH_CONFIG",
            "EPITAPH_NO_CONFIG",
        ],
    ),
    (
        "collect",
        &[
            "EPITAPH_OUT",
            "EPITAPH_CORE",
            "EPITAPH_ENCRYPT",
            "EPITAPH_MAX_CORE_SIZE",
            "EPITAPH_FAIL_ON_CRASH",
            "EPITAPH_EXE",
            "EPITAPH_MAX_AGE",
            "EPITAPH_STRICT",
            "EPITAPH_REMOVE",
            "EPITAPH_DESTINATION",
            "EPITAPH_CI",
        ],
    ),
    (
        "run",
        &[
            "EPITAPH_OUT",
            "EPITAPH_CORE",
            "EPITAPH_ENCRYPT",
            "EPITAPH_MAX_CORE_SIZE",
            "EPITAPH_FAIL_ON_CRASH",
            "EPITAPH_SYSROOT",
            "EPITAPH_CAPTURE",
            "EPITAPH_TIMEOUT",
        ],
    ),
    ("doctor", &["EPITAPH_JSON", "EPITAPH_FIX"]),
    ("group", &["EPITAPH_BASELINE", "EPITAPH_THRESHOLD", "EPITAPH_FAIL_ON_NEW", "EPITAPH_GROUP_FORMAT"]),
    (
        "report",
        &[
            "EPITAPH_IDENTITY",
            "EPITAPH_FORMAT",
            "EPITAPH_OUTPUT",
            "EPITAPH_THREADS",
            "EPITAPH_BASELINE",
            "EPITAPH_MERGE",
            "EPITAPH_EXE",
        ],
    ),
    (
        "push",
        &[
            "EPITAPH_ENCRYPT",
            "EPITAPH_OIDC",
            "EPITAPH_DESTINATION",
            "EPITAPH_JOB",
            "EPITAPH_CI",
            "EPITAPH_JOBS",
            "EPITAPH_STALL_TIMEOUT",
            "EPITAPH_ATTEMPTS",
            "EPITAPH_PUSH_STATE",
            "EPITAPH_PUSH_SPOOL",
            "EPITAPH_PUSH_SPOOL_QUOTA",
            "EPITAPH_PUSH_RESUME",
        ],
    ),
    (
        "pull",
        &[
            "EPITAPH_IDENTITY",
            "EPITAPH_OIDC",
            "EPITAPH_REPO",
            "EPITAPH_JOB",
            "EPITAPH_NODE",
            "EPITAPH_JOBS",
            "EPITAPH_STALL_TIMEOUT",
            "EPITAPH_ATTEMPTS",
        ],
    ),
    ("ls", &["EPITAPH_JSON", "EPITAPH_REPO", "EPITAPH_JOB", "EPITAPH_NODE"]),
    ("gc", &["EPITAPH_OLDER_THAN", "EPITAPH_DRY_RUN", "EPITAPH_PUSH_STATE"]),
    (
        "serve",
        &[
            "EPITAPH_LISTEN",
            "EPITAPH_SERVE_TOKEN_FILE",
            "EPITAPH_SERVE_HOST",
            "EPITAPH_PUBLIC_URL",
            "EPITAPH_OPEN",
        ],
    ),
    ("init", &["EPITAPH_COMMAND", "EPITAPH_DOWNLOAD_URL", "EPITAPH_SHA256"]),
    ("handler", &[]),
    ("completions", &[]),
    ("man", &[]),
];

/// The commands of `handler`, likewise.
const HANDLER: [(&str, &[&str]); 4] = [
    (
        "install",
        &[
            "EPITAPH_HANDLER_PROGRAM",
            "EPITAPH_HANDLER_SOCKET",
            "EPITAPH_SPOOL",
            "EPITAPH_QUOTA",
            "EPITAPH_KEEP_FREE",
            "EPITAPH_FIRST",
            "EPITAPH_FORCE",
            "EPITAPH_DRY_RUN",
        ],
    ),
    ("serve", &["EPITAPH_SPOOL"]),
    ("uninstall", &["EPITAPH_SPOOL", "EPITAPH_DRY_RUN"]),
    ("status", &["EPITAPH_SPOOL", "EPITAPH_JSON"]),
];

#[test]
fn the_handlers_commands_name_their_variables() {
    let top = epitaph().args(["handler", "--help"]).run().code(0).says(&["  run ", "  install "]);
    for hidden in ["  work ", "  take "] {
        assert!(!top.stdout().contains(hidden), "nobody calls it but the handler: {top}");
    }
    for (command, variables) in HANDLER {
        let usage = format!("Usage: epitaph handler {command}");
        epitaph().args(["handler", command, "--help"]).run().code(0).says(&[&usage]).says(variables);
    }
}

#[test]
fn every_command_has_help_that_names_its_variables() {
    let top = epitaph().arg("--help").run().code(0);
    for (command, variables) in COMMANDS {
        assert!(
            top.stdout().lines().any(|line| line.trim_start().starts_with(&format!("{command} "))),
            "{top}"
        );
        let answer = epitaph().args([command, "--help"]).run().code(0);
        assert!(answer.stderr().is_empty(), "{answer}");
        let usage = format!("Usage: epitaph {command}");
        answer.says(&[&usage]).says(variables);
    }
}

#[test]
fn every_option_can_be_given_by_a_variable() {
    // `--json`, or `-o, --output <FILE>`; a possible value begins with a single hyphen.
    let is_option = |line: &&str| line.trim_start().starts_with("--") || line.contains(", --");
    for (command, variables) in COMMANDS {
        let help = epitaph().args([command, "--help"]).run().code(0);
        let (_, options) = help.stdout().split_once("\nOptions:\n").unwrap();
        let count = options.lines().filter(is_option).count();
        assert!(count > variables.len() || variables.is_empty(), "{help}");
        assert_eq!(options.matches("EPITAPH_").count(), count - 1, "all but --help: {help}");
    }
}

#[test]
fn variables_hold_what_people_put_into_them() {
    let job = folder();
    let empty = |answer: Epitaph| {
        COMMANDS.iter().flat_map(|(_, names)| *names).fold(answer, |answer, name| answer.env(name, ""))
    };
    // What an unset variable of a project gives in many CI systems.
    empty(epitaph()).within(job.path()).args(["run", "--capture", "none", "--", "true"]).run().code(0);
    empty(epitaph()).within(job.path()).args(["group", "."]).run().code(0);
    let grouped = |value: &str| {
        let group = epitaph().within(job.path()).env("EPITAPH_CONFIG", "/nonexistent");
        group.env("EPITAPH_NO_CONFIG", value).args(["group", "."]).run()
    };
    for yes in ["1", "true", "yes", "on"] {
        grouped(yes).code(0);
    }
    for no in ["0", "false", "no", "off", ""] {
        grouped(no).code(1).tells(&["/nonexistent"]);
    }
}

/// Its commands are commands of a command.
#[test]
fn variables_of_the_handlers_commands_hold_the_same() {
    let job = folder();
    let status = |value: &str| {
        let status = epitaph().args(["handler", "status", "--spool"]).arg(job.path().join("none"));
        status.env("EPITAPH_JSON", value).env("EPITAPH_SPOOL", "").run()
    };
    for yes in ["1", "yes", "on"] {
        assert!(status(yes).json()["installed"].is_boolean());
    }
    for no in ["0", "no", ""] {
        status(no).says(&["The handler is "]);
    }
}

#[test]
fn exit_codes_are_in_the_help() {
    epitaph().arg("--help").run().code(0).says(&[
        "Exit codes: 0 done",
        "3 crashes were found",
        "126 and 127",
    ]);
}

#[test]
fn wrong_usage_is_told_apart() {
    let lines: [(&[&str], &str); 11] = [
        (&["--nonsense"], "--nonsense"),
        (&["nonsense"], "nonsense"),
        (&["show"], "<PATH>"),
        (&["show", "--nonsense", "core"], "--nonsense"),
        (&["show", "--threads", "some", "core"], "some"),
        (&["collect", "--max-age", "soon"], "soon"),
        (&["run"], "<COMMAND>"),
        (&["report", "--format", "word", "core"], "word"),
        (&["push", "only-one"], "<URL>"),
        (&["push", "--jobs", "0", "a", "b"], "1 or more"),
        (&["completions", "tcsh"], "tcsh"),
    ];
    for (arguments, named) in lines {
        let answer = epitaph().args(arguments).run().code(2);
        assert_eq!(answer.stdout(), "", "{answer}");
        answer.tells(&["error: ", named]);
    }
    let answer = epitaph().run().code(2);
    answer.tells(&["Usage: epitaph <COMMAND>"]);
}

#[test]
fn the_version_is_the_packages() {
    let answer = epitaph().arg("--version").run().code(0);
    assert_eq!(answer.stdout(), format!("epitaph {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn shells_get_completions_for_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let answer = epitaph().args(["completions", shell]).run().code(0);
        for (command, _) in COMMANDS {
            assert!(answer.stdout().contains(command), "{shell} lacks {command}");
        }
        answer.says(&["allow-mismatch"]);
    }
}

#[test]
fn the_manual_has_a_section_for_every_command() {
    let answer = epitaph().arg("man").run().code(0);
    assert!(answer.stdout().contains(".TH epitaph 1"), "{answer}");
    for (command, _) in COMMANDS {
        let title = format!(".SH \"EPITAPH {}\"", command.to_uppercase());
        assert!(answer.stdout().contains(&title), "{title}");
    }
    let answer = answer.says(&[".SH \"EPITAPH HANDLER INSTALL\"", "leaves a core that epitaph can collect"]);
    assert!(!answer.stdout().contains("START"), "hidden commands are nobody's to call: {answer}");
}

#[test]
fn the_readmes_rules_are_understood() {
    let readme = include_str!("../README.md");
    let (_, rest) = readme.split_once("```toml\n").expect("an example of epitaph.toml");
    let (rules, _) = rest.split_once("```").expect("its end");
    let place = folder();
    let file = place.path().join("epitaph.toml");
    std::fs::write(&file, rules).unwrap();
    let group = || epitaph().args(["group", "--json", "--config"]).arg(&file).arg(place.path()).run();
    group().code(0);
    std::fs::write(&file, rules.replace("sentinel", "sentinels")).unwrap();
    group().code(1).tells(&["epitaph.toml", "sentinels"]);
}
