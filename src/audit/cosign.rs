//! A witness: it signs a checkpoint only if that goes on from the last one that it signed (C2SP tlog-witness).
//!
//! ```text
//! add-checkpoint    old 1742                       what the log believes to have been signed last
//!                   base64                         the proof, a hash a line
//!
//!                   the checkpoint, a signed note
//! 200               — WITNESS base64               the cosignature, to be put under it (C2SP tlog-cosignature)
//! 409               1811                           another size was: prove from there
//! ```
//! What was signed is on disk before anybody gets the signature: a log that was rolled back or rewritten since cannot have
//! another one. The witness needs no copy of the log, and learns no more of it than sizes and roots.

use super::checkpoint::{Checkpoint, Error as CheckpointError, Verifier};
use super::tree::{self, Hash};
use crate::disk;
use crate::note::{Note, Signer};
use data_encoding::{BASE64, HEXLOWER};
use sha2::{Digest, Sha256};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Hashes in a proof; a log of 2^63 records needs no more.
const PROOF_MAX: usize = 63;

/// A witness of some logs.
pub struct Witnessing {
    directory: PathBuf,
    logs: Vec<Verifier>,
    signer: Signer,
    /// One at a time: two that follow on the same one may contradict each other.
    turn: Mutex<()>,
}

/// Why a witness does not sign (C2SP tlog-witness).
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It does not read.
    #[error("this is no request of add-checkpoint (C2SP tlog-witness)")]
    Form,
    /// It is of no log that this one is a witness of.
    #[error("this is no log that I am a witness of")]
    Unknown,
    /// Its signature does not hold, or there is none.
    #[error("the checkpoint: {0}")]
    Unsigned(CheckpointError),
    /// Another checkpoint was signed last.
    #[error("I have signed {0} records")]
    Conflict(u64),
    /// It does not go on from the last one.
    #[error("it does not go on from the {0} records that I have signed: history was rewritten")]
    Inconsistent(u64),
    /// What was signed cannot be read, or not be kept.
    #[error("what I have signed cannot be kept: {0}")]
    Io(#[from] io::Error),
}

impl Refused {
    /// Its status in HTTP.
    pub fn status(&self) -> u16 {
        match self {
            Refused::Form => 400,
            Refused::Unsigned(_) => 403,
            Refused::Unknown => 404,
            Refused::Conflict(_) => 409,
            Refused::Inconsistent(_) => 422,
            Refused::Io(_) => 500,
        }
    }
}

/// A question to a witness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosigned {
    /// How many records it is believed to have signed.
    pub old: u64,
    /// What proves that the checkpoint goes on from them.
    pub proof: Vec<Hash>,
    /// The checkpoint, a signed note.
    pub note: String,
}

impl Cosigned {
    /// As it goes over the wire.
    pub fn to_text(&self) -> String {
        let proof = self.proof.iter().map(|hash| BASE64.encode(hash) + "\n");
        format!("old {}\n{}\n{}", self.old, proof.collect::<String>(), self.note)
    }

    fn parse(text: &str) -> Option<Self> {
        let (head, note) = text.split_once("\n\n")?;
        let mut lines = head.lines();
        let digits = lines.next()?.strip_prefix("old ")?;
        let old = digits.parse().ok().filter(|old: &u64| old.to_string() == digits)?;
        let hash = |line: &str| BASE64.decode(line.as_bytes()).ok()?.try_into().ok();
        let proof = lines.map(hash).collect::<Option<Vec<Hash>>>()?;
        (proof.len() <= PROOF_MAX).then(|| Cosigned { old, proof, note: note.to_owned() })
    }
}

impl Witnessing {
    /// A witness of these logs that keeps what it has signed in a directory.
    pub fn new(directory: &Path, logs: Vec<Verifier>, signer: Signer) -> Self {
        Witnessing { directory: directory.to_owned(), logs, signer, turn: Mutex::default() }
    }

    /// Signs a checkpoint that goes on from the last one: the line of the cosignature.
    ///
    /// # Errors
    /// [`Refused`]: nothing was signed.
    pub fn add(&self, text: &str) -> Result<String, Refused> {
        let Cosigned { old, proof, note } = Cosigned::parse(text).ok_or(Refused::Form)?;
        let read = Note::parse(&note).ok_or(Refused::Form)?;
        let origin = read.text.lines().next().unwrap_or_default();
        let log = self.logs.iter().find(|log| log.name() == origin).ok_or(Refused::Unknown)?;
        let Checkpoint { size, root, .. } = log.open(&note).map_err(Refused::Unsigned)?;
        if old > size {
            return Err(Refused::Form);
        }
        let _one_at_a_time = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.known(log)?;
        match known {
            Some((known, _)) if known != old => return Err(Refused::Conflict(known)),
            None if old != 0 => return Err(Refused::Conflict(0)),
            _ => {}
        }
        let before = known.unwrap_or((0, tree::root(&[])));
        if !tree::is_consistent(before, (size, root), &proof) {
            return Err(Refused::Inconsistent(before.0));
        }
        let kept = format!("{size}\n{}\n", BASE64.encode(&root));
        disk::write_whole(&self.file(log), kept.as_bytes())?;
        Ok(self.signer.line(read.text))
    }

    /// Size and root of what was signed last of a log. What is there and does not read is no reason to begin anew.
    fn known(&self, log: &Verifier) -> io::Result<Option<(u64, Hash)>> {
        let Some(text) = disk::read_text(&self.file(log))? else { return Ok(None) };
        let (size, root) = text.trim_end().split_once('\n').ok_or(io::ErrorKind::InvalidData)?;
        let root = BASE64.decode(root.as_bytes()).ok().and_then(|root| root.try_into().ok());
        let known = size.parse().ok().zip(root);
        known.map(Some).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    fn file(&self, log: &Verifier) -> PathBuf {
        self.directory.join(HEXLOWER.encode(&Sha256::digest(log.to_string())))
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test owns its files")]
mod tests {
    use super::super::tests::{filled, log, signer};
    use super::super::{Event, newest, since};
    use super::*;
    use crate::note::{Kind, Signed};
    use ed25519_dalek::SigningKey;

    struct House(tempfile::TempDir);

    impl House {
        fn audit(&self) -> PathBuf {
            self.0.path().join("audit")
        }

        fn witness(&self) -> Witnessing {
            let kept = self.0.path().join("kept");
            disk::make_dir(&kept).unwrap();
            let own = Signer::new("w", Kind::Seen, SigningKey::from_bytes(&[5; 32]));
            Witnessing::new(&kept, vec![signer().verifier().clone()], own)
        }

        fn ask(&self, old: u64) -> Result<String, Refused> {
            let (note, proof) = since(&self.audit(), old).unwrap();
            self.witness().add(&Cosigned { old, proof, note }.to_text())
        }
    }

    #[test]
    fn a_log_that_goes_on_is_signed_and_one_that_went_back_is_not() {
        let house = House(tempfile::tempdir().unwrap());
        filled(&house.audit(), 3);
        let (note, line) = (newest(&house.audit()).unwrap(), house.ask(0).unwrap());
        let both = note + &line;
        assert!(signer().verifier().open(&both).is_ok());
        let read = Note::parse(&both).unwrap();
        assert_eq!(read.is_signed_by(house.witness().signer.verifier()), Signed::Yes);
        // Again, and in ignorance of what was signed.
        house.ask(3).unwrap();
        assert!(matches!(house.ask(0), Err(Refused::Conflict(3))));
        assert!(matches!(house.ask(2), Err(Refused::Conflict(3))));
        let began = log(&house.audit());
        for n in 4..9 {
            began.append(Event::Stopped).unwrap();
            house.ask(n - 1).unwrap();
        }
        drop(began);
        // Another history, as long and longer, by whoever has the key.
        std::fs::remove_dir_all(house.audit()).unwrap();
        filled(&house.audit(), 8);
        assert!(matches!(house.ask(8), Err(Refused::Inconsistent(8))));
        log(&house.audit()).append(Event::Stopped).unwrap();
        assert!(matches!(house.ask(8), Err(Refused::Inconsistent(8))));
        // A shorter one cannot even ask.
        std::fs::remove_dir_all(house.audit()).unwrap();
        filled(&house.audit(), 2);
        assert!(since(&house.audit(), 8).is_err());
        assert!(matches!(house.ask(0), Err(Refused::Conflict(8))));
        // Nor does it help to damage what the witness keeps.
        for kept in std::fs::read_dir(house.0.path().join("kept")).unwrap() {
            std::fs::write(kept.unwrap().path(), "8").unwrap();
        }
        assert!(matches!(house.ask(0), Err(Refused::Io(_))));
    }

    #[test]
    fn strangers_and_nonsense_are_turned_away() {
        let house = House(tempfile::tempdir().unwrap());
        filled(&house.audit(), 3);
        let (note, proof) = since(&house.audit(), 0).unwrap();
        let good = Cosigned { old: 0, proof, note };
        assert_eq!(Cosigned::parse(&good.to_text()), Some(good.clone()));
        let refused = |text: &str| house.witness().add(text).unwrap_err().status();
        assert_eq!(refused(""), 400);
        assert_eq!(refused("old 0\n\n"), 400);
        assert_eq!(refused(&good.to_text().replacen("old 0", "old 00", 1)), 400);
        assert_eq!(refused(&Cosigned { old: 4, ..good.clone() }.to_text()), 400);
        assert_eq!(refused(&Cosigned { proof: vec![[0; 32]; 64], ..good.clone() }.to_text()), 400);
        assert_eq!(refused(&Cosigned { proof: vec![[0; 32]], ..good.clone() }.to_text()), 422);
        let forged = good.note.replacen("\n3\n", "\n4\n", 1);
        assert_eq!(refused(&Cosigned { note: forged, ..good.clone() }.to_text()), 403);
        let stranger = good.note.replacen("efface/", "other/", 1);
        assert_eq!(refused(&Cosigned { note: stranger, ..good }.to_text()), 404);
        house.ask(0).unwrap();
    }
}
