//! Crashes as the commands by which a job's log tells its CI system of errors: one for each kind of crash.
//!
//! GitHub Actions (documentation, "Workflow commands"; the escapes are those of `@actions/core`) shows them beside the
//! lines of a change, ten of a step; Azure Pipelines ("Logging commands"; the escapes are those of
//! `azure-pipelines-task-lib`) on the page of the run. This is the one place that writes commands on purpose: every
//! character of a crash that could end one, or begin another, is encoded.

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use epitaph_summary::CrashSummary;
use epitaph_summary::group::{GroupReport, Status};

use crate::finding::{self, Finding};
use crate::kinds;
use crate::quantity::plural;

/// GitHub shows the first ten errors of a step.
const MOST: usize = 10;

/// Who reads the commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reader {
    /// The runner of GitHub Actions.
    GitHub,
    /// The agent of Azure Pipelines.
    Azure,
}

/// Writes one command for each kind of crash, and at most ten. Files beneath `repository`, the folder of the job's
/// checkout, are named as the repository does; others not at all. The only errors are those of `out`.
pub fn render(
    summaries: &[CrashSummary],
    reader: Reader,
    repository: Option<&Path>,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    render_against(summaries, &kinds::grouped(summaries), reader, repository, out)
}

/// Writes what [`render`] does; what a baseline has, or is on purpose, as `groups` says, is no error but a warning.
pub fn render_against(
    summaries: &[CrashSummary],
    groups: &GroupReport,
    reader: Reader,
    repository: Option<&Path>,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    commands(&finding::of_summaries(summaries, groups), reader, repository, out)
}

/// Writes the same of groups.
pub fn render_groups(
    groups: &GroupReport,
    reader: Reader,
    repository: Option<&Path>,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    commands(&finding::of_groups(groups), reader, repository, out)
}

fn commands(
    findings: &[Finding<'_>],
    reader: Reader,
    repository: Option<&Path>,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let shown = if findings.len() > MOST { MOST - 1 } else { findings.len() };
    for finding in findings.iter().take(shown) {
        writeln!(out, "{}", Command::of(finding, repository).text(reader))?;
    }
    if findings.len() > shown {
        let rest = findings.iter().skip(shown).map(|finding| finding.count).sum::<u64>();
        let message = format!("{} of other kinds: the report has them all", plural(rest, "more crash"));
        let more = Command { level: Level::Error, title: "More crashes".to_owned(), message, place: None };
        writeln!(out, "{}", more.text(reader))?;
    }
    Ok(())
}

/// How loudly it is told.
#[derive(Clone, Copy)]
enum Level {
    Error,
    Warning,
}

/// What is said of a kind of crash. All texts are clean.
struct Command {
    level: Level,
    title: String,
    message: String,
    place: Option<SourcePlace>,
}

/// A place in the repository.
struct SourcePlace {
    file: String,
    line: Option<u32>,
    column: Option<u32>,
}

impl Command {
    fn of(finding: &Finding<'_>, repository: Option<&Path>) -> Command {
        let is_news = finding.ignored.is_none() && matches!(finding.status, None | Some(Status::New));
        Command {
            level: if is_news { Level::Error } else { Level::Warning },
            title: finding.title.clone(),
            message: finding.message.clone(),
            place: finding.in_repository(repository).map(|file| SourcePlace {
                file,
                line: finding.line,
                column: finding.column,
            }),
        }
    }

    fn text(&self, reader: Reader) -> String {
        let place = self.place.as_ref();
        let line = place.and_then(|place| place.line).map(|line| line.to_string());
        let column = place.and_then(|place| place.column).map(|column| column.to_string());
        let file = place.map(|place| place.file.as_str());
        let values = [file, line.as_deref(), column.as_deref()];
        let level = match self.level {
            Level::Error => "error",
            Level::Warning => "warning",
        };
        match reader {
            Reader::GitHub => {
                let title = github_property(&self.title);
                let mut properties = format!("title={title}");
                for (name, value) in ["file", "line", "col"].into_iter().zip(values) {
                    let _ = value.map(|value| write!(properties, ",{name}={}", github_property(value)));
                }
                format!("::{level} {properties}::{}", github_data(&self.message))
            }
            Reader::Azure => {
                let mut properties = format!("type={level}");
                for (name, value) in ["sourcepath", "linenumber", "columnnumber"].into_iter().zip(values) {
                    let _ = value.map(|value| write!(properties, ";{name}={}", azure_property(value)));
                }
                format!("##vso[task.logissue {properties}]{}", azure_data(&self.message))
            }
        }
    }
}

/// The command that has the agent of Azure Pipelines upload a file or a folder, by its absolute path, as a part of an artifact
/// ("Logging commands", `artifact.upload`); into `folder` of it, or else into one of the artifact's name.
pub fn azure_upload(artifact: &str, folder: Option<&str>, path: &str) -> String {
    let (artifact, folder) = (azure_property(artifact), azure_property(folder.unwrap_or(artifact)));
    format!("##vso[artifact.upload containerfolder={folder};artifactname={artifact}]{}", azure_data(path))
}

fn github_data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn github_property(text: &str) -> String {
    github_data(text).replace(':', "%3A").replace(',', "%2C")
}

fn azure_data(text: &str) -> String {
    text.replace('%', "%AZP25").replace('\r', "%0D").replace('\n', "%0A")
}

fn azure_property(text: &str) -> String {
    azure_data(text).replace(']', "%5D").replace(';', "%3B")
}

#[cfg(test)]
mod tests {
    use epitaph_summary::{Frame, Process, Signal, Signature, Thread};

    use super::*;

    /// A crash of a program at a line, with a signature.
    fn crash(program: &str, file: &str, line: u32, signature: &str) -> CrashSummary {
        let mut summary = CrashSummary::new("0");
        summary.process = Some(Process { executable: Some(program.into()), ..Process::default() });
        summary.signal = Some(Signal { name: Some("SIGSEGV".into()), ..Signal::default() });
        summary.signature = Some(Signature { strict: Some(signature.into()), ..Signature::default() });
        let frame = Frame {
            function: Some("lex".into()),
            file: Some(file.into()),
            line: Some(line),
            in_app: Some(true),
            ..Frame::default()
        };
        summary.threads = vec![Thread { crashed: true, frames: vec![frame], ..Thread::default() }];
        summary
    }

    fn commands(summaries: &[CrashSummary], reader: Reader) -> Vec<String> {
        let mut out = Vec::new();
        render(summaries, reader, Some(Path::new("/home/ci/app")), &mut out).unwrap();
        String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn one_command_for_each_kind() {
        let crashes = [
            crash("parser", "/home/ci/app/src/lex.c", 88, "a"),
            crash("parser", "x.c", 1, "a"),
            crash("b", "src/x.c", 2, "b"),
        ];
        assert_eq!(
            commands(&crashes, Reader::GitHub),
            [
                "::error title=parser died of SIGSEGV,file=src/lex.c,line=88::parser died of SIGSEGV, in lex at \
                 /home/ci/app/src/lex.c:88 (2 times)",
                "::error title=b died of SIGSEGV,file=src/x.c,line=2::b died of SIGSEGV, in lex at src/x.c:2",
            ]
        );
        assert_eq!(
            commands(&crashes[2..], Reader::Azure),
            [
                "##vso[task.logissue type=error;sourcepath=src/x.c;linenumber=2]b died of SIGSEGV, in lex at src/x.c:2"
            ]
        );
        assert!(commands(&[], Reader::GitHub).is_empty());
    }

    #[test]
    fn ten_at_most_and_the_last_counts_the_rest() {
        let crashes: Vec<CrashSummary> = (0..14).map(|n| crash("p", "x.c", 1, &n.to_string())).collect();
        let commands = commands(&crashes, Reader::GitHub);
        assert_eq!(commands.len(), 10);
        assert!(
            commands[9].ends_with("::5 more crashes of other kinds: the report has them all"),
            "{}",
            commands[9]
        );
        assert_eq!(
            super::tests::commands(&[CrashSummary::new("0"), CrashSummary::new("0")], Reader::GitHub).len(),
            2
        );
    }

    #[test]
    fn only_files_of_the_repository_are_named() {
        for (file, named) in [
            ("/home/ci/app/a.c", Some("a.c")),
            ("b/a.c", Some("b/a.c")),
            ("/rustc/abc/library/core/panicking.rs", None),
            ("../../etc/passwd", None),
            ("/home/ci/app/../secret", None),
        ] {
            let command = commands(&[crash("p", file, 3, "a")], Reader::GitHub).remove(0);
            let expected = named.map(|named| format!(",file={named},line=3::"));
            assert_eq!(command.contains(",file="), expected.is_some(), "{command}");
            assert!(expected.is_none_or(|expected| command.contains(&expected)), "{command}");
        }
    }

    #[test]
    fn a_crash_can_neither_end_a_command_nor_begin_one() {
        let hostile = crash("a::b,c=%0A::error::x\n::warning::y", "d,line=1::e]f;g\r\n##vso[x]", 7, "a");
        let [github] = commands(std::slice::from_ref(&hostile), Reader::GitHub).try_into().unwrap();
        let (properties, message) = github.strip_prefix("::error ").unwrap().split_once("::").unwrap();
        assert_eq!(properties.split(',').count(), 3, "{github}");
        assert!(!properties.contains('\n') && properties.contains("%3A%3Ab%2Cc=%250A"), "{github}");
        assert!(!message.contains('\n'), "{github}");
        let [azure] = commands(&[hostile], Reader::Azure).try_into().unwrap();
        let (properties, _) = azure.strip_prefix("##vso[task.logissue ").unwrap().split_once(']').unwrap();
        assert_eq!(properties.split(';').count(), 3, "{azure}");
        assert_eq!(azure.matches("##vso[").count(), 1, "{azure}");
    }

    #[test]
    fn an_upload_is_one_command_whatever_the_names() {
        assert_eq!(
            azure_upload("crashes", None, "/build/epitaph-out"),
            "##vso[artifact.upload containerfolder=crashes;artifactname=crashes]/build/epitaph-out"
        );
        assert_eq!(
            azure_upload("a;b]c", Some("x\n"), "/w/100%\n##vso[task.complete]\r"),
            "##vso[artifact.upload containerfolder=x%0A;artifactname=a%3Bb%5Dc]/w/100%AZP25%0A##vso[task.complete]%0D"
        );
    }
}
