//! DICOM files (PS3.10): the preamble and File Meta Information that efface writes itself and
//! never copies, and those that it reads from files given to it.

use super::canonical::{ElementEncoding, PixelSpan};
use dicom_core::VR;
use dicom_dictionary_std::{tags, uids};
use dicom_object::FileMetaTableBuilder;
use std::io::{self, Read, Write};

/// Which implementation this is, in files (0002,0012) and on associations (PS3.7 D.3.3.2): efface,
/// made once from a random UUID (PS3.5 B.2).
pub const IMPLEMENTATION_CLASS_UID: &str = "2.25.221861777925534363599278016815335547020";

/// Its version, at most 16 characters.
pub const IMPLEMENTATION_VERSION_NAME: &str = concat!("EFFACE_", env!("CARGO_PKG_VERSION"));

/// Why a file is not taken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No preamble and `DICM` prefix, or a broken File Meta Information.
    #[error("not a DICOM file (PS3.10 7.1): no DICM prefix or a damaged File Meta Information")]
    NotDicom,
    /// A transfer syntax in which efface cannot read data sets safely.
    #[error("the transfer syntax is not supported; export in Explicit VR Little Endian")]
    TransferSyntax,
    /// Media Storage Directory Storage (PS3.3 F.2.2): patients, studies and file names of a medium.
    #[error(
        "a DICOMDIR lists the patients of a medium and is never de-identified; make a new one of what left"
    )]
    Directory,
    /// The file cannot be read.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Transfer syntaxes that efface takes, in the order of PS3.6 Annex A. Big endian and deflated data
/// sets are absent on purpose: dicom-rs 0.10.1 reads the first differently from others, and the
/// second is a decompression bomb waiting. Video is absent because nobody looks into it yet.
pub const TRANSFER_SYNTAXES: [&str; 13] = [
    uids::IMPLICIT_VR_LITTLE_ENDIAN,
    uids::EXPLICIT_VR_LITTLE_ENDIAN,
    uids::JPEG_BASELINE8_BIT,
    uids::JPEG_EXTENDED12_BIT,
    uids::JPEG_LOSSLESS,
    uids::JPEG_LOSSLESS_SV1,
    uids::JPEGLS_LOSSLESS,
    uids::JPEGLS_NEAR_LOSSLESS,
    uids::JPEG2000_LOSSLESS,
    uids::JPEG2000,
    uids::HTJ2K_LOSSLESS,
    uids::HTJ2K,
    uids::RLE_LOSSLESS,
];

/// How data sets of a transfer syntax are encoded; `None` when efface doesn't take it.
pub fn element_encoding(transfer_syntax: &str) -> Option<ElementEncoding> {
    if !TRANSFER_SYNTAXES.contains(&transfer_syntax) {
        return None;
    }
    Some(match transfer_syntax {
        uids::IMPLICIT_VR_LITTLE_ENDIAN => ElementEncoding::ImplicitLittle,
        _ => ElementEncoding::ExplicitLittle,
    })
}

/// The transfer syntax in which an object leaves whose pixels are passed through: all that is
/// uncompressed leaves in Explicit VR Little Endian.
pub fn outgoing_syntax(transfer_syntax: &str) -> &str {
    match transfer_syntax {
        uids::IMPLICIT_VR_LITTLE_ENDIAN => uids::EXPLICIT_VR_LITTLE_ENDIAN,
        other => other,
    }
}

/// The start of a file.
pub struct FileMeta {
    /// Transfer Syntax UID (0002,0010).
    pub transfer_syntax: String,
    /// Bytes before the data set.
    pub length: u64,
}

/// More than any File Meta Information has, in bytes.
const META_BYTES_MAX: u32 = 1 << 20;

/// Reads preamble and File Meta Information (PS3.10 7.1). The reader then stands at the data set.
///
/// By hand, because dicom-object 0.10.1 allocates what a length claims: a file of 700 bytes took a gigabyte.
///
/// # Errors
/// [`Error`]: this isn't a file that efface takes.
pub fn read_meta(source: &mut (impl Read + io::Seek)) -> Result<FileMeta, Error> {
    let Named { transfer_syntax, .. } = read_instance(source)?;
    Ok(FileMeta { transfer_syntax, length: source.stream_position()? })
}

/// What the File Meta Information says of an instance.
pub struct Named {
    /// Media Storage SOP Class UID (0002,0002).
    pub sop_class: String,
    /// Media Storage SOP Instance UID (0002,0003); empty if it says none.
    pub sop_instance: String,
    /// Transfer Syntax UID (0002,0010).
    pub transfer_syntax: String,
}

/// The same of what cannot be gone back in. The reader then stands at the data set.
///
/// # Errors
/// [`Error`]: this isn't a file that efface takes, or it cannot be read.
pub fn read_instance(source: &mut impl Read) -> Result<Named, Error> {
    let mut start = [0; 128 + 4 + 8 + 4];
    source.read_exact(&mut start).map_err(|_| Error::NotDicom)?;
    let (prefix, length) = start[128..].split_at(12);
    let length = u32::from_le_bytes([length[0], length[1], length[2], length[3]]);
    // "DICM", and File Meta Information Group Length (0002,0000), which everything lies within.
    if prefix != b"DICM\x02\0\0\0UL\x04\0" || length > META_BYTES_MAX {
        return Err(Error::NotDicom);
    }
    let mut group = vec![0; length as usize];
    source.read_exact(&mut group).map_err(|_| Error::NotDicom)?;
    let (mut class, mut instance, mut transfer_syntax) = (None, None, None);
    let mut rest = group.as_slice();
    while !rest.is_empty() {
        let (number, value, after) = next_of_meta(rest).ok_or(Error::NotDicom)?;
        match number {
            0x0002 => class = text(value),
            0x0003 => instance = text(value),
            0x0010 => transfer_syntax = text(value),
            _ => {}
        }
        rest = after;
    }
    let class = class.ok_or(Error::NotDicom)?;
    if class == uids::MEDIA_STORAGE_DIRECTORY_STORAGE {
        return Err(Error::Directory);
    }
    Ok(Named {
        sop_class: class.to_owned(),
        sop_instance: instance.unwrap_or_default().to_owned(),
        transfer_syntax: transfer_syntax.ok_or(Error::NotDicom)?.to_owned(),
    })
}

/// Splits off an element of group 0002, which is in Explicit VR Little Endian: its number, its value, what follows.
fn next_of_meta(group: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let (header, rest) = group.split_first_chunk::<8>()?;
    let [g0, g1, e0, e1, v0, v1, l0, l1] = *header;
    let (length, rest) = match &[v0, v1] {
        b"OB" | b"OW" | b"UN" | b"UT" | b"UC" | b"UR" | b"SQ" => {
            let (length, rest) = rest.split_first_chunk::<4>()?;
            (u32::from_le_bytes(*length), rest)
        }
        _ => (u32::from(u16::from_le_bytes([l0, l1])), rest),
    };
    let (value, rest) = rest.split_at_checked(length as usize)?;
    (u16::from_le_bytes([g0, g1]) == 0x0002).then_some((u16::from_le_bytes([e0, e1]), value, rest))
}

/// A UID without its padding.
fn text(value: &[u8]) -> Option<&str> {
    Some(std::str::from_utf8(value).ok()?.trim_end_matches(['\0', ' ']))
}

/// Writes preamble (zeros) and File Meta Information, all of efface's own making.
///
/// # Errors
/// When the writer fails.
pub fn write_meta(
    out: &mut impl Write,
    sop_class: &str,
    sop_instance: &str,
    transfer_syntax: &str,
) -> io::Result<()> {
    out.write_all(&[0; 128])?;
    out.write_all(b"DICM")?;
    let meta = FileMetaTableBuilder::new()
        .media_storage_sop_class_uid(sop_class)
        .media_storage_sop_instance_uid(sop_instance)
        .transfer_syntax(transfer_syntax)
        .implementation_class_uid(IMPLEMENTATION_CLASS_UID)
        .implementation_version_name(IMPLEMENTATION_VERSION_NAME)
        .build()
        .map_err(io::Error::other)?;
    meta.write(out).map_err(|_| io::Error::other("the File Meta Information cannot be written"))
}

/// Writes the element header of top-level pixels in Explicit VR Little Endian.
///
/// # Errors
/// When the writer fails or `span` is longer than a defined length can say.
pub fn write_pixel_header(out: &mut impl Write, span: &PixelSpan) -> io::Result<()> {
    let length = if span.encapsulated {
        u32::MAX
    } else {
        u32::try_from(span.length).map_err(io::Error::other)?
    };
    out.write_all(&span.tag.group().to_le_bytes())?;
    out.write_all(&span.tag.element().to_le_bytes())?;
    out.write_all(span.vr.to_string().as_bytes())?;
    out.write_all(&[0, 0])?;
    out.write_all(&length.to_le_bytes())
}

/// The span of native pixels that were made here.
pub fn native_span(bits_allocated: u16, length: u64) -> PixelSpan {
    let vr = if bits_allocated > 8 { VR::OW } else { VR::OB };
    PixelSpan {
        tag: tags::PIXEL_DATA,
        vr,
        element_offset: 0,
        offset: 0,
        length,
        encapsulated: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Cursor, Seek, SeekFrom};

    #[test]
    fn what_is_written_is_read_again() {
        let mut file = Cursor::new(Vec::new());
        write_meta(&mut file, uids::CT_IMAGE_STORAGE, "2.25.7", uids::RLE_LOSSLESS).unwrap();
        let written = file.position();
        file.seek(SeekFrom::Start(0)).unwrap();
        let meta = read_meta(&mut file).unwrap();
        assert_eq!((meta.transfer_syntax.as_str(), meta.length), (uids::RLE_LOSSLESS, written));
        assert_eq!(&file.get_ref()[..132], [vec![0; 128], b"DICM".to_vec()].concat());
    }

    #[test]
    fn a_directory_of_a_medium_is_no_object() {
        let mut file = Vec::new();
        let class = uids::MEDIA_STORAGE_DIRECTORY_STORAGE;
        write_meta(&mut file, class, "1.2.3", uids::EXPLICIT_VR_LITTLE_ENDIAN).unwrap();
        assert!(matches!(read_meta(&mut Cursor::new(file)), Err(Error::Directory)));
    }

    #[test]
    fn what_is_no_dicom_file_is_said_so() {
        for bytes in [&b""[..], &[0; 140], b"PK\x03\x04"] {
            assert!(matches!(read_meta(&mut Cursor::new(bytes)), Err(Error::NotDicom)));
        }
    }

    #[test]
    fn no_length_of_a_meta_information_is_believed() {
        let mut file = Vec::new();
        write_meta(&mut file, uids::CT_IMAGE_STORAGE, "1.2.3", uids::RLE_LOSSLESS).unwrap();
        for at in 132..file.len() {
            for lie in [0, 1, 0x7F, 0xFF] {
                let mut changed = file.clone();
                changed[at] ^= lie;
                let end = changed.len() as u64;
                if let Ok(meta) = read_meta(&mut Cursor::new(changed)) {
                    assert!(meta.length <= end, "byte {at}");
                }
            }
            assert!(read_meta(&mut Cursor::new(&file[..at])).is_err(), "cut at {at}");
        }
        let mut huge = file.clone();
        huge[140..144].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(matches!(read_meta(&mut Cursor::new(huge)), Err(Error::NotDicom)));
    }

    #[test]
    fn our_own_uid_is_legal() {
        assert!(IMPLEMENTATION_CLASS_UID.parse::<crate::id::Uid>().is_ok());
    }
}
