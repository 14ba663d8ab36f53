//! Whole transfers: the folder store on disk, the APIs of CI systems on loopback.

#[cfg(test)]
mod circleci;
#[cfg(test)]
mod circleci_faults;
#[cfg(test)]
mod circleci_hostile;
#[cfg(test)]
mod circleci_tls;
#[cfg(test)]
mod debuginfod;
#[cfg(test)]
mod folder;
#[cfg(test)]
mod folder_faults;
#[cfg(test)]
mod github;
#[cfg(test)]
mod github_hostile;
#[cfg(test)]
mod gitlab;
#[cfg(test)]
mod support;
