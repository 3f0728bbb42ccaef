//! A root key in parts, of which so many give it back and fewer tell nothing (Shamir, How to share a secret, 1979).
//!
//! A share is a page that can be printed, typed in again and checked by itself:
//!
//! ```text
//! efface key share 1
//! key 0f1e2d3c4b5a6978
//! share 2 of 5, 3 needed
//! 0HAB CDEF 2345 6789 GHJK MNPQ RSTV WXYZ
//! 04M7 ...
//! check 9P3K 7XQ2
//! ```

use super::RootKey;
use crate::crockford::CROCKFORD;
use blahaj::Sharks;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use zeroize::Zeroizing;

/// Most shares of one key.
const SHARES_MAX: u8 = 20;
const MAGIC: &str = "efface key share 1";
/// Characters between two spaces, and groups in a line.
const GROUP: usize = 4;
const GROUPS: usize = 8;
/// Bytes of the check at the end of a share.
const CHECK: usize = 5;

/// One part of a key.
pub struct Share {
    key: String,
    number: u8,
    all: u8,
    needed: u8,
    part: Zeroizing<Vec<u8>>,
}

/// Why shares give no key.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum BadShares {
    /// Numbers that make no sense.
    #[error("2 to {SHARES_MAX} shares, and 2 or more needed, but not more than there are")]
    Numbers,
    /// No share, or mistyped.
    #[error(
        "this is no share, or it was copied with a mistake: its last line does not fit the others"
    )]
    Form,
    /// Of two keys.
    #[error("share {0} is of another key than the first one")]
    OfAnotherKey(u8),
    /// Not enough.
    #[error("{needed} different shares are needed, {given} were given")]
    TooFew {
        /// How many it takes.
        needed: u8,
        /// How many there are.
        given: usize,
    },
    /// Together they are no key.
    #[error("together they are not the key whose name they bear: one of them was changed")]
    Changed,
}

/// Parts a key: `needed` of `all` shares give it back.
///
/// # Errors
/// [`BadShares::Numbers`].
pub fn split(key: &RootKey, all: u8, needed: u8) -> Result<Vec<Share>, BadShares> {
    if !(2..=SHARES_MAX).contains(&all) || !(2..=all).contains(&needed) {
        return Err(BadShares::Numbers);
    }
    let dealer = Sharks(needed).dealer(&key.to_bytes()).take(all.into());
    let share = |part: blahaj::Share| {
        let part = Zeroizing::new(Vec::from(&part));
        Share { key: key.fingerprint(), number: part[0], all, needed, part }
    };
    Ok(dealer.map(share).collect())
}

/// Puts a key together again.
///
/// # Errors
/// [`BadShares`].
pub fn join(shares: &[Share]) -> Result<RootKey, BadShares> {
    let first = shares.first().ok_or(BadShares::TooFew { needed: 2, given: 0 })?;
    let is_of_another = |share: &&Share| (&share.key, share.needed) != (&first.key, first.needed);
    if let Some(other) = shares.iter().find(is_of_another) {
        return Err(BadShares::OfAnotherKey(other.number));
    }
    let mut seen = BTreeSet::new();
    let parts = shares.iter().filter(|share| seen.insert(share.number));
    let parts: Result<Vec<_>, _> =
        parts.map(|share| blahaj::Share::try_from(share.part.as_slice())).collect();
    let parts = parts.map_err(|_| BadShares::Form)?;
    let too_few = BadShares::TooFew { needed: first.needed, given: parts.len() };
    let bytes = Zeroizing::new(Sharks(first.needed).recover(&parts).map_err(|_| too_few)?);
    let key = RootKey::from_bytes(&bytes).ok_or(BadShares::Changed)?;
    if key.fingerprint() == first.key { Ok(key) } else { Err(BadShares::Changed) }
}

impl Share {
    /// Which of them it is, from 1.
    pub fn number(&self) -> u8 {
        self.number
    }

    /// The page.
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(self.head());
        let letters = Zeroizing::new(CROCKFORD.encode(&self.part));
        for (n, letter) in letters.chars().enumerate() {
            if n > 0 && n % GROUP == 0 {
                text.push(if n % (GROUP * GROUPS) == 0 { '\n' } else { ' ' });
            }
            text.push(letter);
        }
        let check = CROCKFORD.encode(&self.check());
        *text += &format!("\ncheck {} {}\n", &check[..GROUP], &check[GROUP..]);
        text
    }

    /// Reads a page; blanks, case, and what people take for one another do not matter.
    ///
    /// # Errors
    /// [`BadShares::Form`].
    pub fn from_text(text: &str) -> Result<Self, BadShares> {
        Share::read(text).ok_or(BadShares::Form)
    }

    fn read(text: &str) -> Option<Self> {
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
        let [magic, key, which, letters @ .., check] = lines.as_slice() else { return None };
        let numbers = which.strip_prefix("share ")?.strip_suffix(" needed")?;
        let (number, rest) = numbers.split_once(" of ")?;
        let (all, needed) = rest.split_once(", ")?;
        let letters = Zeroizing::new(letters.concat());
        let share = Share {
            key: key.strip_prefix("key ")?.to_owned(),
            number: number.parse().ok()?,
            all: all.parse().ok()?,
            needed: needed.parse().ok()?,
            part: Zeroizing::new(CROCKFORD.decode(letters.as_bytes()).ok()?),
        };
        let check = CROCKFORD.decode(check.strip_prefix("check ")?.as_bytes()).ok()?;
        let is_whole = *magic == MAGIC
            && check == share.check()
            && share.part.first() == Some(&share.number)
            && share.needed >= 2;
        is_whole.then_some(share)
    }

    fn head(&self) -> String {
        let Share { key, number, all, needed, .. } = self;
        format!("{MAGIC}\nkey {key}\nshare {number} of {all}, {needed} needed\n")
    }

    fn check(&self) -> [u8; CHECK] {
        let digest = Sha256::new().chain_update(self.head()).chain_update(&*self.part).finalize();
        let mut check = [0; CHECK];
        check.copy_from_slice(&digest[..CHECK]);
        check
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(shares: &[Share]) -> Vec<String> {
        shares.iter().map(|share| share.to_text().to_string()).collect()
    }

    fn read(texts: &[&String]) -> Vec<Share> {
        texts.iter().map(|text| Share::from_text(text).unwrap()).collect()
    }

    #[test]
    fn so_many_give_it_back_and_fewer_do_not() {
        let key = RootKey::generate().unwrap().rotated().unwrap();
        let pages = typed(&split(&key, 5, 3).unwrap());
        for three in [[0, 1, 2], [4, 2, 0], [3, 4, 1]] {
            let joined = join(&read(&three.map(|n| &pages[n]))).unwrap();
            assert_eq!(*joined.to_text(), *key.to_text());
        }
        let twice = read(&[&pages[0], &pages[1], &pages[1]]);
        let few = BadShares::TooFew { needed: 3, given: 2 };
        assert_eq!(join(&twice).map(|_| ()), Err(few));
        assert!(join(&[]).is_err());
    }

    #[test]
    fn numbers_that_make_no_sense_are_refused() {
        let key = RootKey::generate().unwrap();
        for (all, needed) in [(1, 1), (3, 1), (3, 4), (21, 2), (0, 0)] {
            assert_eq!(split(&key, all, needed).map(|_| ()), Err(BadShares::Numbers));
        }
    }

    #[test]
    fn a_slip_of_the_hand_shows_and_handwriting_does_not_matter() {
        let key = RootKey::generate().unwrap();
        let page = split(&key, 2, 2).unwrap()[0].to_text().to_string();
        let (head, body) = page.split_at(page.find("needed\n").unwrap() + 7);
        let by_hand = body.replace('0', "o").replace('1', "l").replace(' ', "");
        let by_hand = by_hand.replace("check", "check ").to_lowercase();
        assert!(Share::from_text(&format!("\n{head}{by_hand}\n\n")).is_ok());
        for (n, letter) in page.char_indices().filter(|(_, c)| c.is_ascii_alphanumeric()) {
            let other = if letter == '7' { '8' } else { '7' };
            let slip = format!("{}{other}{}", &page[..n], &page[n + 1..]);
            assert_eq!(Share::from_text(&slip).map(|_| ()), Err(BadShares::Form), "at {n}");
        }
    }

    #[test]
    fn shares_of_two_keys_are_told_apart() {
        let [one, other] = [(); 2].map(|()| split(&RootKey::generate().unwrap(), 3, 2).unwrap());
        let pages = [typed(&one), typed(&other)];
        let mixed = read(&[&pages[0][0], &pages[1][1]]);
        assert_eq!(join(&mixed).map(|_| ()), Err(BadShares::OfAnotherKey(2)));
    }

    #[test]
    fn a_changed_share_gives_no_key() {
        let key = RootKey::generate().unwrap();
        let mut shares = split(&key, 3, 2).unwrap();
        shares[0].part[40] ^= 1;
        assert_eq!(join(&shares[..2]).map(|_| ()), Err(BadShares::Changed));
    }
}
