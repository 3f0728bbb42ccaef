//! Who is signed in, and who has tried too often. In memory: a restart signs everybody out.

use super::accounts::Account;
use super::roles::Role;
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Without a question for so long, somebody is signed out.
const IDLE: Duration = Duration::from_secs(30 * 60);
/// After so long, whatever happens.
const LONGEST: Duration = Duration::from_secs(10 * 3600);
/// Wrong passwords for a name before the next try has to wait.
const TRIES: u32 = 5;
/// And from an address, from which several people may call.
const TRIES_FROM: u32 = 20;
/// How long it has to wait, and for how long wrong ones count.
const WAIT: Duration = Duration::from_secs(15 * 60);
/// Names and addresses that are remembered; more at a time is an attack, and then everybody waits.
const REMEMBERED: usize = 10_000;

/// A person who is signed in.
#[derive(Clone, Debug)]
pub struct Session {
    /// Who.
    pub account: Account,
    /// What a form must bring to be this person's.
    pub csrf: String,
    since: Instant,
    last: Instant,
}

/// All of them.
#[derive(Default)]
pub struct Sessions {
    /// By the SHA-256 of what the browser has: who could read this memory could not sign in by it.
    open: Mutex<HashMap<[u8; 32], Session>>,
    wrong: Mutex<HashMap<String, (u32, Instant)>>,
}

impl Sessions {
    /// Begins one: what the browser is to have.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn begin(&self, account: Account) -> io::Result<(String, Session)> {
        let (token, now) = (random()?, Instant::now());
        let session = Session { account, csrf: random()?, since: now, last: now };
        let mut open = lock(&self.open);
        open.retain(|_, session| session.is_open(now));
        open.insert(digest(&token), session.clone());
        Ok((token, session))
    }

    /// Whose it is; each question begins the idle time anew.
    pub fn of(&self, token: &str) -> Option<Session> {
        let (mut open, now) = (lock(&self.open), Instant::now());
        let session = open.get_mut(&digest(token)).filter(|session| session.is_open(now))?;
        session.last = now;
        Some(session.clone())
    }

    /// Ends one.
    pub fn end(&self, token: &str) {
        lock(&self.open).remove(&digest(token));
    }

    /// Ends all of one person, or takes up what was changed about it.
    pub fn update(&self, accounts: &[Account]) {
        let mut open = lock(&self.open);
        open.retain(|_, session| {
            let known = accounts.iter().find(|account| account.name == session.account.name);
            known.is_some_and(|account| *account == session.account)
        });
    }

    /// Whether somebody may try a password now. Counts the try as a wrong one: [`Sessions::was_right`] takes that back.
    pub fn may_try(&self, name: &str, from: IpAddr) -> bool {
        let (mut wrong, now) = (lock(&self.wrong), Instant::now());
        wrong.retain(|_, (_, last)| now.duration_since(*last) < WAIT);
        let keys = [(format!("name {name}"), TRIES), (format!("from {from}"), TRIES_FROM)];
        let is_over =
            |(key, most): &(String, u32)| wrong.get(key).is_some_and(|(times, _)| times >= most);
        if wrong.len() >= REMEMBERED || keys.iter().any(is_over) {
            return false;
        }
        for (key, _) in keys {
            let entry = wrong.entry(key).or_insert((0, now));
            *entry = (entry.0 + 1, now);
        }
        true
    }

    /// The password was right: the tries before it do not count.
    pub fn was_right(&self, name: &str, from: IpAddr) {
        let mut wrong = lock(&self.wrong);
        wrong.remove(&format!("name {name}"));
        wrong.remove(&format!("from {from}"));
    }
}

impl Session {
    fn is_open(&self, now: Instant) -> bool {
        now.duration_since(self.last) < IDLE && now.duration_since(self.since) < LONGEST
    }

    /// What the person is there for.
    pub fn roles(&self) -> &[Role] {
        &self.account.roles
    }

    /// Whether a form is this person's.
    pub fn has_sent(&self, csrf: &str) -> bool {
        // By their digests, so that time tells nothing of the text.
        digest(csrf) == digest(&self.csrf)
    }
}

fn random() -> io::Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(io::Error::from)?;
    Ok(HEXLOWER.encode(&bytes))
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(name: &str) -> Account {
        Account::new(name, vec![Role::Operator], "a long password").unwrap()
    }

    #[test]
    fn a_session_is_its_tokens_until_it_is_ended_or_its_account_changes() {
        let sessions = Sessions::default();
        let (anna, bert) = (account("anna"), account("bert"));
        let (token, session) = sessions.begin(anna.clone()).unwrap();
        let (other, _) = sessions.begin(bert.clone()).unwrap();
        assert_eq!(sessions.of(&token).unwrap().account, anna);
        assert!(sessions.of("").is_none() && sessions.of(&token[1..]).is_none());
        assert!(session.has_sent(&session.csrf) && !session.has_sent(""));
        sessions.end(&other);
        assert!(sessions.of(&other).is_none());
        sessions.update(&[anna.clone(), bert]);
        assert!(sessions.of(&token).is_some());
        let mut changed = anna;
        changed.roles.clear();
        sessions.update(&[changed]);
        assert!(sessions.of(&token).is_none(), "whose roles were changed signs in again");
    }

    #[test]
    fn who_has_tried_too_often_waits_by_name_and_by_address() {
        let (sessions, here) = (Sessions::default(), IpAddr::from([127, 0, 0, 1]));
        let there = |n| IpAddr::from([192, 0, 2, n]);
        for n in 0..TRIES {
            assert!(sessions.may_try("anna", there(n as u8)));
        }
        assert!(!sessions.may_try("anna", here), "the name, from anywhere");
        for n in 0..TRIES_FROM {
            assert!(sessions.may_try(&format!("guess{n}"), here));
        }
        assert!(!sessions.may_try("bert", here), "the address, with any name");
        assert!(sessions.may_try("bert", there(200)));
        sessions.was_right("anna", here);
        assert!(sessions.may_try("anna", here));
    }
}
