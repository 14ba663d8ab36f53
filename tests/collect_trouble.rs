//! `epitaph collect` where the output folder fails it: the story is told, the core stays, and the job goes on.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use epitaph_testkit::skip::skipped;

use crate::fixtures::{place_core, sealed, small_core};
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
"$0" collect --remove --out "$disk/out" "$core"
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

#[test]
fn a_full_disk_loses_neither_story_nor_core() {
    let folder = folder();
    let (core, saved) = (folder.path().join("core"), folder.path().join("saved"));
    // Half a megabyte that doesn't compress well enough.
    let mut state = 1_u64;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    });
    let mut bytes = small_core(1001, "crasher").to_vec();
    bytes.extend(noise.take(500_000));
    fs::write(&core, &bytes).unwrap();

    let Some((code, stdout, stderr)) = collect_on_a_full_disk(&core, &saved, 700_000) else { return };
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.starts_with("crasher died of SIGSEGV"), "{stdout}\n{stderr}");
    assert!(stderr.contains("warning: the core was not stored: no space left in "), "{stderr}");
    assert!(stderr.contains(&format!("the original stays at {}", text(&core))), "{stderr}");
    assert!(stderr.contains("not removed: no core was stored"), "{stderr}");
    assert!(stderr.contains(&format!("epitaph: the summary of {} is kept as ", text(&core))), "{stderr}");
    assert!(fs::read(&core).unwrap() == bytes);
    let sealed = sealed(&saved);
    let summary = sealed.values().next().unwrap();
    assert_eq!(sealed.len(), 1);
    assert!(summary["warnings"].to_string().contains("core_not_stored"), "{summary:#}");
}

#[test]
fn a_disk_without_a_single_free_page_still_gives_the_story() {
    let folder = folder();
    let (core, saved) = (folder.path().join("core"), folder.path().join("saved"));
    place_core(&core, 1001);
    let Some((code, stdout, stderr)) = collect_on_a_full_disk(&core, &saved, 2 << 20) else { return };
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.starts_with("crasher died of SIGSEGV"), "{stdout}\n{stderr}");
    assert!(stderr.contains("error: ") && stderr.contains("no space left"), "{stderr}");
    assert!(stderr.contains("hint: free some space"), "{stderr}");
    assert!(core.exists());
}
