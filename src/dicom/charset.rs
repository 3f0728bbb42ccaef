//! Specific Character Set to Unicode (PS3.3 C.12.1.1.2, PS3.5 6.1).
//!
//! dicom-rs 0.10.1 knows no code extensions (ISO 2022) and lets an item's character set leak to
//! its neighbours, so efface decodes text itself, over the tables of `encoding_rs`. What does not
//! decode becomes U+FFFD: the de-identification engine removes a text that holds one.

use encoding_rs::Encoding;

/// The character set in force for a data set or item: where text starts, and what it may switch to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Charset {
    base: Base,
    /// More than one value: text may contain ISO 2022 escape sequences.
    extensions: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Base {
    /// ASCII in the left half, this set in the right.
    Iso2022(Option<Half>),
    /// A whole encoding without escapes: UTF-8, GB18030, GBK.
    Whole(&'static Encoding),
    /// A defined term that isn't in the standard: only ASCII can be trusted.
    Unknown,
}

/// One code element (PS3.3 Tables C.12-2 to C.12-4) and how to decode it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Half {
    /// One byte a character, in the right half.
    Single(&'static Encoding),
    /// JIS X 0201 katakana: EUC-JP behind 0x8E.
    Katakana,
    /// Two bytes a character, in the left half: EUC-JP with the high bits set.
    JisX0208,
    /// Two bytes a character, in the left half: EUC-JP behind 0x8F.
    JisX0212,
    /// Two bytes a character, in the right half.
    Double(&'static Encoding),
}

use Half::{Double, JisX0208, JisX0212, Katakana, Single};

/// Defined terms without code extensions name the same sets as those with them: `ISO_IR 100` and
/// `ISO 2022 IR 100`. The number is the key.
const SETS: &[(&str, Option<Half>)] = &[
    ("6", None),
    ("13", Some(Katakana)),
    ("58", None),
    ("87", None),
    ("100", Some(Single(encoding_rs::WINDOWS_1252))),
    ("101", Some(Single(encoding_rs::ISO_8859_2))),
    ("109", Some(Single(encoding_rs::ISO_8859_3))),
    ("110", Some(Single(encoding_rs::ISO_8859_4))),
    ("126", Some(Single(encoding_rs::ISO_8859_7))),
    ("127", Some(Single(encoding_rs::ISO_8859_6))),
    ("138", Some(Single(encoding_rs::ISO_8859_8))),
    ("144", Some(Single(encoding_rs::ISO_8859_5))),
    ("148", Some(Single(encoding_rs::WINDOWS_1254))),
    ("149", None),
    ("159", None),
    ("166", Some(Single(encoding_rs::WINDOWS_874))),
    ("203", Some(Single(encoding_rs::ISO_8859_15))),
];

/// Escape sequences after ESC (0x1B), and the half that they load: `None` is ASCII in the left.
const ESCAPES: &[(&[u8], Side, Option<Half>)] = &[
    (b"(B", Side::Left, None),
    (b"(J", Side::Left, None),
    (b"$B", Side::Left, Some(JisX0208)),
    (b"$@", Side::Left, Some(JisX0208)),
    (b"$(D", Side::Left, Some(JisX0212)),
    (b")I", Side::Right, Some(Katakana)),
    (b"$)C", Side::Right, Some(Double(encoding_rs::EUC_KR))),
    (b"$)A", Side::Right, Some(Double(encoding_rs::GBK))),
    (b"-A", Side::Right, Some(Single(encoding_rs::WINDOWS_1252))),
    (b"-B", Side::Right, Some(Single(encoding_rs::ISO_8859_2))),
    (b"-C", Side::Right, Some(Single(encoding_rs::ISO_8859_3))),
    (b"-D", Side::Right, Some(Single(encoding_rs::ISO_8859_4))),
    (b"-F", Side::Right, Some(Single(encoding_rs::ISO_8859_7))),
    (b"-G", Side::Right, Some(Single(encoding_rs::ISO_8859_6))),
    (b"-H", Side::Right, Some(Single(encoding_rs::ISO_8859_8))),
    (b"-L", Side::Right, Some(Single(encoding_rs::ISO_8859_5))),
    (b"-M", Side::Right, Some(Single(encoding_rs::WINDOWS_1254))),
    (b"-T", Side::Right, Some(Single(encoding_rs::WINDOWS_874))),
    (b"-b", Side::Right, Some(Single(encoding_rs::ISO_8859_15))),
];

#[derive(Clone, Copy, PartialEq)]
enum Side {
    Left,
    Right,
}

impl Charset {
    /// ISO IR 6, the repertoire of a data set that names none.
    pub const DEFAULT: Charset = Charset { base: Base::Iso2022(None), extensions: false };

    /// Reads the value of Specific Character Set (0008,0005), backslashes and padding included.
    pub fn from_value(value: &[u8]) -> Self {
        let text = String::from_utf8_lossy(value);
        let terms: Vec<&str> = text.split('\\').map(|t| t.trim_matches([' ', '\0'])).collect();
        Charset { base: Base::from_term(terms[0]), extensions: terms.len() > 1 }
    }

    /// Decodes one whole element value. Padding is kept; what does not decode becomes U+FFFD.
    pub fn decode(&self, bytes: &[u8]) -> String {
        if bytes.iter().all(|b| b.is_ascii() && *b != ESC) {
            return bytes.iter().map(|&b| b as char).collect();
        }
        match self.base {
            Base::Whole(encoding) => encoding.decode_without_bom_handling(bytes).0.into_owned(),
            Base::Unknown => Decoder::new(None, false).run(bytes),
            Base::Iso2022(right) => Decoder::new(right, self.extensions).run(bytes),
        }
    }
}

impl Base {
    fn from_term(term: &str) -> Self {
        match term {
            "" => return Base::Iso2022(None),
            "ISO_IR 192" => return Base::Whole(encoding_rs::UTF_8),
            "GB18030" => return Base::Whole(encoding_rs::GB18030),
            "GBK" => return Base::Whole(encoding_rs::GBK),
            _ => {}
        }
        let number = term.strip_prefix("ISO_IR ").or_else(|| term.strip_prefix("ISO 2022 IR "));
        match number.and_then(|n| SETS.iter().find(|(key, _)| *key == n)) {
            Some((_, right)) => Base::Iso2022(*right),
            None => Base::Unknown,
        }
    }
}

const ESC: u8 = 0x1b;

/// Walks a value whose meaning may be switched by escape sequences (PS3.5 6.1.2.5.3).
struct Decoder {
    initial: Option<Half>,
    left: Option<Half>,
    right: Option<Half>,
    extensions: bool,
    out: String,
}

impl Decoder {
    fn new(right: Option<Half>, extensions: bool) -> Self {
        Decoder { initial: right, left: None, right, extensions, out: String::new() }
    }

    fn run(mut self, bytes: &[u8]) -> String {
        let mut rest = bytes;
        while let Some(&first) = rest.first() {
            let used = if first == ESC {
                self.escape(rest)
            } else if first < 0x80 {
                self.left(rest)
            } else {
                self.right(rest)
            };
            rest = &rest[used..];
        }
        self.out
    }

    fn escape(&mut self, rest: &[u8]) -> usize {
        let known = ESCAPES.iter().find(|(code, ..)| rest[1..].starts_with(code));
        match known {
            Some((code, side, half)) if self.extensions => {
                match side {
                    Side::Left => self.left = *half,
                    Side::Right => self.right = *half,
                }
                1 + code.len()
            }
            _ => {
                self.out.push(char::REPLACEMENT_CHARACTER);
                1
            }
        }
    }

    fn left(&mut self, rest: &[u8]) -> usize {
        match self.left {
            Some(double) if rest.len() >= 2 && (0x21..0x7f).contains(&rest[0]) => {
                let (a, b) = (rest[0] | 0x80, rest[1] | 0x80);
                match double {
                    JisX0212 => self.push(encoding_rs::EUC_JP, &[0x8f, a, b]),
                    _ => self.push(encoding_rs::EUC_JP, &[a, b]),
                }
                2
            }
            _ => {
                // Code extensions end at the delimiters of the VR (PS3.5 6.1.2.5.3).
                if matches!(rest[0], b'\\' | b'^' | b'=' | b'\r' | b'\n' | b'\t' | 0x0c) {
                    (self.left, self.right) = (None, self.initial);
                }
                self.out.push(rest[0] as char);
                1
            }
        }
    }

    fn right(&mut self, rest: &[u8]) -> usize {
        match self.right {
            Some(Single(encoding)) => {
                self.push(encoding, &rest[..1]);
                1
            }
            Some(Katakana) => {
                self.push(encoding_rs::EUC_JP, &[0x8e, rest[0]]);
                1
            }
            Some(Double(encoding)) if rest.len() >= 2 => {
                self.push(encoding, &rest[..2]);
                2
            }
            _ => {
                self.out.push(char::REPLACEMENT_CHARACTER);
                1
            }
        }
    }

    fn push(&mut self, encoding: &'static Encoding, bytes: &[u8]) {
        self.out.push_str(&encoding.decode_without_bom_handling(bytes).0);
    }
}

#[cfg(test)]
mod tests {
    use super::Charset;

    fn decode(charset: &str, bytes: &[u8]) -> String {
        Charset::from_value(charset.as_bytes()).decode(bytes)
    }

    /// The examples of PS3.5 Annexes H, I and K.
    #[test]
    fn examples_of_the_standard() {
        let yamada =
            b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B";
        assert_eq!(decode("\\ISO 2022 IR 87", yamada), "Yamada^Tarou=山田^太郎=やまだ^たろう");
        let katakana =
            b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J=\x1b$B$d$^$@\x1b(J";
        assert_eq!(decode("ISO 2022 IR 13\\ISO 2022 IR 87", katakana), "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ");
        let hong = b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf";
        assert_eq!(decode("\\ISO 2022 IR 149", hong), "Hong^Gildong=洪^吉洞=홍^길동");
        let wang = b"Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab";
        assert_eq!(decode("GB18030", wang), "Wang^XiaoDong=王^小东");
    }

    #[test]
    fn single_byte_sets() {
        assert_eq!(decode("ISO_IR 100", b"Buc^J\xe9r\xf4me"), "Buc^Jérôme");
        assert_eq!(decode("ISO_IR 144", b"\xbb\xee\xda"), "Люк");
        assert_eq!(decode("ISO_IR 192 ", "Äneas".as_bytes()), "Äneas");
    }

    #[test]
    fn what_does_not_decode_is_marked() {
        assert_eq!(decode("", b"J\xe9r"), "J\u{fffd}r");
        assert_eq!(decode("ISO_IR 192", b"J\xe9r"), "J\u{fffd}r");
        assert_eq!(decode("LATIN-9000", b"J\xe9r"), "J\u{fffd}r");
        assert_eq!(decode("ISO_IR 100", b"\x1b$B;3"), "\u{fffd}$B;3");
    }
}
