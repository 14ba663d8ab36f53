//! A blocking face for what is asynchronous inside.

use std::fmt;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;

use tokio::runtime::{Builder, Runtime};

use crate::StoreError;

/// Threads that move bytes to and from connections, beside those that call a store: two processors hash on one and
/// send on the other.
const NETWORK_THREADS: usize = 2;

/// Runs futures to their end on the thread that asks.
#[derive(Clone)]
pub(crate) struct Blocking(Arc<Ended>);

/// A runtime that may end anywhere, within another one as well (a server may be the last to hold a store), and at once: a
/// name that doesn't resolve may keep a thread busy for a minute, and nobody waits for it any more.
struct Ended(Option<Runtime>);

impl Drop for Ended {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Blocking {
    /// For futures that never wait for a connection: no thread is started.
    pub(crate) fn local() -> Result<Self, StoreError> {
        Self::of(Builder::new_current_thread().enable_time())
    }

    /// For futures that speak to servers, on the thread that asks.
    pub(crate) fn alone() -> Result<Self, StoreError> {
        Self::of(Builder::new_current_thread().enable_all())
    }

    /// For futures that speak to servers and move many bytes.
    pub(crate) fn network() -> Result<Self, StoreError> {
        Self::of(Builder::new_multi_thread().worker_threads(NETWORK_THREADS).enable_all())
    }

    fn of(builder: &mut Builder) -> Result<Self, StoreError> {
        let runtime = builder.build().map_err(StoreError::io("start", Path::new("the network runtime")))?;
        Ok(Self(Arc::new(Ended(Some(runtime)))))
    }

    /// Waits for a future. Must not be called from within a worker of an asynchronous runtime.
    pub(crate) fn wait<F: Future>(&self, future: F) -> F::Output {
        let Some(runtime) = &self.0.0 else { unreachable!("it is there until it is dropped") };
        runtime.block_on(future)
    }
}

impl fmt::Debug for Blocking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Blocking(…)")
    }
}
