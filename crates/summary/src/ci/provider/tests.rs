//! What jobs are told, as the systems' documentation has it.

use super::*;

fn lookup<'a>(variables: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
    |name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
}

/// The job that these variables tell of, and of which system.
fn job(variables: &[(&str, &str)]) -> CiJob {
    CiJob::of(CiProvider::detect(lookup(variables)).unwrap(), lookup(variables))
}

#[expect(clippy::unnecessary_wraps, reason = "it stands where each field may be unknown")]
fn known(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn a_job_of_circleci() {
    let told = job(&[
        ("CI", "true"),
        ("CIRCLECI", "true"),
        ("CIRCLE_PROJECT_USERNAME", "acme"),
        ("CIRCLE_PROJECT_REPONAME", "app"),
        ("CIRCLE_BUILD_NUM", "1234"),
        ("CIRCLE_JOB", "test"),
        ("CIRCLE_SHA1", "0123abcd"),
        ("CIRCLE_BRANCH", "pull/42"),
        ("CIRCLE_PULL_REQUEST", "https://github.com/acme/app/pull/42"),
        ("CIRCLE_NODE_INDEX", "3"),
        ("CIRCLE_NODE_TOTAL", "4"),
        ("CIRCLE_BUILD_URL", "https://circleci.com/gh/acme/app/1234"),
        ("CIRCLE_WORKFLOW_JOB_ID", "6c57-ab"),
        ("CIRCLE_INTERNAL_TASK_DATA", "none of our business"),
    ]);
    let expected = CiJob {
        provider: known("circleci"),
        repo: known("acme/app"),
        run: known("1234"),
        node: known("3"),
        sha: known("0123abcd"),
        branch: known("pull/42"),
        pull_request: known("42"),
        job: known("test"),
        run_id: known("1234"),
        node_index: Some(3),
        node_total: Some(4),
        url: known("https://circleci.com/gh/acme/app/1234"),
        artifact_url_base: known("https://output.circle-artifacts.com/output/job/6c57-ab/artifacts/3"),
        ..CiJob::default()
    };
    assert_eq!(told, expected);
}

#[test]
fn a_job_of_a_circleci_server_of_ones_own() {
    let on = |url: &str| {
        let stored = [("CIRCLE_WORKFLOW_JOB_ID", "6c57-ab"), ("CIRCLE_NODE_INDEX", "0")];
        job(&[&stored[..], &[("CIRCLECI", "true"), ("CIRCLE_BUILD_URL", url)]].concat())
    };
    for cloud in ["https://circleci.com/gh/a/b/1", "https://app.circleci.com/pipelines/x"] {
        let job = on(cloud);
        assert!(job.artifact_url_base.is_some() && job.own_server().is_none(), "{cloud}");
    }
    for (url, server) in [
        ("https://ci.example:8443/gh/a/b/1", Some("https://ci.example:8443")),
        ("https://evilcircleci.com/gh/a/b/1", Some("https://evilcircleci.com")),
        ("http://ci.example/gh/a/b/1", None),
        ("https://circleci.com@evil.example/", None),
    ] {
        let job = on(url);
        assert_eq!((job.artifact_url_base.as_deref(), job.own_server().as_deref()), (None, server), "{url}");
    }
}

#[test]
fn a_job_of_github() {
    let of_pull_request = [
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_REPOSITORY", "acme/app"),
        ("GITHUB_RUN_ID", "9454698428"),
        ("GITHUB_RUN_ATTEMPT", "2"),
        ("GITHUB_JOB", "test"),
        ("GITHUB_SHA", "0123abcd"),
        ("GITHUB_REF", "refs/pull/42/merge"),
        ("GITHUB_REF_NAME", "42/merge"),
        ("GITHUB_REF_TYPE", "branch"),
        ("GITHUB_HEAD_REF", "fix"),
        ("GITHUB_SERVER_URL", "https://github.com"),
        ("RUNNER_NAME", "GitHub Actions 7"),
    ];
    let expected = CiJob {
        provider: known("github"),
        repo: known("acme/app"),
        run: known("9454698428.2.test"),
        node: known("GitHub Actions 7"),
        sha: known("0123abcd"),
        branch: known("fix"),
        pull_request: known("42"),
        job: known("test"),
        run_id: known("9454698428"),
        attempt: Some(2),
        url: known("https://github.com/acme/app/actions/runs/9454698428/attempts/2"),
        ..CiJob::default()
    };
    assert_eq!(job(&of_pull_request), expected);
    let of_tag = [("GITHUB_ACTIONS", "true"), ("GITHUB_REF_TYPE", "tag"), ("GITHUB_REF_NAME", "v1")];
    assert_eq!((job(&of_tag).tag, job(&of_tag).branch), (known("v1"), None));
}

#[test]
fn a_job_of_gitlab() {
    let told = job(&[
        ("GITLAB_CI", "true"),
        ("CI_PROJECT_PATH", "group/sub/app"),
        ("CI_JOB_ID", "77"),
        ("CI_JOB_NAME", "test"),
        ("CI_COMMIT_SHA", "0123abcd"),
        ("CI_MERGE_REQUEST_IID", "42"),
        ("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", "fix"),
        ("CI_JOB_URL", "https://gitlab.com/group/sub/app/-/jobs/77"),
    ]);
    let expected = CiJob {
        provider: known("gitlab"),
        repo: known("group/sub/app"),
        run: known("77"),
        sha: known("0123abcd"),
        branch: known("fix"),
        pull_request: known("42"),
        job: known("test"),
        run_id: known("77"),
        url: known("https://gitlab.com/group/sub/app/-/jobs/77"),
        artifact_url_base: known("https://gitlab.com/group/sub/app/-/jobs/77/artifacts/file"),
        ..CiJob::default()
    };
    assert_eq!(told, expected);
}

#[test]
fn a_job_of_buildkite() {
    let told = job(&[
        ("BUILDKITE", "true"),
        ("BUILDKITE_ORGANIZATION_SLUG", "acme"),
        ("BUILDKITE_PIPELINE_SLUG", "app"),
        ("BUILDKITE_JOB_ID", "0190-ab"),
        ("BUILDKITE_BUILD_NUMBER", "5"),
        ("BUILDKITE_BUILD_URL", "https://buildkite.com/acme/app/builds/5"),
        ("BUILDKITE_LABEL", ":hammer: test"),
        ("BUILDKITE_PULL_REQUEST", "false"),
        ("BUILDKITE_RETRY_COUNT", "1"),
        ("BUILDKITE_PARALLEL_JOB", "1"),
        ("BUILDKITE_PARALLEL_JOB_COUNT", "2"),
    ]);
    let expected = CiJob {
        provider: known("buildkite"),
        repo: known("acme/app"),
        run: known("0190-ab"),
        node: known("1"),
        job: known(":hammer: test"),
        run_id: known("5"),
        attempt: Some(2),
        node_index: Some(1),
        node_total: Some(2),
        url: known("https://buildkite.com/acme/app/builds/5#0190-ab"),
        ..CiJob::default()
    };
    assert_eq!(told, expected);
}

#[test]
fn a_job_of_jenkins() {
    let told = job(&[
        ("JENKINS_URL", "http://jenkins/"),
        ("JOB_NAME", "team/app/PR-42"),
        ("BUILD_NUMBER", "5"),
        ("BUILD_URL", "http://jenkins/job/team/job/app/job/PR-42/5/"),
        ("NODE_NAME", "built-in"),
        ("CHANGE_ID", "42"),
        ("CHANGE_BRANCH", "fix"),
        ("BRANCH_NAME", "PR-42"),
    ]);
    let expected = CiJob {
        provider: known("jenkins"),
        repo: known("team/app/PR-42"),
        run: known("5"),
        node: known("built-in"),
        branch: known("fix"),
        pull_request: known("42"),
        job: known("team/app/PR-42"),
        run_id: known("5"),
        url: known("http://jenkins/job/team/job/app/job/PR-42/5"),
        artifact_url_base: known("http://jenkins/job/team/job/app/job/PR-42/5/artifact"),
        ..CiJob::default()
    };
    assert_eq!(told, expected);
}

#[test]
fn a_job_of_azure() {
    let variables = [
        ("TF_BUILD", "True"),
        ("BUILD_REPOSITORY_NAME", "acme/app"),
        ("BUILD_BUILDID", "42"),
        ("SYSTEM_JOBID", "12f1"),
        ("SYSTEM_JOBNAME", "test"),
        ("SYSTEM_JOBATTEMPT", "1"),
        ("SYSTEM_JOBPOSITIONINPHASE", "2"),
        ("SYSTEM_TOTALJOBSINPHASE", "3"),
        ("SYSTEM_COLLECTIONURI", "https://dev.azure.com/acme/"),
        ("SYSTEM_TEAMPROJECT", "The App"),
        ("BUILD_SOURCEVERSION", "0123abcd"),
        ("BUILD_SOURCEBRANCH", "refs/heads/main"),
    ];
    let expected = CiJob {
        provider: known("azure"),
        repo: known("acme/app"),
        run: known("42.12f1"),
        node: known("2"),
        sha: known("0123abcd"),
        branch: known("main"),
        job: known("test"),
        run_id: known("42"),
        attempt: Some(1),
        node_index: Some(2),
        node_total: Some(3),
        url: known("https://dev.azure.com/acme/The%20App/_build/results?buildId=42"),
        ..CiJob::default()
    };
    assert_eq!(job(&variables), expected);
    let of_tag = [("TF_BUILD", "True"), ("BUILD_SOURCEBRANCH", "refs/tags/v1")];
    assert_eq!((job(&of_tag).tag, job(&of_tag).branch), (known("v1"), None));
}

#[test]
fn outside_of_ci_there_is_no_system() {
    assert_eq!(CiProvider::detect(lookup(&[])), None);
    assert_eq!(CiProvider::detect(lookup(&[("CI", "true")])), None);
    for not_so in ["", "false", "0"] {
        assert_eq!(CiProvider::detect(lookup(&[("CIRCLECI", not_so)])), None, "{not_so}");
    }
}

#[test]
fn what_is_no_name_is_not_taken() {
    let long = "x".repeat(LONGEST + 1);
    let told = job(&[
        ("CIRCLECI", "true"),
        ("CIRCLE_PROJECT_USERNAME", "acme"),
        ("CIRCLE_BRANCH", &long),
        ("CIRCLE_JOB", "a\n::error::b"),
        ("CIRCLE_NODE_INDEX", ""),
        ("CIRCLE_NODE_TOTAL", "many"),
        ("CIRCLE_BUILD_URL", "javascript:alert(1)"),
        ("CIRCLE_PULL_REQUEST", "https://github.com/acme/app/pull/x"),
    ]);
    assert_eq!(told, CiJob { provider: known("circleci"), ..CiJob::default() });
}
