//! What the runtimes of languages keep in memory of how a program ends.

pub(crate) mod abort_msg;
pub(crate) mod cxx_string;
pub(crate) mod cxx_thrown;
pub(crate) mod cxx_type;
pub(crate) mod cxx_what;
mod cxx_what_code;
pub(crate) mod glib_log;
pub(crate) mod globals;
pub(crate) mod go_panic;
pub(crate) mod rust_panic;
pub(crate) mod thread_local;
