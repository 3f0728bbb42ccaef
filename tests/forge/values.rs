//! Values by VR, each with canaries in it.

use super::canary::forms;
use super::prng::Prng;
use super::words::Charset;
use std::collections::HashSet;

/// A value, and what in it is unique.
pub struct Planted {
    pub bytes: Vec<u8>,
    pub parts: Vec<Part>,
}

/// Something unique in a value: what it says, how it stands there, and how else it could turn up.
#[derive(Clone)]
pub struct Part {
    pub shown: String,
    pub planted: Vec<u8>,
    pub forms: Vec<Vec<u8>>,
    /// Whether no other study has the same: not so with days.
    pub unique: bool,
}

impl Part {
    /// A word in a character set.
    pub fn word(charset: &Charset, word: &str) -> Self {
        let planted = charset.bare(word);
        let forms = forms(word, &planted);
        Part { shown: word.to_owned(), planted, forms, unique: true }
    }

    /// Something that is written in ASCII whatever the character set.
    pub fn ascii(text: &str) -> Self {
        let planted = text.as_bytes().to_vec();
        let forms = forms(text, &planted);
        Part { shown: text.to_owned(), planted, forms, unique: true }
    }

    fn binary(bytes: &[u8]) -> Self {
        let shown = data_encoding::HEXUPPER.encode(bytes);
        let backwards = bytes.iter().rev().copied().collect();
        Part {
            shown,
            planted: bytes.to_vec(),
            forms: vec![bytes.to_vec(), backwards],
            unique: true,
        }
    }

    /// A day, also as people write it.
    pub fn day(date: &str) -> Self {
        let (y, m, d) = (&date[..4], &date[4..6], &date[6..8]);
        let mut part = Part { unique: false, ..Part::ascii(date) };
        for form in [format!("{y}-{m}-{d}"), format!("{d}.{m}.{y}"), format!("{m}/{d}/{y}")] {
            part.forms.push(form.into_bytes());
        }
        part
    }
}

/// Makes values for one study: no date comes twice.
pub struct Mint {
    pub rng: Prng,
    days: HashSet<usize>,
}

/// Days from 1911 on that are planted: more than a study needs.
const DAYS: usize = 28 * 336;

impl Mint {
    pub fn new(rng: Prng) -> Self {
        Mint { rng, days: HashSet::new() }
    }

    /// YYYYMMDD, no day twice.
    pub fn day(&mut self) -> String {
        let mut day = self.rng.below(DAYS);
        while !self.days.insert(day) {
            day = self.rng.below(DAYS);
        }
        // Months of 28 days, the 2nd to the 29th; 1 March stands for 29 February.
        let (year, month, day) = (1911 + day / 336, day % 336 / 28 + 1, day % 28 + 2);
        match (month, day) {
            (2, 29) => format!("{year:04}0301"),
            _ => format!("{year:04}{month:02}{day:02}"),
        }
    }

    pub fn uid(&mut self) -> String {
        format!("1.2.826.0.1.3680043.8.498.{}.{}", self.rng.digits(12), self.rng.digits(9))
    }

    /// Under the arc of examples. What stands in a text is no UID of the object, and its numbers
    /// must not be those of every other UID.
    fn uid_of_nobody(&mut self) -> String {
        format!("2.999.{}.{}", self.rng.digits(12), self.rng.digits(9))
    }

    /// Letters and digits, as hospitals number people.
    pub fn id(&mut self) -> String {
        format!("Q{}-{}", self.rng.letters(3).to_uppercase(), self.rng.digits(9))
    }

    pub fn phone(&mut self) -> String {
        let digits = self.rng.digits(9);
        format!("+999 {} {} {}", &digits[..2], &digits[2..5], &digits[5..])
    }

    /// A value that is legal for the VR, or nearly so.
    pub fn value(&mut self, vr: &str, charset: &Charset) -> Planted {
        let ascii = |text: String| one(Part::ascii(&text));
        match vr {
            "PN" => self.name(charset),
            "SH" | "LO" | "ST" | "LT" | "UT" | "UC" => self.text(vr, charset),
            "AE" | "CS" => ascii(format!("QZX{}", self.rng.letters(9).to_uppercase())),
            "AS" => ascii(format!("QZX{}Y", self.rng.letters(6).to_uppercase())),
            "DA" => one(Part::day(&self.day())),
            "TM" => {
                let hour = 10 + self.rng.below(13);
                ascii(format!("{hour}1507.{}", self.rng.digits(6)))
            }
            "DT" => {
                let day = self.day();
                let time = format!("1{}", self.rng.digits(5));
                let text = format!("{day}{time}.{}", self.rng.digits(6));
                let parts = vec![Part::day(&day), Part::ascii(&text)];
                Planted { bytes: text.into_bytes(), parts }
            }
            "DS" => ascii(format!("1.{}", self.rng.digits(13))),
            "IS" => ascii(format!("1{}", self.rng.digits(8))),
            "UI" => ascii(self.uid()),
            "UR" => {
                let host = format!("qzx{}", self.rng.letters(9));
                let bytes = format!("https://{host}.example/wado").into_bytes();
                Planted { bytes, parts: vec![Part::ascii(&host)] }
            }
            "OB" | "OW" | "UN" => self.blob(charset),
            _ => {
                let bytes = self.rng.bytes();
                Planted { bytes: bytes.to_vec(), parts: vec![Part::binary(&bytes)] }
            }
        }
    }

    /// Family and given name; in scripts without spaces, sometimes with a Latin group before.
    fn name(&mut self, charset: &Charset) -> Planted {
        let words = [charset.word(&mut self.rng), charset.word(&mut self.rng)];
        let latin = self.rng.percent(30).then(|| format!("Qzx{}", self.rng.letters(8)));
        let group = words.join("^");
        let text = match &latin {
            Some(latin) => format!("{latin}={group}"),
            None => group,
        };
        let parts = words.iter().map(|word| Part::word(charset, word));
        let parts = parts.chain(latin.iter().map(|word| Part::ascii(word))).collect();
        Planted { bytes: charset.encode(&text), parts }
    }

    fn text(&mut self, vr: &str, charset: &Charset) -> Planted {
        let short = vr == "SH";
        match self.rng.below(if short { 3 } else { 8 }) {
            0 => one(Part::ascii(&self.id())),
            3 => {
                let phone = self.phone();
                let mut part = Part::ascii(&phone);
                part.forms.push(phone.replace(['+', ' '], "").into_bytes());
                surrounded(part, "", "")
            }
            4 => {
                let (local, host) = (self.rng.letters(11), self.rng.letters(9));
                surrounded(Part::ascii(&local), "", &format!("@{host}.ch"))
            }
            5 => surrounded(Part::day(&self.day()), "on ", ""),
            6 => surrounded(Part::ascii(&self.uid_of_nobody()), "at ", ""),
            _ if short => self.spoken(charset, "", ""),
            _ => self.spoken(charset, "by ", ", ok"),
        }
    }

    fn spoken(&mut self, charset: &Charset, before: &str, after: &str) -> Planted {
        let word = charset.word(&mut self.rng);
        let bytes = charset.encode(&format!("{before}{word}{after}"));
        Planted { bytes, parts: vec![Part::word(charset, &word)] }
    }

    /// Text among bytes that are none.
    fn blob(&mut self, charset: &Charset) -> Planted {
        let spoken = self.spoken(charset, "", "");
        let bytes = [&[0, 1, 0x10][..], &spoken.bytes, &[0, 0, 7]].concat();
        Planted { bytes, parts: spoken.parts }
    }

    /// Several values, some of them empty.
    pub fn many(&mut self, vr: &str, charset: &Charset) -> Planted {
        let (a, b) = (self.value(vr, charset), self.value(vr, charset));
        let shapes = [["", "\\", ""], ["\\", "\\\\", ""], ["", "\\", "\\"]];
        let [before, between, behind] = self.rng.pick(&shapes).map(str::as_bytes);
        let bytes = [before, &a.bytes, between, &b.bytes, behind].concat();
        Planted { bytes, parts: a.parts.into_iter().chain(b.parts).collect() }
    }

    /// Longer than its VR allows.
    pub fn long(&mut self, vr: &str, charset: &Charset) -> Planted {
        let (a, b) = (self.value(vr, charset), self.value(vr, charset));
        let filler = "and so on ".repeat(2 + self.rng.below(40));
        let bytes = [&a.bytes[..], b" ", filler.as_bytes(), &b.bytes].concat();
        Planted { bytes, parts: a.parts.into_iter().chain(b.parts).collect() }
    }
}

/// A value that is one part.
fn one(part: Part) -> Planted {
    Planted { bytes: part.planted.clone(), parts: vec![part] }
}

pub fn surrounded(part: Part, before: &str, after: &str) -> Planted {
    let bytes = [before.as_bytes(), &part.planted, after.as_bytes()].concat();
    Planted { bytes, parts: vec![part] }
}

/// VRs of which an element may have several values.
pub fn is_multiple(vr: &str) -> bool {
    matches!(vr, "AE" | "CS" | "DA" | "DS" | "DT" | "IS" | "LO" | "PN" | "SH" | "TM" | "UI")
}
