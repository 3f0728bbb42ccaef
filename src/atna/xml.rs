//! As much XML as an audit message has: elements, attributes, text.

use std::fmt::Write;

/// Longer values are cut: characters.
const VALUE_MAX: usize = 512;

/// Writes elements, one in the other.
#[derive(Default)]
pub(super) struct Xml {
    text: String,
    open: Vec<&'static str>,
}

impl Xml {
    /// Begins an element.
    pub fn open(&mut self, name: &'static str, attributes: &[(&str, &str)]) {
        self.tag(name, attributes, ">");
        self.open.push(name);
    }

    /// Ends the last one that was begun.
    pub fn close(&mut self) {
        if let Some(name) = self.open.pop() {
            self.push(format_args!("</{name}>"));
        }
    }

    /// An element without content.
    pub fn empty(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.tag(name, attributes, "/>");
    }

    /// An element that has only text.
    pub fn text(&mut self, name: &str, text: &str) {
        self.push(format_args!("<{name}>{}</{name}>", escaped(text)));
    }

    /// The document, with what is still open ended.
    pub fn finish(mut self) -> String {
        while !self.open.is_empty() {
            self.close();
        }
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>{}", self.text)
    }

    fn tag(&mut self, name: &str, attributes: &[(&str, &str)], end: &str) {
        self.push(format_args!("<{name}"));
        for (attribute, value) in attributes {
            self.push(format_args!(" {attribute}=\"{}\"", escaped(value)));
        }
        self.push(format_args!("{end}"));
    }

    fn push(&mut self, text: std::fmt::Arguments<'_>) {
        // A string takes everything.
        let _ = self.text.write_fmt(text);
    }
}

/// As it may stand in text and in attributes (XML 1.0, 2.2 and 2.4). Characters that no document may have, and those
/// that would break a line, become U+FFFD.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars().take(VALUE_MAX) {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&apos;",
            '\u{FFFE}' | '\u{FFFF}' => out.push('\u{FFFD}'),
            c if c.is_control() => out.push('\u{FFFD}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_nest_and_values_cannot_break_out() {
        let mut xml = Xml::default();
        xml.open("a", &[("x", "\"/><b y='&'>\n\0"), ("y", "")]);
        xml.empty("c", &[("z", "é")]);
        xml.text("d", "<&>");
        let written = xml.finish();
        assert_eq!(
            written,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><a x=\"&quot;/&gt;&lt;b y=&apos;&amp;&apos;&gt;\u{FFFD}\u{FFFD}\" \
             y=\"\"><c z=\"é\"/><d>&lt;&amp;&gt;</d></a>"
        );
        assert_eq!(escaped(&"x".repeat(VALUE_MAX + 1)).len(), VALUE_MAX);
    }
}
