//! A process's modules with their files, each searched for and opened once, when somebody first needs it.

use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::arch::Arch;
use crate::links::DebugLink;
use crate::locate::{
    Companion, CompanionWanted, DebugWanted, FileState, Found, Locate, Located, Origin, Wanted,
};
use crate::memory::{Memory, MemoryError};
use crate::module::Module;
use crate::object::{Object, ObjectError};
use crate::segment::Segment;

/// All modules of a process, by address, with their files.
pub struct LoadedModules<'a> {
    modules: Vec<LoadedModule>,
    arch: &'static Arch,
    locate: &'a dyn Locate,
}

/// A module and its files.
pub struct LoadedModule {
    /// What the core says of it.
    pub module: Module,
    image: OnceLock<Located>,
    debug: OnceLock<Located>,
    bias: OnceLock<Option<u64>>,
    mini: OnceLock<Option<Box<Result<Object, ObjectError>>>>,
    companions: Mutex<Vec<(Companion, Located)>>,
}

impl std::fmt::Debug for LoadedModules<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(&self.modules).finish()
    }
}

impl std::fmt::Debug for LoadedModule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("LoadedModule").field(&self.module.path).finish()
    }
}

impl<'a> LoadedModules<'a> {
    /// Takes the modules of a core, sorted by address; nothing is opened yet.
    pub fn new(modules: Vec<Module>, arch: &'static Arch, locate: &'a dyn Locate) -> LoadedModules<'a> {
        let modules = modules
            .into_iter()
            .map(|module| LoadedModule {
                module,
                image: OnceLock::new(),
                debug: OnceLock::new(),
                bias: OnceLock::new(),
                mini: OnceLock::new(),
                companions: Mutex::default(),
            })
            .collect();
        LoadedModules { modules, arch, locate }
    }

    /// Returns the modules, by address.
    pub fn modules(&self) -> &[LoadedModule] {
        &self.modules
    }

    /// Returns the index of the module that `address` is in.
    pub fn find(&self, address: u64) -> Option<usize> {
        let after = self.modules.partition_point(|loaded| loaded.module.start <= address);
        let index = after.checked_sub(1)?;
        self.modules.get(index)?.module.contains(address).then_some(index)
    }

    /// Tells whether `address` is in a module's code.
    pub fn is_code(&self, address: u64) -> bool {
        self.find(address)
            .and_then(|index| self.modules.get(index))
            .is_some_and(|loaded| loaded.module.is_code(address))
    }

    /// Returns what the search for a module's file came to; searches if nobody has yet.
    pub fn image(&self, index: usize) -> Option<&Located> {
        let loaded = self.modules.get(index)?;
        Some(loaded.image.get_or_init(|| match &loaded.module.image {
            Some(bytes) => match Object::parse(bytes.clone()) {
                Ok(object) => Located::Found(Found {
                    object: Arc::new(object),
                    path: None,
                    origin: Origin::Core,
                    state: FileState::Verified,
                }),
                Err(_) => Located::Missing { tried: Vec::new() },
            },
            None => self.locate.image(&Wanted { module: &loaded.module, arch: self.arch.name }),
        }))
    }

    /// Returns a module's file, if it was found.
    pub fn object(&self, index: usize) -> Option<&Object> {
        match self.image(index)? {
            Located::Found(found) => Some(&found.object),
            Located::Missing { .. } => None,
        }
    }

    /// Returns what the search for a module's separate debug file came to; `None` where none is needed, because
    /// the file itself has its debug information, or it is the vDSO.
    pub fn debug(&self, index: usize) -> Option<&Located> {
        let loaded = self.modules.get(index)?;
        let image = match self.image(index)? {
            Located::Found(found) => Some(found),
            Located::Missing { .. } => None,
        };
        if loaded.module.image.is_some() || image.is_some_and(|found| found.object.has_debug_info()) {
            return None;
        }
        Some(loaded.debug.get_or_init(|| {
            let link: Option<DebugLink> = image.and_then(|found| found.object.debug_link());
            let in_file = image.and_then(|found| found.object.build_id());
            self.locate.debug(&DebugWanted {
                module: &loaded.module,
                build_id: loaded.module.build_id.as_ref().or(in_file),
                image_path: image.and_then(|found| found.path.as_deref()).map(Path::new),
                link: link.as_ref(),
            })
        }))
    }

    /// Returns a module's separate debug file, if one is needed and was found.
    pub fn debug_object(&self, index: usize) -> Option<&Object> {
        match self.debug(index)? {
            Located::Found(found) => Some(&found.object),
            Located::Missing { .. } => None,
        }
    }

    /// Returns the MiniDebugInfo of a module's file, or why it can't be read; `None` if there is none.
    pub fn mini_debug_info(&self, index: usize) -> Option<Result<&Object, &ObjectError>> {
        let mini = &self.modules.get(index)?.mini;
        let mini = mini.get_or_init(|| self.object(index)?.mini_debug_info().map(Box::new));
        mini.as_ref().map(|mini| mini.as_ref().as_ref())
    }

    /// Finds a file that a module's debug information continues in; searches if nobody has yet.
    pub fn companion(&self, index: usize, companion: &Companion) -> Located {
        let Some(loaded) = self.modules.get(index) else { return Located::Missing { tried: Vec::new() } };
        let mut known = loaded.companions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, located)) = known.iter().find(|(known, _)| known == companion) {
            return located.clone();
        }
        let located = self.locate.companion(&CompanionWanted {
            module: &loaded.module,
            image_path: self.image(index).and_then(Located::path),
            debug_path: self.debug(index).and_then(Located::path),
            companion,
        });
        known.push((companion.clone(), located.clone()));
        located
    }

    /// Returns the companions of a module that were asked for and found.
    pub fn companions(&self, index: usize) -> Vec<(Companion, Found)> {
        let Some(loaded) = self.modules.get(index) else { return Vec::new() };
        let known = loaded.companions.lock().unwrap_or_else(PoisonError::into_inner);
        let found =
            |(companion, located): &(Companion, Located)| Some((companion.clone(), located.found()?.clone()));
        known.iter().filter_map(found).collect()
    }

    /// Returns a module's load bias: from the core, or else from its file.
    pub fn bias(&self, index: usize) -> Option<u64> {
        let loaded = self.modules.get(index)?;
        if loaded.module.bias.is_some() {
            return loaded.module.bias;
        }
        *loaded.bias.get_or_init(|| loaded.module.bias_by(self.object(index)?))
    }

    /// Reads memory that was not dumped because it is the same in the module's file: never from a file that may
    /// be another, and never from a writable segment, which the process may have changed.
    pub fn read_unchanged(&self, address: u64, buf: &mut [u8]) -> Option<()> {
        let index = self.find(address)?;
        let Located::Found(found) = self.image(index)? else { return None };
        if found.state == FileState::Mismatch {
            return None;
        }
        let address = address.wrapping_sub(self.bias(index)?);
        let segment = found.object.segments().iter().find(|segment| segment.contains(address))?;
        if segment.write {
            return None;
        }
        buf.copy_from_slice(found.object.data_at(address, buf.len())?);
        Some(())
    }
}

/// A process's memory: what was dumped, and what its files hold unchanged.
#[derive(Debug)]
pub struct ProcessMemory<'a, M> {
    dumped: M,
    modules: &'a LoadedModules<'a>,
}

impl<'a, M: Memory> ProcessMemory<'a, M> {
    /// Puts dumped memory before the modules' files.
    pub fn new(dumped: M, modules: &'a LoadedModules<'a>) -> ProcessMemory<'a, M> {
        ProcessMemory { dumped, modules }
    }
}

impl<M: Memory> Memory for ProcessMemory<'_, M> {
    fn read(&self, address: u64, buf: &mut [u8]) -> Result<(), MemoryError> {
        match self.dumped.read(address, buf) {
            Err(error) => self.modules.read_unchanged(address, buf).ok_or(error),
            done => done,
        }
    }

    fn is_executable(&self, address: u64) -> bool {
        self.dumped.is_executable(address) || self.modules.is_code(address)
    }

    fn regions(&self) -> &[Segment] {
        self.dumped.regions()
    }
}
