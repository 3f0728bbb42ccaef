//! Profiles: what is in force and was, what another would change, what is wrong with one, what may be written.

mod check;
mod complete;
mod diff;
mod dry_run;
mod history;
mod written;

pub use check::{Checked, Mistake, Shipped, Summary, check, shipped};
pub use complete::{Completion, complete};
pub use diff::{Diff, Element, Group, Heading, Named, diff};
pub use dry_run::{DryRun, Line, Reason, Shown};
pub use history::{Activation, Draft, History, InForce, history, in_force};
pub use written::{Held, Profiles, Written, written};

use crate::profile::Profile;
use data_encoding::HEXLOWER;

/// As in the log and in De-identification Method (0012,0063).
pub fn short_digest(profile: &Profile) -> String {
    HEXLOWER.encode(&profile.digest()[..8])
}
