//! Variables of libraries, by their names.

use epitaph_elf::LoadedModules;

/// Returns the address of the variable of this name in the libraries whose file names begin so, or else in the main
/// program, where they may be linked into it.
pub(crate) fn variable(loaded: &LoadedModules<'_>, libraries: &[&str], name: &str) -> Option<u64> {
    let of = |is_wanted: &dyn Fn(usize) -> bool| {
        (0..loaded.modules().len()).filter(|index| is_wanted(*index)).find_map(|index| {
            let address = loaded.object(index)?.variable(name.as_bytes())?;
            Some(loaded.bias(index)?.wrapping_add(address))
        })
    };
    if has_module(loaded, libraries) {
        return of(&|index| is_named(loaded, index, libraries));
    }
    of(&|index| loaded.modules().get(index).is_some_and(|loaded| loaded.module.main))
}

/// Tells whether one of these libraries is loaded, by the beginnings of their file names.
pub(crate) fn has_module(loaded: &LoadedModules<'_>, libraries: &[&str]) -> bool {
    (0..loaded.modules().len()).any(|index| is_named(loaded, index, libraries))
}

/// Tells whether a module is one of these libraries.
pub(crate) fn is_named(loaded: &LoadedModules<'_>, index: usize, libraries: &[&str]) -> bool {
    loaded.modules().get(index).is_some_and(|loaded| {
        let name = loaded.module.name();
        libraries.iter().any(|library| name.starts_with(library))
    })
}
