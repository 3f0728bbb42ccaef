//! What an output may not have, and what it must claim (PS3.15 E.1.1, E.3; PS3.10 7.1).

use super::walk::{Header, Tag, Vr};
use super::{Expected, Found, Place, Residue};

/// Why an element may not be in the output at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Ban {
    /// The preamble isn't 128 zeros.
    #[error("a preamble with content")]
    Preamble,
    /// Something else than PS3.10 needs: source AE title, private information ...
    #[error("a file meta element that names the source")]
    FileMeta,
    /// An odd group, and neither the standard nor a rule of the site calls the element safe.
    #[error("a private element")]
    Private,
    /// VR UN: nobody knows what it says.
    #[error("an element of unknown VR")]
    Unknown,
    /// Not in the standard's dictionary (PS3.6).
    #[error("an element that the dictionary doesn't know")]
    NotInDictionary,
    /// Bytes where the dictionary says text, text where it says a date: nobody looked at it as what
    /// it is.
    #[error("a value of another kind than the dictionary says")]
    Disguised,
    /// Groups 50xx and 60xx.
    #[error("an overlay or a curve")]
    Graphics,
    /// A small copy of the undefaced, unmasked image.
    #[error("an icon or a photograph")]
    Picture,
    /// Made over data that are no more, by somebody who can be named.
    #[error("a digital signature or MAC")]
    Signature,
    /// The values from before.
    #[error("original or encrypted attributes")]
    Original,
    /// Another patient's or an older identity.
    #[error("another identity of the patient")]
    Alias,
    /// Staff, orders, diagnoses, content: see `sealed`.
    #[error("content in a sequence that leaves empty")]
    Sealed,
    /// Bytes of no meaning.
    #[error("trailing padding")]
    Padding,
    /// A way back to the source.
    #[error("a URL")]
    Url,
    /// Comments, application segments and boxes may hold any text; see `codestream`.
    #[error("a comment or application segment in compressed pixels")]
    Codestream,
    /// Behind the top-level pixel data.
    #[error("something after the pixel data")]
    AfterPixelData,
}

/// Banned by tag, with the tag's last bits that may vary.
const BANNED: &[(u32, u32, Ban)] = &[
    (0x0088_0200, 0, Ban::Picture),     // IconImageSequence
    (0x0010_1100, 0, Ban::Picture),     // ReferencedPatientPhotoSequence
    (0x4FFE_0001, 0, Ban::Signature),   // MACParametersSequence
    (0xFFFA_FFFA, 0, Ban::Signature),   // DigitalSignaturesSequence
    (0x0400_0500, 0xFF, Ban::Original), // EncryptedAttributes, ModifiedAttributes, OriginalAttributes ...
    (0x0400_0000, 0xFFFF, Ban::Signature),
    (0x0010_1002, 0, Ban::Alias),   // OtherPatientIDsSequence
    (0x0038_0004, 0, Ban::Alias),   // ReferencedPatientAliasSequence
    (0xFFFC_FFFC, 0, Ban::Padding), // DataSetTrailingPadding
];

/// What PS3.10 7.1 needs and a de-identifier writes itself.
const FILE_META: &[u32] = &[
    0x0002_0000, // FileMetaInformationGroupLength
    0x0002_0001, // FileMetaInformationVersion
    0x0002_0002, // MediaStorageSOPClassUID
    0x0002_0003, // MediaStorageSOPInstanceUID
    0x0002_0010, // TransferSyntaxUID
    0x0002_0012, // ImplementationClassUID
    0x0002_0013, // ImplementationVersionName
];

/// Whether a data set may have this element. `admitted`: it is private, and known to be safe.
pub(super) fn ban(header: &Header, admitted: bool) -> Option<Ban> {
    let Header { tag, vr, length } = *header;
    if vr == Vr::UN {
        return Some(if tag.is_private() { Ban::Private } else { Ban::Unknown });
    }
    if tag.is_private() {
        return (!admitted).then_some(Ban::Private);
    }
    if matches!(tag.group() >> 8, 0x50 | 0x60) {
        return Some(Ban::Graphics);
    }
    if let Some(row) = BANNED.iter().find(|row| tag.0 & !row.1 == row.0) {
        return Some(row.2);
    }
    if vr == Vr(*b"UR") && length > 0 {
        return Some(Ban::Url);
    }
    if tag.keyword().is_none() {
        return Some(Ban::NotInDictionary);
    }
    (length > 0 && nature(vr) != nature(tag.vr())).then_some(Ban::Disguised)
}

/// What a value is, however long or however encoded.
fn nature(vr: Vr) -> Vr {
    match &vr.0 {
        b"AE" | b"CS" | b"LO" | b"LT" | b"SH" | b"ST" | b"UC" | b"UT" => Vr(*b"LO"),
        b"DA" | b"DT" => Vr(*b"DA"),
        b"DS" | b"IS" => Vr(*b"DS"),
        b"PN" | b"UI" | b"TM" | b"AS" | b"SQ" | b"UR" | b"UN" => vr,
        _ => Vr(*b"OB"),
    }
}

/// Whether the file meta information may have this element.
pub(super) fn ban_meta(tag: Tag) -> Option<Ban> {
    (!FILE_META.contains(&tag.0)).then_some(Ban::FileMeta)
}

/// The values that are compared with what was done.
#[derive(Default)]
pub(super) struct Claims {
    /// Tag and trimmed value of the single-valued top-level and file meta elements of interest.
    values: Vec<(Tag, Vec<u8>)>,
    /// CodeValue and CodingSchemeDesignator of each item of (0012,0064).
    codes: Vec<(Vec<u8>, Vec<u8>)>,
}

const SOP_CLASS: Tag = Tag(0x0008_0016);
const SOP_INSTANCE: Tag = Tag(0x0008_0018);
const PATIENT_NAME: Tag = Tag(0x0010_0010);
const PATIENT_ID: Tag = Tag(0x0010_0020);
const IDENTITY_REMOVED: Tag = Tag(0x0012_0062);
const METHOD: Tag = Tag(0x0012_0063);
const METHOD_CODES: Tag = Tag(0x0012_0064);
const BURNED_IN: Tag = Tag(0x0028_0301);
const VISUAL_FEATURES: Tag = Tag(0x0028_0302);
pub(super) const LONGITUDINAL: Tag = Tag(0x0028_0303);
const META_CLASS: Tag = Tag(0x0002_0002);
const META_INSTANCE: Tag = Tag(0x0002_0003);
const META_SYNTAX: Tag = Tag(0x0002_0010);
const CODE_VALUE: Tag = Tag(0x0008_0100);
const CODE_SCHEME: Tag = Tag(0x0008_0102);

const OF_INTEREST: &[Tag] = &[
    SOP_CLASS,
    SOP_INSTANCE,
    PATIENT_NAME,
    PATIENT_ID,
    IDENTITY_REMOVED,
    METHOD,
    BURNED_IN,
    VISUAL_FEATURES,
    LONGITUDINAL,
    META_CLASS,
    META_INSTANCE,
    META_SYNTAX,
];

impl Claims {
    /// Notes the value of an element at this place.
    pub(super) fn note(&mut self, path: &[(Tag, u32)], tag: Tag, value: &[u8]) {
        let pad = |b: &u8| matches!(b, b' ' | 0);
        let end = value.iter().rposition(|b| !pad(b)).map_or(0, |last| last + 1);
        let value = value[..end].to_vec();
        match (path, tag) {
            ([], _) if OF_INTEREST.contains(&tag) => self.values.push((tag, value)),
            ([(METHOD_CODES, item)], CODE_VALUE | CODE_SCHEME) => {
                self.item(path);
                if let Some(code) = self.codes.get_mut(*item as usize - 1) {
                    *(if tag == CODE_VALUE { &mut code.0 } else { &mut code.1 }) = value;
                }
            }
            _ => {}
        }
    }

    /// Notes that the walk is at an item: one of (0012,0064) counts even if it says nothing.
    pub(super) fn item(&mut self, path: &[(Tag, u32)]) {
        if let [(METHOD_CODES, item @ 1..=64)] = path {
            self.codes.resize(self.codes.len().max(*item as usize), Default::default());
        }
    }

    /// Compares what was noted with what was done.
    pub(super) fn check(&self, expected: &Expected<'_>) -> Result<(), Residue> {
        let text = |text: &str| Some(text.as_bytes().to_vec());
        let option = |text: Option<&str>| text.map(|t| t.as_bytes().to_vec());
        let rows = [
            (META_SYNTAX, text(expected.transfer_syntax)),
            (META_CLASS, self.value(SOP_CLASS)),
            (META_INSTANCE, self.value(SOP_INSTANCE)),
            (IDENTITY_REMOVED, text("YES")),
            (BURNED_IN, option(expected.burned_in)),
            (VISUAL_FEATURES, option(expected.visual_features)),
            (LONGITUDINAL, text(expected.longitudinal)),
        ];
        for (tag, wanted) in rows {
            claim(tag, self.value(tag) == wanted)?;
        }
        for tag in [PATIENT_NAME, PATIENT_ID] {
            claim(tag, self.value(tag).is_some())?;
        }
        for tag in [SOP_CLASS, SOP_INSTANCE, METHOD] {
            claim(tag, self.value(tag).is_some_and(|value| !value.is_empty()))?;
        }
        let mut found: Vec<_> = self.codes.iter().map(|(v, s)| (&v[..], &s[..])).collect();
        let mut wanted: Vec<_> =
            expected.options.iter().map(|o| (o.as_bytes(), &b"DCM"[..])).collect();
        found.sort_unstable();
        wanted.sort_unstable();
        claim(METHOD_CODES, found == wanted)
    }

    fn value(&self, tag: Tag) -> Option<Vec<u8>> {
        self.values.iter().find(|row| row.0 == tag).map(|row| row.1.clone())
    }
}

fn claim(tag: Tag, holds: bool) -> Result<(), Residue> {
    let place = match tag.group() {
        2 => Place::FileMeta(Some(tag)),
        _ => Place::Element(Vec::new(), Some(tag)),
    };
    if holds { Ok(()) } else { Err(Residue { found: Found::Claim, place }) }
}
