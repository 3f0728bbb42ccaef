//! Character sets (PS3.3 C.12.1.1.2), and words in them that nobody has ever said.

use super::prng::Prng;
use encoding_rs::Encoding;
use std::sync::LazyLock;

/// A value of Specific Character Set (0008,0005), and how text is written under it.
#[derive(Clone, Copy)]
pub struct Charset {
    pub term: &'static str,
    coding: Coding,
    letters: Letters,
}

#[derive(Clone, Copy)]
enum Coding {
    Ascii,
    /// The bytes of this encoding as they are.
    Whole(&'static Encoding),
    /// JIS X 0201 katakana in the right half.
    Katakana,
    /// Two bytes a character in the left half, behind an escape sequence (PS3.5 Annex H).
    Left(&'static [u8], bool),
    /// The right half, behind an escape sequence (PS3.5 Annexes I, K).
    Right(&'static [u8], &'static Encoding),
}

#[derive(Clone, Copy)]
enum Letters {
    /// ASCII with some of these among them.
    Latin(&'static str),
    /// Nothing but these.
    Own(&'static str),
    Katakana,
    JisX0208,
    JisX0212,
    Hangul,
    Hanzi,
}

const GREEK: &str = "αβγδεζηθικλμνξοπρστυφχψω";
const CYRILLIC: &str = "абвгдежзиклмнопрстуфхцчшщъыьэюя";
const ARABIC: &str = "ابتثجحخدذرزسشصضطظعغفقكلمنهوي";
const HEBREW: &str = "אבגדהוזחטיכלמנסעפצקרשת";
const THAI: &str = "กขคฆงจฉชซญฎฏฐฑฒณดตถทธนบปผฝพฟภมยรลวศษสหฬอฮ";
const WEST: &str = "äöüéèêçñøåæßàáíóúý";
const MIDDLE: &str = "łńśźżćřšžďěąęőűţ";

use Coding::{Ascii, Katakana, Left, Right, Whole};
use Letters::{Hangul, Hanzi, JisX0208, JisX0212, Latin, Own};

const fn charset(term: &'static str, coding: Coding, letters: Letters) -> Charset {
    Charset { term, coding, letters }
}

/// Every way in which the forge writes text.
#[rustfmt::skip]
pub static CHARSETS: [Charset; 28] = [
    charset("", Ascii, Latin("")),
    charset("ISO_IR 100", Whole(encoding_rs::WINDOWS_1252), Latin(WEST)),
    charset("ISO_IR 101", Whole(encoding_rs::ISO_8859_2), Latin(MIDDLE)),
    charset("ISO_IR 109", Whole(encoding_rs::ISO_8859_3), Latin("ĉĝĥĵŝŭċġż")),
    charset("ISO_IR 110", Whole(encoding_rs::ISO_8859_4), Latin("āčēģīķļņšūž")),
    charset("ISO_IR 148", Whole(encoding_rs::WINDOWS_1254), Latin("ğışçöü")),
    charset("ISO_IR 203", Whole(encoding_rs::ISO_8859_15), Latin("œžšÿéè")),
    charset("ISO_IR 144", Whole(encoding_rs::ISO_8859_5), Own(CYRILLIC)),
    charset("ISO_IR 126", Whole(encoding_rs::ISO_8859_7), Own(GREEK)),
    charset("ISO_IR 127", Whole(encoding_rs::ISO_8859_6), Own(ARABIC)),
    charset("ISO_IR 138", Whole(encoding_rs::ISO_8859_8), Own(HEBREW)),
    charset("ISO_IR 166", Whole(encoding_rs::WINDOWS_874), Own(THAI)),
    charset("ISO_IR 13", Katakana, Letters::Katakana),
    charset("ISO 2022 IR 13\\ISO 2022 IR 87", Left(b"\x1b$B", false), JisX0208),
    charset("\\ISO 2022 IR 87", Left(b"\x1b$B", false), JisX0208),
    charset("\\ISO 2022 IR 159", Left(b"\x1b$(D", true), JisX0212),
    charset("\\ISO 2022 IR 149", Right(b"\x1b$)C", encoding_rs::EUC_KR), Hangul),
    charset("\\ISO 2022 IR 58", Right(b"\x1b$)A", encoding_rs::GBK), Hanzi),
    charset("ISO 2022 IR 100\\ISO 2022 IR 144", Right(b"\x1b-L", encoding_rs::ISO_8859_5), Own(CYRILLIC)),
    charset("ISO 2022 IR 6\\ISO 2022 IR 126", Right(b"\x1b-F", encoding_rs::ISO_8859_7), Own(GREEK)),
    charset("GB18030", Whole(encoding_rs::GB18030), Hanzi),
    charset("GBK", Whole(encoding_rs::GBK), Hanzi),
    charset("ISO_IR 192", Whole(encoding_rs::UTF_8), Latin(WEST)),
    charset("ISO_IR 192", Whole(encoding_rs::UTF_8), Latin(MIDDLE)),
    charset("ISO_IR 192", Whole(encoding_rs::UTF_8), Own(CYRILLIC)),
    charset("ISO_IR 192", Whole(encoding_rs::UTF_8), JisX0208),
    charset("ISO_IR 192", Whole(encoding_rs::UTF_8), Hangul),
    charset("ISO_IR 192", Whole(encoding_rs::UTF_8), Own(HEBREW)),
];

impl Charset {
    /// One of them; half of the world's objects say ISO_IR 100, nothing or UTF-8.
    pub fn any(rng: &mut Prng) -> Charset {
        match rng.percent(40) {
            true => CHARSETS[*rng.pick(&[0, 1, 1, 22, 23])],
            false => *rng.pick(&CHARSETS),
        }
    }

    /// Whether words of it are plain ASCII.
    pub fn is_ascii(&self) -> bool {
        matches!(self.coding, Ascii)
    }

    /// A word of its own letters that does not exist.
    pub fn word(&self, rng: &mut Prng) -> String {
        let own =
            |rng: &mut Prng, letters: &[char], n| (0..n).map(|_| *rng.pick(letters)).collect();
        match self.letters {
            Latin(accented) => latin(rng, accented),
            Own(letters) => {
                let letters: Vec<char> = letters.chars().collect();
                let word: String = own(rng, &letters, 8);
                let mut rest = word.chars();
                let first = rest.next().into_iter().flat_map(char::to_uppercase);
                first.chain(rest.clone()).collect()
            }
            Letters::Katakana => own(rng, &('\u{FF71}'..='\u{FF9C}').collect::<Vec<_>>(), 8),
            JisX0208 => own(rng, &KANJI, 4),
            JisX0212 => own(rng, &RARE_KANJI, 4),
            Hangul => own(rng, &SYLLABLES, 4),
            Hanzi => own(rng, &HANZI, 4),
        }
    }

    /// Text as it stands in a file; every run of non-ASCII characters announces itself.
    pub fn encode(&self, text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        for run in runs(text) {
            match (self.coding, run.is_ascii()) {
                (_, true) => out.extend(run.as_bytes()),
                (Left(escape, _), false) => {
                    out.extend([escape, &self.bare(run)[..], b"\x1b(B"].concat());
                }
                (Right(escape, _), false) => out.extend([escape, &self.bare(run)[..]].concat()),
                (_, false) => out.extend(self.bare(run)),
            }
        }
        out
    }

    /// The same without escape sequences: what a search looks for.
    pub fn bare(&self, text: &str) -> Vec<u8> {
        match self.coding {
            Ascii => text.as_bytes().to_vec(),
            Whole(encoding) | Right(_, encoding) => encoding.encode(text).0.into_owned(),
            Katakana => text.chars().map(|c| (c as u32 - 0xFF61 + 0xA1) as u8).collect(),
            Left(_, rare) => {
                let bytes = |c: char| match rare {
                    true => code_of_rare(c),
                    false => encoding_rs::EUC_JP.encode(&c.to_string()).0.into_owned(),
                };
                text.chars().flat_map(bytes).map(|b| b & 0x7F).collect()
            }
        }
    }
}

/// Letters that are in few words, a few of them accented.
fn latin(rng: &mut Prng, accented: &str) -> String {
    let accented: Vec<char> = accented.chars().collect();
    let mut word: Vec<char> = format!("Qzx{}", rng.letters(7)).chars().collect();
    if !accented.is_empty() {
        for _ in 0..2 {
            let at = 3 + rng.below(7);
            word[at] = *rng.pick(&accented);
        }
    }
    word.into_iter().collect()
}

/// Maximal runs that are ASCII, or are not.
fn runs(text: &str) -> Vec<&str> {
    let mut runs = Vec::new();
    let mut from = 0;
    for (at, c) in text.char_indices() {
        let before = text[..at].chars().next_back();
        if before.is_some_and(|b| b.is_ascii() != c.is_ascii()) {
            runs.push(&text[from..at]);
            from = at;
        }
    }
    runs.push(&text[from..]);
    runs
}

fn decoded(encoding: &'static Encoding, bytes: &[u8]) -> Option<char> {
    let text = encoding.decode_without_bom_handling(bytes).0;
    text.chars().next().filter(|c| *c != char::REPLACEMENT_CHARACTER && text.chars().count() == 1)
}

fn rows(encoding: &'static Encoding, first: std::ops::RangeInclusive<u8>) -> Vec<char> {
    let codes = first.flat_map(|a| (0xA1..=0xFE).map(move |b| [a, b]));
    codes.filter_map(|code| decoded(encoding, &code)).collect()
}

static KANJI: LazyLock<Vec<char>> = LazyLock::new(|| rows(encoding_rs::EUC_JP, 0xB0..=0xCE));
static SYLLABLES: LazyLock<Vec<char>> = LazyLock::new(|| rows(encoding_rs::EUC_KR, 0xB0..=0xC8));
static HANZI: LazyLock<Vec<char>> = LazyLock::new(|| rows(encoding_rs::GBK, 0xB0..=0xD6));

/// JIS X 0212 is only ever decoded by `encoding_rs`: the code of a character is looked up.
static RARE: LazyLock<Vec<(char, [u8; 2])>> = LazyLock::new(|| {
    let codes = (0xB0..=0xED).flat_map(|a| (0xA1..=0xFE).map(move |b| [a, b]));
    let known =
        |code: [u8; 2]| Some((decoded(encoding_rs::EUC_JP, &[0x8F, code[0], code[1]])?, code));
    codes.filter_map(known).collect()
});
static RARE_KANJI: LazyLock<Vec<char>> = LazyLock::new(|| RARE.iter().map(|row| row.0).collect());

fn code_of_rare(c: char) -> Vec<u8> {
    RARE.iter().find(|row| row.0 == c).expect("a letter of JIS X 0212").1.to_vec()
}
