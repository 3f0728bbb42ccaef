//! Pictures between the page that has them and the browser that fetches them: each for the session that asked for it, once,
//! and not for long.

use super::App;
use crate::console::Visitor;
use axum::extract::FromRef;
use data_encoding::HEXLOWER;
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Pictures that wait at a time.
const PICTURES: usize = 8;
/// How long one waits.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where they wait.
#[derive(Clone, Default)]
pub(super) struct Shelf(Arc<Mutex<VecDeque<Waiting>>>);

struct Waiting {
    token: String,
    session: Option<String>,
    since: Instant,
    png: Vec<u8>,
}

impl FromRef<App> for Shelf {
    fn from_ref(app: &App) -> Self {
        app.pictures.clone()
    }
}

impl Shelf {
    /// Puts a picture there; the name under which its session gets it.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub(super) fn put(&self, visitor: &Visitor, png: Vec<u8>) -> io::Result<String> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(io::Error::from)?;
        let (token, session) = (HEXLOWER.encode(&bytes), visitor.session.clone());
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|one| one.since.elapsed() < PATIENCE);
        while waiting.len() >= PICTURES {
            waiting.pop_front();
        }
        waiting.push_back(Waiting { token: token.clone(), session, since: Instant::now(), png });
        Ok(token)
    }

    /// Gives it to its session, and has it no more.
    pub(super) fn take(&self, visitor: &Visitor, token: &str) -> Option<Vec<u8>> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|one| one.since.elapsed() < PATIENCE);
        let is_it = |one: &Waiting| one.token == token && one.session == visitor.session;
        let at = waiting.iter().position(is_it)?;
        waiting.remove(at).map(|one| one.png)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{IpAddr, Ipv4Addr};

    #[test]
    fn a_picture_is_for_its_session_once() {
        let visitor = |session: &str| Visitor {
            session: Some(session.to_owned()),
            from: IpAddr::V4(Ipv4Addr::LOCALHOST),
        };
        let shelf = Shelf::default();
        let token = shelf.put(&visitor("a"), vec![1]).unwrap();
        assert_eq!(shelf.take(&visitor("b"), &token), None);
        assert_eq!(shelf.take(&visitor("a"), "0"), None);
        assert_eq!(shelf.take(&visitor("a"), &token), Some(vec![1]));
        assert_eq!(shelf.take(&visitor("a"), &token), None);
        let first = shelf.put(&visitor("a"), vec![2]).unwrap();
        (0..PICTURES).for_each(|_| drop(shelf.put(&visitor("a"), vec![3]).unwrap()));
        assert_eq!(shelf.take(&visitor("a"), &first), None, "there is no more room");
    }
}
