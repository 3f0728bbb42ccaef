//! One pass over an output file: every byte is digested and searched as it is read, then walked,
//! decoded and held against the rules.

use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;

use super::allow::{Allowed, Leave};
use super::charset::Charset;
use super::codestream;
use super::look::Look;
use super::private::Blocks;
use super::rules::{Ban, Claims, LONGITUDINAL, ban, ban_meta};
use super::scan::Scan;
use super::sealed::{is_blank, opened_by};
use super::walk::{Flaw, Header, PIXEL_DATA, Step, Tag, Tap, VALUE_MAX, Vr, Walker, is_implicit};
use super::witness::is_pixels;
use super::{Dates, Examined, Expected, Found, Place, Residue, Watch};

const TRANSFER_SYNTAX: Tag = Tag(0x0002_0010);
const SPECIFIC_CHARACTER_SET: Tag = Tag(0x0008_0005);

impl Watch {
    /// Examines a whole Part-10 file, from its start, in one pass and a few MiB of memory.
    ///
    /// # Errors
    /// The first thing that speaks against releasing these bytes; a failed read is one.
    pub fn examine<R: Read + Seek>(
        &self,
        mut output: R,
        expected: &Expected<'_>,
    ) -> Result<Examined, Residue> {
        if expected.dates == (Dates::Shifted { days: 0 }) {
            let place = Place::Element(Vec::new(), Some(LONGITUDINAL));
            return Err(Residue { found: Found::Claim, place });
        }
        let size = output
            .seek(SeekFrom::End(0))
            .and_then(|size| output.seek(SeekFrom::Start(0)).map(|_| size))
            .map_err(|e| flaw(Flaw::Io(e.kind()), Place::Preamble))?;
        let allowed = Allowed::by(expected);
        let scan = Scan::new(self, allowed.anywhere());
        let mut examiner = Examiner {
            watch: self,
            expected,
            allowed,
            tap: Tap::new(output, size, scan),
            claims: Claims::default(),
            blocks: Blocks::default(),
            pixels_seen: false,
            sealed: None,
        };
        examiner.preamble()?;
        examiner.meta()?;
        examiner.dataset()?;
        examiner.claims.check(expected)?;
        let Examiner { tap, .. } = examiner;
        let scan = tap.finish().map_err(|f| flaw(f, Place::TrailingBytes))?;
        Ok(Examined { bytes: size, sha256: scan.digest() })
    }
}

fn flaw(flaw: Flaw, place: Place) -> Residue {
    Residue { found: Found::Flaw(flaw), place }
}

fn banned(ban: Ban, place: Place) -> Residue {
    Residue { found: Found::Banned(ban), place }
}

struct Examiner<'a, R> {
    watch: &'a Watch,
    expected: &'a Expected<'a>,
    allowed: Allowed<'a>,
    tap: Tap<R, Scan<'a>>,
    claims: Claims,
    blocks: Blocks,
    pixels_seen: bool,
    /// How deep the outermost sequence lies that must say nothing, if the walk is in one.
    sealed: Option<usize>,
}

impl<R: Read> Examiner<'_, R> {
    fn preamble(&mut self) -> Result<(), Residue> {
        let start = self.tap.take(132).map_err(|_| flaw(Flaw::NotDicom, Place::Preamble))?;
        if &start[128..] != b"DICM" {
            return Err(flaw(Flaw::NotDicom, Place::Preamble));
        }
        if start[..128] != [0; 128] {
            return Err(banned(Ban::Preamble, Place::Preamble));
        }
        self.settle(None, &|| Place::Preamble)
    }

    /// Group 0002: always explicit VR little endian, as long as its first element says (PS3.10 7.1).
    fn meta(&mut self) -> Result<(), Residue> {
        let wrong = |f| flaw(f, Place::FileMeta(None));
        let start = self.tap.take(12).map_err(wrong)?;
        let (head, length) = start.split_at(8);
        if head != b"\x02\0\0\0UL\x04\0" {
            return Err(wrong(Flaw::NotDicom));
        }
        let length = u32::from_le_bytes([length[0], length[1], length[2], length[3]]);
        let end = self.tap.position() + u64::from(length);
        if end > self.tap.size() {
            return Err(wrong(Flaw::Length));
        }
        let mut walker = Walker::new(false, true, end);
        loop {
            match walker.next(&mut self.tap).map_err(wrong)? {
                Step::End => break,
                Step::Element(header) => {
                    let place = || Place::FileMeta(Some(header.tag));
                    if let Some(ban) = ban_meta(header.tag) {
                        return Err(banned(ban, place()));
                    }
                    self.value(&[], walker.charset(), header, None, &place)?;
                }
                _ => return Err(wrong(Flaw::Item)),
            }
        }
        self.settle(None, &|| Place::FileMeta(None))
    }

    fn dataset(&mut self) -> Result<(), Residue> {
        let implicit = is_implicit(self.expected.transfer_syntax)
            .map_err(|f| flaw(f, Place::FileMeta(Some(TRANSFER_SYNTAX))))?;
        let mut walker = Walker::new(implicit, true, self.tap.size());
        loop {
            let step = walker.next(&mut self.tap).map_err(|f| match self.pixels_seen {
                true if walker.is_top() => banned(Ban::AfterPixelData, Place::TrailingBytes),
                _ => flaw(f, Place::Element(walker.path(), None)),
            })?;
            if let Some(creator) = self.blocks.leave(walker.depth()) {
                return Err(banned(Ban::Private, Place::Element(walker.path(), Some(creator))));
            }
            self.sealed = self.sealed.filter(|depth| walker.depth() >= *depth);
            match step {
                Step::End => return self.end(),
                Step::Element(header) => {
                    self.admit(walker.depth(), &walker, &header)?;
                    if walker.is_top() && is_pixels(header.tag) {
                        self.pixels(header.length)?;
                        continue;
                    }
                    let path = walker.path();
                    let place = || Place::Element(walker.path(), Some(header.tag));
                    let depth = Some(walker.depth());
                    let charset = self.value(&path, walker.charset(), header, depth, &place)?;
                    walker.set_charset(charset);
                }
                // Its own frame is open already.
                Step::Open(header) => {
                    self.admit(walker.depth() - 1, &walker, &header)?;
                    self.seal(walker.depth(), header.tag);
                }
                Step::Fragment(length) if walker.path().len() == 1 => self.fragment(length)?,
                Step::Fragment(_) => {
                    return Err(banned(Ban::Picture, Place::Element(walker.path(), None)));
                }
                Step::Turn => self.claims.item(&walker.path()),
            }
        }
    }

    /// A sequence was opened, so deep.
    fn seal(&mut self, depth: usize, sequence: Tag) {
        let sealed = opened_by(sequence).is_some_and(|by| !self.allowed.opens(sequence, by));
        if sealed && self.sealed.is_none() {
            self.sealed = Some(depth);
        }
    }

    fn end(&mut self) -> Result<(), Residue> {
        if let Some(creator) = self.blocks.leave(0) {
            return Err(banned(Ban::Private, Place::Element(Vec::new(), Some(creator))));
        }
        self.settle(None, &|| Place::Element(Vec::new(), None))
    }

    /// Whether the element may be there at all. `depth`: that of its data set, 1 for the root.
    fn admit(&mut self, depth: usize, walker: &Walker, header: &Header) -> Result<(), Residue> {
        let (top, tag) = (depth == 1, header.tag);
        if self.pixels_seen && top {
            return Err(banned(Ban::AfterPixelData, Place::TrailingBytes));
        }
        self.pixels_seen |= top && tag == PIXEL_DATA;
        // A creator is admitted by its value.
        let creator = self.blocks.creator_of(depth, tag);
        let admitted = tag.is_creator() && header.vr == Vr(*b"LO")
            || creator.is_some_and(|creator| self.allowed.admits_private(tag, creator));
        let Some(ban) = ban(header, admitted) else {
            self.blocks.note_use(depth, tag);
            return Ok(());
        };
        let mut path = walker.path();
        path.pop_if(|sequence| sequence.0 == tag);
        Err(banned(ban, Place::Element(path, Some(tag))))
    }

    /// A fragment of encapsulated Pixel Data. Of each, the beginning is read as a codestream's.
    fn fragment(&mut self, length: u64) -> Result<(), Residue> {
        let at_pixels = |f| flaw(f, Place::PixelData);
        let head = self.tap.take(length.min(HEAD) as usize).map_err(at_pixels)?;
        if !codestream::is_bare(head) {
            return Err(banned(Ban::Codestream, Place::PixelData));
        }
        self.pixels(length.saturating_sub(HEAD))
    }

    fn pixels(&mut self, length: u64) -> Result<(), Residue> {
        self.tap.skip(length).map_err(|f| flaw(f, Place::PixelData))?;
        let (end, anywhere) = (self.tap.position(), self.allowed.anywhere());
        let hits = self.tap.sink.take_before(end).filter(|hit| hit.in_pixels);
        match hits.filter_map(|hit| anywhere.residue(hit.kinds)).next() {
            Some(kind) => Err(Residue { found: Found::Value(kind), place: Place::PixelData }),
            None => Ok(()),
        }
    }

    /// Examines a value; gives back the character set in force after it. `depth`: that of its
    /// data set; `None` in the file meta information.
    fn value(
        &mut self,
        path: &[(Tag, u32)],
        mut charset: Charset,
        header: Header,
        depth: Option<usize>,
        place: &dyn Fn() -> Place,
    ) -> Result<Charset, Residue> {
        let Header { tag, vr, length } = header;
        let textual = vr.is_text() || vr.is_formal();
        if textual && length > VALUE_MAX as u64 {
            return Err(flaw(Flaw::Long, place()));
        }
        let creator = depth.and_then(|depth| self.blocks.creator_of(depth, tag));
        let leave = match depth {
            Some(_) => self.allowed.at(tag, vr, creator),
            None => self.allowed.anywhere(),
        };
        let look = Look { watch: self.watch, leave, dates: self.allowed.dates, tag, vr };
        let (start, mut is_settled) = (self.tap.position(), false);
        let mut left = length as usize;
        while left > 0 {
            let bytes = self.tap.take(left.min(VALUE_MAX)).map_err(|f| flaw(f, place()))?;
            left -= bytes.len();
            let whole = bytes.len() as u64 == length;
            if self.sealed.is_some() && !(whole && is_blank(vr, bytes)) {
                return Err(banned(Ban::Sealed, place()));
            }
            if whole && tag == SPECIFIC_CHARACTER_SET {
                charset = Charset::parse(bytes)
                    .ok_or_else(|| Residue { found: Found::Claim, place: place() })?;
            }
            let found = if textual { look.text(bytes, charset) } else { look.binary(bytes) };
            if let Some(found) = found {
                return Err(Residue { found, place: place() });
            }
            if whole {
                is_settled = look.is_settled(bytes);
                self.claims.note(path, tag, bytes);
            }
            if let Some(depth) = depth.filter(|_| tag.is_creator()) {
                let name = creator_name(bytes).filter(|name| self.allowed.admits_creator(name));
                let name = name.ok_or_else(|| banned(Ban::Private, place()))?;
                self.blocks.reserve(depth, tag, name);
            }
        }
        if length == 0 {
            self.claims.note(path, tag, &[]);
            if tag.is_creator() {
                return Err(banned(Ban::Private, place()));
            }
        }
        let value = start..self.tap.position();
        self.settle(Some(Here { value, leave, is_settled }), place)?;
        Ok(charset)
    }

    /// What the search of the raw bytes found up to here.
    fn settle(&mut self, here: Option<Here>, place: &dyn Fn() -> Place) -> Result<(), Residue> {
        let (end, anywhere) = (self.tap.position(), self.allowed.anywhere());
        let residue = |at: &Range<u64>, kinds| match &here {
            Some(here) if here.value.start <= at.start && at.end <= here.value.end => {
                if here.is_settled { None } else { here.leave.residue(kinds) }
            }
            _ => anywhere.residue(kinds),
        };
        let mut hits = self.tap.sink.take_before(end).filter(|hit| hit.alone);
        let found = hits.find_map(|hit| residue(&hit.at, hit.kinds));
        drop(hits);
        match found {
            Some(kind) => Err(Residue { found: Found::Value(kind), place: place() }),
            None if self.tap.sink.too_many => Err(flaw(Flaw::Long, place())),
            None => Ok(()),
        }
    }
}

/// The value that was just looked at.
struct Here {
    value: Range<u64>,
    leave: Leave,
    /// Its digits were judged as dates.
    is_settled: bool,
}

/// How much of a fragment is looked at for comments.
const HEAD: u64 = 128 << 10;

/// The name of a private creator without trailing spaces (PS3.5 7.8.1); `None`: no such name.
fn creator_name(bytes: &[u8]) -> Option<&str> {
    str::from_utf8(bytes).ok().map(|name| name.trim_end_matches(' '))
}
