//! A key file that opens only to a passphrase: for machines without a TPM, and for copies that are kept elsewhere.
//!
//! ```text
//! efface sealed key 1
//! argon2id 65536 3 1            memory in KiB, passes, lanes (RFC 9106)
//! salt 32 hex digits
//! sealed base64                 XChaCha20-Poly1305 of the key file, bound to the lines above
//! ```
//! Whoever has the file can try passphrases, a few a second on one core: it must be one that nobody guesses.

use super::Cipher;
use argon2::{Algorithm, Argon2, Params, Version};
use data_encoding::{BASE64, HEXLOWER};
use std::io::{self, IsTerminal};
use std::path::Path;
use zeroize::Zeroizing;

/// The first line of such a file.
pub(super) const MAGIC: &str = "efface sealed key 1";
/// What Argon2id costs (RFC 9106 4, second recommended option): KiB, passes, lanes.
const COST: (u32, u32, u32) = (65_536, 3, 1);
/// More than that was not written here, and would be an attack on the machine.
const COST_MAX: (u32, u32, u32) = (1 << 20, 16, 16);
/// Shorter is refused where one is chosen, characters.
pub const SHORTEST: usize = 12;
/// The name of a passphrase that systemd hands over (`LoadCredential=efface-passphrase:...`).
const CREDENTIAL: &str = "efface-passphrase";

/// Seals the text of a key file.
///
/// # Errors
/// When the system has no randomness to give.
pub fn seal(text: &str, passphrase: &str) -> io::Result<String> {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(io::Error::from)?;
    let (memory, passes, lanes) = COST;
    let head =
        format!("{MAGIC}\nargon2id {memory} {passes} {lanes}\nsalt {}\n", HEXLOWER.encode(&salt));
    let cipher = cipher(passphrase, &salt, COST).ok_or(io::ErrorKind::InvalidInput)?;
    let sealed = cipher.seal(text.as_bytes(), &[head.as_bytes()])?;
    Ok(format!("{head}sealed {}\n", BASE64.encode(&sealed)))
}

/// The text of the key file; `None` under another passphrase, or if it was changed.
pub fn open(sealed: &str, passphrase: &str) -> Option<Zeroizing<String>> {
    let mut lines = sealed.lines();
    if lines.next()? != MAGIC {
        return None;
    }
    let mut numbers = lines.next()?.strip_prefix("argon2id ")?.split(' ').map(str::parse::<u32>);
    let mut number = || numbers.next()?.ok();
    let cost = (number()?, number()?, number()?);
    let salt = HEXLOWER.decode(lines.next()?.strip_prefix("salt ")?.as_bytes()).ok()?;
    let text = BASE64.decode(lines.next()?.strip_prefix("sealed ")?.as_bytes()).ok()?;
    let head = &sealed[..sealed.rfind("sealed ")?];
    let opened = cipher(passphrase, &salt, cost)?.open(&text, &[head.as_bytes()])?;
    Some(Zeroizing::new(std::str::from_utf8(&opened).ok()?.to_owned()))
}

fn cipher(passphrase: &str, salt: &[u8], cost: (u32, u32, u32)) -> Option<Cipher> {
    let (memory, passes, lanes) = cost;
    if memory > COST_MAX.0 || passes > COST_MAX.1 || lanes > COST_MAX.2 {
        return None;
    }
    let params = Params::new(memory, passes, lanes, Some(32)).ok()?;
    let mut key = Zeroizing::new([0; 32]);
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon.hash_password_into(passphrase.as_bytes(), salt, key.as_mut_slice()).ok()?;
    Some(Cipher::of(&key))
}

/// The passphrase: from systemd, or from whoever sits at the terminal. Never from the command line, an environment variable
/// or a file of ours.
///
/// # Errors
/// There is nobody to ask.
pub fn ask(prompt: &str) -> io::Result<Zeroizing<String>> {
    if let Some(folder) = std::env::var_os("CREDENTIALS_DIRECTORY") {
        let text = crate::disk::read_text(&Path::new(&folder).join(CREDENTIAL))?;
        if let Some(text) = text {
            return Ok(Zeroizing::new(text.trim_end_matches('\n').to_owned()));
        }
    }
    if !io::stdin().is_terminal() {
        let what = format!(
            "nobody to ask for the passphrase: start it at a terminal, or with LoadCredential={CREDENTIAL}:FILE"
        );
        return Err(io::Error::other(what));
    }
    Ok(Zeroizing::new(rpassword::prompt_password(prompt)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_to_its_passphrase_and_to_no_other() {
        let sealed = seal("efface root key 1\nrest\n", "a long passphrase").unwrap();
        assert!(!sealed.contains("rest"));
        let opened = open(&sealed, "a long passphrase").unwrap();
        assert_eq!(opened.as_str(), "efface root key 1\nrest\n");
        assert!(open(&sealed, "a long passphrasf").is_none());
        for (from, to) in
            [("argon2id 65536 3", "argon2id 65536 2"), ("salt ", "salt 00"), ("1\n", "2\n")]
        {
            assert!(open(&sealed.replacen(from, to, 1), "a long passphrase").is_none(), "{to}");
        }
        let greedy = sealed.replacen("65536", "4194304", 1);
        assert!(open(&greedy, "a long passphrase").is_none());
        let at = sealed.len() - 8;
        let changed = format!(
            "{}{}{}",
            &sealed[..at],
            if &sealed[at..=at] == "A" { "B" } else { "A" },
            &sealed[at + 1..]
        );
        assert!(open(&changed, "a long passphrase").is_none());
    }
}
