//! Pixels other than faces: what of them may leave, and in which form.
//!
//! A [`Treatment`] is planned from the header and a walk over the pixels, then streamed, a frame at
//! a time. It drops what no viewer shows but anybody can read: bits outside Bits Stored, bytes
//! behind the last frame, comments and application segments of codestreams, boxes around them,
//! bytes after their end. It blanks regions, for which compressed frames are decoded and leave
//! native: a second compression would change pixels that nobody asked to change. What can't be
//! looked at is an error, and the object stays inside.
//!
//! What it can't see: bytes that a decoder reads over within the entropy-coded data, and Huffman
//! tables that no scan uses. The verifier searches those for what identifies.

mod coded;
mod codestream;
mod form;
mod fragments;
mod frames;
mod j2k;
mod jpeg;
mod preview;
mod regions;
mod single_bits;
mod treatment;

use crate::dicom::frame;

pub use form::Photometric;
pub use frames::FrameTable;
pub use preview::Preview;
pub use regions::{Frames, Region};
pub use treatment::{HeaderChanges, Stored, Treatment};

/// Why pixels cannot leave. Says no value.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The header doesn't describe the pixels.
    #[error("the header does not describe the pixels: {0}")]
    Form(&'static str),
    /// A region of the profile doesn't fit the image.
    #[error("a region to be blanked {0}; the profile is for images of another kind")]
    Region(&'static str),
    /// The fragments don't make the frames.
    #[error("the fragments of the pixels cannot be told apart: {0}")]
    Fragments(&'static str),
    /// A codestream holds what isn't known, or is none.
    #[error("the codestream of a frame cannot be cleaned: {0}")]
    Codestream(&'static str),
    /// The pixels would have to be decoded, and can't be.
    #[error("the pixels cannot be looked at: {0}")]
    Undecodable(&'static str),
    /// Decoders differ in what they make of the colours.
    #[error("the codestream and Photometric Interpretation (0028,0004) do not agree about colours")]
    Colour,
    /// Video, JPEG XL, JPIP or an unknown transfer syntax.
    #[error("nobody can look into pixels of this transfer syntax for text")]
    TransferSyntax,
    /// Whoever makes the frames stopped, and knows why.
    #[error("a frame could not be made")]
    Stopped,
    /// The source or the target failed.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

impl From<crate::dicom::codec::Undecodable> for Error {
    fn from(_: crate::dicom::codec::Undecodable) -> Self {
        Error::Undecodable("they do not decode in their transfer syntax")
    }
}

impl From<Error> for frame::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Form(what)
            | Error::Region(what)
            | Error::Fragments(what)
            | Error::Codestream(what)
            | Error::Undecodable(what) => frame::Error::Form(what),
            Error::TransferSyntax => frame::Error::Form("there is no decoder for them here"),
            Error::Colour | Error::Stopped | Error::Io(_) => frame::Error::Decode,
        }
    }
}

#[cfg(test)]
mod tests;
