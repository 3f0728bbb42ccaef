//! The way to the keeper: questions out, and each reply to whoever waits for it.

use crate::console::{Ask, Question, Refusal, Reply, Said, Visitor};
use crate::pipe::say;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::HashMap;
use std::io::{self, Stdout};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

type Answer = Result<Value, Refusal>;

/// The way to the keeper.
pub struct Line {
    out: Mutex<Stdout>,
    next: AtomicU64,
    waiting: Mutex<HashMap<u64, oneshot::Sender<Answer>>>,
}

impl Line {
    /// By this pipe.
    pub fn new(out: Stdout) -> Self {
        Line { out: Mutex::new(out), next: AtomicU64::new(0), waiting: Mutex::default() }
    }

    /// Says something.
    ///
    /// # Errors
    /// The keeper is gone.
    pub fn say(&self, said: &Said) -> io::Result<()> {
        say(&mut *lock(&self.out), said)
    }

    /// Passes a reply to whoever asked.
    pub fn pass(&self, reply: Reply) {
        if let Some(waiting) = lock(&self.waiting).remove(&reply.number) {
            // Who has gone away meanwhile needs no answer.
            let _ = waiting.send(reply.answer);
        }
    }

    /// Asks.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn ask<T: DeserializeOwned>(
        &self,
        visitor: Visitor,
        csrf: Option<String>,
        question: Question,
    ) -> Result<T, Refusal> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (tell, told) = oneshot::channel();
        lock(&self.waiting).insert(number, tell);
        let ask = Ask { number, visitor, csrf, question };
        let gone = || Refusal::Failed("the console is about to end".to_owned());
        self.say(&Said::Ask(Box::new(ask))).map_err(|_| gone())?;
        let answer = told.await.map_err(|_| gone())??;
        serde_json::from_value(answer).map_err(|error| Refusal::Failed(error.to_string()))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
