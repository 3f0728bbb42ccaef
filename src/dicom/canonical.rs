//! The pre-scan: whatever a peer sent becomes one canonical header, or is refused.
//!
//! An iterative walk over the encoded data set, up to the top-level Pixel Data. Nothing is
//! allocated because a length field says so, nothing recurses, depth and size are capped. What
//! comes out is always *Explicit VR Little Endian, UTF-8, sequences of undefined length*, so that
//! dicom-rs never meets the inputs that it is known to mistake (0.10.1): UN of undefined length
//! (CP-246), character sets of items, code extensions, US/SS in Implicit VR, group lengths, deep
//! nesting, length bombs.

use super::charset::Charset;
use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry, VirtualVr};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::{StandardDataDictionary, tags};
use std::io::{self, Read, Seek};

const ITEM: Tag = Tag(0xFFFE, 0xE000);
const ITEM_DELIMITATION_ITEM: Tag = Tag(0xFFFE, 0xE00D);
const SEQUENCE_DELIMITATION_ITEM: Tag = Tag(0xFFFE, 0xE0DD);

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
    Ok(Header { bytes: walk.out, pixels: walk.pixels })
}

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

struct Walk<R> {
    source: io::BufReader<R>,
    pos: u64,
    levels: Vec<Level>,
    limits: Limits,
    out: Vec<u8>,
    pixels: Option<PixelSpan>,
    value: Vec<u8>,
    charset_written: bool,
}

/// The header of a data element as it stands in the source.
struct Element {
    tag: Tag,
    vr: VR,
    length: Option<u64>,
}

impl<R: Read + Seek> Walk<R> {
    fn new(mut source: R, end: u64, encoding: ElementEncoding, limits: Limits) -> io::Result<Self> {
        let pos = source.stream_position()?;
        let scope = Scope { last: None, charset: Charset::DEFAULT, signed: false };
        let root = Level { kind: Kind::Elements(scope), end: End::At(end), encoding };
        Ok(Walk {
            source: io::BufReader::with_capacity(1 << 16, source),
            pos,
            levels: vec![root],
            limits,
            out: Vec::with_capacity(1 << 14),
            pixels: None,
            value: Vec::new(),
            charset_written: false,
        })
    }

    /// One element, item or end of either. False when the walk is over.
    fn step(&mut self) -> Result<bool, Malformed> {
        if self.out.len() > self.limits.header_bytes {
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
            Some(Kind::Items) => self.put_delimiter(SEQUENCE_DELIMITATION_ITEM),
            _ => self.put_delimiter(ITEM_DELIMITATION_ITEM),
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
                self.put_tag(ITEM);
                self.out.extend_from_slice(&u32::MAX.to_le_bytes());
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
        if root && !self.charset_written && tag > tags::SPECIFIC_CHARACTER_SET {
            self.put_charset();
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
        self.put_header(tag, VR::SQ, u32::MAX);
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

    // Writing.

    fn put_tag(&mut self, tag: Tag) {
        self.out.extend_from_slice(&tag.group().to_le_bytes());
        self.out.extend_from_slice(&tag.element().to_le_bytes());
    }

    fn put_delimiter(&mut self, tag: Tag) {
        self.put_tag(tag);
        self.out.extend_from_slice(&0u32.to_le_bytes());
    }

    fn put_header(&mut self, tag: Tag, vr: VR, length: u32) {
        self.put_tag(tag);
        self.out.extend_from_slice(vr.to_string().as_bytes());
        if has_long_length(vr) {
            self.out.extend_from_slice(&[0, 0]);
            self.out.extend_from_slice(&length.to_le_bytes());
        } else {
            self.out.extend_from_slice(&(length as u16).to_le_bytes());
        }
    }

    fn put_charset(&mut self) {
        self.put_header(tags::SPECIFIC_CHARACTER_SET, VR::CS, 10);
        self.out.extend_from_slice(b"ISO_IR 192");
        self.charset_written = true;
    }

    /// Writes the value just read, text as UTF-8.
    fn put_value(&mut self, tag: Tag, vr: VR) -> Result<(), Malformed> {
        match tag {
            tags::SPECIFIC_CHARACTER_SET => {
                let charset = Charset::from_value(&self.value);
                self.update(|scope| scope.charset = charset);
                if self.levels.len() == 1 {
                    self.put_charset();
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
        let mut value = std::mem::take(&mut self.value);
        if is_charset_dependent(vr) {
            if value.iter().any(|b| !b.is_ascii() || *b == 0x1b) {
                value = self.scope().charset.decode(&value).into_bytes();
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
        if value.len() > usize::from(u16::MAX) && !has_long_length(vr) {
            return Err(Malformed::Structure { tag });
        }
        self.put_header(tag, vr, value.len() as u32);
        self.out.extend_from_slice(&value);
        self.value = value;
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

/// The VR of a standard element where the source does not say it.
fn dictionary_vr(tag: Tag, signed: bool) -> Option<VR> {
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
fn has_long_length(vr: VR) -> bool {
    use VR::*;
    matches!(vr, OB | OD | OF | OL | OV | OW | SQ | SV | UC | UN | UR | UT | UV)
}

/// Text in the Specific Character Set (PS3.5 6.1.2.2).
fn is_charset_dependent(vr: VR) -> bool {
    use VR::*;
    matches!(vr, LO | LT | PN | SH | ST | UC | UT)
}

/// Text in the default repertoire whatever the character set.
fn is_ascii_only(vr: VR) -> bool {
    use VR::*;
    matches!(vr, AE | AS | CS | DA | DS | DT | IS | TM | UI | UR)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    /// Elements in Explicit VR Little Endian, by hand.
    fn explicit(tag: Tag, vr: &str, value: &[u8]) -> Vec<u8> {
        let mut out = [tag.group().to_le_bytes(), tag.element().to_le_bytes()].concat();
        out.extend_from_slice(vr.as_bytes());
        match VR::from_binary([vr.as_bytes()[0], vr.as_bytes()[1]]) {
            Some(vr) if has_long_length(vr) => {
                out.extend_from_slice(&[0, 0]);
                out.extend_from_slice(&(value.len() as u32).to_le_bytes());
            }
            _ => out.extend_from_slice(&(value.len() as u16).to_le_bytes()),
        }
        out.extend_from_slice(value);
        out
    }

    fn implicit(tag: Tag, length: u32, value: &[u8]) -> Vec<u8> {
        let mut out = [tag.group().to_le_bytes(), tag.element().to_le_bytes()].concat();
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(value);
        out
    }

    fn read_all(bytes: &[u8], encoding: ElementEncoding) -> Result<Header, Malformed> {
        read(Cursor::new(bytes), bytes.len() as u64, encoding, Limits::default())
    }

    fn read_explicit(bytes: &[u8]) -> Result<Header, Malformed> {
        read_all(bytes, ElementEncoding::ExplicitLittle)
    }

    #[test]
    fn text_becomes_utf8_also_in_items_with_their_own_character_set() {
        let item = [
            explicit(tags::SPECIFIC_CHARACTER_SET, "CS", b"ISO_IR 144"),
            explicit(tags::CODE_MEANING, "LO", b"\xbb\xee"),
        ]
        .concat();
        let sequence = implicit(ITEM, item.len() as u32, &item);
        let source = [
            explicit(tags::SPECIFIC_CHARACTER_SET, "CS", b"ISO_IR 100"),
            explicit(tags::PROCEDURE_CODE_SEQUENCE, "SQ", &sequence),
            explicit(tags::PATIENT_NAME, "PN", b"J\xe9"),
        ]
        .concat();
        let header = read_explicit(&source).unwrap().bytes;
        let expected = [
            explicit(tags::SPECIFIC_CHARACTER_SET, "CS", b"ISO_IR 192"),
            b"\x08\0\x32\x10SQ\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\xff\xff\xff\xff".to_vec(),
            explicit(tags::CODE_MEANING, "LO", "Лю".as_bytes()),
            b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0".to_vec(),
            explicit(tags::PATIENT_NAME, "PN", "Jé ".as_bytes()),
        ];
        assert_eq!(header, expected.concat());
    }

    #[test]
    fn un_of_undefined_length_holds_implicit_items() {
        let inner = implicit(tags::PATIENT_ID, 4, b"4711");
        let item = implicit(ITEM, inner.len() as u32, &inner);
        let source = [
            b"\x09\0\x01\x10UN\0\0\xff\xff\xff\xff".to_vec(),
            item,
            implicit(SEQUENCE_DELIMITATION_ITEM, 0, b""),
            explicit(tags::PATIENT_ID, "LO", b"0815"),
        ]
        .concat();
        let header = read_explicit(&source).unwrap().bytes;
        let text = String::from_utf8_lossy(&header);
        assert!(text.contains("LO\u{4}\u{0}4711") && text.contains("LO\u{4}\u{0}0815"));
    }

    #[test]
    fn implicit_vr_gets_its_vr_from_the_dictionary_and_the_pixel_representation() {
        let source = [
            implicit(tags::PIXEL_REPRESENTATION, 2, &[1, 0]),
            implicit(tags::PIXEL_PADDING_VALUE, 2, &[0x30, 0xf8]),
        ]
        .concat();
        let header = read_all(&source, ElementEncoding::ImplicitLittle).unwrap().bytes;
        assert!(header.windows(4).any(|w| w == b"SS\x02\0"));
    }

    #[test]
    fn pixels_are_found_not_read() {
        let mut source = explicit(tags::ROWS, "US", &[2, 0]);
        source.extend(explicit(tags::PIXEL_DATA, "OW", &[7; 8]));
        source.extend(explicit(Tag(0xFFFC, 0xFFFC), "OB", &[0; 2]));
        let header = read_explicit(&source).unwrap();
        let span = header.pixels.unwrap();
        assert_eq!((span.offset, span.length, span.encapsulated), (10 + 12, 8, false));
        assert!(!header.bytes.contains(&7));
    }

    #[test]
    fn fragments_are_walked_to_their_end() {
        let mut source = b"\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff".to_vec();
        source.extend(implicit(ITEM, 0, b""));
        source.extend(implicit(ITEM, 4, b"abcd"));
        source.extend(implicit(SEQUENCE_DELIMITATION_ITEM, 0, b""));
        let span = read_explicit(&source).unwrap().pixels.unwrap();
        assert_eq!((span.offset, span.length, span.encapsulated), (12, 28, true));
        let cut = &source[..source.len() - 8];
        assert!(matches!(read_explicit(cut), Err(Malformed::Truncated)));
    }

    #[test]
    fn length_bombs_cost_nothing() {
        let bomb = implicit(tags::PATIENT_ID, 0xFFFF_FFF0, b"x");
        let refused = read_all(&bomb, ElementEncoding::ImplicitLittle);
        assert!(matches!(refused, Err(Malformed::Overrun { tag: tags::PATIENT_ID })));
        let mut pixels = b"\xe0\x7f\x10\0OW\0\0\xf0\xff\xff\xff".to_vec();
        pixels.extend([0; 16]);
        assert!(matches!(read_explicit(&pixels), Err(Malformed::Overrun { .. })));
    }

    #[test]
    fn depth_bombs_are_refused() {
        let level =
            [implicit(tags::PROCEDURE_CODE_SEQUENCE, u32::MAX, b""), implicit(ITEM, u32::MAX, b"")]
                .concat();
        let bomb = level.repeat(100_000);
        let refused = read_all(&bomb, ElementEncoding::ImplicitLittle);
        assert!(matches!(refused, Err(Malformed::Depth(32))));
    }

    #[test]
    fn what_two_readers_could_see_differently_is_refused() {
        let id = explicit(tags::PATIENT_ID, "LO", b"ab");
        let twice = [id.clone(), id.clone()].concat();
        assert!(matches!(read_explicit(&twice), Err(Malformed::Order { .. })));
        let backwards = [id, explicit(tags::MODALITY, "CS", b"CT")].concat();
        assert!(matches!(read_explicit(&backwards), Err(Malformed::Order { .. })));
        let meta = explicit(Tag(0x0002, 0x0010), "UI", b"1.2\0");
        assert!(matches!(read_explicit(&meta), Err(Malformed::Structure { .. })));
        assert!(matches!(read_explicit(&[0x10, 0, 0x20]), Err(Malformed::Truncated)));
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics_or_grows(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..600)) {
            for encoding in [ElementEncoding::ImplicitLittle, ElementEncoding::ExplicitLittle] {
                if let Ok(header) = read_all(&bytes, encoding) {
                    assert!(header.bytes.len() <= 64 + 4 * bytes.len());
                }
            }
        }
    }
}
