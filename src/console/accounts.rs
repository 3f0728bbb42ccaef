//! Who may sign in to the console.
//!
//! ```text
//! console/accounts   {"efface_accounts":1}
//!                    {"name":"anna","roles":["auditor"],"since":"2026-11-28","person":"anna+...","sealed":"efface sealed key 1\n..."}
//!                    {"seal":"64 hex digits"}
//! ```
//! A password is right if it opens what it seals (Argon2id, `key/passphrase.rs`): the person's own key, by which the person agrees to
//! what needs two people. So nobody can agree in somebody else's name, not even who can write this file: a new
//! password without the old one is a new key, and that counts only once two people have put it under `approvers:`.

use super::roles::Role;
use crate::clock::Day;
use crate::disk;
use crate::key::{Key, Purpose, RootKey, passphrase};
use crate::note::{self, Kind, Signer};
use crate::sealed;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

/// Bytes of the largest file of accounts that is read.
const BYTES_MAX: u64 = 4 << 20;
/// What is sealed.
const KIND: &[u8] = b"accounts";

/// A person who may sign in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// By what the person is called, also in the log.
    pub name: String,
    /// What the person is there for.
    pub roles: Vec<Role>,
    /// Since when.
    pub since: Day,
    /// The public half of the person's key: the line for `approvers:` in the configuration.
    pub person: String,
    /// The secret half, sealed with the password.
    sealed: String,
}

/// A password that is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a password of {n} to {LONGEST} characters", n = passphrase::SHORTEST)]
pub struct BadPassword;

/// A longer one is not hashed, bytes.
const LONGEST: usize = 512;

impl Account {
    /// A new one, with a key of its own.
    ///
    /// # Errors
    /// A password that is not taken, or what the system says.
    pub fn new(name: &str, roles: Vec<Role>, password: &str) -> io::Result<Self> {
        if password.chars().count() < passphrase::SHORTEST || password.len() > LONGEST {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, BadPassword));
        }
        let (text, person) = note::file::generate(name, Kind::Text)?;
        let sealed = passphrase::seal(&text, password)?;
        let (name, person) = (name.to_owned(), person.to_string());
        Ok(Account { name, roles, since: Day::today(), person, sealed })
    }

    /// The person's key; `None`: it is not the password.
    pub fn open(&self, password: &str) -> Option<Signer> {
        let text =
            passphrase::open(&self.sealed, password).filter(|_| password.len() <= LONGEST)?;
        note::file::parse(&text, Kind::Text)
    }

    /// The same key under another password; `None`: the old one is not right, or the new one is not taken.
    pub fn with_password(&self, old: &str, new: &str) -> Option<Self> {
        let text = passphrase::open(&self.sealed, old)?;
        let long = new.chars().count() >= passphrase::SHORTEST && new.len() <= LONGEST;
        let sealed = long.then(|| passphrase::seal(&text, new).ok())??;
        Some(Account { sealed, ..self.clone() })
    }
}

#[derive(Serialize, Deserialize)]
struct Head {
    efface_accounts: u32,
}

/// The accounts of a state directory.
pub struct Accounts {
    directory: PathBuf,
    key: Key,
}

impl Accounts {
    /// Those of a state directory, by the key of this root.
    pub fn of(state: &Path, root: &RootKey) -> Self {
        Accounts { directory: state.join("console"), key: root.derive("", Purpose::Console) }
    }

    /// All of them.
    ///
    /// # Errors
    /// `InvalidData` for a file that is not what was written; what the system says.
    pub fn read(&self) -> io::Result<Vec<Account>> {
        let Some(text) = sealed::read(&self.file(), BYTES_MAX)? else { return Ok(Vec::new()) };
        let lines = sealed::open(&self.key, KIND, &text);
        let rows = lines.and_then(sealed::parse_rows::<Head, Account>);
        let rows = rows.filter(|(head, _)| head.efface_accounts == 1);
        rows.map(|(_, accounts)| accounts).ok_or_else(|| {
            let what = format!(
                "{} was changed, or is of another key: put it back from a backup, or remove it and make the accounts anew",
                self.file().display()
            );
            io::Error::new(io::ErrorKind::InvalidData, what)
        })
    }

    /// Changes them, one writer at a time, durably.
    ///
    /// # Errors
    /// As [`Accounts::read`], and what `edit` says.
    pub fn change<E: From<io::Error>>(
        &self,
        edit: impl FnOnce(&mut Vec<Account>) -> Result<(), E>,
    ) -> Result<(), E> {
        let lock = sealed::lock(&self.directory)?;
        let mut accounts = self.read()?;
        edit(&mut accounts)?;
        let head = Head { efface_accounts: 1 };
        let text = sealed::seal_rows(&self.key, KIND, &head, &accounts)?;
        disk::write_whole(&self.file(), &text)?;
        drop(lock);
        Ok(())
    }

    fn file(&self) -> PathBuf {
        self.directory.join("accounts")
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test owns its files")]
mod tests {
    use super::*;
    use crate::note::{Note, Signed, Verifier};

    const PASSWORD: &str = "a long password";

    fn anna() -> Account {
        Account::new("anna", vec![Role::Auditor], PASSWORD).unwrap()
    }

    #[test]
    fn a_password_opens_the_key_of_its_person_and_no_other_does() {
        let anna = anna();
        let signed = anna.open(PASSWORD).unwrap().note("text\n");
        let person: Verifier = anna.person.parse().unwrap();
        assert_eq!(Note::parse(&signed).unwrap().is_signed_by(&person), Signed::Yes);
        assert!(anna.open("a long passworD").is_none() && anna.open("").is_none());
        assert!(Account::new("anna", vec![], "short").is_err());
        assert!(Account::new("anna", vec![], &"x".repeat(LONGEST + 1)).is_err());
        // The key stays the person's with a new password, and is not had without the old one.
        let renewed = anna.with_password(PASSWORD, "another password").unwrap();
        assert_eq!(renewed.person, anna.person);
        assert!(renewed.open("another password").is_some() && renewed.open(PASSWORD).is_none());
        assert!(anna.with_password("wrong password", "another password").is_none());
        assert!(anna.with_password(PASSWORD, "short").is_none());
    }

    #[test]
    fn accounts_that_were_changed_by_hand_are_none() {
        let folder = tempfile::tempdir().unwrap();
        let root = RootKey::of_patient(&[7; 32], "A1");
        let accounts = Accounts::of(folder.path(), &root);
        assert_eq!(accounts.read().unwrap(), []);
        let anna = anna();
        let add = |all: &mut Vec<Account>| -> io::Result<()> {
            all.push(anna.clone());
            Ok(())
        };
        accounts.change(add).unwrap();
        assert_eq!(accounts.read().unwrap(), std::slice::from_ref(&anna));
        let file = folder.path().join("console/accounts");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.replace("auditor", "operator")).unwrap();
        assert_eq!(accounts.read().unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert!(accounts.change(add).is_err(), "nor is it written over");
    }
}
