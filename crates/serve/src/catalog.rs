//! Which jobs and artifacts there are, asked of the source only now and then.
//!
//! A page, a list and five hundred downloads of one job ask for the same list within a second. It is made once, however
//! many ask at once, however long it takes and whoever still waits for it, and forgotten [`FRESH`] after it came. Names that no URL can hold are sorted out here, so that nothing
//! behind this module ever sees a `..`.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use epitaph_store::{Artifact, DebuginfodFile, Run, Selection};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};

use crate::ServeError;
use crate::blocking::blocking;
use crate::link;
use crate::source::Files;

/// How old a list may be: a push appears after so long.
const FRESH: Duration = Duration::from_secs(2);

/// The most lists that are kept.
const KEPT: usize = 16;

/// One job, sorted.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) provider: String,
    pub(crate) repo: String,
    pub(crate) name: String,
    /// When its last push was made (RFC 3339), where that is known.
    pub(crate) created: Option<String>,
    /// By node and path. Each has a URL.
    pub(crate) artifacts: Vec<Artifact>,
    /// Artifacts with a path or node that no URL can hold.
    pub(crate) unnamed: Vec<Artifact>,
}

/// Some jobs, the newest first.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    pub(crate) jobs: Vec<Job>,
    /// What could not be read, in sentences.
    pub(crate) warnings: Vec<String>,
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Question {
    repo: Option<String>,
    job: Option<String>,
    most: usize,
}

/// A list, or why there is none, for everyone who waits for it.
type Listed = Shared<BoxFuture<'static, Result<Arc<Jobs>, Arc<ServeError>>>>;

struct Answer {
    question: Question,
    /// Until when it may be given; not known before it has come.
    fresh_until: Arc<OnceLock<Instant>>,
    jobs: Listed,
}

impl Answer {
    fn is_fresh(&self) -> bool {
        self.fresh_until.get().is_none_or(|until| Instant::now() < *until)
    }
}

/// The lists of a source.
pub(crate) struct Catalog {
    files: Arc<dyn Files>,
    answers: Mutex<VecDeque<Answer>>,
}

impl Catalog {
    pub(crate) fn new(files: Arc<dyn Files>) -> Self {
        Self { files, answers: Mutex::default() }
    }

    /// The newest jobs, of one repository or of all.
    pub(crate) async fn newest(
        &self,
        repo: Option<String>,
        most: usize,
    ) -> Result<Arc<Jobs>, Arc<ServeError>> {
        self.answer(Question { repo, job: None, most }).await
    }

    /// The jobs of that repository and name, of whatever provider.
    pub(crate) async fn named(&self, repo: String, job: String) -> Result<Arc<Jobs>, Arc<ServeError>> {
        self.answer(Question { repo: Some(repo), job: Some(job), most: usize::MAX }).await
    }

    /// The artifact under a build ID in the only job that there is.
    pub(crate) async fn by_build_id(
        &self,
        build_id: &str,
        kind: DebuginfodFile,
    ) -> Result<Option<Artifact>, Arc<ServeError>> {
        if !self.files.is_one_job() {
            return Ok(None);
        }
        let jobs = self.newest(None, 1).await?;
        let name = match kind {
            DebuginfodFile::Executable => "executable",
            DebuginfodFile::Debuginfo => "debuginfo",
        };
        let wanted = |artifact: &&Artifact| {
            let mut parts = artifact.path.rsplit('/');
            parts.next() == Some(name)
                && parts.next().is_some_and(|id| id.eq_ignore_ascii_case(build_id))
                && parts.next() == Some("buildid")
        };
        Ok(jobs.jobs.iter().flat_map(|job| &job.artifacts).find(wanted).cloned())
    }

    fn answer(&self, question: Question) -> Listed {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.retain(Answer::is_fresh);
        if let Some(answer) = answers.iter().find(|answer| answer.question == question) {
            return answer.jobs.clone();
        }
        if answers.len() >= KEPT
            && let Some(oldest) = answers.iter().position(|answer| answer.fresh_until.get().is_some())
        {
            answers.remove(oldest);
        }
        let fresh_until = Arc::new(OnceLock::new());
        let jobs = self.list(question.clone(), Arc::clone(&fresh_until));
        // It goes on when nobody waits any more: the next one who asks finds it.
        drop(tokio::spawn(jobs.clone()));
        answers.push_back(Answer { question, fresh_until, jobs: jobs.clone() });
        jobs
    }

    fn list(&self, question: Question, fresh_until: Arc<OnceLock<Instant>>) -> Listed {
        let files = Arc::clone(&self.files);
        let listed = async move {
            let listed = blocking(move || list(files.as_ref(), question)).await;
            // What has failed may succeed the next time.
            let fresh = if listed.is_ok() { FRESH } else { Duration::ZERO };
            let _ = fresh_until.set(Instant::now() + fresh);
            listed.map(Arc::new).map_err(Arc::new)
        };
        listed.boxed().shared()
    }
}

impl Job {
    fn new(run: Run) -> Self {
        let (mut artifacts, unnamed): (Vec<_>, Vec<_>) = run
            .artifacts
            .into_iter()
            .partition(|artifact| link::is_path(&artifact.path) && link::is_segment(&artifact.node));
        artifacts.sort_by(|a, b| (&a.node, &a.path).cmp(&(&b.node, &b.path)));
        let Run { provider, repo, job: name, created, .. } = run;
        Self { provider, repo, name, created, artifacts, unnamed }
    }

    /// The artifact of that node and path.
    pub(crate) fn artifact(&self, node: &str, path: &str) -> Option<&Artifact> {
        let key = |artifact: &Artifact| {
            (node, path).cmp(&(artifact.node.as_str(), artifact.path.as_str())).reverse()
        };
        let index = self.artifacts.binary_search_by(key).ok()?;
        self.artifacts.get(index)
    }

    /// The names of its nodes, sorted.
    pub(crate) fn nodes(&self) -> BTreeSet<&str> {
        self.artifacts.iter().map(|artifact| artifact.node.as_str()).collect()
    }

    /// The summaries of its crashes.
    pub(crate) fn summaries(&self) -> impl Iterator<Item = &Artifact> {
        self.artifacts.iter().filter(|artifact| artifact.is_summary())
    }
}

fn list(files: &dyn Files, question: Question) -> Result<Jobs, ServeError> {
    let selection = Selection { repo: question.repo, job: question.job, ..Selection::default() };
    let listing = files.newest(&selection, question.most)?;
    let mut jobs = Jobs::default();
    jobs.warnings
        .extend(listing.warnings.iter().map(|warning| format!("{}: {}", warning.path, warning.message)));
    for run in listing.runs {
        if [&run.provider, &run.repo, &run.job].into_iter().all(|name| link::is_segment(name)) {
            jobs.jobs.push(Job::new(run));
        } else {
            let Run { provider, repo, job, .. } = run;
            jobs.warnings.push(format!("job `{job}` of `{repo}` ({provider}): no URL can hold that name"));
        }
    }
    Ok(jobs)
}

#[cfg(test)]
mod tests {
    use std::ops::Range;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use epitaph_store::{Listing, Opened};

    use super::*;
    use crate::source::Facts;

    fn run(job: &str, artifacts: &[(&str, &str)]) -> Run {
        let artifact = |(node, path): &(&str, &str)| Artifact {
            path: (*path).into(),
            node: (*node).into(),
            size: None,
            sha256: None,
            url: None,
        };
        let artifacts = artifacts.iter().map(artifact).collect();
        Run { provider: "local".into(), repo: "r".into(), job: job.into(), created: None, artifacts }
    }

    /// Files whose lists take a while, and are counted.
    struct Slow(AtomicUsize);

    impl Files for Slow {
        fn newest(&self, _: &Selection, _: usize) -> Result<Listing, ServeError> {
            self.0.fetch_add(1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(300));
            Ok(Listing { runs: vec![run("1", &[("0", "a")])], ..Listing::default() })
        }

        fn facts(&self, _: &Artifact) -> Result<Facts, ServeError> {
            unreachable!("only lists are asked for")
        }

        fn open(&self, _: &Artifact, _: Option<Range<u64>>) -> Result<Opened, ServeError> {
            unreachable!("only lists are asked for")
        }

        fn open_build_id(
            &self,
            _: &str,
            _: DebuginfodFile,
            _: Option<Range<u64>>,
        ) -> Result<Option<Opened>, ServeError> {
            unreachable!("only lists are asked for")
        }

        fn is_one_job(&self) -> bool {
            false
        }
    }

    #[test]
    fn a_list_arrives_although_nobody_waited_for_its_end() {
        let files = Arc::new(Slow(AtomicUsize::new(0)));
        let catalog = Catalog::new(Arc::clone(&files) as Arc<dyn Files>);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            for _ in 0..3 {
                let given_up = tokio::time::timeout(Duration::from_millis(20), catalog.newest(None, 9)).await;
                assert!(given_up.is_err());
            }
            for _ in 0..2 {
                assert_eq!(catalog.newest(None, 9).await.unwrap().jobs.len(), 1);
            }
        });
        assert_eq!(files.0.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn artifacts_are_found_by_node_and_path() {
        let job = Job::new(run("1", &[("1", "a"), ("0", "b"), ("0", "../a"), ("..", "a"), ("0", "a")]));
        for (node, path) in [("0", "a"), ("0", "b"), ("1", "a")] {
            let found = job.artifact(node, path).unwrap();
            assert_eq!((found.node.as_str(), found.path.as_str()), (node, path));
        }
        assert!(job.artifact("1", "b").is_none() && job.artifact("0", "../a").is_none());
        assert_eq!((job.unnamed.len(), job.nodes().len()), (2, 2));
    }
}
