//! What waits for the signatures of two people: asked for by one in the console, signed by two with their passwords.
//!
//! ```text
//! console/requests/NONCE        the request, with the signatures that it has (approval/)
//! ```
//! Nothing is done because of such a file: what it asks for is done when the gateway has taken it, with two signatures that
//! hold, and has written that to its log.

use crate::approval::{Approvers, Error, Operation, Request};
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
    /// Who has signed it.
    pub signed: Vec<String>,
}

impl Pending {
    /// Those of a state directory.
    pub fn of(state: &Path) -> Self {
        Pending { folder: state.join("console/requests") }
    }

    /// Asks for something, at the gateway with this log. Asked for again, it is the same request.
    ///
    /// # Errors
    /// What the system says.
    pub fn ask(&self, operation: &Operation, log: &str) -> io::Result<String> {
        for nonce in self.nonces()? {
            let known = self.text(&nonce)?.and_then(|text| Request::read(&text).ok());
            if known.is_some_and(|known| known.operation == *operation && !is_late(&known)) {
                return Ok(nonce);
            }
        }
        let request = Request::new(operation.clone(), log)?;
        disk::make_dir(&self.folder)?;
        disk::write_whole(&self.folder.join(&request.nonce), request.to_text()?.as_bytes())?;
        Ok(request.nonce)
    }

    /// All that wait; what is too old goes.
    ///
    /// # Errors
    /// What the system says.
    pub fn all(&self, approvers: &Approvers) -> io::Result<Vec<Waiting>> {
        let mut waiting = Vec::new();
        for nonce in self.nonces()? {
            let Some(text) = self.text(&nonce)? else { continue };
            match Request::read(&text) {
                Ok(request) if !is_late(&request) => waiting.push(Waiting {
                    nonce,
                    operation: request.operation.name().to_owned(),
                    what: request.operation.in_words(),
                    until: request.until,
                    signed: approvers.who_signed(&text),
                }),
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
        let Some(text) = self.text(nonce)? else { return Ok(None) };
        let damaged = |error: Error| io::Error::new(io::ErrorKind::InvalidData, error);
        let request = Request::read(&text).map_err(damaged)?;
        // Who has signed it already and signs again wants it done.
        let signed = Request::sign(&text, signer).map_err(damaged)?.unwrap_or(text);
        disk::write_whole(&self.folder.join(nonce), signed.as_bytes())?;
        Ok(Some((request, signed)))
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

    fn text(&self, nonce: &str) -> io::Result<Option<String>> {
        if is_nonce(nonce) { disk::read_text(&self.folder.join(nonce)) } else { Ok(None) }
    }
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

    #[test]
    fn what_is_asked_for_waits_until_two_have_signed_it() {
        let folder = tempfile::tempdir().unwrap();
        let pending = Pending::of(folder.path());
        assert_eq!(pending.all(&people()).unwrap(), []);
        let nonce = pending.ask(&lift("r1"), "efface/1").unwrap();
        assert_eq!(pending.ask(&lift("r1"), "efface/1").unwrap(), nonce, "not twice");
        let other = pending.ask(&lift("r2"), "efface/1").unwrap();
        let (_, one) = pending.sign(&nonce, &person("anna", 1)).unwrap().unwrap();
        assert!(people().check(&one, &lift("r1"), "efface/1").is_err());
        assert_eq!(pending.sign(&nonce, &person("anna", 1)).unwrap().unwrap().1, one);
        let (request, two) = pending.sign(&nonce, &person("bert", 2)).unwrap().unwrap();
        assert!(people().check(&two, &request.operation, "efface/1").is_ok());
        let waiting = pending.all(&people()).unwrap();
        let signed = waiting.iter().find(|w| w.nonce == nonce).unwrap().signed.clone();
        assert_eq!(signed, ["anna", "bert"]);
        pending.drop(&nonce).unwrap();
        assert_eq!(pending.all(&people()).unwrap().len(), 1);
        // Names of files are nonces and nothing else.
        assert!(pending.sign("../accounts", &person("anna", 1)).unwrap().is_none());
        pending.drop("../requests").unwrap();
        assert!(pending.sign(&other, &person("anna", 1)).unwrap().is_some());
    }

    #[test]
    fn one_that_was_changed_on_disk_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let pending = Pending::of(folder.path());
        let nonce = pending.ask(&lift("r1"), "efface/1").unwrap();
        let file = folder.path().join("console/requests").join(&nonce);
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.replace("nonce", "n0nce")).unwrap();
        assert!(pending.sign(&nonce, &person("anna", 1)).is_err());
        assert_eq!(pending.all(&people()).unwrap(), []);
        assert!(!file.exists());
    }
}
