//! The gateway's side of a shipper: starts it, hears how it stands, and starts it again.

use super::SHIPPER;
use super::child::{Child, Heard, Lives};
use super::confine::Strictness;
use super::shipper::ShipOrders;
use crate::atna::{Reporter, Syslog, Word};
use crate::net::tls::Papers;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long a shipper may go on when the gateway stops, to send that it has stopped.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it is looked whether a shipper may be started again.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Has the log reported to an audit record repository.
pub struct Dispatcher {
    /// The state directory.
    pub state: PathBuf,
    /// The public key of the log.
    pub log_key: String,
    /// What stands in every message.
    pub reporter: Reporter,
    /// `host:port`.
    pub address: String,
    /// Files of CA, certificate and key, read at each start of a shipper; `None`: plain, on this machine.
    pub papers: Option<[PathBuf; 3]>,
    /// Whether it works where the kernel cannot confine it.
    pub strictness: Strictness,
    /// Log lines as JSON.
    pub log_json: bool,
    /// How it stands, for the metrics.
    pub reporting: Arc<Reporting>,
    /// Set: certificates are to be read again.
    pub again: Arc<AtomicBool>,
}

/// How the reports stand, as the shipper said last.
#[derive(Debug, Default)]
pub struct Reporting(Mutex<Word>);

impl Reporting {
    /// When the oldest event happened that has not arrived, and whether something keeps it here.
    pub fn now(&self) -> (Option<String>, bool) {
        let word = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (word.oldest.clone(), word.trouble.is_some())
    }

    fn set(&self, change: impl FnOnce(&mut Word)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Dispatcher {
    /// Works until told to stop. A shipper that dies is started again, and goes on where its cursor is.
    pub fn run(&self, stop: &AtomicBool) {
        let mut lives = Lives::default();
        while !stop.load(Ordering::SeqCst) {
            if let Err(error) = lives.next(|| self.attend(stop)) {
                tracing::error!(%error, "reports to the audit repository are interrupted; nothing is lost, and efface goes on");
                self.reporting.set(|word| word.trouble = Some(error.to_string()));
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    fn attend(&self, stop: &AtomicBool) -> io::Result<()> {
        let orders = self.orders().map_err(io::Error::other)?;
        let shipper: Child<Word> = Child::start(SHIPPER, self.log_json, None)?;
        shipper.say(&orders)?;
        while !stop.load(Ordering::SeqCst) {
            if self.again.swap(false, Ordering::SeqCst) && self.can_start_anew() {
                // The next goes on where its cursor is.
                shipper.hang_up();
                return shipper.end_within(PATIENCE);
            }
            match shipper.hear() {
                Heard::Word(word) => self.heed(word),
                Heard::Silence => {}
                Heard::End => return Err(shipper.wait()?.into()),
            }
        }
        shipper.hang_up();
        shipper.end_within(PATIENCE)
    }

    /// One that runs with old certificates is better than none.
    fn can_start_anew(&self) -> bool {
        let orders = self.orders();
        if let Err(error) = &orders {
            tracing::error!(%error, "certificates for the audit repository could not be read again: the old ones stay in use");
        }
        orders.is_ok() && self.papers.is_some()
    }

    fn heed(&self, mut word: Word) {
        std::mem::take(&mut word.syncs).add();
        self.reporting.set(|last| *last = word);
    }

    fn orders(&self) -> Result<ShipOrders, crate::net::tls::Error> {
        let papers =
            self.papers.as_ref().map(|[ca, certificate, key]| Papers::read(ca, certificate, key));
        Ok(ShipOrders {
            state: self.state.clone(),
            log_key: self.log_key.clone(),
            reporter: self.reporter.clone(),
            repository: Syslog { address: self.address.clone(), papers: papers.transpose()? },
            strictness: self.strictness,
            gateway: std::process::id(),
            log_json: self.log_json,
        })
    }
}
