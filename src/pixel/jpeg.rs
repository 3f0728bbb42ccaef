//! JPEG (ISO/IEC 10918-1) and JPEG-LS (14495-1): a codestream without comments, application data
//! and anything after its end.
//!
//! Only marker segments that decoding needs are copied; an unknown one is refused. Of application
//! segments two change colours and stay, rewritten: JFIF (without thumbnail) and Adobe.

use super::Error;
use super::codestream::{Clean, Colour, Facts};
use crate::dicom::markers::{FrameHeader, Markers};

/// The processes of the DICOM transfer syntaxes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Process {
    /// Sequential or progressive DCT (.50, .51).
    Dct,
    /// Lossless, Huffman (.57, .70).
    Lossless,
    /// JPEG-LS (.80, .81).
    Ls,
}

const SOI: u8 = 0xd8;
const EOI: u8 = 0xd9;
const SOS: u8 = 0xda;

/// JFIF 1.01, no unit, square pixels, no thumbnail.
const JFIF: [u8; 18] = [0xff, 0xe0, 0, 16, b'J', b'F', b'I', b'F', 0, 1, 1, 0, 0, 1, 0, 1, 0, 0];

/// Adobe, version 100, no flags; the transform follows.
const ADOBE: [u8; 15] = [0xff, 0xee, 0, 14, b'A', b'd', b'o', b'b', b'e', 0, 100, 0, 0, 0, 0];

/// Cleans one frame.
///
/// # Errors
/// [`Error::Codestream`] when it isn't one of this process or holds what isn't known to be needed.
pub fn clean(bytes: &[u8], process: Process) -> Result<Clean, Error> {
    let (out, seen) = (Vec::with_capacity(bytes.len()), Seen::default());
    let mut walk = Walk { markers: Markers { rest: bytes }, process, out, seen };
    walk.run()?;
    let Walk { out, seen, .. } = walk;
    let frame = seen.frame.as_ref().filter(|_| seen.scan).ok_or(DAMAGED)?;
    let colour = colour(frame, &seen, process);
    let &Frame { columns, rows, precision, ref ids } = frame;
    let facts = Facts {
        columns: u32::from(columns),
        rows: u32::from(rows),
        components: ids.len() as u16,
        precision: u16::from(precision),
        signed: None,
        colour,
        irreversible: process == Process::Dct,
    };
    Ok(Clean { bytes: out, facts })
}

const DAMAGED: Error = Error::Codestream("it is damaged or of another process");

/// What was met on the way.
#[derive(Default)]
struct Seen {
    frame: Option<Frame>,
    scan: bool,
    jfif: bool,
    adobe: Option<u8>,
}

/// The frame header (10918-1 B.2.2).
struct Frame {
    precision: u8,
    rows: u16,
    columns: u16,
    ids: Vec<u8>,
}

struct Walk<'a> {
    markers: Markers<'a>,
    process: Process,
    out: Vec<u8>,
    seen: Seen,
}

impl<'a> Walk<'a> {
    fn run(&mut self) -> Result<(), Error> {
        if self.marker()? != SOI {
            return Err(DAMAGED);
        }
        self.out.extend([0xff, SOI]);
        loop {
            match self.marker()? {
                EOI => break,
                // Tables, restart interval.
                marker @ (0xc4 | 0xdb | 0xdd) => {
                    self.copy(marker)?;
                }
                // Preset parameters of JPEG-LS; mapping tables (2, 3) are palettes in disguise.
                0xf8 if self.process == Process::Ls => {
                    if self.copy(0xf8)?.first() != Some(&1) {
                        return Err(Error::Codestream("it has mapping tables"));
                    }
                }
                marker @ (0xc0..=0xc3 | 0xf7) => self.frame_header(marker)?,
                SOS => {
                    self.copy(SOS)?;
                    self.entropy_coded();
                    self.seen.scan = true;
                }
                0xe8 if self.process == Process::Ls => self.spiff()?,
                0xe0 => self.jfif()?,
                0xee => self.adobe()?,
                // Other application data and comments: gone.
                0xe1..=0xef | 0xfe => {
                    self.segment()?;
                }
                _ => return Err(Error::Codestream("it has a marker that no image needs")),
            }
        }
        self.out.extend([0xff, EOI]);
        Ok(())
    }

    fn marker(&mut self) -> Result<u8, Error> {
        self.markers.marker().ok_or(DAMAGED)
    }

    fn segment(&mut self) -> Result<&'a [u8], Error> {
        self.markers.segment().ok_or(DAMAGED)
    }

    fn copy(&mut self, marker: u8) -> Result<&'a [u8], Error> {
        let segment = self.segment()?;
        self.out.extend([0xff, marker]);
        self.out.extend((segment.len() as u16 + 2).to_be_bytes());
        self.out.extend_from_slice(segment);
        Ok(segment)
    }

    fn frame_header(&mut self, marker: u8) -> Result<(), Error> {
        let process = match marker {
            0xc3 => Process::Lossless,
            0xf7 => Process::Ls,
            _ => Process::Dct,
        };
        let segment = self.copy(marker)?;
        let header = FrameHeader::of(segment).ok_or(DAMAGED)?;
        let fits = process == self.process && self.seen.frame.is_none() && !self.seen.scan;
        self.seen.frame = Some(Frame {
            precision: header.precision,
            rows: header.rows,
            columns: header.columns,
            ids: header.ids(),
        });
        if fits { Ok(()) } else { Err(DAMAGED) }
    }

    /// Copies entropy-coded data up to the next marker that is none of its own.
    fn entropy_coded(&mut self) {
        let rest = self.markers.rest;
        let mut end = 0;
        while let Some(found) = rest[end..].iter().position(|&b| b == 0xff) {
            end += found;
            let stuffed = match rest.get(end + 1) {
                // In JPEG-LS a zero bit follows FF (14495-1 A.1), in JPEG a zero byte.
                Some(&next) if self.process == Process::Ls => next < 0x80 || is_restart(next),
                Some(&next) => next == 0 || is_restart(next),
                None => break,
            };
            if !stuffed {
                break;
            }
            end += 2;
        }
        self.out.extend_from_slice(&rest[..end]);
        self.markers.rest = &rest[end..];
    }

    fn jfif(&mut self) -> Result<(), Error> {
        if self.segment()?.starts_with(b"JFIF\0") && !self.seen.jfif {
            self.seen.jfif = true;
            self.out.extend(JFIF);
        }
        Ok(())
    }

    /// SPIFF's header, with which some encoders of JPEG-LS begin (10918-3 annex F), and its end: gone. Any other
    /// APP8 may be a colour transform.
    fn spiff(&mut self) -> Result<(), Error> {
        const COLOUR_SPACE: usize = 18;
        const END: [u8; 6] = [0, 0, 0, 1, 0xff, SOI];
        // None in particular, grey, RGB.
        let as_they_are = |space: Option<&u8>| matches!(space, Some(2 | 8 | 10));
        match self.segment()? {
            head if head.starts_with(b"SPIFF\0") && as_they_are(head.get(COLOUR_SPACE)) => Ok(()),
            end if end == END => Ok(()),
            _ => Err(Error::Codestream("it may have a colour transform (APP8)")),
        }
    }

    fn adobe(&mut self) -> Result<(), Error> {
        let segment = self.segment()?;
        if !segment.starts_with(b"Adobe") {
            return Ok(());
        }
        match (segment.get(11), self.seen.adobe) {
            (Some(&transform @ 0..=2), None) => {
                self.seen.adobe = Some(transform);
                self.out.extend(ADOBE);
                self.out.push(transform);
                Ok(())
            }
            _ => Err(Error::Codestream("its Adobe segment is damaged or repeated")),
        }
    }
}

fn is_restart(marker: u8) -> bool {
    (0xd0..=0xd7).contains(&marker)
}

/// What decoders do about colours. libjpeg asks JFIF, Adobe, then the component identifiers;
/// jpeg-decoder 0.3 asks the identifiers first. Where they differ nobody can be sure.
fn colour(frame: &Frame, seen: &Seen, process: Process) -> Colour {
    let says_ycc = seen.jfif || seen.adobe.is_some_and(|transform| transform != 0);
    if process != Process::Dct {
        return if says_ycc { Colour::Uncertain } else { Colour::Plain };
    }
    let libjpeg = match (seen.jfif, seen.adobe, frame.ids.as_slice()) {
        (true, ..) | (_, Some(1), _) => Colour::FromYcc,
        (_, Some(0), _) | (_, None, b"RGB") => Colour::Rgb,
        (_, Some(_), _) => Colour::Uncertain,
        _ => Colour::FromYcc,
    };
    let ours = match frame.ids.as_slice() {
        [1, 2, 3] => Colour::FromYcc,
        b"RGB" => Colour::Rgb,
        [1, 34, 35] | b"rgb" => Colour::Uncertain,
        _ => libjpeg,
    };
    if ours == libjpeg { ours } else { Colour::Uncertain }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use proptest::prelude::*;

    fn segment(marker: u8, parameters: &[u8]) -> Vec<u8> {
        let length = (parameters.len() as u16 + 2).to_be_bytes();
        [&[0xff, marker][..], &length, parameters].concat()
    }

    /// A codestream of the right structure; nothing in it decodes.
    pub fn stream(sof: u8, precision: u8, extra: &[Vec<u8>]) -> Vec<u8> {
        [
            &[0xff, SOI][..],
            &extra.concat(),
            &segment(0xdb, &[0; 65]),
            &segment(sof, &[precision, 0, 4, 0, 4, 1, 1, 0x11, 0]),
            &segment(0xc4, &[0; 17]),
            &segment(SOS, &[1, 1, 0, 0, 63, 0]),
            &[0x12, 0xff, 0x00, 0x34, 0xff, 0xd0, 0x56],
            &[0xff, EOI],
        ]
        .concat()
    }

    #[test]
    fn comments_application_data_and_what_follows_the_end_are_gone() {
        let plain = stream(0xc0, 8, &[]);
        assert_eq!(clean(&plain, Process::Dct).unwrap().bytes, plain);
        let talkative = [
            segment(0xfe, b"DOE^JANE"),
            segment(0xe1, b"Exif\0\0DOE"),
            segment(0xe0, b"JFXX\0DOE"),
            segment(0xee, b"DOE"),
            vec![0xff; 5],
        ];
        let mut talkative = stream(0xc0, 8, &talkative);
        talkative.extend(b"DOE^JANE");
        assert_eq!(clean(&talkative, Process::Dct).unwrap().bytes, plain);
    }

    #[test]
    fn segments_that_change_colours_stay_without_their_freight() {
        let jfif = segment(0xe0, b"JFIF\0\x01\x02\x01\0\x48\0\x48\x01\x01DOE");
        let adobe = segment(0xee, b"Adobe\0\x65\x80\0\0\0\x01DOE");
        let cleaned = clean(&stream(0xc0, 8, &[jfif, adobe]), Process::Dct).unwrap();
        let kept = [&JFIF[..], &ADOBE, &[1]].concat();
        assert_eq!(cleaned.bytes, stream(0xc0, 8, &[kept]));
    }

    fn spiff(colour_space: u8) -> Vec<u8> {
        segment(
            0xe8,
            &[
                b"SPIFF\0\x02\0\0\x01\0\0\0\x04\0\0\0\x04",
                &[colour_space][..],
                b"\x08\x06\0DOE^JANE",
            ]
            .concat(),
        )
    }

    #[test]
    fn a_header_of_spiff_is_gone() {
        let plain = stream(0xf7, 8, &[]);
        for space in [2, 8, 10] {
            let with = stream(0xf7, 8, &[spiff(space), segment(0xe8, &[0, 0, 0, 1, 0xff, SOI])]);
            assert_eq!(clean(&with, Process::Ls).unwrap().bytes, plain);
        }
    }

    #[test]
    fn what_no_image_needs_is_refused() {
        let refused = |bytes: &[u8], process| clean(bytes, process).is_err();
        let plain = stream(0xc0, 8, &[]);
        assert!(refused(&plain, Process::Lossless) && refused(&plain, Process::Ls));
        assert!(refused(&stream(0xc0, 8, &[segment(0xf0, b"DOE")]), Process::Dct));
        assert!(refused(&stream(0xc0, 8, &[b"DOE".to_vec()]), Process::Dct));
        assert!(refused(&stream(0xf7, 8, &[segment(0xe8, b"mrfx\x01")]), Process::Ls));
        assert!(refused(&stream(0xf7, 8, &[spiff(3)]), Process::Ls), "YCbCr");
        assert!(refused(&stream(0xf7, 8, &[segment(0xf8, &[2, 1, 1])]), Process::Ls));
        for cut in 0..plain.len() {
            assert!(refused(&plain[..cut], Process::Dct), "{cut}");
        }
    }

    #[test]
    fn colours_are_certain_only_where_decoders_agree() {
        let colour = |ids: &[u8; 3], jfif, adobe| {
            let frame = Frame { precision: 8, rows: 1, columns: 1, ids: ids.to_vec() };
            colour(&frame, &Seen { jfif, adobe, ..Seen::default() }, Process::Dct)
        };
        assert_eq!(colour(&[1, 2, 3], true, None), Colour::FromYcc);
        assert_eq!(colour(&[0, 1, 2], false, None), Colour::FromYcc);
        assert_eq!(colour(b"RGB", false, None), Colour::Rgb);
        assert_eq!(colour(&[0, 1, 2], false, Some(0)), Colour::Rgb);
        assert_eq!(colour(&[1, 2, 3], false, Some(0)), Colour::Uncertain);
        assert_eq!(colour(b"RGB", true, None), Colour::Uncertain);
    }

    proptest! {
        #[test]
        fn no_input_panics(
            bytes in proptest::collection::vec(any::<u8>(), 0..40), at in 0..80_usize,
        ) {
            let mut stream = stream(0xc0, 8, &[]);
            let at = at.min(stream.len());
            stream.splice(at..at, bytes);
            for process in [Process::Dct, Process::Ls] {
                if let Ok(cleaned) = clean(&stream, process) {
                    let again = clean(&cleaned.bytes, process).unwrap().bytes;
                    prop_assert_eq!(again, cleaned.bytes);
                }
            }
        }
    }
}
