//! The walk over an encoded data set: a stack of levels, one element at a step.

use super::output::{Output, canonical};
use super::vr::{dictionary_vr, has_long_length};
use super::{ElementEncoding, Limits, Malformed, PixelSpan};
use crate::dicom::charset::Charset;
use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use std::io::{self, Read, Seek};

pub(super) const ITEM: Tag = Tag(0xFFFE, 0xE000);
pub(super) const ITEM_DELIMITATION_ITEM: Tag = Tag(0xFFFE, 0xE00D);
pub(super) const SEQUENCE_DELIMITATION_ITEM: Tag = Tag(0xFFFE, 0xE0DD);

/// Where a sequence, an item or the data set ends.
#[derive(Clone, Copy, PartialEq)]
enum End {
    At(u64),
    Delimiter,
}

/// One level of the walk.
struct Level {
    kind: Kind,
    end: End,
    encoding: ElementEncoding,
}

enum Kind {
    /// Inside a sequence: items follow.
    Items,
    /// Inside the data set or an item: elements follow.
    Elements(Scope),
}

/// What an element inherits from its data set or item.
#[derive(Clone, Copy)]
struct Scope {
    last: Option<Tag>,
    charset: Charset,
    /// Pixel Representation (0028,0103) is 1: US or SS means SS.
    signed: bool,
}

/// The walk: where it is, and what has come of it.
pub(super) struct Walk<R> {
    source: io::BufReader<R>,
    pos: u64,
    levels: Vec<Level>,
    limits: Limits,
    pub(super) out: Output,
    pub(super) pixels: Option<PixelSpan>,
    value: Vec<u8>,
}

/// The header of a data element as it stands in the source.
struct Element {
    tag: Tag,
    vr: VR,
    length: Option<u64>,
}

impl<R: Read + Seek> Walk<R> {
    pub(super) fn new(
        mut source: R,
        end: u64,
        encoding: ElementEncoding,
        limits: Limits,
    ) -> io::Result<Self> {
        let pos = source.stream_position()?;
        let scope = Scope { last: None, charset: Charset::DEFAULT, signed: false };
        let root = Level { kind: Kind::Elements(scope), end: End::At(end), encoding };
        Ok(Walk {
            source: io::BufReader::with_capacity(1 << 16, source),
            pos,
            levels: vec![root],
            limits,
            out: Output::new(),
            pixels: None,
            value: Vec::new(),
        })
    }

    /// One element, item or end of either. False when the walk is over.
    pub(super) fn step(&mut self) -> Result<bool, Malformed> {
        if self.out.bytes.len() > self.limits.header_bytes {
            return Err(Malformed::Size(self.limits.header_bytes));
        }
        let top = self.levels.last().ok_or(Malformed::Truncated)?;
        if top.end == End::At(self.pos) {
            return Ok(self.close());
        }
        match top.kind {
            Kind::Items => self.item().map(|()| true),
            Kind::Elements(scope) => self.element(scope),
        }
    }

    /// Leaves the innermost level; false when it was the data set.
    fn close(&mut self) -> bool {
        let level = self.levels.pop();
        if self.levels.is_empty() {
            return false;
        }
        match level.map(|l| l.kind) {
            Some(Kind::Items) => self.out.put_item(SEQUENCE_DELIMITATION_ITEM, 0),
            _ => self.out.put_item(ITEM_DELIMITATION_ITEM, 0),
        }
        true
    }

    fn item(&mut self) -> Result<(), Malformed> {
        let tag = self.tag()?;
        let length = self.u32()?;
        let Some(top) = self.levels.last() else { return Err(Malformed::Structure { tag }) };
        match tag {
            SEQUENCE_DELIMITATION_ITEM if top.end == End::Delimiter => {
                self.close();
                Ok(())
            }
            ITEM => {
                let end = self.end_of(tag, defined(length))?;
                let encoding = self.encoding();
                let parent = self.scope();
                let scope = Scope { last: None, ..parent };
                self.out.put_item(ITEM, u32::MAX);
                self.levels.push(Level { kind: Kind::Elements(scope), end, encoding });
                Ok(())
            }
            _ => Err(Malformed::Structure { tag }),
        }
    }

    fn element(&mut self, scope: Scope) -> Result<bool, Malformed> {
        let start = self.pos;
        let tag = self.tag()?;
        let root = self.levels.len() == 1;
        if tag == ITEM_DELIMITATION_ITEM {
            let zero = self.u32()?;
            let open = self.levels.last().is_some_and(|l| l.end == End::Delimiter);
            return if open && zero == 0 && !root {
                Ok(self.close())
            } else {
                Err(Malformed::Structure { tag })
            };
        }
        if tag.group() < 0x0008 || tag.group() == 0xFFFE {
            return Err(Malformed::Structure { tag });
        }
        if scope.last.is_some_and(|last| tag <= last) {
            return Err(Malformed::Order { tag });
        }
        if root && tag > self.limits.stop_after {
            return Ok(false);
        }
        let element = self.element_header(tag, scope)?;
        self.update(|scope| scope.last = Some(tag));
        if root
            && matches!(
                tag,
                tags::FLOAT_PIXEL_DATA | tags::DOUBLE_FLOAT_PIXEL_DATA | tags::PIXEL_DATA
            )
        {
            self.pixels = Some(self.pixel_span(&element, start)?);
            return Ok(false);
        }
        if root && tag > tags::SPECIFIC_CHARACTER_SET {
            self.out.put_charset();
        }
        self.content(element)?;
        Ok(true)
    }

    /// Everything after the element header, except top-level pixels.
    fn content(&mut self, element: Element) -> Result<(), Malformed> {
        let Element { tag, vr, length } = element;
        match (vr, length) {
            (VR::SQ, _) => self.open_sequence(tag, length, self.encoding()),
            // CP-246: items in Implicit VR, whatever the transfer syntax.
            (VR::UN, None) => self.open_sequence(tag, None, ElementEncoding::ImplicitLittle),
            (VR::UN, length) if dictionary_vr(tag, false) == Some(VR::SQ) => {
                self.open_sequence(tag, length, ElementEncoding::ImplicitLittle)
            }
            (VR::OB | VR::OW, None) => {
                // Encapsulated pixels of an icon or a private copy: never needed, always removed.
                self.skip_fragments(tag)?;
                Ok(())
            }
            (_, None) => Err(Malformed::Structure { tag }),
            (_, Some(length)) => {
                if length > self.limits.header_bytes as u64 {
                    return Err(Malformed::Size(self.limits.header_bytes));
                }
                self.read_value(length)?;
                self.put_value(tag, vr)
            }
        }
    }

    fn open_sequence(
        &mut self,
        tag: Tag,
        length: Option<u64>,
        encoding: ElementEncoding,
    ) -> Result<(), Malformed> {
        if self.levels.len() > 2 * self.limits.depth {
            return Err(Malformed::Depth(self.limits.depth));
        }
        let end = self.end_of(tag, length)?;
        self.out.put_header(tag, VR::SQ, u32::MAX);
        self.levels.push(Level { kind: Kind::Items, end, encoding });
        Ok(())
    }

    /// The element header in the encoding of this level, its VR settled.
    fn element_header(&mut self, tag: Tag, scope: Scope) -> Result<Element, Malformed> {
        let (vr, length) = match self.encoding() {
            ElementEncoding::ImplicitLittle => {
                let length = self.u32()?;
                let vr = match dictionary_vr(tag, scope.signed) {
                    Some(vr) => vr,
                    None if length == u32::MAX => VR::SQ,
                    None => VR::UN,
                };
                (vr, length)
            }
            ElementEncoding::ExplicitLittle => {
                let code = self.bytes::<2>()?;
                let vr = VR::from_binary(code).ok_or(Malformed::UnknownVr { tag })?;
                let length = if has_long_length(vr) {
                    self.bytes::<2>()?;
                    self.u32()?
                } else {
                    u32::from(u16::from_le_bytes(self.bytes::<2>()?))
                };
                (vr, length)
            }
        };
        let length = defined(length);
        if let Some(bytes) = length {
            self.end_of(tag, Some(bytes))?;
        }
        Ok(self.reinterpret(Element { tag, vr, length }, scope))
    }

    /// A standard element that was once re-encoded as UN gets its own VR back (PS3.5 6.2.2).
    fn reinterpret(&mut self, element: Element, scope: Scope) -> Element {
        if element.vr != VR::UN || element.length.is_none() {
            return element;
        }
        match dictionary_vr(element.tag, scope.signed) {
            Some(VR::SQ) | None => element,
            Some(vr) => Element { vr, ..element },
        }
    }

    fn pixel_span(&mut self, element: &Element, start: u64) -> Result<PixelSpan, Malformed> {
        let &Element { tag, vr, length } = element;
        let (element_offset, offset) = (start, self.pos);
        match (vr, length) {
            (VR::OB | VR::OW | VR::OF | VR::OD, Some(length)) => {
                Ok(PixelSpan { tag, vr, element_offset, offset, length, encapsulated: false })
            }
            (VR::OB | VR::OW, None) if tag == tags::PIXEL_DATA => {
                self.skip_fragments(tag)?;
                Ok(PixelSpan {
                    tag,
                    vr: VR::OB,
                    element_offset,
                    offset,
                    length: self.pos - offset,
                    encapsulated: true,
                })
            }
            _ => Err(Malformed::Structure { tag }),
        }
    }

    /// Passes over items of defined length up to the sequence delimitation item (PS3.5 A.4).
    fn skip_fragments(&mut self, pixel_data: Tag) -> Result<(), Malformed> {
        loop {
            let tag = self.tag()?;
            let length = self.u32()?;
            match tag {
                SEQUENCE_DELIMITATION_ITEM if length == 0 => return Ok(()),
                ITEM if length != u32::MAX => {
                    self.end_of(pixel_data, Some(u64::from(length)))?;
                    self.source.seek_relative(i64::from(length))?;
                    self.pos += u64::from(length);
                }
                _ => return Err(Malformed::Structure { tag: pixel_data }),
            }
        }
    }

    /// Writes the value just read, and heeds what it says of those that follow.
    fn put_value(&mut self, tag: Tag, vr: VR) -> Result<(), Malformed> {
        match tag {
            tags::SPECIFIC_CHARACTER_SET => {
                let charset = Charset::from_value(&self.value);
                self.update(|scope| scope.charset = charset);
                if self.levels.len() == 1 {
                    self.out.put_charset();
                }
                return Ok(());
            }
            tags::PIXEL_REPRESENTATION => {
                let signed = self.value.first() == Some(&1);
                self.update(|scope| scope.signed = signed);
            }
            _ if tag.element() == 0 => return Ok(()), // group length (PS3.5 7.2), retired
            _ => {}
        }
        let value = canonical(std::mem::take(&mut self.value), vr, self.scope().charset);
        self.out.put_element(tag, vr, &value)?;
        self.value = value;
        Ok(())
    }

    // What the levels say.

    fn encoding(&self) -> ElementEncoding {
        self.levels.last().map_or(ElementEncoding::ExplicitLittle, |l| l.encoding)
    }

    /// The scope of the innermost data set or item.
    fn scope(&self) -> Scope {
        let inner = self.levels.iter().rev().find_map(|l| match l.kind {
            Kind::Elements(scope) => Some(scope),
            Kind::Items => None,
        });
        inner.unwrap_or(Scope { last: None, charset: Charset::DEFAULT, signed: false })
    }

    fn update(&mut self, change: impl FnOnce(&mut Scope)) {
        if let Some(Level { kind: Kind::Elements(scope), .. }) = self.levels.last_mut() {
            change(scope);
        }
    }

    /// The end of something of this length that starts here: inside every level around it.
    fn end_of(&self, tag: Tag, length: Option<u64>) -> Result<End, Malformed> {
        let Some(length) = length else { return Ok(End::Delimiter) };
        let end = self.pos + length;
        let innermost = self.levels.iter().rev().find_map(|l| match l.end {
            End::At(end) => Some(end),
            End::Delimiter => None,
        });
        if innermost.is_some_and(|limit| end > limit) {
            return Err(Malformed::Overrun { tag });
        }
        Ok(End::At(end))
    }

    // Reading.

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let limit = self.end_of(ITEM, Some(N as u64)).map_err(|_| Malformed::Truncated)?;
        let mut bytes = [0; N];
        self.source.read_exact(&mut bytes).map_err(truncated)?;
        if let End::At(pos) = limit {
            self.pos = pos;
        }
        Ok(bytes)
    }

    fn u32(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from_le_bytes(self.bytes()?))
    }

    fn tag(&mut self) -> Result<Tag, Malformed> {
        let [a, b, c, d] = self.bytes()?;
        Ok(Tag(u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d])))
    }

    /// Reads a value whose length was checked against the bytes that are left.
    fn read_value(&mut self, length: u64) -> Result<(), Malformed> {
        self.value.clear();
        let read = (&mut self.source).take(length).read_to_end(&mut self.value)?;
        if read as u64 != length {
            return Err(Malformed::Truncated);
        }
        self.pos += length;
        Ok(())
    }
}

fn defined(length: u32) -> Option<u64> {
    (length != u32::MAX).then_some(u64::from(length))
}

fn truncated(error: io::Error) -> Malformed {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Malformed::Truncated,
        _ => Malformed::Io(error),
    }
}
