//! One pass over an output file: every byte is digested and searched as it is read, then walked,
//! decoded and held against the rules.

use sha2::{Digest, Sha256};
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;

use super::charset::{Charset, fold};
use super::rules::{Ban, Claims, ban, ban_meta};
use super::search::is_readable;
use super::tags::kind_of;
use super::walk::{
    Flaw, Header, LOOK_BACK, PIXEL_DATA, Sink, Step, Tag, Tap, VALUE_MAX, Vr, Walker, is_implicit,
};
use super::witness::{is_pixels, values};
use super::{Examined, Expected, Found, Kind, Place, Residue, Watch};

/// Hits that wait for the walker to come to their place. Nobody needs more.
const HITS_MAX: usize = 1 << 16;
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
        let size = output
            .seek(SeekFrom::End(0))
            .and_then(|size| output.seek(SeekFrom::Start(0)).map(|_| size))
            .map_err(|e| flaw(Flaw::Io(e.kind()), Place::Preamble))?;
        let scan = Scan {
            watch: self,
            exempt: expected.exempt,
            digest: Sha256::new(),
            hits: Vec::new(),
            too_many: false,
        };
        let mut examiner = Examiner {
            watch: self,
            expected,
            tap: Tap::new(output, size, scan),
            claims: Claims::default(),
            pixels_seen: false,
        };
        examiner.preamble()?;
        examiner.meta()?;
        examiner.dataset()?;
        examiner.claims.check(expected)?;
        let Examiner { tap, .. } = examiner;
        let scan = tap.finish().map_err(|f| flaw(f, Place::TrailingBytes))?;
        Ok(Examined { bytes: size, sha256: scan.digest.finalize().into() })
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
    tap: Tap<R, Scan<'a>>,
    claims: Claims,
    pixels_seen: bool,
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
        self.settle(&|| Place::Preamble)
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
                    self.value(&[], walker.charset(), header, &place)?;
                }
                _ => return Err(wrong(Flaw::Item)),
            }
        }
        self.settle(&|| Place::FileMeta(None))
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
            match step {
                Step::End => return self.settle(&|| Place::Element(Vec::new(), None)),
                Step::Element(header) => {
                    self.admit(walker.is_top(), &walker, &header)?;
                    if walker.is_top() && is_pixels(header.tag) {
                        self.pixels(header.length)?;
                        continue;
                    }
                    let path = walker.path();
                    let place = || Place::Element(walker.path(), Some(header.tag));
                    let charset = self.value(&path, walker.charset(), header, &place)?;
                    walker.set_charset(charset);
                }
                // Its own frame is open already: at the top it is alone in the path.
                Step::Open(header) => self.admit(walker.path().len() == 1, &walker, &header)?,
                Step::Fragment(length) if walker.path().len() == 1 => self.fragment(length)?,
                Step::Fragment(_) => {
                    return Err(banned(Ban::Picture, Place::Element(walker.path(), None)));
                }
                Step::Turn => self.claims.item(&walker.path()),
            }
        }
    }

    /// Whether the element may be there at all.
    fn admit(&mut self, top: bool, walker: &Walker, header: &Header) -> Result<(), Residue> {
        if self.pixels_seen && top {
            return Err(banned(Ban::AfterPixelData, Place::TrailingBytes));
        }
        self.pixels_seen |= top && header.tag == PIXEL_DATA;
        let Some(ban) = ban(header, self.expected) else { return Ok(()) };
        let mut path = walker.path();
        path.pop_if(|sequence| sequence.0 == header.tag);
        Err(banned(ban, Place::Element(path, Some(header.tag))))
    }

    /// A fragment of encapsulated Pixel Data. Comments and application segments before the
    /// compressed samples (JPEG COM and APPn, JPEG 2000 COM) are text and searched as such.
    fn fragment(&mut self, length: u64) -> Result<(), Residue> {
        let at_pixels = |f| flaw(f, Place::PixelData);
        let head = self.tap.take(length.min(HEAD) as usize).map_err(at_pixels)?;
        let look = Look {
            watch: self.watch,
            exempt: self.expected.exempt,
            tag: PIXEL_DATA,
            vr: Vr(*b"OB"),
        };
        if let Some(found) = comments(head).find_map(|comment| look.binary(comment)) {
            return Err(Residue { found, place: Place::PixelData });
        }
        self.pixels(length.saturating_sub(HEAD))
    }

    fn pixels(&mut self, length: u64) -> Result<(), Residue> {
        self.tap.skip(length).map_err(|f| flaw(f, Place::PixelData))?;
        let end = self.tap.position();
        match self.tap.sink.take_before(end).find(|hit| hit.in_pixels) {
            Some(hit) => Err(Residue { found: Found::Value(hit.kind), place: Place::PixelData }),
            None => Ok(()),
        }
    }

    /// Examines a value; gives back the character set in force after it.
    fn value(
        &mut self,
        path: &[(Tag, u32)],
        mut charset: Charset,
        header: Header,
        place: &dyn Fn() -> Place,
    ) -> Result<Charset, Residue> {
        let Header { tag, vr, length } = header;
        let textual = vr.is_text() || vr.is_formal();
        if textual && length > VALUE_MAX as u64 {
            return Err(flaw(Flaw::Long, place()));
        }
        let mut left = length as usize;
        while left > 0 {
            let bytes = self.tap.take(left.min(VALUE_MAX)).map_err(|f| flaw(f, place()))?;
            left -= bytes.len();
            let whole = bytes.len() as u64 == length;
            if whole && tag == SPECIFIC_CHARACTER_SET {
                charset = Charset::parse(bytes)
                    .ok_or_else(|| Residue { found: Found::Claim, place: place() })?;
            }
            let look = Look { watch: self.watch, exempt: self.expected.exempt, tag, vr };
            let found = if textual { look.text(bytes, charset) } else { look.binary(bytes) };
            if let Some(found) = found {
                return Err(Residue { found, place: place() });
            }
            if whole {
                self.claims.note(path, tag, bytes);
            }
        }
        if length == 0 {
            self.claims.note(path, tag, &[]);
        }
        self.settle(place)?;
        Ok(charset)
    }

    /// What the search of the raw bytes found up to here.
    fn settle(&mut self, place: &dyn Fn() -> Place) -> Result<(), Residue> {
        let end = self.tap.position();
        let hit = self.tap.sink.take_before(end).find(|hit| hit.alone);
        match hit {
            Some(hit) => Err(Residue { found: Found::Value(hit.kind), place: place() }),
            None if self.tap.sink.too_many => Err(flaw(Flaw::Long, place())),
            None => Ok(()),
        }
    }
}

/// How much of a fragment is looked at for comments.
const HEAD: u64 = 128 << 10;

/// The comment and application segments of a JPEG or JPEG 2000 codestream's header.
fn comments(stream: &[u8]) -> impl Iterator<Item = &[u8]> {
    let is_stream = stream.starts_with(b"\xff\xd8") || stream.starts_with(b"\xff\x4f");
    let mut rest = if is_stream { &stream[2..] } else { &[] };
    std::iter::from_fn(move || {
        while let [0xFF, marker, high, low, ..] = *rest {
            let length = usize::from(u16::from_be_bytes([high, low]));
            // Start of scan, start of tile-part: samples follow.
            if matches!(marker, 0xDA | 0x90) || length < 2 {
                break;
            }
            let segment = rest.get(4..).unwrap_or_default();
            rest = rest.get(2 + length..).unwrap_or_default();
            if matches!(marker, 0xFE | 0x64 | 0xE0..=0xEF) {
                return Some(&segment[..segment.len().min(length - 2)]);
            }
        }
        None
    })
}

/// One element's value held against what the watch knows.
struct Look<'a> {
    watch: &'a Watch,
    exempt: &'a [Kind],
    tag: Tag,
    vr: Vr,
}

impl Look<'_> {
    fn text(&self, bytes: &[u8], charset: Charset) -> Option<Found> {
        if self.vr.is_formal() {
            let signs: &[u8] = match &self.vr.0 {
                b"DS" | b"IS" => b" \\\0+-.eE",
                b"AS" => b" \\\0DWMY",
                _ => b" \\\0+-.:",
            };
            let formal = |b: &u8| b.is_ascii_digit() || signs.contains(b);
            let found = self.formal(bytes);
            if found.is_some() || bytes.iter().all(formal) {
                return found.or_else(|| self.unchanged(bytes));
            }
        }
        let wide = bytes.contains(&0).then(|| bytes.iter().copied().filter(|b| *b != 0).collect());
        let wide: Vec<u8> = wide.unwrap_or_default();
        self.raw(bytes, true)
            .or_else(|| self.decoded(&charset.decode(bytes, self.vr == Vr(*b"PN"))))
            .or_else(|| {
                (!bytes.is_ascii()).then(|| self.decoded(&String::from_utf8_lossy(bytes)))?
            })
            .or_else(|| self.decoded(&String::from_utf8_lossy(&wide)))
            .or_else(|| self.unchanged(bytes))
    }

    /// Numbers, dates and UIDs are compared as such: digits in them mean nothing else.
    fn formal(&self, bytes: &[u8]) -> Option<Found> {
        values(self.vr, bytes).find_map(|one| match &self.vr.0 {
            b"DA" | b"DT" => {
                self.date(&one.iter().copied().filter(u8::is_ascii_digit).collect::<Vec<_>>())
            }
            b"UI" if self.watch.uids.knows(one) => self.value(Kind::Uid),
            // A date in the middle of a UID, as many generators put it.
            b"UI" if !one.starts_with(b"1.2.840.10008.") => {
                let parts = one.split(|b| *b == b'.').filter(|p| matches!(p.len(), 8 | 12..=17));
                parts.into_iter().find_map(|part| self.date(part))
            }
            _ => None,
        })
    }

    fn date(&self, digits: &[u8]) -> Option<Found> {
        let day = std::str::from_utf8(digits.get(..8)?).ok()?;
        self.watch.dates.get(&day.parse().ok()?).and_then(|kind| self.value(*kind))
    }

    /// Needles of any length in the bytes as they stand, and texts among them by their words.
    fn binary(&self, bytes: &[u8]) -> Option<Found> {
        let unprintable = |b: &u8| !matches!(b, b' '..=b'~' | 0xA0..);
        let mut runs = bytes.split(unprintable).filter(|run| run.len() >= 8);
        self.raw(bytes, false)
            .or_else(|| runs.find_map(|run| self.decoded(&Charset::default().decode(run, false))))
            .or_else(|| self.unchanged(bytes))
    }

    fn raw(&self, bytes: &[u8], text: bool) -> Option<Found> {
        let matcher = &self.watch.matcher;
        let mut found = None;
        matcher.short(bytes, |needle, hit| {
            let meant = text || hit.len() > 5 || is_readable(bytes, &hit);
            if meant && matcher.stands_alone(needle, bytes, &hit, text) {
                found = found.or(self.value(needle.kind));
            }
        });
        found
    }

    /// The text by its characters: without case, accents, and with any separators.
    fn decoded(&self, text: &str) -> Option<Found> {
        let one = |value: &str| {
            let words = fold(value);
            let squashed = words.replace(' ', "");
            self.words(&words)
                .or_else(|| (squashed.len() < words.len()).then(|| self.squashed(&squashed))?)
        };
        if self.vr.is_one_text() { one(text) } else { text.split('\\').find_map(one) }
    }

    fn words(&self, words: &str) -> Option<Found> {
        let matcher = &self.watch.matcher;
        let hay = words.as_bytes();
        let mut found = self.raw(hay, true);
        matcher.long(hay, 0, |needle, hit| {
            if matcher.stands_alone(needle, hay, &hit, true) {
                found = found.or(self.value(needle.kind));
            }
        });
        let names = &self.watch.ordinary_names;
        if self.vr == Vr(*b"PN") && words.split(' ').any(|word| names.contains(0, word.as_bytes()))
        {
            found = found.or(self.value(Kind::Name));
        }
        found
    }

    /// Without the spaces, words run together: only what is long, or is all there is, counts.
    fn squashed(&self, squashed: &str) -> Option<Found> {
        let matcher = &self.watch.matcher;
        let hay = squashed.as_bytes();
        let mut found = None;
        matcher.long(hay, 0, |needle, hit| {
            if matcher.stands_alone(needle, hay, &hit, true) {
                found = found.or(self.value(needle.kind));
            }
        });
        matcher.short(hay, |needle, hit| {
            if hit == (0..hay.len()) {
                found = found.or(self.value(needle.kind));
            }
        });
        found
    }

    fn unchanged(&self, bytes: &[u8]) -> Option<Found> {
        let kind = kind_of(self.tag, self.vr).or(self.vr.is_one_text().then_some(Kind::Text))?;
        let known = |one| self.watch.same.contains(self.tag.0, one);
        (!self.exempt.contains(&kind) && values(self.vr, bytes).any(known))
            .then_some(Found::Unchanged(kind))
    }

    fn value(&self, kind: Kind) -> Option<Found> {
        (!self.exempt.contains(&kind)).then_some(Found::Value(kind))
    }
}

/// Something found in the raw bytes, before it is known where that is.
struct Hit {
    at: u64,
    kind: Kind,
    /// It isn't a part of something longer.
    alone: bool,
    /// It would mean something even among pixels.
    in_pixels: bool,
}

/// The search of all bytes of the file as they pass, whatever the walker makes of them.
struct Scan<'a> {
    watch: &'a Watch,
    exempt: &'a [Kind],
    digest: Sha256,
    hits: Vec<Hit>,
    too_many: bool,
}

impl Scan<'_> {
    /// The hits that begin before this offset.
    fn take_before(&mut self, end: u64) -> impl Iterator<Item = Hit> {
        self.hits.extract_if(.., move |hit| hit.at < end)
    }
}

impl Sink for Scan<'_> {
    fn fresh(&mut self, window: &[u8], base: u64, fresh: usize, last: bool) {
        self.digest.update(&window[fresh..]);
        // What touches the window's end is cut, and found again with what follows.
        // What ended well before the fresh bytes was found already.
        let whole = |hit: &Range<usize>| {
            (last || hit.end + 2 < window.len())
                && (base == 0 && fresh == 0 || hit.end + 2 >= fresh)
        };
        let from = fresh.saturating_sub(LOOK_BACK);
        let (matcher, exempt) = (&self.watch.matcher, self.exempt);
        let hits = &mut self.hits;
        matcher.long(window, from, |needle, hit| {
            if whole(&hit) && !exempt.contains(&needle.kind) {
                let alone = matcher.stands_alone(needle, window, &hit, false);
                let in_pixels = matcher.tells_in_pixels(needle, window, &hit);
                if alone || in_pixels {
                    hits.push(Hit {
                        at: base + hit.start as u64,
                        kind: needle.kind,
                        alone,
                        in_pixels,
                    });
                }
            }
        });
        if !exempt.contains(&Kind::Uid) {
            self.watch.uids.find(window, from, |hit| {
                if whole(&hit) {
                    let at = base + hit.start as u64;
                    hits.push(Hit { at, kind: Kind::Uid, alone: true, in_pixels: true });
                }
            });
        }
        if hits.len() > HITS_MAX {
            hits.truncate(HITS_MAX);
            self.too_many = true;
        }
    }
}
