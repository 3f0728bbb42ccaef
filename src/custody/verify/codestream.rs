//! The header of a compressed picture: what a fragment says before its samples begin
//! (JPEG: ISO/IEC 10918-1 annex B; JPEG-LS: 14495-1; JPEG 2000: 15444-1 annex A).
//!
//! Comments and application segments hold whatever a program liked to write: the station, the
//! operator, a whole Exif block with a thumbnail. None may stay but the two that decoders need.

/// The signature box of a JP2 file: boxes around the codestream are a file format, and hold XML.
const JP2: &[u8] = b"\0\0\0\x0cjP  ";

const JPEG: &[u8] = b"\xff\xd8";
/// SOC, and SIZ, which must follow.
const JPEG_2000: &[u8] = b"\xff\x4f\xff\x51";

/// Start of scan (JPEG, JPEG-LS) and start of data (JPEG 2000): samples follow.
const SAMPLES: [u8; 2] = [0xDA, 0x93];

/// Whether a fragment that begins so has no comment or application segment before its samples.
/// A fragment that begins no codestream has none; a header that can't be followed to its end
/// may have any.
pub(super) fn is_bare(fragment: &[u8]) -> bool {
    if fragment.starts_with(JP2) {
        return false;
    }
    if !fragment.starts_with(JPEG) && !fragment.starts_with(JPEG_2000) {
        return true;
    }
    let mut rest = &fragment[2..];
    loop {
        match *rest {
            [0xFF, marker, ..] if SAMPLES.contains(&marker) => return true,
            // Any number of FF may stand before a marker (10918-1 B.1.1.2).
            [0xFF, 0xFF, ..] => rest = &rest[1..],
            [0xFF, marker, high, low, ..] => {
                let length = usize::from(u16::from_be_bytes([high, low]));
                match rest.get(4..2 + length) {
                    Some(payload) if is_needed(marker, payload) => rest = &rest[2 + length..],
                    _ => return false,
                }
            }
            _ => return false,
        }
    }
}

/// Whether a segment may stay: any but a comment or an application's, and of those the JFIF
/// header without thumbnail and Adobe's, which tell a decoder how colours are coded.
fn is_needed(marker: u8, payload: &[u8]) -> bool {
    match marker {
        0xE0 => payload.len() == 14 && payload.starts_with(b"JFIF\0") && payload[12..] == [0, 0],
        0xEE => payload.len() == 12 && payload.starts_with(b"Adobe"),
        // COM of JPEG and of JPEG 2000; restart, start and end markers have no length.
        0xFE | 0x64 | 0xE1..=0xEF | 0x01 | 0xD0..=0xD9 => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(marker: u8, payload: &[u8]) -> Vec<u8> {
        [&[0xFF, marker], &(payload.len() as u16 + 2).to_be_bytes()[..], payload].concat()
    }

    fn jpeg(segments: &[Vec<u8>]) -> Vec<u8> {
        let table = segment(0xDB, &[7; 65]);
        let scan = segment(0xDA, b"\x01\x01\x00\x00\x3f\x00");
        [JPEG, &segments.concat(), &table, &scan, b"samples"].concat()
    }

    fn jpeg_2000(main: &[Vec<u8>], tile: &[Vec<u8>]) -> Vec<u8> {
        let sizes = segment(0x51, &[0; 38]);
        let start_of_tile = segment(0x90, &[0; 8]);
        [b"\xff\x4f", &sizes[..], &main.concat(), &start_of_tile, &tile.concat(), b"\xff\x93data"]
            .concat()
    }

    const JFIF: &[u8] = b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0";
    const ADOBE: &[u8] = b"Adobe\0\x64\0\0\0\0\x01";

    #[test]
    fn headers_of_tables_only_pass() {
        assert!(is_bare(&jpeg(&[])));
        assert!(is_bare(&jpeg(&[segment(0xE0, JFIF), segment(0xEE, ADOBE)])));
        assert!(is_bare(&jpeg(&[vec![0xFF, 0xFF]])));
        assert!(is_bare(&jpeg_2000(&[], &[])));
        for other in [&b""[..], b"\xff", b"\0\0\0\0", b"\xff\x4fnot a start", b"\x01\0\0\0RLE"] {
            assert!(is_bare(other));
        }
    }

    #[test]
    fn comments_and_applications_do_not() {
        for (marker, payload) in [
            (0xFE, &b"anything"[..]),
            (0xFE, b""),
            (0xE1, b"Exif\0\0"),
            (0xE8, b"mrfx"),
            (0xEF, b""),
            (0xEE, b"Adobe\0\x64\0\0\0\0\x01 and more"),
            (0xEE, b"Other\0\x64\0\0\0\0\x01"),
            (0xE0, b"JFIF\0\x01\x01\0\0\x01\0\x01\x01\x01"),
            (0xE0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0more"),
            (0xE0, b"JFXX\0\x10"),
        ] {
            assert!(!is_bare(&jpeg(&[segment(marker, payload)])), "{marker:02X}");
            assert!(!is_bare(&jpeg(&[vec![0xFF], segment(marker, payload)])), "{marker:02X}");
        }
        let comment = || vec![segment(0x64, b"\0\x01Kakadu")];
        assert!(!is_bare(&jpeg_2000(&comment(), &[])) && !is_bare(&jpeg_2000(&[], &comment())));
        assert!(!is_bare(b"\0\0\0\x0cjP  \r\n\x87\n"));
    }

    #[test]
    fn a_header_that_does_not_end_is_none() {
        let whole = jpeg(&[]);
        assert!(!is_bare(&whole[..40]) && !is_bare(JPEG) && !is_bare(&[JPEG, b"garbage"].concat()));
        assert!(!is_bare(&[JPEG, b"\xff\xd9"].concat()));
        assert!(!is_bare(&[JPEG, b"\xff\xdb\0\x01\xff\xda"].concat()));
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            is_bare(&[JPEG, &bytes].concat());
            is_bare(&[JPEG_2000, &bytes].concat());
        }
    }
}
