//! The image header of Siemens MR ("SIEMENS CSA HEADER", (0029,xx10)), form SV10: a list of named
//! values. Siemens publishes no description; this is the form that SPM and nibabel read.

/// More entries than any header has, and more values than any entry.
const MOST: u32 = 1000;

/// The values of an entry as text, empty ones left out. `None`: not of this form, damaged, or no
/// such entry.
pub fn values(header: &[u8], name: &str) -> Option<Vec<String>> {
    let mut left = header.strip_prefix(b"SV10")?;
    take(&mut left, 4)?;
    let entries = number(&mut left)?;
    take(&mut left, 4)?;
    let mut found = None;
    for _ in 0..Some(entries).filter(|&n| n <= MOST)? {
        let entry = text(take(&mut left, 64)?);
        // Multiplicity, representation, a code of its software.
        take(&mut left, 12)?;
        let items = number(&mut left).filter(|&n| n <= MOST)?;
        take(&mut left, 4)?;
        let mut texts = Vec::new();
        for _ in 0..items {
            take(&mut left, 4)?;
            let length = number(&mut left)? as usize;
            take(&mut left, 8)?;
            texts.push(text(take(&mut left, length)?));
            // Values end on a boundary of 4 bytes; the last one may end the header.
            let padding = (length.wrapping_neg() % 4).min(left.len());
            take(&mut left, padding)?;
        }
        texts.retain(|text| !text.is_empty());
        if entry == name {
            // Twice: two readers would see two values.
            if found.replace(texts).is_some() {
                return None;
            }
        }
    }
    found
}

fn take<'a>(left: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, rest) = left.split_at_checked(count)?;
    *left = rest;
    Some(taken)
}

fn number(left: &mut &[u8]) -> Option<u32> {
    take(left, 4)?.try_into().map(u32::from_le_bytes).ok()
}

/// Text up to its first zero byte.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).trim().to_owned()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A header of these entries, each with the spare values that real ones have.
    pub fn header(entries: &[(&str, &[&str])]) -> Vec<u8> {
        let mut out = b"SV10\x04\x03\x02\x01".to_vec();
        let mut put = |bytes: &[u8]| out.extend_from_slice(bytes);
        put(&(entries.len() as u32).to_le_bytes());
        put(&77_u32.to_le_bytes());
        for (name, values) in entries {
            put(&[name.as_bytes(), &vec![0; 64 - name.len()]].concat());
            put(&(values.len() as u32).to_le_bytes());
            put(b"FD\0\0\x04\0\0\0");
            put(&(values.len() as u32 + 3).to_le_bytes());
            put(&77_u32.to_le_bytes());
            for value in values.iter().chain(&[""; 3]) {
                let bytes =
                    if value.is_empty() { vec![] } else { [value.as_bytes(), b"\0"].concat() };
                let length = (bytes.len() as u32).to_le_bytes();
                put(&[length, length, 77_u32.to_le_bytes(), length].concat());
                put(&bytes);
                put(&vec![0; bytes.len().wrapping_neg() % 4]);
            }
        }
        out
    }

    #[test]
    fn entries_are_found_by_name() {
        let whole =
            header(&[("A", &["1"]), ("SliceNormalVector", &["0.5", "-1", "22"]), ("B", &[])]);
        assert_eq!(values(&whole, "SliceNormalVector").unwrap(), ["0.5", "-1", "22"]);
        assert_eq!((values(&whole, "B"), values(&whole, "C")), (Some(vec![]), None));
        for cut in 0..whole.len() {
            assert_eq!(values(&whole[..cut], "A"), None, "a header that ends early is no header");
        }
        assert_eq!(values(&header(&[("A", &["1"]), ("A", &["2"])]), "A"), None);
        assert_eq!(values(&whole[4..], "A"), None, "an older form");
    }

    proptest! {
        #[test]
        fn no_header_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300), at in 8..200_usize) {
            let mut damaged = header(&[("A", &["1", "2"]), ("B", &["3"])]);
            for (byte, noise) in damaged.iter_mut().skip(at).zip(&bytes) {
                *byte ^= noise;
            }
            values(&damaged, "B");
            values(&bytes, "B");
        }
    }
}
