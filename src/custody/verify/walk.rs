//! The verifier's own way through an encoded data set (PS3.5 section 7): iterative, bounded, and
//! sharing nothing with the parser that the engine uses.
//!
//! Bytes come through a [`Tap`], which shows each of them exactly once to a [`Sink`] (digest and
//! search) before anything here interprets it. So a byte that this walker misreads was seen all
//! the same. Nothing is allocated from a declared length; memory is one window.

use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_dictionary_std::StandardDataDictionary;
use std::fmt;
use std::io::{self, Read};

use super::charset::Charset;

/// Sequences within sequences that are followed. Real objects stay under 15.
const DEPTH_MAX: usize = 32;
/// The longest value handed out in one piece, in bytes.
pub(super) const VALUE_MAX: usize = 1 << 20;
/// Bytes read at a time.
const CHUNK: usize = 256 << 10;
/// Bytes of the past that stay in the window, so that a search can look back over a seam.
pub(super) const LOOK_BACK: usize = 1024;

const UNDEFINED: u32 = u32::MAX;
const ITEM: Tag = Tag(0xFFFE_E000);
const ITEM_END: Tag = Tag(0xFFFE_E00D);
const SEQUENCE_END: Tag = Tag(0xFFFE_E0DD);
pub(super) const PIXEL_DATA: Tag = Tag(0x7FE0_0010);

/// A data element tag, group in the upper half.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(pub u32);

impl Tag {
    /// The group number.
    pub fn group(self) -> u16 {
        (self.0 >> 16) as u16
    }

    /// Whether the group is odd (PS3.5 7.8).
    pub fn is_private(self) -> bool {
        self.group() & 1 == 1
    }

    /// Whether this is a private creator, (gggg,0010-00FF).
    pub(super) fn is_creator(self) -> bool {
        self.is_private() && (0x10..=0xFF).contains(&(self.0 & 0xFFFF))
    }

    /// The keyword of the standard's dictionary (PS3.6), if it has one.
    pub fn keyword(self) -> Option<&'static str> {
        self.entry().map(|entry| entry.alias())
    }

    fn entry(self) -> Option<&'static dicom_core::dictionary::DataDictionaryEntryRef<'static>> {
        let tag = dicom_core::Tag(self.group(), self.0 as u16);
        (!self.is_private()).then(|| StandardDataDictionary.by_tag(tag)).flatten()
    }

    /// The VR that implicit VR leaves to the dictionary; UN when it has none.
    pub(super) fn vr(self) -> Vr {
        if self.is_creator() {
            return Vr(*b"LO");
        }
        self.entry().map_or(Vr::UN, |entry| Vr(entry.vr().relaxed().to_bytes()))
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({:04X},{:04X})", self.group(), self.0 & 0xFFFF)?;
        self.keyword().map_or(Ok(()), |keyword| write!(f, " {keyword}"))
    }
}

/// A value representation as its two letters (PS3.5 6.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Vr(pub(super) [u8; 2]);

impl Vr {
    pub(super) const UN: Vr = Vr(*b"UN");

    /// Which letters exist, and which have a 32-bit length in explicit VR (PS3.5 7.1.2).
    fn form(self) -> Option<Form> {
        match &self.0 {
            b"OB" | b"OD" | b"OF" | b"OL" | b"OV" | b"OW" | b"SQ" | b"SV" | b"UC" | b"UN"
            | b"UR" | b"UT" | b"UV" => Some(Form::Long),
            b"AE" | b"AS" | b"AT" | b"CS" | b"DA" | b"DS" | b"DT" | b"FD" | b"FL" | b"IS"
            | b"LO" | b"LT" | b"PN" | b"SH" | b"SL" | b"SS" | b"ST" | b"TM" | b"UI" | b"UL"
            | b"US" => Some(Form::Short),
            _ => None,
        }
    }

    /// Character strings that may say anything, in the data set's character set or ASCII.
    pub(super) fn is_text(self) -> bool {
        matches!(
            &self.0,
            b"AE" | b"CS" | b"LO" | b"LT" | b"PN" | b"SH" | b"ST" | b"UC" | b"UR" | b"UT"
        )
    }

    /// Character strings of a closed alphabet: numbers, dates, UIDs.
    pub(super) fn is_formal(self) -> bool {
        matches!(&self.0, b"AS" | b"DA" | b"DS" | b"DT" | b"IS" | b"TM" | b"UI")
    }

    /// One text, in which a backslash is a character and not a separator (PS3.5 6.2).
    pub(super) fn is_one_text(self) -> bool {
        matches!(&self.0, b"LT" | b"ST" | b"UT" | b"UR")
    }
}

enum Form {
    Short,
    Long,
}

/// What is wrong with the encoding. Names no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// No `DICM` after the preamble, or no file meta information where it must be.
    #[error("not a DICOM file (PS3.10 7.1)")]
    NotDicom,
    /// A transfer syntax whose bytes aren't walked here: big endian, deflated, unknown.
    #[error("a transfer syntax that isn't examined")]
    Syntax,
    /// The data end inside an element, or an item or sequence is never closed.
    #[error("the data end too early")]
    Truncated,
    /// A declared length that goes beyond what holds it, or is odd, or undefined where it can't be.
    #[error("an impossible length (PS3.5 7.1)")]
    Length,
    /// Two letters that are no VR, or reserved bytes that aren't zero.
    #[error("an unknown value representation (PS3.5 7.1.2)")]
    Vr,
    /// A tag that isn't greater than the one before it.
    #[error("elements out of order or twice (PS3.5 7.1)")]
    Order,
    /// Something else where an item, a fragment or their end must be.
    #[error("a broken item structure (PS3.5 7.5, A.4)")]
    Item,
    /// More than 32 sequences within each other.
    #[error("sequences nested too deep")]
    Depth,
    /// A text too long to be examined in one piece.
    #[error("a text too long to be examined")]
    Long,
    /// The file could not be read.
    #[error("read failed: {0}")]
    Io(io::ErrorKind),
}

/// Sees every byte once, in order, before it is interpreted.
pub(super) trait Sink {
    /// `window[fresh..]` is new, what is before was shown earlier. `base`: offset of `window[0]`
    /// in the input. `last`: the input ends with the window.
    fn fresh(&mut self, window: &[u8], base: u64, fresh: usize, last: bool);
}

impl Sink for () {
    fn fresh(&mut self, _: &[u8], _: u64, _: usize, _: bool) {}
}

/// A bounded window that moves over the input.
pub(super) struct Tap<R, S> {
    input: R,
    /// How many bytes the input has.
    size: u64,
    window: Vec<u8>,
    /// Offset of `window[0]` in the input.
    base: u64,
    /// The next byte to interpret, as an index into the window.
    next: usize,
    pub(super) sink: S,
}

impl<R: Read, S: Sink> Tap<R, S> {
    pub(super) fn new(input: R, size: u64, sink: S) -> Self {
        Tap { input, size, window: Vec::new(), base: 0, next: 0, sink }
    }

    /// Offset of the next byte to interpret.
    pub(super) fn position(&self) -> u64 {
        self.base + self.next as u64
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// The next `length` bytes, at most [`VALUE_MAX`].
    pub(super) fn take(&mut self, length: usize) -> Result<&[u8], Flaw> {
        if length > VALUE_MAX {
            return Err(Flaw::Long);
        }
        self.fill(length)?;
        let from = self.next;
        self.next += length;
        Ok(&self.window[from..self.next])
    }

    /// Goes over `length` bytes; the sink sees them.
    pub(super) fn skip(&mut self, mut length: u64) -> Result<(), Flaw> {
        while length > 0 {
            if self.next == self.window.len() {
                self.fill(1)?;
            }
            let step = length.min((self.window.len() - self.next) as u64);
            self.next += step as usize;
            length -= step;
        }
        Ok(())
    }

    /// The input really ends where it said it would, and all of it was seen.
    pub(super) fn finish(mut self) -> Result<S, Flaw> {
        let mut more = [0];
        if self.position() != self.size
            || self.input.read(&mut more).map_err(|e| Flaw::Io(e.kind()))? != 0
        {
            return Err(Flaw::Truncated);
        }
        Ok(self.sink)
    }

    fn fill(&mut self, wanted: usize) -> Result<(), Flaw> {
        if self.window.len() - self.next >= wanted {
            return Ok(());
        }
        if self.size - self.position() < wanted as u64 {
            return Err(Flaw::Truncated);
        }
        let gone = self.next.min(self.window.len().saturating_sub(LOOK_BACK));
        self.window.drain(..gone);
        self.base += gone as u64;
        self.next -= gone;

        let fresh = self.window.len();
        let unread = self.size - self.base - fresh as u64;
        let goal = fresh + unread.min(wanted.max(CHUNK) as u64) as usize;
        self.window.resize(goal, 0);
        self.input.read_exact(&mut self.window[fresh..]).map_err(|e| match e.kind() {
            io::ErrorKind::UnexpectedEof => Flaw::Truncated,
            kind => Flaw::Io(kind),
        })?;
        let last = self.base + goal as u64 == self.size;
        self.sink.fresh(&self.window, self.base, fresh, last);
        Ok(())
    }
}

/// An element whose value comes next.
#[derive(Debug, Clone, Copy)]
pub(super) struct Header {
    pub(super) tag: Tag,
    pub(super) vr: Vr,
    /// Bytes of the value; 0 for a sequence.
    pub(super) length: u64,
}

/// What the walker came to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    /// A value follows: take it from the tap, or leave it and it is skipped.
    Element(Header),
    /// A sequence, or fragments of encapsulated Pixel Data, begin.
    Open(Header),
    /// A fragment of encapsulated Pixel Data (PS3.5 A.4), of so many bytes.
    Fragment(u64),
    /// An item begins, or an item or sequence ended.
    Turn,
    /// The data set is over.
    End,
}

#[derive(Clone, Copy, PartialEq)]
enum Shape {
    /// A data set: the root, or an item of a sequence.
    Item,
    Sequence,
    Fragments,
}

struct Frame {
    shape: Shape,
    /// The sequence's tag.
    tag: Tag,
    /// How many items were opened in this sequence.
    items: u32,
    /// Where it ends, if its length is defined.
    end: Option<u64>,
    /// Where it ends at the latest.
    limit: u64,
    implicit: bool,
    /// The last tag of a data set.
    last: Option<Tag>,
    charset: Charset,
}

/// The way through one data set.
pub(super) struct Walker {
    frames: Vec<Frame>,
    /// Where the value ends that was announced last.
    value_end: u64,
    /// Refuse also what readers usually forgive: order, odd lengths, reserved bytes.
    strict: bool,
}

/// Whether the data set of a transfer syntax is in implicit VR (PS3.5 A.1).
pub(super) fn is_implicit(syntax: &str) -> Result<bool, Flaw> {
    match syntax.trim_end_matches(['\0', ' ']) {
        "1.2.840.10008.1.2" => Ok(true),
        "1.2.840.10008.1.2.2" | "1.2.840.10008.1.2.1.99" => Err(Flaw::Syntax),
        other if other.starts_with("1.2.840.10008.1.2.") => Ok(false),
        _ => Err(Flaw::Syntax),
    }
}

impl Walker {
    /// Walks from where the tap stands up to the offset `end`.
    pub(super) fn new(implicit: bool, strict: bool, end: u64) -> Self {
        let root = Frame {
            shape: Shape::Item,
            tag: Tag(0),
            items: 0,
            end: None,
            limit: end,
            implicit,
            last: None,
            charset: Charset::default(),
        };
        Walker { frames: vec![root], value_end: 0, strict }
    }

    /// Whether the element just announced stands in no sequence.
    pub(super) fn is_top(&self) -> bool {
        self.frames.len() == 1
    }

    /// How many data sets, sequences and items are open.
    pub(super) fn depth(&self) -> usize {
        self.frames.len()
    }

    /// The sequences around the element just announced, outermost first, with their item numbers.
    pub(super) fn path(&self) -> Vec<(Tag, u32)> {
        let sequences = self.frames.iter().filter(|f| f.shape != Shape::Item);
        sequences.map(|f| (f.tag, f.items)).collect()
    }

    /// The sequence in whose item the walker stands; in none, tag 0.
    pub(super) fn sequence(&self) -> Tag {
        self.top().tag
    }

    /// The character set in force in this data set or item (PS3.5 6.1.2.5; C.12.1.1.2).
    pub(super) fn charset(&self) -> Charset {
        self.top().charset
    }

    /// An item has its own Specific Character Set; it ends with the item.
    pub(super) fn set_charset(&mut self, charset: Charset) {
        self.top_mut().charset = charset;
    }

    /// Goes on to the next thing, over whatever is left of a value.
    pub(super) fn next<R: Read, S: Sink>(&mut self, tap: &mut Tap<R, S>) -> Result<Step, Flaw> {
        tap.skip(self.value_end.saturating_sub(tap.position()))?;
        let (position, top) = (tap.position(), self.top());
        if self.frames.len() == 1 && position == top.limit {
            return Ok(Step::End);
        }
        if top.end == Some(position) {
            self.frames.pop();
            return Ok(Step::Turn);
        }
        match top.shape {
            Shape::Item => self.element(tap),
            Shape::Sequence => self.item(tap),
            Shape::Fragments => self.fragment(tap),
        }
    }

    fn element<R: Read, S: Sink>(&mut self, tap: &mut Tap<R, S>) -> Result<Step, Flaw> {
        let (tag, rest) = self.tag_and_four(tap)?;
        if tag == ITEM_END && self.frames.len() > 1 && self.top().end.is_none() {
            return self.close(rest);
        }
        if tag.group() == ITEM.group() {
            return Err(Flaw::Item);
        }
        let strict = self.strict;
        if strict && self.top().last.is_some_and(|last| last >= tag) {
            return Err(Flaw::Order);
        }
        self.top_mut().last = Some(tag);

        let (vr, length) = match (self.top().implicit, Vr([rest[0], rest[1]])) {
            (true, _) => (tag.vr(), u32::from_le_bytes(rest)),
            (false, vr) => match vr.form().ok_or(Flaw::Vr)? {
                Form::Short => (vr, u32::from(u16::from_le_bytes([rest[2], rest[3]]))),
                Form::Long if strict && rest[2..] != [0, 0] => return Err(Flaw::Vr),
                Form::Long => {
                    self.room(tap, 4)?;
                    (vr, u32_of(tap.take(4)?))
                }
            },
        };
        self.open(tap, tag, vr, length)
    }

    fn open<R: Read, S: Sink>(
        &mut self,
        tap: &mut Tap<R, S>,
        tag: Tag,
        vr: Vr,
        length: u32,
    ) -> Result<Step, Flaw> {
        let implicit = self.top().implicit;
        let header = Header { tag, vr, length: 0 };
        match (length, &vr.0) {
            (UNDEFINED, b"SQ") => self.push(Shape::Sequence, tag, None, implicit)?,
            // CP-246 (PS3.5 6.2.2 note 2): UN of undefined length holds items in implicit VR.
            (UNDEFINED, b"UN") => self.push(Shape::Sequence, tag, None, true)?,
            (UNDEFINED, b"OB" | b"OW") if tag == PIXEL_DATA && !implicit => {
                self.push(Shape::Fragments, tag, None, false)?
            }
            (UNDEFINED, _) => return Err(Flaw::Length),
            (_, b"SQ") => {
                let end = self.span(tap, length)?;
                self.push(Shape::Sequence, tag, Some(end), implicit)?
            }
            _ => {
                self.value_end = self.span(tap, length)?;
                return Ok(Step::Element(Header { length: u64::from(length), ..header }));
            }
        }
        Ok(Step::Open(header))
    }

    fn item<R: Read, S: Sink>(&mut self, tap: &mut Tap<R, S>) -> Result<Step, Flaw> {
        let (tag, rest) = self.tag_and_four(tap)?;
        match (tag, u32::from_le_bytes(rest)) {
            (SEQUENCE_END, _) if self.top().end.is_none() => return self.close(rest),
            (ITEM, length) => {
                let end = (length != UNDEFINED).then(|| self.span(tap, length)).transpose()?;
                let (implicit, of) = (self.top().implicit, self.top().tag);
                self.top_mut().items += 1;
                self.push(Shape::Item, of, end, implicit)?;
            }
            _ => return Err(Flaw::Item),
        }
        Ok(Step::Turn)
    }

    fn fragment<R: Read, S: Sink>(&mut self, tap: &mut Tap<R, S>) -> Result<Step, Flaw> {
        let (tag, rest) = self.tag_and_four(tap)?;
        match (tag, u32::from_le_bytes(rest)) {
            (SEQUENCE_END, _) => self.close(rest),
            (ITEM, length) if length != UNDEFINED => {
                self.value_end = self.span(tap, length)?;
                self.top_mut().items += 1;
                Ok(Step::Fragment(u64::from(length)))
            }
            _ => Err(Flaw::Item),
        }
    }

    fn close(&mut self, length: [u8; 4]) -> Result<Step, Flaw> {
        if length != [0; 4] {
            return Err(Flaw::Item);
        }
        self.frames.pop();
        Ok(Step::Turn)
    }

    fn push(&mut self, shape: Shape, tag: Tag, end: Option<u64>, imp: bool) -> Result<(), Flaw> {
        if self.frames.len() > 2 * DEPTH_MAX {
            return Err(Flaw::Depth);
        }
        let Frame { limit, charset, .. } = *self.top();
        let limit = end.unwrap_or(limit);
        let frame = Frame { shape, tag, items: 0, end, limit, implicit: imp, last: None, charset };
        self.frames.push(frame);
        Ok(())
    }

    /// Where something of this length ends, if that is within what holds it.
    fn span<R: Read, S: Sink>(&self, tap: &Tap<R, S>, length: u32) -> Result<u64, Flaw> {
        let end = tap.position() + u64::from(length);
        let odd = self.strict && length % 2 == 1;
        if odd || end > self.top().limit { Err(Flaw::Length) } else { Ok(end) }
    }

    fn room<R: Read, S: Sink>(&self, tap: &Tap<R, S>, bytes: u64) -> Result<(), Flaw> {
        if tap.position() + bytes > self.top().limit { Err(Flaw::Truncated) } else { Ok(()) }
    }

    fn tag_and_four<R: Read, S: Sink>(&self, tap: &mut Tap<R, S>) -> Result<(Tag, [u8; 4]), Flaw> {
        self.room(tap, 8)?;
        let bytes = tap.take(8)?;
        let half = |at: usize| u32::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
        Ok((Tag(half(0) << 16 | half(2)), u32_of(&bytes[4..]).to_le_bytes()))
    }

    /// There is always the root: `next` never closes it.
    fn top(&self) -> &Frame {
        &self.frames[self.frames.len() - 1]
    }

    fn top_mut(&mut self) -> &mut Frame {
        let last = self.frames.len() - 1;
        &mut self.frames[last]
    }
}

fn u32_of(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Walks to the end and counts the values.
    fn count(implicit: bool, strict: bool, bytes: &[u8]) -> Result<usize, Flaw> {
        let mut tap = Tap::new(bytes, bytes.len() as u64, ());
        let mut walker = Walker::new(implicit, strict, bytes.len() as u64);
        let mut values = 0;
        loop {
            match walker.next(&mut tap)? {
                Step::End => break,
                Step::Element(_) | Step::Fragment(_) => values += 1,
                _ => {}
            }
        }
        tap.finish()?;
        Ok(values)
    }

    const PATIENT_ID: &[u8] = b"\x10\0\x20\0LO\x02\0AB";

    #[test]
    fn un_of_undefined_length_holds_implicit_items() {
        let mut bytes = b"\x09\0\x01\x10UN\0\0\xff\xff\xff\xff".to_vec();
        bytes.extend(b"\xfe\xff\0\xe0\xff\xff\xff\xff\x10\0\x20\0\x02\0\0\0AB");
        bytes.extend(b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0");
        bytes.extend(PATIENT_ID);
        assert_eq!(count(false, false, &bytes), Ok(2));
    }

    #[test]
    fn bombs_and_lies() {
        let bomb = b"\x10\0\x20\0UT\0\0\xf0\xff\xff\xff";
        assert_eq!(count(false, false, bomb), Err(Flaw::Length));
        let nested = b"\x40\0\x75\x02SQ\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\xff\xff\xff\xff";
        assert_eq!(count(false, false, &nested.repeat(40)), Err(Flaw::Depth));
        assert_eq!(count(false, false, &nested.repeat(3)), Err(Flaw::Truncated));
        assert_eq!(count(false, true, &PATIENT_ID.repeat(2)), Err(Flaw::Order));
        assert_eq!(count(false, false, &PATIENT_ID.repeat(2)), Ok(2));
        assert_eq!(count(false, false, b"\x10\0\x20\0\x02\0\0\0AB"), Err(Flaw::Vr));
        assert_eq!(count(true, false, b"\x10\0\x20\0\x02\0\0\0AB"), Ok(1));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300),
                                       implicit: bool, strict: bool) {
            let _ = count(implicit, strict, &bytes);
        }
    }
}
