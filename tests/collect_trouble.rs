//! `epitaph collect` where the output folder fails it: the story is told, the core stays, and the job goes on.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use epitaph_testkit::skip::skipped;

use crate::fixtures::{assert_consistent, core_with_stack, only_sealed, place_core};
use crate::support::{Answer, alone_by, epitaph, folder, is_root, plain_environment, program, text};

/// Collects `core` into a folder that can't take it; whatever goes wrong, the story is told and the core stays.
fn collect_into(out: &Path, core: &Path, options: &[&str]) -> Answer {
    let before = fs::read(core).unwrap();
    let answer = epitaph().arg("collect").args(options).arg("--out").arg(out).arg(core).run();
    assert!(answer.stdout().starts_with("crasher died of SIGSEGV"), "{answer}");
    assert!(fs::read(core).unwrap() == before, "{answer}");
    answer
}

#[test]
fn a_file_in_the_folders_place_is_told() {
    let folder = folder();
    let (core, out) = (folder.path().join("core"), folder.path().join("out"));
    place_core(&core, 1001);
    fs::write(&out, "mine").unwrap();
    let error = format!("error: {}: not a folder", text(&out));
    let answer = collect_into(&out, &core, &[]).code(0);
    answer.tells(&[&error, "hint: name another output folder with --out"]);
    collect_into(&out, &core, &["--strict", "--remove"]).code(1).tells(&[&error]);
    assert_eq!(fs::read(&out).unwrap(), b"mine");
}

#[test]
fn a_folder_that_cannot_be_made_is_told() {
    let folder = folder();
    let core = folder.path().join("core");
    place_core(&core, 1001);
    // Nobody can make folders there, not even root.
    let out = Path::new("/proc/epitaph-out");
    collect_into(out, &core, &[]).code(0).tells(&["error: /proc/epitaph-out: cannot be written"]);
    collect_into(out, &core, &["--strict"]).code(1);
    collect_into(out, &core, &["--fail-on-crash"]).code(3);
}

#[test]
fn a_folder_that_may_not_be_written_to_is_told() {
    if is_root() {
        return skipped("root may write everywhere");
    }
    let folder = folder();
    let (core, out) = (folder.path().join("core"), folder.path().join("out"));
    place_core(&core, 1001);
    fs::create_dir(&out).unwrap();
    fs::set_permissions(&out, fs::Permissions::from_mode(0o555)).unwrap();
    let answer = collect_into(&out, &core, &[]).code(0);
    answer.tells(&[
        &format!("error: {}", text(&out)),
        "cannot be written",
        "hint: name an output folder that you may",
    ]);
}

/// Mounts a small disk, collects into it, and saves what is on it before it goes.
const ON_A_FULL_DISK: &str = r#"
disk=$1 saved=$2 core=$3
mount -t tmpfs -o size=1m none "$disk" || exit 99
head -c "$4" /dev/zero | tr '\0' x >"$disk/ballast"
"$0" collect --strict --remove --out "$disk/out" "$core"
status=$?
rm "$disk/ballast"
cp -R "$disk/out" "$saved"
exit $status
"#;

/// Collects into a disk of 1 MiB of which `taken` bytes are taken; returns exit code, standard output, standard error.
fn collect_on_a_full_disk(core: &Path, saved: &Path, taken: u32) -> Option<(i32, String, String)> {
    let Some(mut command) = alone_by(ON_A_FULL_DISK) else {
        skipped("nothing may be mounted here (root, or a user namespace), so no small disk");
        return None;
    };
    let disk = saved.with_extension("disk");
    fs::create_dir(&disk).unwrap();
    command.arg(program()).args([&disk, saved, core]).arg(taken.to_string());
    let output = plain_environment(&mut command).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Some((output.status.code().unwrap(), text(output.stdout), text(output.stderr)))
}

/// Bytes that don't compress.
fn noise(count: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    std::iter::repeat_with(next).take(count).collect()
}

/// What fits is kept, the rest is said, and the original stays.
#[test]
fn a_full_disk_loses_neither_story_nor_core() {
    // Bytes of the stack, of what no debugger needs, and of the disk that are taken; what is kept.
    let cases = [
        (
            4096,
            500_000,
            700_000,
            Some("no more is kept of the core than what debuggers need: no space left in "),
        ),
        (
            600_000,
            0,
            300_000,
            Some("no more is kept of the core than its notes and its stacks (at most 256 KiB): "),
        ),
        (600_000, 0, 900_000, None),
    ];
    for (stack, rest, taken, small) in cases {
        let folder = folder();
        let (core, saved) = (folder.path().join("core"), folder.path().join("saved"));
        let mut bytes = core_with_stack(1001, "crasher", noise(stack)).to_vec();
        bytes.extend(noise(rest));
        fs::write(&core, &bytes).unwrap();

        let Some((code, stdout, stderr)) = collect_on_a_full_disk(&core, &saved, taken) else { return };
        // A small core is one; that there is none, `--strict` fails for.
        assert_eq!(code, i32::from(small.is_none()), "{stderr}");
        assert!(stdout.starts_with("crasher died of SIGSEGV"), "{stdout}\n{stderr}");
        assert!(stderr.contains("warning: little room is left in "), "{stderr}");
        let told = small.unwrap_or("the core was not stored: no space left in ");
        assert!(stderr.contains(&format!("warning: {told}")), "{stderr}");
        assert!(stderr.contains(&format!("the original stays at {}", text(&core))), "{stderr}");
        let not_removed =
            if small.is_some() { "not removed: it holds more" } else { "not removed: no core was stored" };
        assert!(stderr.contains(not_removed), "{stderr}");
        assert!(fs::read(&core).unwrap() == bytes);
        let (id, summary) = only_sealed(&saved);
        let code = if small.is_some() { "core_kept_small" } else { "core_not_stored" };
        assert!(summary["warnings"].to_string().contains(code), "{summary:#}");
        assert_eq!(summary["core"]["content"] == "slim", small.is_some(), "{summary:#}");
        assert_eq!(saved.join(format!("crashes/{id}/core.zst")).exists(), small.is_some());
        assert_consistent(&saved);
    }
}

#[test]
fn a_disk_without_a_single_free_page_still_gives_the_story() {
    let folder = folder();
    let (core, saved) = (folder.path().join("core"), folder.path().join("saved"));
    place_core(&core, 1001);
    let Some((code, stdout, stderr)) = collect_on_a_full_disk(&core, &saved, 2 << 20) else { return };
    assert_eq!(code, 1, "{stderr}");
    assert!(stdout.starts_with("crasher died of SIGSEGV"), "{stdout}\n{stderr}");
    assert!(stderr.contains("error: ") && stderr.contains("no space left"), "{stderr}");
    assert!(stderr.contains("hint: free some space"), "{stderr}");
    assert!(core.exists());
}
