//! Why a batch was not taken to its end, and what becomes of it.

use crate::pipeline::Failure;
use crate::spool::entry::Damage;
use crate::spool::quarantine::Code;
use crate::{audit, crosswalk, objection};
use std::io;

/// Why a batch was not taken to its end.
pub(super) enum Trouble {
    /// It goes to quarantine, whole.
    Quarantine(Code, String),
    /// It stays in `work/` and is tried again: the disk is full, the log cannot be written.
    Later(String),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Trouble::Later("the disk is full".to_owned())
            }
            _ => Trouble::Quarantine(Code::Failed, error.to_string()),
        }
    }
}

/// Nothing of a study leaves, and nothing is decided about it, without the register.
impl From<objection::Error> for Trouble {
    fn from(error: objection::Error) -> Self {
        Trouble::Later(error.to_string())
    }
}

impl From<crosswalk::Error> for Trouble {
    fn from(error: crosswalk::Error) -> Self {
        match error {
            crosswalk::Error::Io { error, .. } => error.into(),
            other => Trouble::Quarantine(Code::Failed, other.to_string()),
        }
    }
}

impl From<Damage> for Trouble {
    fn from(damage: Damage) -> Self {
        Trouble::Quarantine(Code::Damaged, damage.to_string())
    }
}

impl From<audit::Error> for Trouble {
    fn from(error: audit::Error) -> Self {
        Trouble::Later(error.to_string())
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Io(error) => error.into(),
            other => Trouble::Quarantine(other.code(), other.to_string()),
        }
    }
}
