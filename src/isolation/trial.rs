//! A command that tries something on a study that the gateway holds: what a study can do to its readers it does to that
//! command alone.

use super::confine::{Bounds, Error, Reach, Rights, Strictness, confine};
use std::path::Path;

/// Seconds of a processor: the largest studies take minutes.
const CPU_S: u64 = 3600;

/// Confines this process to looking at a batch, and to drafts of its own.
///
/// # Errors
/// [`Error`]: nothing of the batch must be read.
pub fn confine_trial(batch: &Path, drafts: &Path, strictness: Strictness) -> Result<(), Error> {
    let rights = [(Rights::Look, batch.to_owned()), (Rights::Own, drafts.to_owned())];
    let bounds = Bounds { cpu_s: Some(CPU_S), ..Bounds::default() };
    confine(&rights, Reach::Nobody, &bounds, strictness)
}
