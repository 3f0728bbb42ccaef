//! The gateway's side of a sender: starts it, hears it, does what it has no right to do, and starts it again.

use super::SENDER;
use super::attendant::Calls;
use super::cabinet::Cabinet;
use super::child::{Child, Heard, Lives};
use super::purse::Purse;
use super::sender::{Reply, SendOrders};
use crate::forward::{Forwarder, Seen};
use crate::net::tls::{Fingerprint, Papers, Trust};
use crate::recall::Recall;
use crate::send::{Home, PAUSE_MIN, Pause, Word};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long a sender may finish what is on the wire when the gateway stops.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked whether a sender may be started again.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Has the parcels of one destination sent.
pub struct Courier {
    /// Follows the parcels.
    pub forwarder: Forwarder,
    /// What the sender is told.
    pub orders: SendOrders,
    /// What TLS needs, and the one certificate that the destination may show; `None`: it is sent to in plain.
    pub papers: Option<(Arc<Cabinet>, Option<Fingerprint>)>,
    /// By what we are known to a DICOMweb server, besides our certificate.
    pub purse: Option<Purse>,
    /// Whether the sender asks the destination to let go of what was recalled; otherwise people do.
    pub recalls: bool,
    /// Where the senders' attendant calls, if they have one.
    pub(crate) calls: Option<Arc<Calls>>,
}

/// How far recalls are.
#[derive(Default)]
struct Recalling {
    seen: Seen,
    /// The one that the sender is about.
    asked: Option<String>,
    /// Before the next.
    pause: Pause,
}

/// What a sender was told that it may send.
struct Cleared {
    batch: String,
    /// The version of the register of objections that said so.
    register: u64,
}

impl Courier {
    /// Works until told to stop. A sender that dies is started again; its parcels lie where they lay.
    pub fn run(&self, stop: &AtomicBool) {
        let (mut lives, mut sifted, mut recalled) = (Lives::default(), None, Recalling::default());
        while !stop.load(Ordering::SeqCst) {
            self.sift(&mut sifted);
            self.withdraw_recalled(&mut recalled.seen, None);
            if let Err(error) = lives.next(|| self.attend(stop, &mut sifted, &mut recalled)) {
                let destination = &self.forwarder.destination;
                tracing::error!(destination, %error, "the sender ended; it is started again");
            }
            self.account_for_bytes();
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Starts a sender and hears it, until the gateway stops or somebody objects to what it sends.
    fn attend(
        &self,
        stop: &AtomicBool,
        sifted: &mut Option<u64>,
        recalled: &mut Recalling,
    ) -> io::Result<()> {
        recalled.asked = None;
        let calls = self.calls.as_deref();
        let mut sender: Child<Word> = Child::start(SENDER, self.orders.log_json, calls)?;
        let (papers, mut version) = self.papers.as_ref().map(|(cabinet, _)| cabinet.now()).unzip();
        let tls = papers.and_then(|papers| self.trust(papers));
        let (auth, mut renewal) = self.purse.as_ref().map(Purse::now).unzip();
        sender.say(&SendOrders { tls, auth, ..self.orders.clone() })?;
        let mut on_the_wire: Option<Cleared> = None;
        while !stop.load(Ordering::SeqCst) {
            let batch = on_the_wire.as_ref().map(|cleared| cleared.batch.as_str());
            if self.withdraw_recalled(&mut recalled.seen, batch)
                || !self.may_go_on(&mut on_the_wire)
            {
                // Its connections end with it, and what it had handed to the kernel is dropped (`net/scu/connect.rs`). One that
                // is another user's is out of the gateway's reach: it ends by the word.
                let _ = sender.say(&Reply::End);
                sender.kill()?;
                tracing::warn!(
                    destination = self.forwarder.destination,
                    "the sender was stopped in the middle"
                );
                self.hear_out(&sender);
                return Ok(());
            }
            if let Some((cabinet, _)) = &self.papers
                && let Some(renewed) = version.as_mut().and_then(|version| cabinet.newer(version))
                && let Some(trust) = self.trust(renewed)
            {
                sender.say(&Reply::Renewed(trust))?;
            }
            if let Some(purse) = &self.purse
                && let Some(auth) = renewal.as_mut().and_then(|known| purse.newer(known))
            {
                sender.say(&Reply::Known(auth))?;
            }
            self.ask_to_let_go(&sender, recalled)?;
            self.sift(sifted);
            match sender.hear() {
                Heard::Word(word) => {
                    if let Word::Recalled(_) | Word::NotRecalled(_) = word {
                        recalled.asked = None;
                    }
                    let asked = self.asked(&word);
                    let is_over = matches!(word, Word::Sent(_) | Word::Damaged(_) | Word::Retry);
                    let is_answered = word.is_answered();
                    let done = self.heed(word);
                    if asked.is_some() || is_over {
                        on_the_wire = asked.filter(|_| done);
                    }
                    if is_answered {
                        sender.say(&Reply::Done(done))?;
                    }
                }
                Heard::Silence => {}
                Heard::End => return Err(sender.wait()?.into()),
            }
        }
        sender.hang_up();
        self.hear_out(&sender);
        sender.end_within(PATIENCE)
    }

    fn trust(&self, papers: Papers) -> Option<Trust> {
        self.papers.as_ref().map(|(_, certificate)| Trust { papers, certificate: *certificate })
    }

    /// What it still has to say is of instances that have arrived.
    fn hear_out(&self, sender: &Child<Word>) {
        while let Heard::Word(word) = sender.hear() {
            self.heed(word);
        }
    }

    /// Whether the batch that the sender has begun may be sent to its end. Looks no further than the register's version,
    /// if that has not changed.
    fn may_go_on(&self, on_the_wire: &mut Option<Cleared>) -> bool {
        let Some(cleared) = on_the_wire else { return true };
        let now = self.version();
        if now == Some(cleared.register) {
            return true;
        }
        // Nothing is done about it yet: the sender is stopped first.
        match now.filter(|_| self.forwarder.is_clear(&cleared.batch)) {
            Some(register) => {
                cleared.register = register;
                true
            }
            None => false,
        }
    }

    fn asked(&self, word: &Word) -> Option<Cleared> {
        let Word::May(batch) = word else { return None };
        // An older version than the one that is asked: at worst it is asked once more.
        Some(Cleared { batch: batch.clone(), register: self.version()? })
    }

    /// The version of the register of objections; `None` if it cannot be read.
    fn version(&self) -> Option<u64> {
        self.forwarder.objections.now().ok().map(|register| register.version())
    }

    /// Whether the sender must be ended, because what it sends is recalled. In doubt it goes on: what is recalled may be
    /// there already.
    fn withdraw_recalled(&self, seen: &mut Seen, on_the_wire: Option<&str>) -> bool {
        self.forwarder.withdraw_recalled(seen, on_the_wire).unwrap_or_else(|error| {
            let destination = &self.forwarder.destination;
            tracing::debug!(destination, %error, "what is recalled could not be withdrawn");
            false
        })
    }

    /// Has the sender ask the destination, one recall at a time, again and again until it is done.
    fn ask_to_let_go(&self, sender: &Child<Word>, recalled: &mut Recalling) -> io::Result<()> {
        if !self.recalls || recalled.asked.is_some() || !recalled.pause.is_over() {
            return Ok(());
        }
        let is_next = |recall: &&mut Recall| recall.withdrawn.is_some() && recall.is_open();
        let Some(recall) = recalled.seen.open.iter_mut().find(is_next) else {
            recalled.pause = Pause::default();
            return Ok(());
        };
        self.forwarder.recall_is_sent(recall)?;
        let (reference, studies) = (recall.reference.clone(), recall.wanted.studies.clone());
        recalled.asked = Some(reference.clone());
        recalled.pause.longer(PAUSE_MIN);
        sender.say(&Reply::Recall { reference, studies })
    }

    /// What a sender that has ended had sent. It is said again after the next one, if it cannot be written now.
    fn account_for_bytes(&self) {
        if let Err(error) = self.forwarder.account_for_bytes() {
            let destination = &self.forwarder.destination;
            tracing::error!(destination, %error, "bytes that left are not in the log yet");
        }
    }

    fn sift(&self, sifted: &mut Option<u64>) {
        if let Err(error) = self.forwarder.sift(sifted) {
            let destination = &self.forwarder.destination;
            tracing::debug!(destination, %error, "what waits could not be looked through");
        }
    }

    /// Does what a word asks for; whether it was done.
    fn heed(&self, word: Word) -> bool {
        let forwarder = &self.forwarder;
        let is_question = matches!(word, Word::May(_));
        let done = match &word {
            Word::May(batch) | Word::Sent(batch) | Word::Damaged(batch)
                if !is_name_of_a_batch(batch) =>
            {
                Err(io::ErrorKind::InvalidInput.into())
            }
            _ => forwarder.tell(word),
        };
        match &done {
            Err(error) if !is_question => {
                let destination = &forwarder.destination;
                tracing::error!(destination, %error, "what a sender has said could not be done");
            }
            _ => {}
        }
        done.is_ok()
    }
}

/// A sender that was taken over may say anything; paths are made of this.
pub(super) fn is_name_of_a_batch(name: &str) -> bool {
    let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !name.is_empty() && name.bytes().all(legal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_batches_lead_nowhere_else() {
        assert!(is_name_of_a_batch("0a1b2c-3d4e"));
        for name in ["", "..", "../held", "a/b", "a\0", "A"] {
            assert!(!is_name_of_a_batch(name), "{name}");
        }
    }
}
