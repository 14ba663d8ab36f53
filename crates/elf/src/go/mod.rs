//! Go's own tables: what every Go program carries for its runtime.

mod function;
mod goroutines;
mod header;
mod module_data;
mod table;
#[cfg(test)]
mod tests;
mod values;

pub use function::{GoCall, GoFunction};
pub use goroutines::GoroutineList;
pub(crate) use goroutines::suspended_stack;
pub use table::GoTable;
