//! Whole transfers: the folder store on disk, web servers, and the APIs of CI systems on loopback.

#[cfg(test)]
mod circleci;
#[cfg(test)]
mod circleci_faults;
#[cfg(test)]
mod circleci_hostile;
#[cfg(test)]
mod circleci_jobs;
#[cfg(test)]
mod circleci_limits;
#[cfg(test)]
mod circleci_tls;
#[cfg(test)]
mod debuginfod;
#[cfg(test)]
mod folder;
#[cfg(test)]
mod folder_faults;
#[cfg(test)]
mod gc;
#[cfg(test)]
mod github;
#[cfg(test)]
mod github_hostile;
#[cfg(test)]
mod github_peers;
#[cfg(test)]
mod gitlab;
#[cfg(test)]
mod gitlab_peers;
#[cfg(test)]
mod many_pushes;
#[cfg(test)]
mod objects;
#[cfg(test)]
mod objects_faults;
#[cfg(test)]
mod oidc;
#[cfg(test)]
mod support;
#[cfg(test)]
mod web;
