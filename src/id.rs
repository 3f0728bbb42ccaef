//! Identifiers, parsed once: whoever holds one of these types holds a valid value.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What is wrong with an identifier. Never carries the identifier itself: it may come from a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// An AE title of the wrong length or with characters that PS3.5 6.2 forbids.
    #[error(
        "an AE title has 1 to 16 printable ASCII characters, not all spaces, no backslash (PS3.5 6.2)"
    )]
    AeTitle,
    /// A UID of the wrong length or form.
    #[error(
        "a UID has 1 to 64 characters, digits and dots, no empty and no zero-led component (PS3.5 9.1)"
    )]
    Uid,
    /// A name that isn't one of efface's own.
    #[error("expected {expected} lower-case letters and digits of efface's own making")]
    Name {
        /// How many characters such a name has.
        expected: usize,
    },
}

/// An application entity title (PS3.5 6.2, VR AE): 1 to 16 characters, outer spaces insignificant.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AeTitle(String);

impl AeTitle {
    /// The title without its padding.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for AeTitle {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<AeTitle> for String {
    fn from(title: AeTitle) -> Self {
        title.0
    }
}

impl FromStr for AeTitle {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let title = text.trim_matches(' ');
        let legal = |b: u8| (0x20..0x7f).contains(&b) && b != b'\\';
        if title.is_empty() || title.len() > 16 || !title.bytes().all(legal) {
            return Err(Error::AeTitle);
        }
        Ok(AeTitle(title.to_owned()))
    }
}

impl fmt::Display for AeTitle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A unique identifier in legal form (PS3.5 9.1).
///
/// It has no `Display` on purpose: the UID of a source instance identifies a patient as well as
/// a name does. Constants of the standard and efface's own output UIDs may be shown by `as_str`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uid(String);

impl Uid {
    /// The dotted form, at most 64 characters, without padding.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Uid {
    type Err = Error;

    /// Takes the value as it stands in a data set: one NUL or space of padding is dropped.
    fn from_str(text: &str) -> Result<Self, Error> {
        let uid = text.trim_end_matches(['\0', ' ']);
        let component = |part: &str| {
            !part.is_empty()
                && part.bytes().all(|b| b.is_ascii_digit())
                && (part == "0" || !part.starts_with('0'))
        };
        if uid.is_empty() || uid.len() > 64 || !uid.split('.').all(component) {
            return Err(Error::Uid);
        }
        Ok(Uid(uid.to_owned()))
    }
}

impl fmt::Debug for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<uid of {} characters>", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ae_titles() {
        assert_eq!("  STORE SCP ".parse::<AeTitle>().unwrap().as_str(), "STORE SCP");
        for bad in ["", "   ", "A\\B", "A\nB", "Ä", "SEVENTEEN-LETTERS"] {
            assert_eq!(bad.parse::<AeTitle>(), Err(Error::AeTitle), "{bad:?}");
        }
    }

    #[test]
    fn uids() {
        assert_eq!("1.2.840.10008.1.1\0".parse::<Uid>().unwrap().as_str(), "1.2.840.10008.1.1");
        let long = "1".repeat(65);
        for bad in ["", ".", "1..2", "1.02", "1.2.", "../../x", "1.2\n", "1.2 3", &long] {
            assert_eq!(bad.parse::<Uid>(), Err(Error::Uid), "{bad:?}");
        }
    }
}
