//! GitLab's REST API, version 4: a job's artifacts, the files of a package.
//!
//! Shapes as in "Job artifacts API", "Jobs API", "Packages API" and "Generic packages repository" of GitLab's
//! documentation.

use std::collections::HashMap;

use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::http::{Items, LONGEST_LIST, MOST_ITEMS, Service, below, shown, too_many};
use crate::{Progress, StoreError};

/// The most that the API gives at once.
const PER_PAGE: usize = 100;

/// More than any package has.
const MOST_PAGES: usize = 1000;

/// A job, as far as its artifacts go.
#[derive(Debug, Deserialize)]
pub(super) struct ApiJob {
    #[serde(default)]
    pub(super) finished_at: Option<String>,
    #[serde(default)]
    pub(super) artifacts_expire_at: Option<String>,
    #[serde(default)]
    pub(super) artifacts: Vec<JobFile>,
}

/// One of the files that a job has: its archive, its log, its reports.
#[derive(Debug, Deserialize)]
pub(super) struct JobFile {
    pub(super) file_type: String,
    #[serde(default)]
    pub(super) size: Option<u64>,
}

/// A package.
#[derive(Debug, Deserialize)]
struct ApiPackage {
    id: u64,
    name: String,
    version: String,
}

/// A file of a package.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct PackageFile {
    id: u64,
    pub(super) file_name: String,
    #[serde(default)]
    pub(super) size: Option<u64>,
    #[serde(default)]
    pub(super) file_sha256: Option<String>,
    #[serde(default)]
    pub(super) created_at: Option<String>,
}

impl PackageFile {
    /// The list has the names of files in folders as `folder%2Fname`; in others no `%` can be
    /// (`encoded_file_name` and `generic_package_file_name_regex` in GitLab's sources).
    fn decode_name(&mut self) {
        if let Ok(name) = percent_decode_str(&self.file_name).decode_utf8() {
            self.file_name = name.into_owned();
        }
    }
}

/// What is asked of a project.
#[derive(Debug, Clone, Copy)]
pub(super) struct Api<'a> {
    pub(super) service: &'a Service,
    pub(super) server: &'a Url,
    pub(super) project: &'a str,
}

impl Api<'_> {
    /// What is known of a job. A job's own token can't ask for it.
    pub(super) async fn job(&self, id: u64, progress: &dyn Progress) -> Result<ApiJob, StoreError> {
        self.service.json(&self.url(&["jobs", &id.to_string()]), "job", progress).await
    }

    /// Where a job's archive is served, at most GitLab installations by a redirect.
    pub(super) fn archive_url(&self, id: u64) -> Url {
        self.url(&["jobs", &id.to_string(), "artifacts"])
    }

    /// Where a file of a generic package is put, and served. The folders in its name are components of the path there.
    pub(super) fn file_url(&self, package: &str, version: &str, file: &str) -> Url {
        let mut tail = vec!["packages", "generic", package, version];
        tail.extend(file.split('/'));
        self.url(&tail)
    }

    /// Lists the files of a generic package: of each name the latest, which is the one that is served.
    pub(super) async fn files(
        &self,
        package: &str,
        version: &str,
        progress: &dyn Progress,
    ) -> Result<Vec<PackageFile>, StoreError> {
        let mut url = self.url(&["packages"]);
        url.query_pairs_mut()
            .append_pair("package_type", "generic")
            .append_pair("package_name", package)
            .append_pair("package_version", version);
        // Names are searched for as parts, and old servers don't look at the version.
        let packages: Vec<ApiPackage> = self.pages(url, "list of packages", progress).await?;
        let wanted = packages.iter().find(|known| known.name == package && known.version == version);
        let Some(wanted) = wanted else { return Ok(Vec::new()) };
        let url = self.url(&["packages", &wanted.id.to_string(), "package_files"]);
        let mut latest: HashMap<String, PackageFile> = HashMap::new();
        for mut file in self.pages::<PackageFile>(url, "list of files", progress).await? {
            file.decode_name();
            match latest.get(&file.file_name) {
                Some(known) if known.id >= file.id => {}
                _ => drop(latest.insert(file.file_name.clone(), file)),
            }
        }
        let mut files: Vec<PackageFile> = latest.into_values().collect();
        files.sort_by(|one, other| one.file_name.cmp(&other.file_name));
        Ok(files)
    }

    /// Gets all pages of a list.
    async fn pages<T: DeserializeOwned>(
        &self,
        url: Url,
        name: &str,
        progress: &dyn Progress,
    ) -> Result<Vec<T>, StoreError> {
        let (mut all, mut left) = (Vec::new(), LONGEST_LIST);
        for number in 1..=MOST_PAGES {
            let mut url = url.clone();
            url.query_pairs_mut()
                .append_pair("per_page", &PER_PAGE.to_string())
                .append_pair("page", &number.to_string());
            let Items(page) = self.service.json_within(&url, name, &mut left, progress).await?;
            let is_last = page.len() < PER_PAGE;
            all.extend(page);
            if all.len() > MOST_ITEMS {
                return Err(StoreError::BadAnswer { url: shown(&url), why: too_many() });
            }
            if is_last {
                return Ok(all);
            }
        }
        let why = format!("more than {} entries", PER_PAGE * MOST_PAGES);
        Err(StoreError::BadAnswer { url: shown(&url), why })
    }

    fn url(&self, tail: &[&str]) -> Url {
        // A project's path is one component here: its slashes are encoded.
        below(self.server, ["api", "v4", "projects", self.project].iter().chain(tail))
    }
}
