//! The inquirer's side: told where a PACS is, confined to its port, then asking what the gateway wants to know.

use super::confine::{Bounds, Reach, Strictness, confine, end_with};
use super::sender::resolver;
use super::worker::or_not_confined;
use crate::net::tls::Papers;
use crate::pipe::{hear, say};
use crate::pull::asker::{Asker, Place};
use crate::pull::question::{About, Question};
use serde::{Deserialize, Serialize};
use std::io::{self, BufReader};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver};

/// What an inquirer is told.
#[derive(Clone, Serialize, Deserialize)]
pub struct InquireOrders {
    /// The PACS.
    pub place: Place,
    /// What TLS needs; `None`: it is asked in plain.
    pub tls: Option<Papers>,
    /// Whether it works where the kernel cannot confine it.
    pub strictness: Strictness,
    /// The process whose end is the inquirer's.
    pub gateway: u32,
    /// Log lines as JSON.
    pub log_json: bool,
}

/// What the gateway says after the orders.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Wish {
    /// To know something.
    Ask(Question),
    /// The next associations are under TLS with these papers.
    Renewed(Papers),
}

/// Is an inquirer, until the gateway hangs up.
///
/// # Errors
/// In words: there were no orders. [`ExitCode`] 70: nothing was begun.
pub fn inquire() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let mut input = BufReader::new(io::stdin());
    let orders: InquireOrders = hear(&mut input)?
        .ok_or("efface inquire is for the gateway alone: see efface serve --help")?;
    end_with(Some(orders.gateway))?;
    let address = &orders.place.destination.address;
    let (_, port) = address.rsplit_once(':').ok_or("the PACS has no port")?;
    let bounds = Bounds { memory_bytes: 1 << 30, ..Bounds::default() };
    let confined =
        confine(&resolver(address), Reach::port(port.parse()?), &bounds, orders.strictness);
    if confined.is_err() {
        return Ok(or_not_confined(confined));
    }
    let asker = Asker::new(orders.place);
    orders.tls.map(|papers| asker.take(papers)).transpose()?;
    let (find, finds) = mpsc::channel();
    let (fetch, fetches) = mpsc::channel();
    let stdout = Mutex::new(io::stdout());
    std::thread::scope(|scope| {
        // What a PACS takes long to send does not keep others from being asked about.
        for questions in [finds, fetches] {
            let (asker, stdout) = (&asker, &stdout);
            scope.spawn(move || answer(asker, &questions, stdout));
        }
        while let Ok(Some(wish)) = hear::<Wish>(&mut input) {
            match wish {
                Wish::Ask(question) => {
                    let to = if matches!(question.about, About::Fetch(_)) { &fetch } else { &find };
                    if to.send(question).is_err() {
                        break;
                    }
                }
                Wish::Renewed(papers) => {
                    if let Err(error) = asker.take(papers) {
                        // The gateway has tried them before: old ones are better than none.
                        tracing::error!(%error, "renewed certificates are not used");
                    }
                }
            }
        }
        // Nobody waits for an answer any more.
        std::process::exit(0);
    })
}

fn answer(asker: &Asker, questions: &Receiver<Question>, stdout: &Mutex<io::Stdout>) {
    while let Ok(question) = questions.recv() {
        let reply = asker.reply(&question);
        let said = stdout.lock().map(|mut stdout| say(&mut *stdout, &reply));
        if !matches!(said, Ok(Ok(()))) {
            return;
        }
    }
}
