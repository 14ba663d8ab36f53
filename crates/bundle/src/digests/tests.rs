//! Many files, and what may be wrong with them.

use std::path::Path;

use epitaph_summary::CrashSummary;

use super::*;

fn line(id: &str) -> String {
    let mut summary = CrashSummary::new("0.1.0");
    summary.id = Some(id.to_owned());
    serde_json::to_string(&summary).unwrap()
}

/// The ids of all crashes at a path, with their jobs, and the problems.
fn read_at(path: &Path) -> (Vec<(String, Option<String>)>, Vec<String>) {
    let (mut found, mut problems) = (Vec::new(), Problems::default());
    let mut take =
        |digest: Digest, source: &Source| found.push((digest.id.unwrap_or_default(), source.job.clone()));
    read_digests(summary_files(path).unwrap(), &Rules::default(), &mut problems, &mut take);
    let texts = problems.warnings().into_iter().map(|warning| warning.text);
    (found, texts.collect())
}

fn ids(path: &Path) -> Vec<String> {
    let (found, problems) = read_at(path);
    assert_eq!(problems, [""; 0]);
    found.into_iter().map(|(id, _)| id).collect()
}

#[test]
fn more_files_than_a_portion_are_read_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..PORTION + 50).map(|number| format!("{number:05}")).collect();
    for name in &names {
        std::fs::write(dir.path().join(format!("{name}.json")), line(name)).unwrap();
    }
    assert_eq!(ids(dir.path()), names);
}

#[test]
fn a_file_of_many_crashes_keeps_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let many: Vec<String> = (0..MANY * 3).map(|number| format!("b{number:05}")).collect();
    let lines: Vec<String> = many.iter().map(|name| line(name)).collect();
    std::fs::write(dir.path().join("a.json"), line("a")).unwrap();
    std::fs::write(dir.path().join("b.jsonl"), lines.join("\n")).unwrap();
    std::fs::write(dir.path().join("c.json"), line("c")).unwrap();
    let expected: Vec<String> =
        std::iter::once("a".to_owned()).chain(many).chain(std::iter::once("c".to_owned())).collect();
    assert_eq!(ids(dir.path()), expected);
}

#[test]
fn other_json_of_a_tree_is_passed_over_and_broken_summaries_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("package.json", r#"{"name":"x","threads":1}"#);
    write("tsconfig.json", "{ // a comment\n}");
    write("numbers.json", "[1,2,3]");
    write("empty.json", "");
    write("newer.json", r#"{"schema":"epitaph-crash/2","tool":7}"#);
    write("cut.json", line("cut").get(..40).unwrap());
    write("1/crashes/a/summary.json", "");
    write("1/crashes/b/summary.json", &line("b"));
    let (found, problems) = read_at(dir.path());
    assert_eq!(found, [("b".to_owned(), Some(dir.path().join("1").display().to_string()))]);
    assert_eq!(problems.len(), 3, "{problems:?}");
    assert!(problems[0].contains("crashes/a/summary.json: there is no summary in it"), "{problems:?}");
    assert!(problems[1].contains("cut.json: it ends in the middle"), "{problems:?}");
    assert!(problems[2].contains("newer.json: schema \"epitaph-crash/2\""), "{problems:?}");
}

#[test]
fn a_given_file_without_a_summary_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("package.json");
    std::fs::write(&path, "{}").unwrap();
    assert_eq!(read_at(&path).1.len(), 1);
    assert!(summary_files(&dir.path().join("absent")).is_err());
}
