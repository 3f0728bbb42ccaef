//! What waits for the signatures of two people: asked for by one in the console, signed by two with their passwords.
//!
//! ```text
//! console/requests/NONCE        {"by":"anna","text":"..."}    who asked; the request, with the signatures that it has (approval/)
//! ```
//! Nothing is done because of such a file: what it asks for is done when the gateway has taken it, with two signatures that
//! hold, and has written that to its log.

use super::accounts::Account;
use crate::approval::{Approvers, Operation, Request};
use crate::clock;
use crate::disk;
use crate::note::Signer;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

/// The requests of a state directory.
pub struct Pending {
    folder: PathBuf,
}

/// One of them, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// By what it is spoken of.
    pub nonce: String,
    /// Its name in the log: `release`, `change`, ...
    pub operation: String,
    /// What a person signs, line by line.
    pub what: Vec<String>,
    /// Until when, RFC 3339.
    pub until: String,
    /// Who asked for it.
    pub by: String,
    /// Who has signed it.
    pub signed: Vec<String>,
    /// Whether the person who looks may drop it.
    pub may_drop: bool,
}

/// A request as it lies there.
#[derive(Serialize, Deserialize)]
struct Asked {
    by: String,
    text: String,
}

impl Pending {
    /// Those of a state directory.
    pub fn of(state: &Path) -> Self {
        Pending { folder: state.join("console/requests") }
    }

    /// Asks for something, at the gateway with this log. Asked for again, it is the same request, of whoever was first.
    ///
    /// # Errors
    /// What the system says.
    pub fn ask(&self, operation: &Operation, by: &str, log: &str) -> io::Result<String> {
        for nonce in self.nonces()? {
            let known = match self.read(&nonce) {
                Err(error) if error.kind() == io::ErrorKind::InvalidData => None,
                known => known?.map(|(_, request)| request),
            };
            if known.is_some_and(|known| known.operation == *operation && !is_late(&known)) {
                return Ok(nonce);
            }
        }
        let request = Request::new(operation.clone(), log)?;
        disk::make_dir(&self.folder)?;
        self.keep(&request.nonce, &Asked { by: by.to_owned(), text: request.to_text()? })?;
        Ok(request.nonce)
    }

    /// All that wait, as they are shown to the person with this account; what is too old goes.
    ///
    /// # Errors
    /// What the system says.
    pub fn all(&self, approvers: &Approvers, viewer: &Account) -> io::Result<Vec<Waiting>> {
        let mut waiting = Vec::new();
        for nonce in self.nonces()? {
            match self.read(&nonce) {
                Ok(Some((Asked { by, text }, request))) if !is_late(&request) => {
                    waiting.push(Waiting {
                        nonce,
                        operation: request.operation.name().to_owned(),
                        what: request.operation.in_words(),
                        until: request.until,
                        signed: approvers.who_signed(&text),
                        may_drop: by == viewer.name || approvers.has(&viewer.person),
                        by,
                    });
                }
                Ok(None) => {}
                Err(error) if error.kind() != io::ErrorKind::InvalidData => return Err(error),
                _ => self.drop(&nonce)?,
            }
        }
        waiting.sort_by(|a, b| a.until.cmp(&b.until));
        Ok(waiting)
    }

    /// Signs one: the request with its signatures, as the gateway takes it. `None`: there is no such request.
    ///
    /// # Errors
    /// What the system says.
    pub fn sign(&self, nonce: &str, signer: &Signer) -> io::Result<Option<(Request, String)>> {
        let Some((Asked { by, text }, request)) = self.read(nonce)? else { return Ok(None) };
        // Who has signed it already and signs again wants it done.
        let signed = Request::sign(&text, signer).map_err(damaged)?.unwrap_or(text);
        let asked = Asked { by, text: signed };
        self.keep(nonce, &asked)?;
        Ok(Some((request, asked.text)))
    }

    /// Drops one: it was done, or nobody wants it any more.
    ///
    /// # Errors
    /// What the system says.
    pub fn drop(&self, nonce: &str) -> io::Result<()> {
        if is_nonce(nonce) { disk::remove(&self.folder.join(nonce)) } else { Ok(()) }
    }

    fn nonces(&self) -> io::Result<Vec<String>> {
        if !self.folder.exists() {
            return Ok(Vec::new());
        }
        Ok(disk::list(&self.folder)?.into_iter().filter(|name| is_nonce(name)).collect())
    }

    fn keep(&self, nonce: &str, asked: &Asked) -> io::Result<()> {
        disk::write_whole(&self.folder.join(nonce), &serde_json::to_vec(asked)?)
    }

    /// `InvalidData`: it is not what was kept.
    fn read(&self, nonce: &str) -> io::Result<Option<(Asked, Request)>> {
        if !is_nonce(nonce) {
            return Ok(None);
        }
        let Some(text) = disk::read_text(&self.folder.join(nonce))? else { return Ok(None) };
        let asked: Asked = serde_json::from_str(&text).map_err(damaged)?;
        let request = Request::read(&asked.text).map_err(damaged)?;
        Ok(Some((asked, request)))
    }
}

fn damaged(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

fn is_nonce(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

fn is_late(request: &Request) -> bool {
    humantime::parse_rfc3339(&request.until).map_or(true, |until| until < clock::now())
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test owns its files")]
mod tests {
    use super::*;
    use crate::approval::tests::{lift, people, person};

    fn account(name: &str) -> Account {
        Account::new(name, Vec::new(), "a long password").unwrap()
    }

    #[test]
    fn what_is_asked_for_waits_until_two_have_signed_it() {
        let folder = tempfile::tempdir().unwrap();
        let (pending, carla) = (Pending::of(folder.path()), account("carla"));
        let all = || pending.all(&people(), &carla).unwrap();
        assert_eq!(all(), []);
        let ask =
            |reference: &str, by: &str| pending.ask(&lift(reference), by, "efface/1").unwrap();
        let nonce = ask("r1", "carla");
        assert_eq!(ask("r1", "dora"), nonce, "not twice");
        let other = ask("r2", "dora");
        let (_, one) = pending.sign(&nonce, &person("anna", 1)).unwrap().unwrap();
        assert!(people().check(&one, &lift("r1"), "efface/1").is_err());
        assert_eq!(pending.sign(&nonce, &person("anna", 1)).unwrap().unwrap().1, one);
        let (request, two) = pending.sign(&nonce, &person("bert", 2)).unwrap().unwrap();
        assert!(people().check(&two, &request.operation, "efface/1").is_ok());
        let waiting = all().into_iter().find(|w| w.nonce == nonce).unwrap();
        assert_eq!(
            (waiting.signed.join(" "), waiting.by.as_str()),
            ("anna bert".to_owned(), "carla")
        );
        pending.drop(&nonce).unwrap();
        assert_eq!(all().len(), 1);
        // Names of files are nonces and nothing else.
        assert!(pending.sign("../accounts", &person("anna", 1)).unwrap().is_none());
        pending.drop("../requests").unwrap();
        assert!(pending.sign(&other, &person("anna", 1)).unwrap().is_some());
    }

    #[test]
    fn who_asked_may_drop_it_and_who_agrees_and_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let pending = Pending::of(folder.path());
        pending.ask(&lift("r1"), "carla", "efface/1").unwrap();
        let mut anna = account("anna");
        anna.person = person("anna", 1).verifier().to_string();
        // By the key, not by the name.
        let namesake = account("anna");
        for (viewer, may) in
            [(account("carla"), true), (anna, true), (namesake, false), (account("dora"), false)]
        {
            let waiting = pending.all(&people(), &viewer).unwrap();
            assert_eq!(waiting[0].may_drop, may, "{}", viewer.name);
        }
    }

    #[test]
    fn one_that_was_changed_on_disk_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let (pending, carla) = (Pending::of(folder.path()), account("carla"));
        for (from, to) in [("nonce", "n0nce"), ("{", "[")] {
            let nonce = pending.ask(&lift("r1"), "carla", "efface/1").unwrap();
            let file = folder.path().join("console/requests").join(&nonce);
            let text = std::fs::read_to_string(&file).unwrap();
            std::fs::write(&file, text.replace(from, to)).unwrap();
            assert!(pending.sign(&nonce, &person("anna", 1)).is_err());
            assert_eq!(pending.all(&people(), &carla).unwrap(), []);
            assert!(!file.exists());
        }
    }
}
