//! Where the files of an output folder will be found, once the CI system has stored them.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::CiJob;

/// What is encoded in a path: all that could end it, or mean something to who shows it.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// Encodes a path for an address; its slashes stay.
pub(super) fn encoded(path: &str) -> String {
    utf8_percent_encode(path, PATH).to_string()
}

impl CiJob {
    /// Adds what the system puts before the paths of the folder's files; `None` means that nobody knows, and then there
    /// are no links.
    #[must_use]
    pub fn stored_beneath(self, destination: Option<&str>) -> CiJob {
        let base = self.artifact_url_base.zip(destination).map(|(base, destination)| {
            let destination = destination.trim_start_matches("./").trim_matches('/');
            match destination {
                "" | "." => base,
                _ => format!("{base}/{}", encoded(destination)),
            }
        });
        CiJob { artifact_url_base: base, ..self }
    }

    /// The address of a file of the output folder, by its path there.
    ///
    /// Summaries come from anywhere: what is not an address of the web, or could be more than that where it is shown, is
    /// none.
    pub fn link(&self, file: &str) -> Option<String> {
        let base = self.artifact_url_base.as_deref().filter(|base| is_plain(base, "-._~/:%"))?;
        Some(format!("{base}/{}", encoded(file)))
    }

    /// The address of the job's page, under the same conditions.
    pub fn page(&self) -> Option<String> {
        self.url.clone().filter(|url| is_plain(url, "-._~/:%?&=#+"))
    }
}

/// Tells whether this is an address of the web, of letters, digits and these signs alone.
fn is_plain(url: &str, signs: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let is_harmless = |c: char| c.is_ascii_alphanumeric() || signs.contains(c);
    rest.is_some_and(|rest| !rest.is_empty() && rest.chars().all(is_harmless))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(destination: Option<&str>) -> Option<String> {
        let base = Some("https://ci.example/job/7/artifacts/0".to_owned());
        let job = CiJob { artifact_url_base: base, ..CiJob::default() };
        job.stored_beneath(destination).link("crashes/id/core.zst")
    }

    #[test]
    fn a_link_has_the_destination_and_the_path() {
        let link = "https://ci.example/job/7/artifacts/0/crashes/crashes/id/core.zst";
        assert_eq!(stored(Some("crashes")).as_deref(), Some(link));
        assert_eq!(stored(Some("./crashes/")).as_deref(), Some(link));
        let link = "https://ci.example/job/7/artifacts/0/crashes/id/core.zst";
        assert_eq!(stored(Some(".")).as_deref(), Some(link));
        let link = "https://ci.example/job/7/artifacts/0/a%20b/%29%5B/crashes/id/core.zst";
        assert_eq!(stored(Some("a b/)[")).as_deref(), Some(link));
    }

    #[test]
    fn what_is_not_known_is_no_link() {
        assert_eq!(stored(None), None);
        assert_eq!(CiJob::default().stored_beneath(Some("x")).link("y"), None);
        for base in ["javascript:alert(1)", "https://", "https://a/)[x](b", "https://a\nb", "//host/a"] {
            let job = CiJob { artifact_url_base: Some(base.to_owned()), ..CiJob::default() };
            assert_eq!(job.link("core"), None, "{base}");
            assert_eq!(CiJob { url: job.artifact_url_base, ..CiJob::default() }.page(), None, "{base}");
        }
        let page = "https://dev.azure.com/acme/The%20App/_build/results?buildId=42#tests".to_owned();
        assert_eq!(CiJob { url: Some(page.clone()), ..CiJob::default() }.page(), Some(page));
    }
}
