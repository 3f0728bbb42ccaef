//! Contours of a structure set (PS3.3 C.8.8.6) beside a face that is gone: the verifier's own look at the draft.

use super::super::walk::{Flaw, Step, Tag, Tap, VALUE_MAX, Walker, is_implicit};
use super::fault::FaceFault;
use super::zone::PatientFrame;
use std::io::Read;

const CONTOUR_DATA: Tag = Tag(0x3006_0050);
/// Preamble, `DICM`, and File Meta Information Group Length (PS3.10 7.1), in bytes.
const START: usize = 132 + 12;

/// No point of any contour of a draft lies in the middle of the face, whatever sequence holds it.
///
/// # Errors
/// [`FaceFault::ContourInFace`]; [`FaceFault::ContourUnread`] for a file or a contour that cannot be read.
pub(super) fn require_clear(
    file: impl Read,
    size: u64,
    syntax: &str,
    frame: &PatientFrame,
) -> Result<(), FaceFault> {
    let points = points_in_face(file, size, syntax, frame).ok_or(FaceFault::ContourUnread)?;
    if points > 0 { Err(FaceFault::ContourInFace { points }) } else { Ok(()) }
}

/// `None` if anything cannot be read.
fn points_in_face(file: impl Read, size: u64, syntax: &str, frame: &PatientFrame) -> Option<usize> {
    let mut tap = Tap::new(file, size, ());
    to_the_data_set(&mut tap).ok()?;
    let mut walker = Walker::new(is_implicit(syntax).ok()?, true, size);
    let mut points = 0;
    loop {
        match walker.next(&mut tap).ok()? {
            Step::End => return Some(points),
            Step::Element(header) if header.tag == CONTOUR_DATA => {
                let length = usize::try_from(header.length).ok().filter(|n| *n <= VALUE_MAX)?;
                points += count(tap.take(length).ok()?, frame)?;
            }
            _ => {}
        }
    }
}

fn to_the_data_set(tap: &mut Tap<impl Read, ()>) -> Result<(), Flaw> {
    let start = tap.take(START)?;
    let length = start.last_chunk::<4>().map_or(0, |bytes| u32::from_le_bytes(*bytes));
    tap.skip(length.into())
}

/// The points of one Contour Data (VR DS) that lie in the face; `None` if they are not triplets of numbers.
fn count(value: &[u8], frame: &PatientFrame) -> Option<usize> {
    let text = std::str::from_utf8(value).ok()?.trim_matches([' ', '\0']);
    if text.is_empty() {
        return Some(0);
    }
    let number = |text: &str| text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
    let numbers = text.split('\\').map(number).collect::<Option<Vec<f64>>>()?;
    let (points, rest) = numbers.as_chunks::<3>();
    let whole = rest.is_empty();
    whole.then(|| points.iter().filter(|&&point| frame.is_in_face(point)).count())
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPLICIT: &str = "1.2.840.10008.1.2.1";

    /// The nose is at the origin; the face looks to negative y, as in LPS.
    fn frame() -> PatientFrame {
        let axes = [[1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]];
        let numbers = axes.iter().flatten().flat_map(|number: &f64| number.to_le_bytes());
        PatientFrame::from_bytes(&numbers.collect::<Vec<u8>>()).unwrap()
    }

    /// A file with contours in an item of a private-looking depth: nobody says where they may stand.
    fn file(contour: &str) -> Vec<u8> {
        let mut element = b"\x06\x30\x50\0DS".to_vec();
        element.extend((contour.len() as u16).to_le_bytes());
        element.extend(contour.as_bytes());
        let mut bytes = vec![0; 128];
        bytes.extend(b"DICM\x02\0\0\0UL\x04\0\0\0\0\0");
        bytes.extend(b"\x06\x30\x39\0SQ\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\xff\xff\xff\xff");
        bytes.extend(element);
        bytes.extend(b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0");
        bytes
    }

    fn verdict(contour: &str) -> Result<(), FaceFault> {
        let bytes = file(contour);
        require_clear(&bytes[..], bytes.len() as u64, EXPLICIT, &frame())
    }

    #[test]
    fn a_point_in_the_face_is_found_and_one_behind_it_is_not() {
        assert_eq!(verdict("0\\90\\20\\5\\95\\20 "), Ok(()));
        assert_eq!(verdict(""), Ok(()));
        let in_face = verdict("0\\90\\20\\1.5\\-3\\-10");
        assert_eq!(in_face, Err(FaceFault::ContourInFace { points: 1 }));
    }

    #[test]
    fn what_is_not_read_is_not_passed() {
        for odd in ["1\\2 ", "a\\b\\c ", "1\\2\\NaN "] {
            assert_eq!(verdict(odd), Err(FaceFault::ContourUnread), "{odd}");
        }
        let bytes = file("0\\90\\20");
        for short in [10, 150, bytes.len() - 3] {
            let cut = require_clear(&bytes[..short], short as u64, EXPLICIT, &frame());
            assert_eq!(cut, Err(FaceFault::ContourUnread), "{short}");
        }
    }
}
