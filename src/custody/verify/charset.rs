//! Text as the standard encodes it (PS3.5 6.1, PS3.3 C.12.1.1.2), and text as one compares it.

use encoding_rs::{self as enc, Encoding};
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// What Specific Character Set (0008,0005) says of a data set: the character set it begins with.
///
/// Code extensions (ISO 2022) need no list: their escape sequences are followed wherever they
/// stand, declared or not. Bytes that the set doesn't know become replacement characters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Charset(&'static Encoding);

impl Default for Charset {
    /// The default repertoire is ASCII. Bytes above it are wrong, and then most likely Latin-1.
    fn default() -> Self {
        Charset(enc::WINDOWS_1252)
    }
}

/// Defined terms without and with code extensions. Windows supersets stand in for ISO 8859 where
/// they only add characters.
const TERMS: &[(&str, &Encoding)] = &[
    ("", enc::WINDOWS_1252),
    ("6", enc::WINDOWS_1252),
    ("100", enc::WINDOWS_1252),
    ("101", enc::ISO_8859_2),
    ("109", enc::ISO_8859_3),
    ("110", enc::ISO_8859_4),
    ("144", enc::ISO_8859_5),
    ("127", enc::ISO_8859_6),
    ("126", enc::ISO_8859_7),
    ("138", enc::ISO_8859_8),
    ("148", enc::WINDOWS_1254),
    ("203", enc::ISO_8859_15),
    ("166", enc::WINDOWS_874),
    ("13", enc::SHIFT_JIS),
    ("87", enc::WINDOWS_1252),
    ("159", enc::WINDOWS_1252),
    ("149", enc::EUC_KR),
    ("58", enc::GBK),
    ("192", enc::UTF_8),
    ("GB18030", enc::GB18030),
    ("GBK", enc::GBK),
];

impl Charset {
    /// Reads the value of (0008,0005). `None`: a term that the standard doesn't define.
    pub(super) fn parse(value: &[u8]) -> Option<Self> {
        let value = std::str::from_utf8(value).ok()?;
        let mut terms = value.split('\\').map(|term| {
            let term = term.trim_matches([' ', '\0']);
            let number = term.strip_prefix("ISO_IR ").or(term.strip_prefix("ISO 2022 IR "));
            let found = TERMS.iter().find(|(name, _)| *name == number.unwrap_or(term));
            found.map(|row| row.1)
        });
        let first = terms.next()??;
        terms.all(|term| term.is_some()).then_some(Charset(first))
    }

    /// The characters of a value. `names`: a VR of PN, whose delimiters also end an extension.
    pub(super) fn decode(self, value: &[u8], names: bool) -> String {
        if value.is_ascii() && !value.contains(&ESC) {
            return String::from_utf8_lossy(value).into_owned();
        }
        if [enc::UTF_8, enc::GB18030, enc::GBK].contains(&self.0) && !value.contains(&ESC) {
            return self.0.decode_without_bom_handling(value).0.into_owned();
        }
        self.decode_extended(value, names)
    }

    /// PS3.5 6.1.2.5: G0 and G1 change at escape sequences and fall back at delimiters.
    fn decode_extended(self, value: &[u8], names: bool) -> String {
        let (mut g0, mut g1) = (G0::Ascii, self.0);
        let (mut text, mut rest) = (String::with_capacity(value.len()), value);
        while let Some(&byte) = rest.first() {
            if byte == ESC {
                let row = ESCAPES.iter().find(|row| rest[1..].starts_with(row.0));
                match row.map(|row| row.1) {
                    Some(Set::G0(set)) => g0 = set,
                    Some(Set::G1(set)) => g1 = set,
                    None => {}
                }
                rest = &rest[1 + row.map_or(0, |row| row.0.len())..];
            } else if let (Some(prefix), [a @ 0x21..=0x7E, b @ 0x21..=0x7E, ..]) =
                (g0.prefix(), rest)
            {
                let pair = [0x8F, a | 0x80, b | 0x80];
                text += &enc::EUC_JP.decode_without_bom_handling(&pair[prefix..]).0;
                rest = &rest[2..];
            } else {
                let plain = |at: usize| {
                    rest[at] == ESC || is_delimiter(rest[at], names) || g0.prefix().is_some()
                };
                let end = (1..rest.len()).find(|&at| plain(at)).unwrap_or(rest.len());
                text += &g1.decode_without_bom_handling(&rest[..end]).0;
                if is_delimiter(byte, names) {
                    (g0, g1) = (G0::Ascii, self.0);
                }
                rest = &rest[end..];
            }
        }
        text
    }
}

const ESC: u8 = 0x1B;

fn is_delimiter(byte: u8, names: bool) -> bool {
    matches!(byte, b'\\' | b'\r' | b'\n' | b'\t' | 0x0C) || names && matches!(byte, b'^' | b'=')
}

#[derive(Clone, Copy)]
enum G0 {
    Ascii,
    Jis0208,
    Jis0212,
}

impl G0 {
    /// For a two-byte set: where its EUC-JP form starts in `[8F, a, b]`.
    fn prefix(self) -> Option<usize> {
        match self {
            G0::Ascii => None,
            G0::Jis0208 => Some(1),
            G0::Jis0212 => Some(0),
        }
    }
}

#[derive(Clone, Copy)]
enum Set {
    G0(G0),
    G1(&'static Encoding),
}

/// Escape sequences without their ESC (PS3.3 tables C.12-3 and C.12-4).
const ESCAPES: &[(&[u8], Set)] = &[
    (b"(B", Set::G0(G0::Ascii)),
    (b"(J", Set::G0(G0::Ascii)),
    (b"$B", Set::G0(G0::Jis0208)),
    (b"$@", Set::G0(G0::Jis0208)),
    (b"$(D", Set::G0(G0::Jis0212)),
    (b")I", Set::G1(enc::SHIFT_JIS)),
    (b"$)C", Set::G1(enc::EUC_KR)),
    (b"$)A", Set::G1(enc::GBK)),
    (b"-A", Set::G1(enc::WINDOWS_1252)),
    (b"-B", Set::G1(enc::ISO_8859_2)),
    (b"-C", Set::G1(enc::ISO_8859_3)),
    (b"-D", Set::G1(enc::ISO_8859_4)),
    (b"-L", Set::G1(enc::ISO_8859_5)),
    (b"-G", Set::G1(enc::ISO_8859_6)),
    (b"-F", Set::G1(enc::ISO_8859_7)),
    (b"-H", Set::G1(enc::ISO_8859_8)),
    (b"-M", Set::G1(enc::WINDOWS_1254)),
    (b"-b", Set::G1(enc::ISO_8859_15)),
    (b"-T", Set::G1(enc::WINDOWS_874)),
];

/// The text without case, accents and punctuation: words of letters and digits, one space between.
pub(super) fn fold(text: &str) -> String {
    let mut words = String::with_capacity(text.len());
    if text.is_ascii() {
        text.chars().for_each(|c| push_folded(&mut words, c));
    } else {
        let plain = text.chars().flat_map(|c| letter(c).chars().chain(bare(c)));
        plain.nfkd().filter(|c| !is_combining_mark(*c)).for_each(|c| push_folded(&mut words, c));
    }
    words.truncate(words.trim_end().len());
    words
}

fn push_folded(words: &mut String, c: char) {
    if c.is_ascii_alphanumeric() {
        words.push(c.to_ascii_lowercase());
    } else if c.is_alphanumeric() && !c.is_ascii() {
        let lower = c.to_lowercase().filter(|c| !is_combining_mark(*c));
        words.extend(lower.map(|c| if c == 'ς' { 'σ' } else { c }));
    } else if !words.is_empty() && !words.ends_with(' ') {
        words.push(' ');
    }
}

/// Letters that Unicode doesn't decompose.
const LETTERS: &[(char, &str)] = &[
    ('ł', "l"),
    ('Ł', "l"),
    ('ø', "o"),
    ('Ø', "o"),
    ('đ', "d"),
    ('Đ', "d"),
    ('ð', "d"),
    ('Ð', "d"),
    ('þ', "th"),
    ('Þ', "th"),
    ('ı', "i"),
    ('æ', "ae"),
    ('Æ', "ae"),
    ('œ', "oe"),
    ('Œ', "oe"),
    ('ħ', "h"),
    ('Ħ', "h"),
    ('ŋ', "n"),
    ('Ŋ', "n"),
    ('ß', "ss"),
    ('ẞ', "ss"),
];

fn letter(c: char) -> &'static str {
    LETTERS.iter().find(|row| row.0 == c).map_or("", |row| row.1)
}

fn bare(c: char) -> Option<char> {
    letter(c).is_empty().then_some(c)
}

/// The text without accents, otherwise as it is.
pub(super) fn without_accents(text: &str) -> String {
    text.nfd().filter(|c| !is_combining_mark(*c)).nfc().collect()
}

/// As German and Nordic typists write without their letters: ä as ae, ø as oe.
pub(super) fn spelled_out(text: &str) -> String {
    let spell = |c: char| match c {
        'ä' | 'Ä' => Some("ae"),
        'ö' | 'Ö' | 'ø' | 'Ø' => Some("oe"),
        'ü' | 'Ü' => Some("ue"),
        'å' | 'Å' => Some("aa"),
        _ => None,
    };
    text.nfc().fold(String::new(), |mut out, c| {
        match spell(c) {
            Some(pair) => out.push_str(pair),
            None => out.push(c),
        }
        out
    })
}

/// The encodings of all character sets, and of some that the standard doesn't have: each writes a
/// text character by character, ASCII as ASCII.
pub(super) fn encodings() -> impl Iterator<Item = &'static Encoding> {
    TERMS.iter().map(|row| row.1).chain([enc::EUC_JP, enc::BIG5, enc::WINDOWS_1250])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_the_examples_of_the_standard() {
        let hangul = b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf";
        let kanji =
            b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B";
        for (terms, bytes, text) in [
            (&b"\\ISO 2022 IR 149"[..], &hangul[..], "Hong^Gildong=洪^吉洞=홍^길동"),
            (b"\\ISO 2022 IR 87", kanji, "Yamada^Tarou=山田^太郎=やまだ^たろう"),
            (b"ISO_IR 100", b"\xd8sterg\xe5rd", "Østergård"),
            (b"ISO_IR 144 ", b"\xbb\xee\xda", "Люк"),
            (b"ISO_IR 126", b"\xd0\xe1\xf0", "Παπ"),
            (b"ISO_IR 192", "Wisława".as_bytes(), "Wisława"),
            (b"GB18030", b"\xcd\xf5^\xd0\xa1\xb6\xab", "王^小东"),
            (b"ISO_IR 13", b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3", "ﾔﾏﾀﾞ^ﾀﾛｳ"),
        ] {
            let charset = Charset::parse(terms).unwrap();
            assert_eq!(charset.decode(bytes, true), text);
        }
        assert_eq!(Charset::parse(b"ISO_IR 999"), None);
        assert_eq!(Charset::parse(b"\\ISO 2022 IR 999"), None);
    }

    #[test]
    fn folding() {
        assert_eq!(fold("  O'SHAUGHNESSY^Fionnuala^^Dr "), "o shaughnessy fionnuala dr");
        assert_eq!(fold("Østergård, Jürgen_Łódź/Straße"), "ostergard jurgen lodz strasse");
        assert_eq!(fold("ＹＡＭＡＤＡ　山田"), "yamada 山田");
        assert_eq!(fold("МЮЛЛЕР Παπάδ"), "мюллер παπαδ");
        assert_eq!(spelled_out("Jürgen Øst"), "Juergen oest");
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_bytes_decode(bytes: Vec<u8>, row in 0..TERMS.len()) {
            fold(&Charset(TERMS[row].1).decode(&bytes, true));
        }
    }
}
