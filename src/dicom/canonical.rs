//! The pre-scan: whatever a peer sent becomes one canonical header, or is refused.
//!
//! An iterative walk over the encoded data set, up to the top-level Pixel Data. Nothing is
//! allocated because a length field says so, nothing recurses, depth and size are capped. What
//! comes out is always *Explicit VR Little Endian, UTF-8, sequences of undefined length*, so that
//! dicom-rs never meets the inputs that it is known to mistake (0.10.1): UN of undefined length
//! (CP-246), character sets of items, code extensions, US/SS in Implicit VR, group lengths, deep
//! nesting, length bombs.

mod output;
#[cfg(test)]
mod tests;
mod vr;
mod walk;

use dicom_core::{Tag, VR};
use std::io::{self, Read, Seek};
use walk::Walk;

/// How the source wrote its elements. Big endian and deflated data sets are never negotiated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElementEncoding {
    /// Implicit VR Little Endian (PS3.5 7.1.3).
    ImplicitLittle,
    /// Explicit VR Little Endian, also of all encapsulated transfer syntaxes (PS3.5 7.1.2, A.4).
    ExplicitLittle,
}

/// The data set up to Pixel Data, in canonical encoding.
pub struct Header {
    /// Explicit VR Little Endian, Specific Character Set ISO_IR 192.
    pub bytes: Vec<u8>,
    /// Where the top-level pixels stand in the source, if there are any.
    pub pixels: Option<PixelSpan>,
}

/// The value of a top-level Pixel Data, Float or Double Float Pixel Data element in the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PixelSpan {
    /// (7FE0,0008), (7FE0,0009) or (7FE0,0010).
    pub tag: Tag,
    /// OB, OW, OF or OD.
    pub vr: VR,
    /// Offset of the element in the source, in bytes.
    pub element_offset: u64,
    /// Offset of its value.
    pub offset: u64,
    /// Bytes of the value; of encapsulated pixels from the first item tag to the end of the
    /// sequence delimitation item.
    pub length: u64,
    /// Whether the value is a sequence of fragments (PS3.5 A.4).
    pub encapsulated: bool,
}

/// Bounds of the walk.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Nested sequences. Real objects stay under 15.
    pub depth: usize,
    /// Bytes of canonical header.
    pub header_bytes: usize,
    /// The walk ends before the first top-level element beyond this tag.
    pub stop_after: Tag,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { depth: 32, header_bytes: 128 << 20, stop_after: Tag(0xFFFF, 0xFFFF) }
    }
}

/// Why a data set was refused. Says the tag, never a value.
#[derive(Debug, thiserror::Error)]
pub enum Malformed {
    /// A length field claims more bytes than there are.
    #[error("{tag} claims more bytes than the object has left; ask the sender for an intact copy")]
    Overrun {
        /// The element that claims them.
        tag: Tag,
    },
    /// The object ends inside an element.
    #[error("the object ends in the middle of a data element; ask the sender for an intact copy")]
    Truncated,
    /// Elements out of order or twice (PS3.5 7.1).
    #[error("{tag} is repeated or out of order; two readers would see two different objects")]
    Order {
        /// The second of the two.
        tag: Tag,
    },
    /// Two characters that name no value representation of PS3.5 6.2.
    #[error("{tag} has a value representation that PS3.5 6.2 does not know")]
    UnknownVr {
        /// The element.
        tag: Tag,
    },
    /// An item or delimiter where none may be, or an undefined length where PS3.5 7.5 allows none.
    #[error("{tag} does not fit the item structure of PS3.5 7.5")]
    Structure {
        /// The element.
        tag: Tag,
    },
    /// Nested deeper than any real object.
    #[error("sequences nested deeper than {0} levels")]
    Depth(usize),
    /// More header than efface is ready to hold.
    #[error("more than {0} bytes outside Pixel Data")]
    Size(usize),
    /// A transfer syntax that is never negotiated.
    #[error("the transfer syntax is not supported; have the sender use Explicit VR Little Endian")]
    TransferSyntax,
    /// The source could not be read.
    #[error("the source could not be read: {0}")]
    Io(#[from] io::Error),
}

/// Walks `source` from its current position to its end at `end` (bytes).
///
/// # Errors
/// [`Malformed`]: the object belongs in quarantine.
pub fn read<R: Read + Seek>(
    source: R,
    end: u64,
    encoding: ElementEncoding,
    limits: Limits,
) -> Result<Header, Malformed> {
    let mut walk = Walk::new(source, end, encoding, limits)?;
    while walk.step()? {}
    Ok(Header { bytes: walk.out.bytes, pixels: walk.pixels })
}
