//! Other spellings of a name: umlauts as two letters and back, and UTF-8 taken for Latin-1.

use encoding_rs::WINDOWS_1252;
use unicode_normalization::UnicodeNormalization;

use super::words::is_vocabulary;

/// The text and its other spellings.
pub(super) fn variants(text: &str) -> Vec<String> {
    let mut all = vec![text.to_owned()];
    if text.is_ascii() {
        all.extend(contracted(text));
    } else {
        all.push(spelled_out(text));
        let (taken, _) = WINDOWS_1252.decode_without_bom_handling(text.as_bytes());
        all.push(taken.into_owned());
        let (bytes, _, unmappable) = WINDOWS_1252.encode(text);
        let meant = std::str::from_utf8(&bytes).ok().filter(|meant| !unmappable && *meant != text);
        all.extend(meant.map(str::to_owned));
    }
    all.dedup();
    all
}

/// As German and Nordic typists write without their letters: ä as ae, ø as oe.
fn spelled_out(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 4);
    for c in text.nfc() {
        match c {
            'ä' | 'Ä' => out.push_str("ae"),
            'ö' | 'Ö' | 'ø' | 'Ø' => out.push_str("oe"),
            'ü' | 'Ü' => out.push_str("ue"),
            'å' | 'Å' => out.push_str("aa"),
            _ => out.push(c),
        }
    }
    out
}

/// What may have been spelled out: Mueller from Müller, which folds to muller.
fn contracted(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(c) = letters.next() {
        out.push(c);
        let second = letters.peek().map(char::to_ascii_lowercase);
        if matches!(
            (c.to_ascii_lowercase(), second),
            ('a' | 'o' | 'u', Some('e')) | ('a', Some('a'))
        ) {
            letters.next();
        }
    }
    (out.len() < text.len() && out.len() >= 5 && !is_vocabulary(&out.to_ascii_lowercase()))
        .then_some(out)
}

#[cfg(test)]
mod tests {
    use super::variants;

    #[test]
    fn spellings() {
        for (text, other) in [
            ("Müller", "Mueller"),
            ("Mu\u{308}ller", "Mueller"),
            ("Østergård", "oestergaard"),
            ("Mueller", "Muller"),
            ("Müller", "MÃ¼ller"),
            ("MÃ¼ller", "Müller"),
        ] {
            let all = variants(text);
            assert!(all.iter().any(|v| v == other), "{text}: {all:?}");
        }
    }
}
