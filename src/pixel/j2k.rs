//! JPEG 2000 (ISO/IEC 15444-1) and HTJ2K (15444-15): the bare codestream (PS3.5 A.4.4) without
//! comments, pointers and anything around or after it.

use super::Error;
use super::codestream::{Clean, Colour, Facts};

const SOC: u16 = 0xff4f;
const SIZ: u16 = 0xff51;
const COD: u16 = 0xff52;
const TLM: u16 = 0xff55;
const SOT: u16 = 0xff90;
const SOD: u16 = 0xff93;
const EOC: u16 = 0xffd9;

/// Segments that decoding needs: COC, QCD, QCC, RGN, POC, PPM, PPT, CAP, PRF, CPF. PPM and PPT hold
/// packet headers.
const NEEDED: [u16; 10] =
    [0xff53, 0xff5c, 0xff5d, 0xff5e, 0xff5f, 0xff60, 0xff61, 0xff50, 0xff56, 0xff59];

/// Comments (COM), and what decoders can do without: PLM, PLT, CRG.
const DROPPED: [u16; 4] = [0xff64, 0xff57, 0xff58, 0xff63];

const DAMAGED: Error = Error::Codestream("it is damaged");

/// Cleans one frame.
///
/// # Errors
/// [`Error::Codestream`] when it isn't a codestream or holds what isn't known to be needed.
pub fn clean(bytes: &[u8]) -> Result<Clean, Error> {
    let mut rest = Reader(unbox(bytes)?);
    let mut out = Vec::with_capacity(bytes.len());
    if rest.u16()? != SOC {
        return Err(DAMAGED);
    }
    put(&mut out, SOC);
    let (mut size, mut style, mut lengths) = (None, None, None);
    loop {
        match rest.u16()? {
            SOT => break,
            SIZ if size.is_none() => size = Some(Size::read(copy(&mut out, SIZ, &mut rest)?)?),
            COD if style.is_none() => style = Some(Style::read(copy(&mut out, COD, &mut rest)?)?),
            TLM => lengths.get_or_insert_with(Vec::new).push((out.len(), rest.segment()?)),
            marker if NEEDED.contains(&marker) => {
                copy(&mut out, marker, &mut rest)?;
            }
            marker if DROPPED.contains(&marker) => {
                rest.segment()?;
            }
            _ => return Err(Error::Codestream("it has a marker that no image needs")),
        }
    }
    let (size, style) = (size.ok_or(DAMAGED)?, style.ok_or(DAMAGED)?);
    let mut tiles = Tiles { out: Vec::with_capacity(rest.0.len()), changed: false, styled: false };
    tiles.copy(&mut rest)?;
    // Tile-part lengths are an index; they stay while they are true.
    if !tiles.changed {
        for (at, segment) in lengths.unwrap_or_default().into_iter().rev() {
            out.splice(at..at, framed(TLM, segment));
        }
    }
    out.extend(tiles.out);
    put(&mut out, EOC);
    let colour = match (size.components, style.transform) {
        _ if size.subsampled || tiles.styled => Colour::Uncertain,
        (3, true) => Colour::FromTransform,
        _ => Colour::Plain,
    };
    let facts = Facts {
        columns: size.columns,
        rows: size.rows,
        components: size.components,
        precision: size.precision,
        signed: Some(size.signed),
        colour,
        irreversible: style.irreversible,
    };
    Ok(Clean { bytes: out, facts })
}

/// The codestream in a JP2 or JPH file; what is none is the codestream itself.
fn unbox(bytes: &[u8]) -> Result<&[u8], Error> {
    const SIGNATURE: &[u8] = b"\0\0\0\x0cjP  \r\n\x87\n";
    if !bytes.starts_with(SIGNATURE) {
        return Ok(bytes);
    }
    let (mut rest, mut codestream) = (bytes, None);
    while let Some((kind, content, after)) = next_box(rest) {
        match kind {
            b"jp2c" if codestream.is_none() => codestream = Some(content),
            b"jp2c" => return Err(Error::Codestream("its boxes hold two codestreams")),
            // Palettes and channel definitions change what the components mean.
            b"jp2h" if !only_plain_boxes(content) => {
                return Err(Error::Codestream("its boxes change what the samples mean"));
            }
            _ => {}
        }
        rest = after;
    }
    codestream.ok_or(DAMAGED)
}

fn only_plain_boxes(mut header: &[u8]) -> bool {
    while let Some((kind, content, after)) = next_box(header) {
        let plain = match kind {
            b"ihdr" | b"bpcc" | b"res " => true,
            // Enumerated: sRGB or gray (15444-1 Table I.10).
            b"colr" => matches!(content, [1, _, _, 0, 0, 0, 16 | 17]),
            _ => false,
        };
        if !plain {
            return false;
        }
        header = after;
    }
    header.is_empty()
}

/// Type, content and what follows (15444-1 I.4).
fn next_box(bytes: &[u8]) -> Option<(&[u8; 4], &[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (kind, rest) = rest.split_first_chunk::<4>()?;
    let content = match u32::from_be_bytes(*length) {
        0 => rest.len(),
        1 => return None, // a length of 64 bits: no frame needs one
        length => (length as usize).checked_sub(8)?,
    };
    let (content, after) = rest.split_at_checked(content)?;
    Some((kind, content, after))
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Error> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(DAMAGED)?;
        self.0 = rest;
        Ok(taken)
    }

    fn u16(&mut self) -> Result<u16, Error> {
        self.take(2).map(|b| u16::from_be_bytes([b[0], b[1]]))
    }

    /// The parameters of the segment that starts here.
    fn segment(&mut self) -> Result<&'a [u8], Error> {
        let length = usize::from(self.u16()?);
        self.take(length.checked_sub(2).ok_or(DAMAGED)?)
    }
}

fn put(out: &mut Vec<u8>, marker: u16) {
    out.extend(marker.to_be_bytes());
}

fn framed(marker: u16, segment: &[u8]) -> Vec<u8> {
    let length = (segment.len() as u16 + 2).to_be_bytes();
    [&marker.to_be_bytes()[..], &length, segment].concat()
}

fn copy<'a>(out: &mut Vec<u8>, marker: u16, rest: &mut Reader<'a>) -> Result<&'a [u8], Error> {
    let segment = rest.segment()?;
    out.extend(framed(marker, segment));
    Ok(segment)
}

/// Image and component sizes (15444-1 A.5.1).
struct Size {
    columns: u32,
    rows: u32,
    components: u16,
    precision: u16,
    signed: bool,
    subsampled: bool,
}

impl Size {
    fn read(segment: &[u8]) -> Result<Self, Error> {
        let (head, components) = segment.split_at_checked(36).ok_or(DAMAGED)?;
        let word =
            |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let extent = |end: usize, start: usize| word(end).checked_sub(word(start)).ok_or(DAMAGED);
        let count = u16::from_be_bytes([head[34], head[35]]);
        let [depth, ..] = *components else { return Err(DAMAGED) };
        let alike = components.chunks(3).all(|component| component[0] == depth);
        if components.len() != 3 * usize::from(count) || !alike {
            return Err(Error::Codestream("its components differ in depth"));
        }
        Ok(Size {
            columns: extent(2, 10)?,
            rows: extent(6, 14)?,
            components: count,
            precision: u16::from(depth & 0x7f) + 1,
            signed: depth & 0x80 != 0,
            subsampled: components.chunks(3).any(|component| component[1..] != [1, 1]),
        })
    }
}

/// Coding style (15444-1 A.6.1).
struct Style {
    transform: bool,
    irreversible: bool,
}

impl Style {
    fn read(segment: &[u8]) -> Result<Self, Error> {
        match segment {
            [_, _, _, _, transform @ 0..=1, _, _, _, _, wavelet @ 0..=1, ..] => {
                Ok(Style { transform: *transform == 1, irreversible: *wavelet == 0 })
            }
            _ => Err(DAMAGED),
        }
    }
}

/// The tile-parts.
struct Tiles {
    out: Vec<u8>,
    changed: bool,
    /// A tile has a coding style of its own.
    styled: bool,
}

impl Tiles {
    /// From behind the first SOT to the end of the codestream.
    fn copy(&mut self, rest: &mut Reader<'_>) -> Result<(), Error> {
        loop {
            let before = rest.0;
            let [tile_hi, tile_lo, a, b, c, d, part, parts] = *rest.segment()? else {
                return Err(DAMAGED);
            };
            let announced = u32::from_be_bytes([a, b, c, d]) as usize;
            let mut header = Vec::new();
            self.header(rest, &mut header)?;
            // Psot counts from the SOT marker, which is two bytes before the segment.
            let read = before.len() - rest.0.len() + 2;
            let data = match announced {
                // The last tile-part may say 0: up to EOC, which ends the codestream.
                0 => {
                    let padded = rest.0.strip_suffix(&[0]).unwrap_or(rest.0);
                    let ended = padded
                        .strip_suffix(&EOC.to_be_bytes())
                        .or_else(|| rest.0.strip_suffix(&EOC.to_be_bytes()));
                    let data = ended.ok_or(DAMAGED)?.len();
                    rest.take(data)?
                }
                announced => rest.take(announced.checked_sub(read).ok_or(DAMAGED)?)?,
            };
            let length = 12 + header.len() + 2 + data.len();
            self.changed |= announced != length;
            let length = u32::try_from(length).map_err(|_| DAMAGED)?.to_be_bytes();
            self.out
                .extend(framed(SOT, &[&[tile_hi, tile_lo][..], &length, &[part, parts]].concat()));
            self.out.extend(header);
            put(&mut self.out, SOD);
            self.out.extend_from_slice(data);
            match rest.u16()? {
                SOT => {}
                EOC => return Ok(()),
                _ => return Err(DAMAGED),
            }
        }
    }

    fn header(&mut self, rest: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
        loop {
            match rest.u16()? {
                SOD => return Ok(()),
                COD => {
                    self.styled = true;
                    copy(out, COD, rest)?;
                }
                marker if NEEDED.contains(&marker) => {
                    copy(out, marker, rest)?;
                }
                marker if DROPPED.contains(&marker) => {
                    rest.segment()?;
                }
                _ => return Err(Error::Codestream("it has a marker that no image needs")),
            }
        }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use proptest::prelude::*;

    const COM: u16 = 0xff64;
    const PLT: u16 = 0xff58;

    /// A codestream of the right structure; nothing in it decodes.
    pub fn stream(precision: u8, main: &[Vec<u8>], tile: &[Vec<u8>], end: &[u8]) -> Vec<u8> {
        let size = [
            &[0, 0][..],
            &[4_u32, 4, 0, 0, 4, 4, 0, 0].map(u32::to_be_bytes).concat(),
            &[0, 1, precision - 1, 1, 1],
        ]
        .concat();
        let tile = tile.concat();
        let data = b"packets";
        let length = (14 + tile.len() + data.len()) as u32;
        [
            SOC.to_be_bytes().to_vec(),
            framed(SIZ, &size),
            framed(COD, &[0, 0, 0, 1, 0, 1, 4, 4, 0, 1]),
            main.concat(),
            framed(SOT, &[&[0, 0][..], &length.to_be_bytes(), &[0, 1]].concat()),
            tile,
            SOD.to_be_bytes().to_vec(),
            data.to_vec(),
            EOC.to_be_bytes().to_vec(),
            end.to_vec(),
        ]
        .concat()
    }

    #[test]
    fn comments_and_what_follows_the_end_are_gone() {
        let plain = stream(8, &[], &[], b"");
        assert_eq!(clean(&plain).unwrap().bytes, plain);
        let comment = || framed(COM, b"\0\x01DOE^JANE");
        let talkative = stream(8, &[comment()], &[comment(), framed(PLT, b"\0DOE")], b"\0DOE^JANE");
        assert_eq!(clean(&talkative).unwrap().bytes, plain);
    }

    #[test]
    fn tile_part_lengths_stay_while_they_are_true() {
        let index = framed(TLM, &[0, 0x40, 0, 0, 0, 21]);
        let indexed = stream(8, std::slice::from_ref(&index), &[], b"");
        assert_eq!(clean(&indexed).unwrap().bytes, indexed);
        let commented = stream(8, &[index], &[framed(COM, b"\0\x01DOE")], b"");
        assert_eq!(clean(&commented).unwrap().bytes, stream(8, &[], &[], b""));
    }

    #[test]
    fn a_tile_part_up_to_the_end_gets_its_length() {
        let plain = stream(8, &[], &[], b"");
        let at = plain.windows(2).position(|w| w == SOT.to_be_bytes()).unwrap() + 6;
        for padding in [&b""[..], b"\0"] {
            let mut open = [&plain[..], padding].concat();
            open[at..at + 4].fill(0);
            assert_eq!(clean(&open).unwrap().bytes, plain);
        }
    }

    #[test]
    fn boxes_around_the_codestream_are_gone() {
        let plain = stream(8, &[], &[], b"");
        let boxed = |kind: &[u8], content: &[u8]| {
            [&(content.len() as u32 + 8).to_be_bytes()[..], kind, content].concat()
        };
        let file = |header: &[u8]| {
            [
                b"\0\0\0\x0cjP  \r\n\x87\n".to_vec(),
                boxed(b"ftyp", b"jp2 \0\0\0\0jp2 "),
                boxed(b"jp2h", header),
                boxed(b"uuid", b"DOE^JANE"),
                boxed(b"jp2c", &plain),
                boxed(b"xml ", b"<name>DOE</name>"),
            ]
            .concat()
        };
        let gray = boxed(b"colr", &[1, 0, 0, 0, 0, 0, 17]);
        assert_eq!(clean(&file(&gray)).unwrap().bytes, plain);
        assert!(clean(&file(&boxed(b"pclr", b"DOE"))).is_err());
        assert!(clean(&file(&boxed(b"colr", &[1, 0, 0, 0, 0, 0, 18]))).is_err());
    }

    #[test]
    fn what_is_cut_or_unknown_is_refused() {
        let plain = stream(8, &[], &[], b"");
        for cut in 0..plain.len() {
            assert!(clean(&plain[..cut]).is_err(), "{cut}");
        }
        assert!(clean(&stream(8, &[framed(0xff6f, b"DOE")], &[], b"")).is_err());
        assert!(clean(&stream(8, &[], &[framed(0xff6f, b"DOE")], b"")).is_err());
    }

    proptest! {
        #[test]
        fn no_input_panics(
            bytes in proptest::collection::vec(any::<u8>(), 0..40), at in 0..130_usize, cut in 0..9_usize,
        ) {
            let mut stream = stream(8, &[framed(TLM, &[0, 0x40, 0, 0, 0, 21])], &[], b"\0");
            let at = at.min(stream.len());
            let end = (at + cut).min(stream.len());
            stream.splice(at..end, bytes);
            if let Ok(cleaned) = clean(&stream) {
                let again = clean(&cleaned.bytes).unwrap().bytes;
                prop_assert_eq!(again, cleaned.bytes);
            }
        }
    }
}
