//! Which file goes where: `[<job>/]<node>/<path>`, because the parallel runs of a job may well store the same path.
//!
//! Names are kept as they are, also those that only `core_pattern` makes (`core.14649.!tmp!a b!t`). What no file can be
//! called is changed, and that is told. What would leave the target is refused, which is a failure of that file alone.

use std::collections::{HashMap, HashSet};

use percent_encoding::percent_encode_byte;

use super::listed::JobList;
use crate::StoreError;
use crate::hash::sha256_of;
use crate::paths::SafePath;
use crate::warning::Warning;

/// The longest name of a file in bytes (`NAME_MAX`).
const LONGEST_NAME: usize = 255;

/// How much of a longer name is kept, in bytes: some room is left for what others append.
const KEPT_OF_NAME: usize = 200;

/// One file to fetch.
#[derive(Debug)]
pub(super) struct Wanted {
    /// What it is called to people: where the artifact is in its job.
    pub(super) name: String,
    /// Where the server says that it is.
    pub(super) url: String,
    /// Where it goes to.
    pub(super) path: Result<SafePath, StoreError>,
}

/// All files to fetch.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) files: Vec<Wanted>,
    /// Which artifacts get other names than their own.
    pub(super) warnings: Vec<Warning>,
}

impl Plan {
    /// Finds a place for each artifact. One that is listed twice is fetched once; where two of one path are two files,
    /// the second gets a name of its own.
    pub(super) fn of(jobs: Vec<JobList>) -> Self {
        let mut plan = Self::default();
        let mut first_of = HashMap::new();
        let mut again = Vec::new();
        for job in jobs {
            for artifact in job.artifacts {
                let node = artifact.node_index.to_string();
                let folder = job.folder.as_ref().map_or_else(|| node.clone(), |job| format!("{job}/{node}"));
                let name = format!("{folder}/{}", artifact.path);
                let (local, changed) = harmless(&artifact.path);
                let path = SafePath::parse(Some(&folder), &local);
                let wanted = Wanted { name, url: artifact.url, path };
                let Ok(path) = &wanted.path else {
                    plan.files.push(wanted);
                    continue;
                };
                match first_of.get(path.as_str()) {
                    Some(url) if *url == wanted.url => {}
                    Some(_) => again.push(wanted),
                    None => {
                        first_of.insert(path.as_str().to_owned(), wanted.url.clone());
                        plan.add(wanted, changed);
                    }
                }
            }
        }
        let mut taken: HashSet<String> = first_of.into_keys().collect();
        let mut numbers = HashMap::new();
        for mut wanted in again {
            wanted.path = wanted.path.map(|path| {
                let number = numbers.entry(path.as_str().to_owned()).or_insert(0_usize);
                loop {
                    *number += 1;
                    let path = path.numbered(*number);
                    if taken.insert(path.as_str().to_owned()) {
                        return path;
                    }
                }
            });
            plan.add(wanted, true);
        }
        plan
    }

    fn add(&mut self, wanted: Wanted, changed: bool) {
        if let Ok(path) = wanted.path.as_ref()
            && changed
        {
            let message = format!("it is kept as {}", path.as_str());
            self.warnings.push(Warning { path: wanted.name.clone(), message });
        }
        self.files.push(wanted);
    }
}

/// A path whose every component can be the name of a file and be typed, and whether that took a change.
fn harmless(path: &str) -> (String, bool) {
    let components: Vec<String> = path.split('/').map(component).collect();
    let local = components.join("/");
    let changed = local != path;
    (local, changed)
}

/// Control characters and the backslash are percent-encoded; a name that is too long is cut, and marked by its hash.
fn component(name: &str) -> String {
    let mut local = String::with_capacity(name.len());
    for char in name.chars() {
        // A NUL is no name's part in any encoding: whoever sends it means no file.
        if (char.is_control() && char != '\0') || char == '\\' {
            let mut bytes = [0; 4];
            for byte in char.encode_utf8(&mut bytes).bytes() {
                local.push_str(percent_encode_byte(byte));
            }
        } else {
            local.push(char);
        }
    }
    if local.len() <= LONGEST_NAME {
        return local;
    }
    let start = local.char_indices().map(|(at, _)| at).take_while(|at| *at <= KEPT_OF_NAME).last();
    let start = local.get(..start.unwrap_or_default()).unwrap_or_default();
    let hash = sha256_of(name);
    format!("{start}~{}", hash.get(..16).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::super::api::ApiArtifact;
    use super::*;

    fn job(folder: Option<&str>, artifacts: &[(u64, &str, &str)]) -> JobList {
        let artifact = |(node, path, url): &(u64, &str, &str)| ApiArtifact {
            path: (*path).into(),
            node_index: *node,
            url: (*url).into(),
        };
        JobList {
            job: "7".into(),
            folder: folder.map(str::to_owned),
            artifacts: artifacts.iter().map(artifact).collect(),
        }
    }

    fn paths(plan: &Plan) -> Vec<&str> {
        plan.files.iter().map(|file| file.path.as_ref().map_or("-", SafePath::as_str)).collect()
    }

    #[test]
    fn nodes_and_jobs_have_folders() {
        let plan = Plan::of(vec![job(None, &[(0, "a/b", "u0"), (1, "a/b", "u1")])]);
        assert_eq!(paths(&plan), ["0/a/b", "1/a/b"]);
        let plan = Plan::of(vec![job(Some("7-x"), &[(0, "a", "u0")]), job(Some("8-y"), &[(0, "a", "u1")])]);
        assert_eq!(paths(&plan), ["7-x/0/a", "8-y/0/a"]);
        assert!(plan.warnings.is_empty());
    }

    #[test]
    fn what_is_listed_twice() {
        let listed = [(0, "a", "u0"), (0, "a", "u0"), (0, "a", "u1"), (0, "a.1", "u2"), (0, "a", "u3")];
        let plan = Plan::of(vec![job(None, &listed)]);
        assert_eq!(paths(&plan), ["0/a", "0/a.1", "0/a.2", "0/a.3"]);
        let told: Vec<String> = plan.warnings.iter().map(|warning| warning.message.clone()).collect();
        assert_eq!(told, ["it is kept as 0/a.2", "it is kept as 0/a.3"]);
    }

    #[test]
    fn names_that_are_kept() {
        for name in ["core.14649.!tmp!a b!t", "a+b%20c", "x:y", ".hidden/core", "\u{e4}/\u{1F4A5}", "-rf"] {
            assert_eq!(harmless(name), (name.to_owned(), false));
        }
    }

    #[test]
    fn names_that_are_changed() {
        assert_eq!(harmless("a\u{1b}[31m\n/b\\c\u{85}"), ("a%1B[31m%0A/b%5Cc%C2%85".to_owned(), true));
        let (long, _) = harmless(&"\u{e4}".repeat(2500));
        assert!(
            long.len() <= LONGEST_NAME && long.starts_with("\u{e4}\u{e4}") && long.contains('~'),
            "{long}"
        );
        assert_ne!(long, harmless(&"\u{e4}".repeat(2501)).0, "two long names are two files");
        let plan = Plan::of(vec![job(None, &[(0, "a\nb", "u")])]);
        assert_eq!(
            (paths(&plan), plan.warnings[0].message.as_str()),
            (vec!["0/a%0Ab"], "it is kept as 0/a%0Ab")
        );
    }

    #[test]
    fn names_that_are_refused() {
        let deep = "x/".repeat(5000) + "x";
        for name in ["../a", "/etc/passwd", "a\0b", "", "a//b", ".", &deep] {
            let plan = Plan::of(vec![job(None, &[(0, name, "u")])]);
            assert!(matches!(plan.files[0].path, Err(StoreError::UnsafePath { .. })), "{name:?}");
        }
    }
}
