//! Shows a store of crashes over HTTP, read-only.
