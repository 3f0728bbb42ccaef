//! Private elements that their makers call safe (PS3.15 E.3.10, Table E.3.10-1).
//!
//! The standard calls the table a sample list that nobody guarantees; a caller still cleans the
//! text of what it keeps, and treats the items of a sequence by its own rules. What the sender says
//! of its own private blocks (Private Data Element Characteristics Sequence (0008,0300): Block
//! Identifying Information Status (0008,0303), Nonidentifying Private Elements (0008,0304)) is not
//! read: the sender's claim is not evidence.

use super::rows;
use dicom_core::VR;
use std::collections::HashMap;
use std::sync::LazyLock;

/// One row of the table.
#[derive(Debug, PartialEq, Eq)]
pub struct SafePrivate {
    /// Value representations that the row allows, joined by a slash; `-` where it gives none.
    vrs: &'static str,
    /// The maker's name of the element; `-` where the table gives none.
    pub name: &'static str,
}

impl SafePrivate {
    /// Whether an element of this VR is the one that the row speaks of. A row without a VR fits
    /// none: nobody can say what its value should look like.
    pub fn is_of(&self, vr: VR) -> bool {
        self.vrs.split('/').any(|known| known == vr.to_string())
    }
}

/// The row of a private element: its creator, its group, and the low byte of its element number.
///
/// The creator is compared exactly, but for trailing spaces.
pub fn safe_private(creator: &str, group: u16, low: u8) -> Option<&'static SafePrivate> {
    SAFE.get(creator.trim_end_matches(' '))?.get(&(group, low))
}

/// The VR that the table gives a private element, to read one that came as UN; of two, the first.
pub fn safe_private_vr(creator: &str, group: u16, low: u8) -> Option<VR> {
    safe_private(creator, group, low)?.vrs.split('/').next()?.parse().ok()
}

/// Whether Table E.3.10-1 lists a private element.
pub fn is_safe_private(creator: &str, group: u16, low: u8) -> bool {
    safe_private(creator, group, low).is_some()
}

/// The rows of one creator, by group and low byte.
type Block = HashMap<(u16, u8), SafePrivate>;

static SAFE: LazyLock<HashMap<&str, Block>> = LazyLock::new(|| {
    let mut safe: HashMap<_, Block> = HashMap::new();
    for row in rows(include_str!("safe_private.tsv")) {
        let hex = |cell| u16::from_str_radix(cell, 16).ok();
        let low = hex(row[2]).and_then(|low| u8::try_from(low).ok());
        let Some(element) = hex(row[1]).zip(low) else { continue };
        safe.entry(row[0]).or_default().insert(element, SafePrivate { vrs: row[3], name: row[4] });
    }
    safe
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_loaded() {
        assert_eq!(SAFE.len(), 20);
        assert_eq!(SAFE.values().map(Block::len).sum::<usize>(), 479);
        assert!(SAFE.values().flat_map(Block::keys).all(|(group, _)| group % 2 == 1));
    }

    #[test]
    fn creator_group_and_low_byte_decide_together() {
        assert!(is_safe_private("SIEMENS MR HEADER", 0x0019, 0x0C));
        assert!(is_safe_private("SIEMENS MR HEADER  ", 0x0019, 0x0C));
        for (creator, group, low) in [
            (" SIEMENS MR HEADER", 0x0019, 0x0C),
            ("siemens mr header", 0x0019, 0x0C),
            ("SIEMENS MR HEADER", 0x0021, 0x0C),
            ("SIEMENS MR HEADER", 0x0019, 0x08),
            ("SIEMENS CSA HEADER", 0x0029, 0x10),
            ("", 0x0019, 0x0C),
        ] {
            assert!(!is_safe_private(creator, group, low), "{creator} {group:04X} {low:02X}");
        }
    }

    #[test]
    fn a_row_says_which_vr_it_means() {
        let dlp = safe_private("ELSCINT1", 0x00E1, 0x21).unwrap();
        assert_eq!(dlp.name, "DLP");
        assert!(dlp.is_of(VR::DS) && !dlp.is_of(VR::LO) && !dlp.is_of(VR::UN));
        let pixels = safe_private("Philips Imaging DD 001", 0x2001, 0x7D).unwrap();
        assert!(pixels.is_of(VR::OB) && pixels.is_of(VR::OW));
        assert_eq!(safe_private_vr("Philips Imaging DD 001", 0x2001, 0x7D), Some(VR::OW));
        let unknown = safe_private("SIEMENS Ultrasound SC2000", 0x0119, 0x11).unwrap();
        assert!(!unknown.is_of(VR::UN) && !unknown.is_of(VR::DS));
        assert_eq!(safe_private_vr("SIEMENS Ultrasound SC2000", 0x0119, 0x11), None);
    }
}
