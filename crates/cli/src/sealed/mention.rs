//! What the files beside a core say of it: a summary, the list of summaries, the manifest. Where the core leaves encrypted,
//! they leave with the name, size and hash that it has then, so that whoever follows them finds it.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Component, Path, PathBuf};

use serde_json::Value;

/// The longest file that is looked into.
const LONGEST: u64 = 64 << 20;
/// How the value of `schema` of a manifest begins.
const MANIFEST: &str = "epitaph-manifest/";

/// What a file is when it leaves.
#[derive(Default)]
pub(super) struct Leaving {
    /// What its name is given at its end.
    pub(super) suffix: &'static str,
    /// Its size in bytes.
    pub(super) size: u64,
    /// Its hash, in hexadecimal digits.
    pub(super) sha256: String,
}

/// Returns the folder that paths in a file are relative to: an output folder, if it has the name of a file that speaks of
/// others there.
fn folder_of(file: &Path) -> Option<PathBuf> {
    let folder = file.parent()?;
    match file.file_name()?.to_str()? {
        "crashes.jsonl" | "manifest.json" => Some(folder.to_owned()),
        "summary.json" => {
            let crashes = folder.parent().filter(|crashes| crashes.ends_with("crashes"))?;
            crashes.parent().map(Path::to_owned)
        }
        _ => None,
    }
}

/// Returns a file's text, with what it says of files that leave otherwise, which `leaving` knows; `None` if it says nothing
/// of such ones.
pub(super) fn amended(file: &Path, leaving: &mut dyn FnMut(&Path) -> Option<Leaving>) -> Option<String> {
    let folder = folder_of(file)?;
    let text = read(file).ok()?;
    let mut leaving = |path: &str| {
        let path = Path::new(path);
        let is_inside = path.components().all(|part| matches!(part, Component::Normal(_)));
        is_inside.then(|| leaving(&folder.join(path))).flatten()
    };
    let mut amended = String::with_capacity(text.len());
    let mut changed = false;
    for line in text.split_inclusive('\n') {
        let value = serde_json::from_str::<Value>(line).ok();
        match value.and_then(|mut value| amend(&mut value, &mut leaving).then_some(value)) {
            Some(value) => {
                changed = true;
                amended += &value.to_string();
                amended += if line.ends_with('\n') { "\n" } else { "" };
            }
            None => amended += line,
        }
    }
    if !changed && let Ok(mut value) = serde_json::from_str::<Value>(&text) {
        changed = amend(&mut value, &mut leaving);
        amended = format!("{value:#}\n");
    }
    changed.then_some(amended)
}

fn read(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(file)?.take(LONGEST + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LONGEST { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(text) }
}

/// Changes what a summary, or a manifest, says of other files; tells whether that was anything.
fn amend(value: &mut Value, leaving: &mut dyn FnMut(&str) -> Option<Leaving>) -> bool {
    let is_manifest =
        |value: &Value| value["schema"].as_str().is_some_and(|schema| schema.starts_with(MANIFEST));
    let mut changed = false;
    if is_manifest(value) {
        for entry in value.get_mut("files").and_then(Value::as_array_mut).into_iter().flatten() {
            let Some(leaves) = entry["path"].as_str().and_then(&mut *leaving) else { continue };
            append(&mut entry["path"], leaves.suffix);
            entry["size"] = leaves.size.into();
            entry["sha256"] = leaves.sha256.into();
            changed = true;
        }
    } else if let Some(core) = value.get_mut("core").filter(|core| core.is_object())
        && let Some(leaves) = core["file"].as_str().and_then(&mut *leaving)
    {
        append(&mut core["file"], leaves.suffix);
        core["stored_size"] = leaves.size.into();
        core["stored_sha256"] = leaves.sha256.into();
        core["encryption"] = "age".into();
        changed = true;
    }
    changed
}

fn append(path: &mut Value, suffix: &str) {
    if let Value::String(path) = path {
        path.push_str(suffix);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amended_in(root: &Path, name: &str, text: &str) -> Option<String> {
        let file = root.join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, text).unwrap();
        let core = root.join("crashes/a/core.zst");
        amended(&file, &mut |path| {
            (path == core).then(|| Leaving { suffix: ".age", size: 7, sha256: "ab".to_owned() })
        })
    }

    #[test]
    fn what_is_said_of_the_core_is_what_leaves() {
        let root = tempfile::tempdir().unwrap();
        let crash = r#"{"core":{"file":"crashes/a/core.zst","path":"/x","stored_sha256":"12","stored_size":3},"new":[1]}"#;
        let sealed = r#"{"core":{"encryption":"age","file":"crashes/a/core.zst.age","path":"/x","stored_sha256":"ab","stored_size":7},"new":[1]}"#;
        let other = r#"{"core": {"file": "crashes/b/core.zst"}}"#;
        let amended = |name: &str, text: &str| amended_in(root.path(), name, text);
        assert_eq!(amended("crashes/a/summary.json", &format!("{crash}\n")).unwrap(), format!("{sealed}\n"));
        assert_eq!(
            amended("crashes.jsonl", &format!("{other}\n{crash}\nno JSON\n")).unwrap(),
            format!("{other}\n{sealed}\nno JSON\n")
        );
        let manifest = r#"{
  "schema": "epitaph-manifest/1",
  "files": [
    {"path": "crashes/a/core.zst", "size": 3, "sha256": "12"},
    {"path": "index.html", "size": 4, "sha256": "34"}
  ]
}"#;
        let manifest: Value = serde_json::from_str(&amended("manifest.json", manifest).unwrap()).unwrap();
        let expected = serde_json::json!([
            {"path": "crashes/a/core.zst.age", "size": 7, "sha256": "ab"},
            {"path": "index.html", "size": 4, "sha256": "34"},
        ]);
        assert_eq!(manifest["files"], expected);
    }

    #[test]
    fn what_says_nothing_of_it_leaves_as_it_is() {
        let root = tempfile::tempdir().unwrap();
        let crash = r#"{"core":{"file":"crashes/a/core.zst"}}"#;
        for (name, text) in [
            ("crashes/a/notes.json", crash),
            ("a/summary.json", crash),
            ("crashes.jsonl", ""),
            ("crashes.jsonl", "[]\n"),
            ("crashes.jsonl", r#"{"core":{"file":"x/../crashes/a/core.zst"}}"#),
            ("manifest.json", r#"{"schema":"epitaph-manifest/1","files":[{"path":7},3]}"#),
            ("manifest.json", r#"{"schema":"theirs","files":[{"path":"crashes/a/core.zst"}]}"#),
        ] {
            assert_eq!(amended_in(root.path(), name, text), None, "{name} {text}");
        }
    }
}
