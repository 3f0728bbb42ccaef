//! Files, claims and elements, whatever their values.

use super::*;

#[test]
fn a_clean_file_passes_with_its_digest() {
    use sha2::Digest;
    let file = part10(&meta(EXPLICIT), &clean().bytes());
    let examined = examine(&watch(), &file).unwrap();
    assert_eq!(examined.bytes, file.len() as u64);
    assert_eq!(examined.sha256[..], sha2::Sha256::digest(&file)[..]);
}

#[test]
fn a_clean_file_in_implicit_vr_passes() {
    let set = clean().without(0x0012_0064);
    let file = part10(&meta(IMPLICIT), &implicit(&set));
    let expected = Expected { options: &[], ..expected(IMPLICIT) };
    watch().examine(Cursor::new(&file), &expected).unwrap();
    let file = part10(&meta(IMPLICIT), &implicit(&set.with(0x0008_1030, "LO", "Merriweather")));
    watch().examine(Cursor::new(&file), &expected).unwrap_err();
}

/// A JPEG file whose one fragment has this before its scan.
fn compressed(segments: &[u8]) -> Vec<u8> {
    let scan = noise(1000, 3);
    let jpeg = [b"\xff\xd8", segments, b"\xff\xda\0\x08", &scan].concat();
    let set = clean().without(0x7FE0_0010).bytes();
    let mut pixels = tag_bytes(0x7FE0_0010).to_vec();
    pixels.extend(b"OB\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\0\0\0\0\xfe\xff\0\xe0");
    pixels.extend((jpeg.len() as u32).to_le_bytes());
    pixels.extend(jpeg);
    pixels.extend(b"\xfe\xff\xdd\xe0\0\0\0\0");
    part10(&meta(JPEG), &[set, pixels].concat())
}

#[test]
fn compressed_pixels_have_no_comments_and_are_searched() {
    let watch = watch();
    let verdict = |segments: &[u8]| {
        watch.examine(Cursor::new(compressed(segments)), &expected(JPEG)).map_err(|r| {
            assert_eq!(r.place, Place::PixelData);
            r.found
        })
    };
    verdict(b"").unwrap();
    verdict(b"\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0").unwrap();
    verdict(b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\x01").unwrap();
    for segment in [&b"\xff\xfe\0\x08harmle"[..], b"\xff\xe1\0\x08Exif\0\0", b"\xff\xec\0\x04ab"] {
        assert_eq!(verdict(segment), Err(Found::Banned(Ban::Codestream)));
    }
    // Where no comment is looked for, the search of all bytes still looks.
    assert_eq!(verdict(b"\xff\xdb\0\x0eMerriweather"), Err(Found::Value(Kind::Name)));
    assert_eq!(verdict(b"\xff\xdb\0\x0e19310410\0\0\0\0"), Err(Found::Value(Kind::BirthDate)));
}

#[test]
fn claims_are_compared_literally() {
    let watch = watch();
    let codes = |sets: &[Set]| clean().items(0x0012_0064, sets);
    let code =
        |v: &str, s: &str| Set::default().with(0x0008_0100, "SH", v).with(0x0008_0102, "SH", s);
    let bad = [
        clean().with(0x0012_0062, "CS", "NO"),
        clean().without(0x0012_0062),
        clean().without(0x0012_0063),
        clean().without(0x0012_0064),
        clean().without(0x0028_0303),
        clean().without(0x0010_0010),
        clean().without(0x0010_0020),
        clean().with(0x0028_0303, "CS", "MODIFIED"),
        clean().with(0x0028_0302, "CS", "YES"),
        clean().with(0x0028_0301, "CS", "NO"),
        clean().with(0x0008_0018, "UI", "2.25.99"),
        codes(&[code("113100", "DCM")]),
        codes(&[code("113100", "DCM"), code("113102", "99X")]),
        codes(&[code("113100", "DCM"), code("113102", "DCM"), code("113101", "DCM")]),
        codes(&[code("113100", "DCM"), code("113102", "DCM"), Set::default()]),
    ];
    for (i, set) in bad.iter().enumerate() {
        assert!(examine_set(&watch, set).is_err(), "{i}");
    }
    let dataset = clean().bytes();
    for meta in [
        meta(JPEG),
        meta(EXPLICIT).with(0x0002_0003, "UI", "2.25.98"),
        meta(EXPLICIT).with(0x0002_0016, "AE", "EFFACE"),
        meta(EXPLICIT).with(0x0002_0100, "UI", "2.25.97"),
    ] {
        examine(&watch, &part10(&meta, &dataset)).unwrap_err();
    }
}

#[test]
fn banned_elements_and_structures() {
    let watch = watch();
    let ban = |set: Set| match examine_set(&watch, &set).unwrap_err().found {
        Found::Banned(ban) => ban,
        other => panic!("{other:?}"),
    };
    let nested = |set: Set| clean().items(0x5200_9229, &[set]);
    assert_eq!(ban(clean().with(0x0009_0010, "LO", "X")), Ban::Private);
    assert_eq!(ban(nested(Set::default().with(0x0009_0010, "LO", "X"))), Ban::Private);
    assert_eq!(ban(clean().with(0x6000_0010, "US", [1, 0])), Ban::Graphics);
    assert_eq!(ban(clean().with(0x5000_3000, "OW", [1, 0])), Ban::Graphics);
    assert_eq!(ban(clean().items(0x0088_0200, &[])), Ban::Picture);
    assert_eq!(ban(clean().items(0xFFFA_FFFA, &[])), Ban::AfterPixelData);
    assert_eq!(ban(clean().without(0x7FE0_0010).items(0xFFFA_FFFA, &[])), Ban::Signature);
    assert_eq!(ban(clean().items(0x0400_0561, &[])), Ban::Original);
    assert_eq!(ban(clean().with(0xFFFC_FFFC, "OB", [0, 0])), Ban::AfterPixelData);
    assert_eq!(ban(clean().with(0x0008_1190, "UR", "http://x")), Ban::Url);
    assert_eq!(ban(clean().with(0x0018_1210, "UN", "x")), Ban::Unknown);
    assert_eq!(ban(clean().with(0x6000_4000, "LT", "left")), Ban::Graphics);
    assert_eq!(ban(clean().with(0x0018_FFF0, "LO", "x")), Ban::NotInDictionary);
    let twice =
        [clean().without(0x7FE0_0010).bytes(), element(0x0028_0303, "CS", b"REMOVED ")].concat();
    let residue = examine(&watch, &part10(&meta(EXPLICIT), &twice)).unwrap_err();
    assert_eq!(residue.found, Found::Flaw(Flaw::Order));
}

#[test]
fn nothing_of_a_watch_can_be_shown() {
    fn shared<T: Send + Sync>(_: &T) {}
    shared(&watch());
    let shown = format!("{:?} {:?}", watch(), Witness::new());
    assert_eq!(shown, "<watch> <witness>");
}

/// A long file that is never in memory at once.
struct Endless {
    head: Vec<u8>,
    size: u64,
    at: u64,
}

impl std::io::Read for Endless {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let left = self.head.get(self.at as usize..).unwrap_or_default();
        let n = if left.is_empty() {
            out.len().min((self.size - self.at) as usize)
        } else {
            out.len().min(left.len())
        };
        out[..n].fill(9);
        let known = n.min(left.len());
        out[..known].copy_from_slice(&left[..known]);
        self.at += n as u64;
        Ok(n)
    }
}

impl std::io::Seek for Endless {
    fn seek(&mut self, to: std::io::SeekFrom) -> std::io::Result<u64> {
        self.at = match to {
            std::io::SeekFrom::Start(at) => at,
            _ => self.size,
        };
        Ok(self.at)
    }
}

#[test]
fn a_long_file_streams() {
    let mut head = part10(&meta(EXPLICIT), &clean().without(0x7FE0_0010).bytes());
    head.extend(tag_bytes(0x7FE0_0010));
    head.extend(b"OW\0\0");
    head.extend(50_000_000_u32.to_le_bytes());
    let size = head.len() as u64 + 50_000_000;
    let file = |size| Endless { head: head.clone(), size, at: 0 };
    assert_eq!(watch().examine(file(size), &expected(EXPLICIT)).unwrap().bytes, size);
    watch().examine(file(size - 1), &expected(EXPLICIT)).unwrap_err();
    watch().examine(file(size + 1), &expected(EXPLICIT)).unwrap_err();
}
