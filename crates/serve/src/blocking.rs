//! Work that blocks, off the server's workers.

use crate::ServeError;

/// Runs `work` on a thread for blocking work.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ServeError> + Send + 'static,
) -> Result<T, ServeError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|source| Err(ServeError::GivenUp { source }))
}
