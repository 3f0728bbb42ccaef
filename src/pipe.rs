//! Values between a process and its parent: one JSON value a line.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{self, BufRead, Write};

/// A longer line is no value: bytes.
const LINE_MAX: u64 = 256 << 20;

/// Writes one value.
///
/// # Errors
/// What the system says.
pub fn say(to: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    let mut line = zeroize::Zeroizing::new(serde_json::to_vec(value)?);
    line.push(b'\n');
    to.write_all(&line)?;
    to.flush()
}

/// Reads one value; `None` at the end.
///
/// # Errors
/// `InvalidData` for anything else than a value, or what the system says.
pub fn hear<T: DeserializeOwned>(from: &mut impl BufRead) -> io::Result<Option<T>> {
    let mut line = zeroize::Zeroizing::new(Vec::new());
    let length = io::Read::take(&mut *from, LINE_MAX).read_until(b'\n', &mut line)?;
    match line.last() {
        Some(b'\n') => Ok(Some(serde_json::from_slice(&line)?)),
        _ if length == 0 => Ok(None),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_line_is_no_value() {
        let mut bytes = Vec::new();
        say(&mut bytes, &7).unwrap();
        bytes.extend(b"8");
        let mut from = &bytes[..];
        assert_eq!(hear::<u32>(&mut from).unwrap(), Some(7));
        assert!(hear::<u32>(&mut from).is_err());
        assert_eq!(hear::<u32>(&mut from).unwrap(), None);
    }
}
