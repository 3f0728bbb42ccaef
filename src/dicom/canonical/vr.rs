//! What a value representation says of an element (PS3.5 6.2, 7.1).

use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry, VirtualVr};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::StandardDataDictionary;

/// The VR of a standard element where the source does not say it.
pub(super) fn dictionary_vr(tag: Tag, signed: bool) -> Option<VR> {
    if tag.group() % 2 == 1 {
        return None;
    }
    let entry = StandardDataDictionary.by_tag(tag)?;
    Some(match entry.vr() {
        VirtualVr::Exact(vr) => vr,
        VirtualVr::Xs if signed => VR::SS,
        VirtualVr::Xs => VR::US,
        VirtualVr::Ox | VirtualVr::Px | VirtualVr::Lt => VR::OW,
        _ => VR::UN,
    })
}

/// Two reserved bytes and a 32-bit length (PS3.5 Table 7.1-1).
pub(super) fn has_long_length(vr: VR) -> bool {
    use VR::*;
    matches!(vr, OB | OD | OF | OL | OV | OW | SQ | SV | UC | UN | UR | UT | UV)
}

/// Text in the Specific Character Set (PS3.5 6.1.2.2).
pub(super) fn is_charset_dependent(vr: VR) -> bool {
    use VR::*;
    matches!(vr, LO | LT | PN | SH | ST | UC | UT)
}

/// Text in the default repertoire whatever the character set.
pub(super) fn is_ascii_only(vr: VR) -> bool {
    use VR::*;
    matches!(vr, AE | AS | CS | DA | DS | DT | IS | TM | UI | UR)
}
