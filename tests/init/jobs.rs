//! What the printed lines let a CI system do.

use saphyr::{LoadableYamlNode as _, Yaml};

/// When a step runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// As long as none has failed.
    Success,
    /// After one has.
    Failure,
}

/// A script.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) script: String,
    pub(super) when: When,
}

/// A job, as its system understands it.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) environment: Vec<(String, String)>,
    /// The shell, to be followed by a script.
    pub(super) shell: Vec<&'static str>,
    pub(super) steps: Vec<Step>,
    /// The folder that is stored.
    pub(super) stored: String,
    /// Where test results are taken from, where the system does that.
    pub(super) results: Option<String>,
}

impl Job {
    /// Reads what was printed for a system.
    pub(super) fn of(system: &str, lines: &str) -> Job {
        if system == "jenkins" {
            return jenkins(lines);
        }
        let documents = Yaml::load_from_str(lines).unwrap_or_else(|error| panic!("{error}\n{lines}"));
        let [document] = documents.as_slice() else { panic!("one document: {lines}") };
        match system {
            "circleci" => circleci(document),
            "github" => github(document),
            "gitlab" => gitlab(document),
            "buildkite" => buildkite(document),
            "azure" => azure(document),
            _ => panic!("no system {system}"),
        }
    }
}

fn at<'a>(node: &'a Yaml, path: &[&str]) -> &'a Yaml<'a> {
    let found = path.iter().try_fold(node, |node, key| node.as_mapping_get(key));
    found.unwrap_or_else(|| panic!("{path:?} of {node:?}"))
}

fn text(node: &Yaml, path: &[&str]) -> String {
    at(node, path).as_str().unwrap_or_else(|| panic!("{path:?} is no text")).to_owned()
}

fn list<'a>(node: &'a Yaml, path: &[&str]) -> &'a [Yaml<'a>] {
    at(node, path).as_vec().unwrap_or_else(|| panic!("{path:?} is no list"))
}

fn environment(node: &Yaml, path: &[&str]) -> Vec<(String, String)> {
    let variables = at(node, path).as_mapping().unwrap();
    let text = |node: &Yaml| node.as_str().unwrap().to_owned();
    variables.iter().map(|(name, value)| (text(name), text(value))).collect()
}

/// Every step is a shell of its own: <https://circleci.com/docs/reference/configuration-reference/#run>.
fn circleci(document: &Yaml) -> Job {
    let listed = list(document, &["jobs", "test", "steps"]);
    let run = listed.iter().filter_map(|step| step.as_mapping_get("run"));
    let steps = run.map(|run| Step {
        script: text(run, &["command"]),
        when: match run.as_mapping_get("when").and_then(Yaml::as_str) {
            Some("on_fail") => When::Failure,
            None => When::Success,
            other => panic!("{other:?}"),
        },
    });
    let stored =
        |key| listed.iter().find_map(|step| Some(text(step.as_mapping_get(key)?, &["path"]))).unwrap();
    let destination = listed.iter().find_map(|step| step.as_mapping_get("store_artifacts"));
    let environment = environment(document, &["jobs", "test", "environment"]);
    let told = ("EPITAPH_DESTINATION".to_owned(), text(destination.unwrap(), &["destination"]));
    assert!(environment.contains(&told), "links lead to where the folder is stored: {environment:?}");
    Job {
        environment,
        shell: vec!["bash", "-eo", "pipefail", "-c"],
        steps: steps.collect(),
        stored: stored("store_artifacts"),
        results: Some(stored("store_test_results")),
    }
}

/// Without `shell`, a step runs by `bash -e`: see `jobs.<job_id>.steps[*].shell` in the workflow syntax.
fn github(document: &Yaml) -> Job {
    let listed = list(document, &["jobs", "test", "steps"]);
    let steps = listed.iter().filter_map(|step| {
        let when = match step.as_mapping_get("if").and_then(Yaml::as_str) {
            Some("failure()") => When::Failure,
            None => When::Success,
            other => panic!("{other:?}"),
        };
        Some(Step { script: step.as_mapping_get("run")?.as_str()?.to_owned(), when })
    });
    let upload = listed.iter().find(|step| {
        step.as_mapping_get("uses")
            .and_then(Yaml::as_str)
            .is_some_and(|uses| uses.contains("upload-artifact@"))
    });
    Job {
        environment: environment(document, &["jobs", "test", "env"]),
        shell: vec!["bash", "-e", "-c"],
        steps: steps.collect(),
        stored: text(upload.unwrap(), &["with", "path"]),
        results: None,
    }
}

/// The lines of `script` are one shell's, those of `after_script` another's, which always runs.
fn gitlab(document: &Yaml) -> Job {
    let script = |key| {
        let lines = list(document, &["test", key]).iter().map(|line| line.as_str().unwrap());
        lines.collect::<Vec<_>>().join("\n")
    };
    Job {
        environment: environment(document, &["test", "variables"]),
        shell: vec!["bash", "-eo", "pipefail", "-c"],
        steps: vec![
            Step { script: script("script"), when: When::Success },
            Step { script: script("after_script"), when: When::Failure },
        ],
        stored: list(document, &["test", "artifacts", "paths"])[0].as_str().unwrap().to_owned(),
        results: Some(text(document, &["test", "artifacts", "reports", "junit"])),
    }
}

/// The upload of a pipeline puts values in the place of `$NAME`, and `$` in that of `$$`.
fn buildkite(document: &Yaml) -> Job {
    let step = &list(document, &["steps"])[0];
    let command = text(step, &["command"]);
    assert!(!command.replace("$$", "").contains('$'), "the upload would take it for its own: {command}");
    let artifacts = text(step, &["artifact_paths"]);
    Job {
        environment: environment(document, &["env"]),
        shell: vec!["bash", "-e", "-c"],
        steps: vec![Step { script: command.replace("$$", "$"), when: When::Success }],
        stored: artifacts.strip_suffix("/**/*").unwrap().to_owned(),
        results: None,
    }
}

/// A script is run without `-e`; variables are in its environment.
fn azure(document: &Yaml) -> Job {
    let listed = list(document, &["steps"]);
    let steps = listed.iter().filter_map(|step| {
        let when = match step.as_mapping_get("condition").and_then(Yaml::as_str) {
            Some("failed()") => When::Failure,
            None | Some("succeededOrFailed()") => When::Success,
            other => panic!("{other:?}"),
        };
        Some(Step { script: step.as_mapping_get("bash")?.as_str()?.to_owned(), when })
    });
    let input = |name: &str, key: &str| {
        let is_it = |step: &&Yaml| step.as_mapping_get("task").and_then(Yaml::as_str) == Some(name);
        text(listed.iter().find(is_it).unwrap(), &["inputs", key])
    };
    let results = input("PublishTestResults@2", "testResultsFiles");
    Job {
        environment: environment(document, &["variables"]),
        shell: vec!["bash", "-c"],
        steps: steps.collect(),
        stored: input("PublishPipelineArtifact@1", "targetPath"),
        results: Some(results.strip_suffix("/*.xml").unwrap().to_owned()),
    }
}

/// The scripts of a Jenkinsfile: between three quotes, or in one line; those in `post` are for failures.
fn jenkins(lines: &str) -> Job {
    let unescaped = |text: &str| text.replace(r"\'", "'").replace(r"\\", r"\");
    let (stages, post) = lines.split_once("post {").unwrap();
    let scripts = |part: &str| -> Vec<String> {
        let long = part.split("sh '''").skip(1).map(|rest| rest.split_once("'''").unwrap().0);
        let short = part.lines().filter_map(|line| line.trim().strip_prefix("sh '")?.strip_suffix('\''));
        long.chain(short.filter(|script| !script.starts_with("''"))).map(unescaped).collect()
    };
    let set = stages.lines().filter_map(|line| {
        let (name, value) = line.split(" //").next()?.trim().split_once(" = '")?;
        Some((name.to_owned(), value.trim_end().strip_suffix('\'')?.to_owned()))
    });
    let steps = |part, when| scripts(part).into_iter().map(move |script| Step { script, when });
    let archived = lines.split_once("artifacts: '").unwrap().1.split_once("/**'").unwrap().0;
    let results = lines.split_once("testResults: '").unwrap().1.split_once("/*.xml'").unwrap().0;
    Job {
        environment: set.collect(),
        shell: vec!["sh", "-xe", "-c"],
        steps: steps(stages, When::Success).chain(steps(post, When::Failure)).collect(),
        stored: archived.to_owned(),
        results: Some(results.to_owned()),
    }
}
