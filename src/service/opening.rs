//! What a gateway opens before it starts anybody, and does not start without.

use super::{Error, results};
use crate::approval::{self, Office};
use crate::audit::{self, Log, Signer, Witness};
use crate::config::Settings;
use crate::disk;
use crate::isolation::AllCalls;
use crate::key::RootKey;
use crate::meter::Meter;
use crate::objection::{self, Book, Watch};
use crate::shelf;
use crate::spool::{Place, Spool};
use std::path::Path;
use std::sync::Arc;

/// What all parts of a gateway share.
pub(super) struct Records {
    pub root: Arc<RootKey>,
    pub spool: Arc<Spool>,
    pub log: Arc<Log>,
    pub objections: Arc<Watch>,
    pub meter: Arc<Meter>,
}

/// Records, and what one part alone has.
pub(super) struct Opened {
    pub records: Records,
    /// Keeps the log's newest checkpoint elsewhere.
    pub witness: Option<Witness>,
    /// Where attendants call.
    pub calls: Option<AllCalls>,
    /// Knows what is in force.
    pub office: Office,
}

impl Opened {
    /// Opens the state directory. In `settings` profiles are those in force from then on.
    ///
    /// # Errors
    /// [`Error`]: something is not as it must be.
    pub(super) fn of(settings: &mut Settings, root: Arc<RootKey>) -> Result<Self, Error> {
        let spool = Arc::new(Spool::open(&settings.state, settings.limits.disk_reserve_bytes)?);
        results::lay_out(settings, &spool)?;
        // Of commands that were killed.
        disk::remove(&spool.trials())?;
        let log = Arc::new(Log::open(&spool.dir(Place::Audit), Signer::of(&root))?);
        let witness = settings.checkpoint_file.clone();
        let witness = witness.map(|file| Witness::begin(file, Arc::clone(&log))).transpose()?;
        let calls = settings.attendants.as_ref().map(|attendants| attendants.receive_calls(&spool));
        let calls = calls.transpose().map_err(Error::Attendants)?;
        let (agreed, register) = known(&spool.dir(Place::Audit))?;
        let office = Office::open(&settings.state, &root, Arc::clone(&log), agreed)?;
        let office = in_force(settings, &root, office)?;
        let objections = Book::new(spool.dir(Place::Objections), &root);
        let objections = Arc::new(Watch::begin(objections, Arc::clone(&log), register));
        // A register that cannot be read is told of; what is received waits until it can.
        let _ = objections.now();
        let records = Records { root, spool, log, objections, meter: Arc::default() };
        Ok(Opened { records, witness, calls, office })
    }
}

/// What the log knows of approvals and of objections.
fn known(audit: &Path) -> Result<(approval::Known, objection::Known), audit::Error> {
    let (mut agreed, mut register) = (approval::Known::default(), objection::Known::default());
    let [policy, approved] = approval::Known::WORDS;
    audit::search(audit, &[policy, approved, objection::Known::WORD], |record| {
        agreed.look(&record.event);
        register.look(&record.event);
    })?;
    Ok((agreed, register))
}

/// Profiles that commands put in force are used, then the configuration is compared with what two people agree to.
fn in_force(settings: &mut Settings, root: &RootKey, mut office: Office) -> Result<Office, Error> {
    if let Some(in_force) = office.in_force() {
        shelf::verify(&settings.state, root, in_force)?;
        settings.use_kept(in_force)?;
    }
    office.put_in_force(settings.policy(root))?;
    Ok(office)
}
