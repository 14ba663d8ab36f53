//! Files that are fetched from elsewhere by build ID, where no folder has them.

use std::fmt;
use std::path::{Path, PathBuf};

use epitaph_elf::{
    BuildId, Companion, CompanionWanted, DebugWanted, FileState, Found, Locate, Located, Module, Object,
    Origin, Outcome, SupplementaryLink, Wanted,
};

use crate::companions::companion_state;
use crate::verify::{Opened, compare, open};

/// Which of a module's files is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchKind {
    /// The executable or library itself.
    Image,
    /// The file with its debug information.
    Debug,
}

/// What is asked of a [`Fetch`].
#[derive(Clone, Copy, Debug)]
pub struct FetchWanted<'a> {
    /// The build ID.
    pub build_id: &'a BuildId,
    /// Which of the files of that build ID.
    pub kind: FetchKind,
    /// The module's name, for people.
    pub name: &'a str,
}

/// Gets files by their build ID from another machine.
pub trait Fetch: Sync {
    /// Gets a file and returns where it lies now. Whatever came is first shown to `check`, which knows whether it is
    /// what was asked for or says what is wrong with it; a file that it refuses must not be returned.
    fn fetch(
        &self,
        wanted: &FetchWanted<'_>,
        check: &mut dyn FnMut(&Path) -> Result<(), String>,
    ) -> Option<PathBuf>;
}

/// Searches as another [`Locate`] does, and fetches what that doesn't find, or finds only in another build.
pub struct FetchMissing<'a, L> {
    local: L,
    fetch: &'a dyn Fetch,
}

impl<L: fmt::Debug> fmt::Debug for FetchMissing<'_, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FetchMissing").field("local", &self.local).finish_non_exhaustive()
    }
}

impl<'a, L: Locate> FetchMissing<'a, L> {
    /// Puts `local` before `fetch`.
    pub fn new(local: L, fetch: &'a dyn Fetch) -> FetchMissing<'a, L> {
        FetchMissing { local, fetch }
    }

    /// Fetches a file that `check` says is the right one.
    fn fetched(
        &self,
        module: &Module,
        build_id: Option<&BuildId>,
        kind: FetchKind,
        check: impl Fn(&Opened) -> Result<(), String>,
    ) -> Option<Located> {
        let wanted = FetchWanted { build_id: build_id?, kind, name: &module.name() };
        let mut opened = None;
        let path = self.fetch.fetch(&wanted, &mut |path| {
            let file = open(path).map_err(|outcome| outcome.to_string())?;
            check(&file)?;
            opened = Some(file);
            Ok(())
        })?;
        let Opened { object, .. } = opened?;
        let (origin, state) = (Origin::Debuginfod, FileState::Verified);
        Some(Located::Found(Found { object, path: Some(path), origin, state }))
    }
}

impl<L: Locate> Locate for FetchMissing<'_, L> {
    fn image(&self, wanted: &Wanted<'_>) -> Located {
        let local = self.local.image(wanted);
        if serves(&local) {
            return local;
        }
        let module = wanted.module;
        let check = |opened: &Opened| {
            compare(opened, wanted, None, Origin::Debuginfod).map_err(|outcome| outcome.to_string())?;
            whole(&opened.object)?;
            // What `strip --only-keep-debug` leaves has the program's addresses, and none of its bytes.
            if opened.object.has_debug_info() && !opened.object.has_section(".text") {
                return Err("it holds debug information only".to_owned());
            }
            Ok(())
        };
        self.fetched(module, module.build_id.as_ref(), FetchKind::Image, check).unwrap_or(local)
    }

    fn debug(&self, wanted: &DebugWanted<'_>) -> Located {
        let local = self.local.debug(wanted);
        if serves(&local) {
            return local;
        }
        let check = |opened: &Opened| {
            let found = opened.object.build_id();
            if found != wanted.build_id {
                return Err(Outcome::OtherBuild(found.cloned()).to_string());
            }
            whole(&opened.object)?;
            if !opened.object.has_debug_info() && !opened.object.has_section(".symtab") {
                return Err("it holds no debug information".to_owned());
            }
            Ok(())
        };
        self.fetched(wanted.module, wanted.build_id, FetchKind::Debug, check).unwrap_or(local)
    }

    /// Of these, servers have those that have a build ID of their own: what dwz took out.
    fn companion(&self, wanted: &CompanionWanted<'_>) -> Located {
        let local = self.local.companion(wanted);
        let Companion::Supplementary(SupplementaryLink { id: Some(id), .. }) = wanted.companion else {
            return local;
        };
        if serves(&local) {
            return local;
        }
        let check = |opened: &Opened| {
            companion_state(&opened.object, wanted.companion).map_err(|outcome| outcome.to_string())?;
            whole(&opened.object)
        };
        self.fetched(wanted.module, Some(id), FetchKind::Debug, check).unwrap_or(local)
    }
}

/// Tells whether what was found makes fetching needless.
fn serves(local: &Located) -> bool {
    matches!(local, Located::Found(found) if found.state != FileState::Mismatch)
}

fn whole(object: &Object) -> Result<(), String> {
    if object.is_whole() { Ok(()) } else { Err("it is cut short".to_owned()) }
}
