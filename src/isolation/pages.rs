//! The pages' side: told where to listen, bound, confined to that socket, then answering browsers.

use super::confine::{Bounds, Reach, Strictness, confine, end_with};
use super::worker::or_not_confined;
use crate::console::web::{self, CONNECTIONS_MAX, Line, Look};
use crate::console::{Reply, Said};
use crate::net::tls::{Papers, for_browsers};
use crate::pipe::hear;
use serde::{Deserialize, Serialize};
use std::io::{self, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;

/// Memory of the pages and of each connection, in bytes.
const MEMORY_BYTES: u64 = 512 << 20;
const MEMORY_BYTES_EACH: u64 = 8 << 20;
/// Files of the pages: their socket, the pipes, what the runtime waits by.
const FILES: u64 = 64;

/// What the pages are told before they listen.
#[derive(Clone, Serialize, Deserialize)]
pub struct PageOrders {
    /// Address and port.
    pub listen: SocketAddr,
    /// What they show under TLS; `None`: plain HTTP, on loopback.
    pub tls: Option<Papers>,
    /// How they look to somebody who has not chosen.
    pub look: Look,
    /// Whether they work where the kernel cannot confine them.
    pub strictness: Strictness,
    /// The process whose end is theirs.
    pub keeper: u32,
    /// Log lines as JSON.
    pub log_json: bool,
}

/// Is the pages, until the keeper hangs up.
///
/// # Errors
/// In words: there were no orders. [`ExitCode`] 70: nothing was begun.
pub fn pages() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let mut input = BufReader::new(io::stdin());
    let orders: PageOrders = hear(&mut input)?
        .ok_or("efface pages is for the console alone: see efface console --help")?;
    end_with(Some(orders.keeper))?;
    let tls = orders.tls.as_ref().map(for_browsers).transpose()?;
    let line = Arc::new(Line::new(io::stdout()));
    let bound = TcpListener::bind(orders.listen)
        .and_then(|listener| Ok((listener.local_addr()?, web::Door::open(listener, tls)?)));
    let (address, door) = match bound {
        Ok(bound) => bound,
        Err(error) => {
            line.say(&Said::NotListening(format!("{}: {error}", orders.listen)))?;
            return Ok(ExitCode::FAILURE);
        }
    };
    let each = CONNECTIONS_MAX as u64;
    let bounds = Bounds {
        memory_bytes: MEMORY_BYTES + each * MEMORY_BYTES_EACH,
        files: FILES + each,
        ..Bounds::default()
    };
    let confined = confine(&[], Reach::Browsers, &bounds, orders.strictness);
    if confined.is_err() {
        return Ok(or_not_confined(confined));
    }
    line.say(&Said::Listening(address))?;
    let to_line = Arc::clone(&line);
    std::thread::Builder::new().name("replies".to_owned()).spawn(move || {
        while let Ok(Some(reply)) = hear::<Reply>(&mut input) {
            to_line.pass(reply);
        }
        // The keeper is gone: nobody gets an answer any more.
        std::process::exit(0)
    })?;
    door.run(line, orders.look)?;
    Ok(ExitCode::SUCCESS)
}
