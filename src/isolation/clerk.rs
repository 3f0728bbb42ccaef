//! The gateway's side of an inquirer: starts it, passes questions and answers, and starts it again. Every question is
//! answered, if need be by its saying that nobody could be asked.

use super::INQUIRER;
use super::cabinet::Cabinet;
use super::child::{Child, Heard, Lives};
use super::inquirer::{InquireOrders, Wish};
use crate::pull::question::{Question, Reply, Trouble};
use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;

/// How long an inquirer may take to end.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often it is looked whether an inquirer may be started again.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Has one PACS asked.
pub struct Clerk {
    /// What the inquirer is told.
    pub orders: InquireOrders,
    /// What TLS needs; `None`: it is asked in plain.
    pub papers: Option<Arc<Cabinet>>,
    /// What is to be asked.
    pub questions: Receiver<Question>,
    /// What is answered.
    pub answers: Sender<Reply>,
}

impl Clerk {
    /// Works until told to stop. An inquirer that dies is started again.
    pub fn run(self, stop: &AtomicBool) {
        let mut lives = Lives::default();
        while !stop.load(Ordering::SeqCst) {
            let mut open = HashSet::new();
            if let Err(error) = lives.next(|| self.attend(stop, &mut open)) {
                let pacs = &self.orders.place.destination.name;
                tracing::error!(pacs, %error, "the inquirer ended; it is started again, and studies are closed by the quiet period");
            }
            let asked = self.questions.try_iter().map(|question| question.number);
            open.into_iter().chain(asked).for_each(|number| {
                self.answer(Reply { number, answer: Err(Trouble::Unreachable) })
            });
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Starts an inquirer and hears it, until the gateway stops. `open` are the questions that it owes an answer.
    fn attend(&self, stop: &AtomicBool, open: &mut HashSet<u64>) -> io::Result<()> {
        let inquirer: Child<Reply> = Child::start(INQUIRER, self.orders.log_json, None)?;
        let (tls, mut version) = self.papers.as_ref().map(|cabinet| cabinet.now()).unzip();
        inquirer.say(&InquireOrders { tls, ..self.orders.clone() })?;
        while !stop.load(Ordering::SeqCst) {
            if let Some(cabinet) = &self.papers
                && let Some(renewed) = version.as_mut().and_then(|version| cabinet.newer(version))
            {
                inquirer.say(&Wish::Renewed(renewed))?;
            }
            for question in self.questions.try_iter() {
                open.insert(question.number);
                inquirer.say(&Wish::Ask(question))?;
            }
            match inquirer.hear() {
                // One that was taken over may answer what nobody has asked.
                Heard::Word(reply) if open.remove(&reply.number) => self.answer(reply),
                Heard::Word(_) | Heard::Silence => {}
                Heard::End => return Err(inquirer.wait()?.into()),
            }
        }
        inquirer.hang_up();
        inquirer.end_within(PATIENCE)
    }

    /// Nobody hears it any more only at the end of the process.
    fn answer(&self, reply: Reply) {
        let _ = self.answers.send(reply);
    }
}
