//! The console's side of its pages: starts them, has their questions answered, and starts them again.

use super::PAGES;
use super::child::{Child, Heard, Lives, Speaker};
use super::pages::PageOrders;
use crate::console::{Ask, Keeper, Refusal, Reply, Said};
use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Questions that are answered at a time.
const ANSWERS: usize = 4;
/// How long pages may take to end.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often it is looked whether pages may be started again.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Has pages shown.
pub struct Usher {
    /// What they are told.
    pub orders: PageOrders,
    /// Who answers.
    pub keeper: Arc<Keeper>,
}

impl Usher {
    /// Works until told to stop; `listening` is told where the pages listen. Pages that die are started again, but the first
    /// ones, whose address may be taken.
    ///
    /// # Errors
    /// The first pages do not listen.
    pub fn run(mut self, stop: &AtomicBool, listening: impl Fn(SocketAddr)) -> io::Result<()> {
        let (mut lives, mut have_listened) = (Lives::default(), false);
        while !stop.load(Ordering::SeqCst) {
            if let Err(error) = lives.next(|| self.attend(stop, &mut have_listened, &listening)) {
                if !have_listened {
                    return Err(error);
                }
                tracing::error!(%error, "the pages of the console ended; they are started again");
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    fn attend(
        &mut self,
        stop: &AtomicBool,
        have_listened: &mut bool,
        listening: &impl Fn(SocketAddr),
    ) -> io::Result<()> {
        let pages: Child<Said> = Child::start(PAGES, self.orders.log_json, None)?;
        pages.say(&self.orders)?;
        let (ask, asked) = mpsc::channel::<Ask>();
        let asked = Mutex::new(asked);
        let have_ended = std::thread::scope(|scope| {
            for _ in 0..ANSWERS {
                let (keeper, speaker, asked) = (&self.keeper, pages.speaker(), &asked);
                scope.spawn(move || answer(keeper, &speaker, asked));
            }
            // Dropped at the end of this, whatever it is: that ends the threads.
            let ask = ask;
            while !stop.load(Ordering::SeqCst) {
                match pages.hear() {
                    Heard::Word(Said::Ask(question)) => {
                        // The receiver is on this function's stack.
                        let _ = ask.send(*question);
                    }
                    Heard::Word(Said::Listening(address)) => {
                        // The next ones listen where these do, also if the system chose the port.
                        self.orders.listen = address;
                        *have_listened = true;
                        listening(address);
                    }
                    Heard::Word(Said::NotListening(why)) => return Err(io::Error::other(why)),
                    Heard::Silence => {}
                    Heard::End => return Ok(true),
                }
            }
            Ok(false)
        })?;
        if have_ended {
            return Err(pages.wait()?.into());
        }
        pages.hang_up();
        pages.end_within(PATIENCE)
    }
}

/// Answers one question after the other.
fn answer(keeper: &Keeper, speaker: &Speaker, asked: &Mutex<Receiver<Ask>>) {
    loop {
        let next = asked.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(question) = next else { return };
        let number = question.number;
        // Whoever asked waits: also for the answer to a question that nobody was prepared for.
        let reply = catch_unwind(AssertUnwindSafe(|| keeper.reply(question)));
        let reply = reply.unwrap_or_else(|_| Reply {
            number,
            answer: Err(Refusal::Failed("the console failed at this: see its log".to_owned())),
        });
        // Pages that do not listen any more have ended: their parent sees it.
        let _ = speaker.say(&reply);
    }
}
