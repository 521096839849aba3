//! Where database work runs: never on a runtime that a dropped request could take down with it.

use tokio::runtime::{Builder, Handle, Runtime, RuntimeFlavor};

use crate::OpenError;

/// A multi-thread runtime: the host's if it has one, else a small one of our own. A running SQLite query must not be
/// dropped on a single-threaded one.
pub(crate) struct DatabaseRuntime {
    handle: Handle,
    own: Option<Runtime>,
}

impl DatabaseRuntime {
    pub(crate) fn obtain() -> Result<Self, OpenError> {
        match Handle::try_current() {
            Ok(handle) if handle.runtime_flavor() == RuntimeFlavor::MultiThread => {
                Ok(Self { handle, own: None })
            }
            _ => {
                let own = Builder::new_multi_thread()
                    .worker_threads(2)
                    .thread_name("wardkey-storage")
                    .enable_all()
                    .build()
                    .map_err(|error| OpenError::Connect { source: error.into() })?;
                Ok(Self { handle: own.handle().clone(), own: Some(own) })
            }
        }
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for DatabaseRuntime {
    fn drop(&mut self) {
        if let Some(own) = self.own.take() {
            // Waiting for it would panic inside another runtime. Nothing is lost: units of work keep the storage, and
            // so this runtime, alive until they are done.
            own.shutdown_background();
        }
    }
}
