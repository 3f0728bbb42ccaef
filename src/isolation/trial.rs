//! A command that tries something on a study that the gateway holds: what a study can do to its readers it does to that
//! command alone.

use super::confine::{Bounds, Error, Reach, Rights, Strictness, confine};
use std::path::Path;

/// Confines this process to looking at a batch, and to drafts of its own.
///
/// # Errors
/// [`Error`]: nothing of the batch must be read.
pub fn confine_trial(batch: &Path, drafts: &Path, strictness: Strictness) -> Result<(), Error> {
    let rights = [(Rights::Look, batch.to_owned()), (Rights::Own, drafts.to_owned())];
    confine(&rights, Reach::Nobody, &Bounds::default(), strictness)
}
