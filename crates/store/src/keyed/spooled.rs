//! Pushes that a spool keeps until they are done.

use std::path::PathBuf;
use std::sync::Mutex;

use super::Keyed;
use super::names::Destination;
use super::plan::Plan;
use super::push::{Identity, Push};
use crate::layout::manifest_folder;
use crate::outcome::Pushed;
use crate::{Progress, PushOptions, Spool, Spooled, StoreError};

impl Keyed {
    /// Finds the files of a push and keeps them.
    pub(crate) fn spool(
        &self,
        spool: &Spool,
        sources: &[PathBuf],
        options: &PushOptions,
    ) -> Result<Spooled, StoreError> {
        manifest_folder(&options.job)?;
        let destination = options.destination.as_deref().map(Destination::parse).transpose()?;
        let mut plan =
            Plan::make(sources, destination.as_ref(), self.backend.local(), self.encrypt.as_deref());
        // What leaves encrypted is kept so: the folder may be one that others read as well, a cache for example.
        self.runtime.wait(plan.encrypt_now(self.encrypt.as_ref()));
        let mut spooled = spool.keep(&self.address()?, options, plan.files)?;
        spooled.tell(plan.skipped, plan.failed, plan.warnings);
        Ok(spooled)
    }

    /// Sends what is left of a push, and ends it if nothing is left then.
    pub(crate) fn push_spooled(
        &self,
        spooled: &mut Spooled,
        progress: &dyn Progress,
    ) -> Result<Pushed, StoreError> {
        let options = spooled.options();
        let folder = manifest_folder(&options.job)?;
        let identity = Identity { name: spooled.name(), created: spooled.created() };
        let files = spooled.files();
        let told = spooled.take_told();
        let mut pushed = self.runtime.wait(async {
            self.backend.prepare().await?;
            let push = Push {
                backend: self.backend.as_ref(),
                identity,
                options: &options,
                progress,
                encrypt: None,
                warnings: Mutex::new(told.warnings),
            };
            push.run(&folder, files, told.skipped, told.failed, self.network.transfers).await
        })?;
        spooled.settle(&mut pushed)?;
        Ok(pushed)
    }

    /// Where the store is, also from another folder.
    pub(crate) fn address(&self) -> Result<String, StoreError> {
        let Some(local) = self.backend.local() else { return Ok(self.url()) };
        let path = std::path::absolute(local).map_err(StoreError::io("find", local))?;
        let why = "its path is no text";
        path.to_str().map(str::to_owned).ok_or_else(|| StoreError::BadUrl { url: self.url(), why })
    }
}
