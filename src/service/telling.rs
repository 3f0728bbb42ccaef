//! Those who tell others of the log: they begin last and end last, so that its end is told, too.

use super::Error;
use super::threads::join;
use crate::audit::Witness;
use crate::isolation::Dispatcher;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};

/// Who tells of it, until they are stopped.
pub(super) struct Telling {
    stop: Arc<AtomicBool>,
    witness: Option<JoinHandle<Witness>>,
    shipping: Option<JoinHandle<()>>,
}

impl Telling {
    /// Starts them, if they are to be.
    ///
    /// # Errors
    /// No thread.
    pub(super) fn begin(
        witness: Option<Witness>,
        dispatcher: Option<Dispatcher>,
    ) -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let witness = witness.map(|witness| {
            let stop = Arc::clone(&stop);
            Builder::new().name("witness".to_owned()).spawn(move || witness.run(&stop))
        });
        let witness = witness.transpose()?;
        let shipping = dispatcher.map(|dispatcher| {
            let stop = Arc::clone(&stop);
            Builder::new().name("ship".to_owned()).spawn(move || dispatcher.run(&stop))
        });
        Ok(Telling { stop, witness, shipping: shipping.transpose()? })
    }

    /// Tells the end of the log.
    ///
    /// # Errors
    /// Its checkpoint could not be written to `checkpoint_file`.
    pub(super) fn end(self) -> Result<(), Error> {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(Ok(mut witness)) = self.witness.map(JoinHandle::join) {
            witness.write()?;
        }
        join(self.shipping);
        Ok(())
    }
}
