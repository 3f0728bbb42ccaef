//! A release: its version, and the digests of its packages, in a note that its publisher signs.
//!
//! ```text
//! efface release 1
//! version 0.2.0
//! 64 hex digits  efface_0.2.0_amd64.deb
//!
//! — releases base64
//! ```
//! The note lies beside the packages, on whatever medium brings them: whoever has the publisher's public key needs no network.

use super::{Note, Signed, Signer, Verifier};
use crate::disk;
use data_encoding::HEXLOWER;
use serde::Serialize;
use std::fmt;
use std::fs::File;
use std::io;
use std::path::Path;
use std::str::FromStr;

const MAGIC: &str = "efface release 1";
/// More packages than any release has.
const PACKAGES_MAX: usize = 64;

/// A version, as in Cargo.toml: three numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version([u32; 3]);

/// What is no version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a version is three numbers, such as 0.2.0")]
pub struct BadVersion;

impl Version {
    /// That of this program.
    ///
    /// # Errors
    /// It is not written as one.
    pub fn running() -> Result<Self, BadVersion> {
        env!("CARGO_PKG_VERSION").parse()
    }
}

impl FromStr for Version {
    type Err = BadVersion;

    fn from_str(text: &str) -> Result<Self, BadVersion> {
        let number = |part: &str| part.parse::<u32>().ok().filter(|n| n.to_string() == part);
        let numbers: Option<Vec<u32>> = text.split('.').map(number).collect();
        numbers.and_then(|numbers| numbers.try_into().ok()).map(Version).ok_or(BadVersion)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.0;
        write!(f, "{major}.{minor}.{patch}")
    }
}

/// Why a note is no release.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is something else, or was cut off.
    #[error("this is no release of efface: fetch it again")]
    Form,
    /// Nobody has signed it, or somebody else has.
    #[error("it is not signed by {0}: it is not from whoever gave you that key. Do not install it")]
    Unsigned(String),
    /// Changed after it was signed.
    #[error("the signature of {0} does not hold: it was changed on its way. Do not install it")]
    Forged(String),
}

/// What is known of a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Found {
    /// The bytes that were released.
    AsReleased,
    /// Other bytes.
    Changed,
    /// It is not there.
    Missing,
}

/// A release that somebody may have signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// Its version.
    pub version: Version,
    /// Names of its packages, and the SHA-256 of each.
    pub packages: Vec<(String, [u8; 32])>,
}

impl Release {
    /// Of these packages.
    ///
    /// # Errors
    /// One cannot be read, or has no name that fits in a line.
    pub fn of(version: Version, files: &[impl AsRef<Path>]) -> io::Result<Self> {
        let mut packages = Vec::new();
        for file in files {
            let file = file.as_ref();
            let said =
                |what: &dyn fmt::Display| io::Error::other(format!("{}: {what}", file.display()));
            let name = file.file_name().and_then(|name| name.to_str());
            let name = name.filter(|name| is_name(name));
            let name =
                name.ok_or_else(|| said(&"a package is called by letters, digits, . _ + - ~"))?;
            let digest = digest(file).map_err(|error| said(&error))?;
            packages.push((name.to_owned(), digest));
        }
        Ok(Release { version, packages })
    }

    /// The note.
    pub fn note(&self, signer: &Signer) -> String {
        signer.note(&self.text())
    }

    fn text(&self) -> String {
        let mut text = format!("{MAGIC}\nversion {}\n", self.version);
        for (name, digest) in &self.packages {
            text += &format!("{}  {name}\n", HEXLOWER.encode(digest));
        }
        text
    }

    /// The release that a publisher has signed.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn read(note: &str, publisher: &Verifier) -> Result<Self, Refused> {
        let note = Note::parse(note).ok_or(Refused::Form)?;
        match note.is_signed_by(publisher) {
            Signed::Yes => Release::parse(note.text).ok_or(Refused::Form),
            Signed::No => Err(Refused::Unsigned(publisher.name().to_owned())),
            Signed::Forged => Err(Refused::Forged(publisher.name().to_owned())),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        if lines.next()? != MAGIC {
            return None;
        }
        let version = lines.next()?.strip_prefix("version ")?.parse().ok()?;
        let package = |line: &str| {
            let (digest, name) = line.split_once("  ").filter(|(_, name)| is_name(name))?;
            let digest = HEXLOWER.decode(digest.as_bytes()).ok()?.try_into().ok()?;
            Some((name.to_owned(), digest))
        };
        let packages = lines.map(package).collect::<Option<Vec<_>>>()?;
        let release = Release { version, packages };
        // What is signed is this, byte for byte, and nothing besides.
        let is_it = release.text() == text && (1..=PACKAGES_MAX).contains(&release.packages.len());
        is_it.then_some(release)
    }

    /// What of it lies in a folder.
    ///
    /// # Errors
    /// A package is there and cannot be read.
    pub fn look(&self, folder: &Path) -> io::Result<Vec<(&str, Found)>> {
        let look = |(name, released): &'_ (String, [u8; 32])| match digest(&folder.join(name)) {
            Ok(found) if found == *released => Ok(Found::AsReleased),
            Ok(_) => Ok(Found::Changed),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Found::Missing),
            Err(error) => Err(io::Error::other(format!("{name}: {error}"))),
        };
        self.packages.iter().map(|package| Ok((package.0.as_str(), look(package)?))).collect()
    }
}

fn digest(file: &Path) -> io::Result<[u8; 32]> {
    disk::open(file).and_then(|file: File| disk::sha256(file))
}

/// A file's name and never a way to another folder.
fn is_name(name: &str) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"._+-~".contains(&b);
    (1..=128).contains(&name.len()) && !name.starts_with('.') && name.bytes().all(legal)
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test owns its files")]
mod tests {
    use super::*;
    use crate::note::Kind;
    use ed25519_dalek::SigningKey;

    fn signer(name: &str, key: u8) -> Signer {
        Signer::new(name, Kind::Text, SigningKey::from_bytes(&[key; 32]))
    }

    #[test]
    fn a_release_is_what_its_publisher_signed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let (deb, rpm) =
            (folder.path().join("efface_0.2.0_amd64.deb"), folder.path().join("e.rpm"));
        std::fs::write(&deb, "one").unwrap();
        std::fs::write(&rpm, "two").unwrap();
        let us = signer("releases", 1);
        let release = Release::of("0.2.0".parse().unwrap(), &[&deb, &rpm]).unwrap();
        let note = release.note(&us);
        let read = Release::read(&note, us.verifier()).unwrap();
        assert_eq!(read, release);
        let found: Vec<Found> = read.look(folder.path()).unwrap().iter().map(|f| f.1).collect();
        assert_eq!(found, [Found::AsReleased, Found::AsReleased]);
        std::fs::write(&deb, "0ne").unwrap();
        std::fs::remove_file(&rpm).unwrap();
        let found: Vec<Found> = read.look(folder.path()).unwrap().iter().map(|f| f.1).collect();
        assert_eq!(found, [Found::Changed, Found::Missing]);

        for at in 0..note.len() {
            let mut changed = note.clone().into_bytes();
            changed[at] ^= 1;
            let changed = String::from_utf8_lossy(&changed).into_owned();
            assert!(Release::read(&changed, us.verifier()).is_err(), "byte {at}");
        }
        let other = Release::read(&note, signer("releases", 2).verifier());
        assert_eq!(other, Err(Refused::Unsigned("releases".to_owned())));
        let changed = note.replace("version 0.2.0", "version 0.3.0");
        assert_eq!(
            Release::read(&changed, us.verifier()),
            Err(Refused::Forged("releases".to_owned()))
        );
        // Other texts of the same key are none.
        for text in ["efface approval 1\nx\n", "efface release 1\nversion 0.2.0\n"] {
            assert_eq!(Release::read(&us.note(text), us.verifier()), Err(Refused::Form));
        }
        let outside = format!("{MAGIC}\nversion 0.2.0\n{}  ../x\n", "00".repeat(32));
        assert_eq!(Release::read(&us.note(&outside), us.verifier()), Err(Refused::Form));
    }

    #[test]
    fn versions_compare_as_numbers() {
        let version = |text: &str| text.parse::<Version>();
        assert!(version("0.10.0").unwrap() > version("0.9.12").unwrap());
        for wrong in ["1", "1.2", "1.2.3.4", "1.02.3", "1.2.x", "+1.2.3", ""] {
            assert_eq!(version(wrong), Err(BadVersion), "{wrong}");
        }
        assert_eq!(Version::running().unwrap().to_string(), env!("CARGO_PKG_VERSION"));
    }
}
