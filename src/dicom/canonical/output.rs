//! The canonical header as it is written: Explicit VR Little Endian, text in UTF-8.

use super::Malformed;
use super::vr::{has_long_length, is_ascii_only, is_charset_dependent};
use crate::dicom::charset::Charset;
use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;

/// What has been written of it.
pub(super) struct Output {
    pub(super) bytes: Vec<u8>,
    charset_written: bool,
}

impl Output {
    pub(super) fn new() -> Self {
        Output { bytes: Vec::with_capacity(1 << 14), charset_written: false }
    }

    /// A tag with a length instead of a VR: items and delimiters (PS3.5 7.5).
    pub(super) fn put_item(&mut self, tag: Tag, length: u32) {
        self.put_tag(tag);
        self.bytes.extend_from_slice(&length.to_le_bytes());
    }

    pub(super) fn put_header(&mut self, tag: Tag, vr: VR, length: u32) {
        self.put_tag(tag);
        self.bytes.extend_from_slice(vr.to_string().as_bytes());
        if has_long_length(vr) {
            self.bytes.extend_from_slice(&[0, 0]);
            self.bytes.extend_from_slice(&length.to_le_bytes());
        } else {
            self.bytes.extend_from_slice(&(length as u16).to_le_bytes());
        }
    }

    /// The character set of the output, once, before the first element behind it.
    pub(super) fn put_charset(&mut self) {
        if self.charset_written {
            return;
        }
        self.put_header(tags::SPECIFIC_CHARACTER_SET, VR::CS, 10);
        self.bytes.extend_from_slice(b"ISO_IR 192");
        self.charset_written = true;
    }

    /// Writes an element, its value as it is in the output.
    ///
    /// # Errors
    /// [`Malformed::Structure`]: as text in UTF-8 it is longer than its VR can say.
    pub(super) fn put_element(&mut self, tag: Tag, vr: VR, value: &[u8]) -> Result<(), Malformed> {
        if value.len() > usize::from(u16::MAX) && !has_long_length(vr) {
            return Err(Malformed::Structure { tag });
        }
        self.put_header(tag, vr, value.len() as u32);
        self.bytes.extend_from_slice(value);
        Ok(())
    }

    fn put_tag(&mut self, tag: Tag) {
        self.bytes.extend_from_slice(&tag.group().to_le_bytes());
        self.bytes.extend_from_slice(&tag.element().to_le_bytes());
    }
}

/// A value in UTF-8 and of even length.
pub(super) fn canonical(mut value: Vec<u8>, vr: VR, charset: Charset) -> Vec<u8> {
    if is_charset_dependent(vr) {
        if value.iter().any(|b| !b.is_ascii() || *b == 0x1b) {
            value = charset.decode(&value).into_bytes();
        }
    } else if is_ascii_only(vr) {
        for b in value.iter_mut().filter(|b| !b.is_ascii()) {
            *b = b'?';
        }
    }
    if value.len() % 2 == 1 {
        let text = vr != VR::UI && (is_charset_dependent(vr) || is_ascii_only(vr));
        value.push(if text { b' ' } else { 0 });
    }
    value
}
