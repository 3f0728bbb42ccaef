//! The shipper's side: told where the audit record repository is, confined to the log, its cursor and one port, then at
//! work.

use super::confine::{Bounds, Reach, Rights, Strictness, confine, end_with};
use super::sender::resolver;
use super::worker::or_not_confined;
use crate::atna::{Cursor, Home, Reporter, Shipper, Syslog, Word};
use crate::audit::Verifier;
use crate::disk::Syncs;
use crate::pipe::say;
use crate::spool::{Place, Spool};
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead, BufReader};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a shipper is told.
#[derive(Serialize, Deserialize)]
pub struct ShipOrders {
    /// The state directory; only the log is read, and the cursor moved.
    pub state: PathBuf,
    /// The public key of the log: what is not signed by it does not leave.
    pub log_key: String,
    /// What stands in every message.
    pub reporter: Reporter,
    /// Where to send, and the certificates for it.
    pub repository: Syslog,
    /// Whether it works where the kernel cannot confine it.
    pub strictness: Strictness,
    /// The process whose end is the shipper's.
    pub gateway: u32,
    /// Log lines as JSON.
    pub log_json: bool,
}

/// Is a shipper, until the gateway hangs up.
///
/// # Errors
/// In words: there were no orders, or it must be started anew. [`ExitCode`] 70: nothing was begun.
pub fn ship() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let mut input = BufReader::new(io::stdin());
    let orders: ShipOrders = crate::pipe::hear(&mut input)?
        .ok_or("efface ship is for the gateway alone: see efface serve --help")?;
    end_with(Some(orders.gateway))?;
    Syncs::are_kept();
    let spool = Spool::look(&orders.state);
    let (audit, atna) = (spool.dir(Place::Audit), spool.dir(Place::Atna));
    let address = &orders.repository.address;
    let (_, port) = address.rsplit_once(':').ok_or("the audit repository has no port")?;
    let mut rights = vec![(Rights::Read, audit.clone()), (Rights::Own, atna.clone())];
    rights.extend(resolver(address));
    let bounds = Bounds { memory_bytes: 1 << 30, ..Bounds::default() };
    let confined = confine(&rights, Reach::port(port.parse()?), &bounds, orders.strictness);
    if confined.is_err() {
        return Ok(or_not_confined(confined));
    }
    let log_key: Verifier = orders.log_key.parse()?;
    let cursor = Cursor::open(&atna, &orders.reporter.origin)?;
    let ShipOrders { reporter, repository, .. } = &orders;
    let shipper = Shipper::new(audit, log_key, cursor, reporter, repository, &Stdout)?;
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // The gateway says nothing more; its hanging up is the sign.
            let _ = input.read_until(b'\n', &mut Vec::new());
            stop.store(true, Ordering::SeqCst);
        });
        let ended = shipper.run(&stop);
        if let Err(error) = &ended {
            // Not by a return: the other thread waits for the gateway.
            tracing::error!(%error, "the shipper of audit messages ends; it is started again");
            std::process::exit(1);
        }
    });
    Ok(ExitCode::SUCCESS)
}

/// The way to the gateway.
struct Stdout;

impl Home for Stdout {
    fn tell(&self, word: &Word) -> io::Result<()> {
        say(&mut io::stdout(), word)
    }
}
