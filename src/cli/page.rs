//! A page for people: HTML of its own, no scripts, nothing to load, prints on A4. Every text is escaped where it goes in.

use std::fmt::Display;

const STYLE: &str = "body{font:11pt/1.45 serif;max-width:46em;margin:2em auto;padding:0 1em;color:#000}\
h1{font-size:1.5em}h2{font-size:1.15em;margin-top:1.6em}table{border-collapse:collapse;width:100%;font-size:.92em}\
th,td{border:1px solid #777;padding:.3em .5em;text-align:left;vertical-align:top;overflow-wrap:anywhere}\
td.n{text-align:right}thead{display:table-header-group}tr{break-inside:avoid}small{font-size:.85em}\
@page{size:A4;margin:20mm}@media print{body{margin:0;max-width:none}}";

/// A page that is being written.
pub struct Page(String);

impl Page {
    /// With this title.
    pub fn new(title: &str) -> Self {
        let title = text(title);
        Page(format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{title}</title>\n\
             <style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
        ))
    }

    /// A heading.
    pub fn heading(&mut self, words: &str) {
        self.0 += &format!("<h2>{}</h2>\n", text(words));
    }

    /// A paragraph.
    pub fn paragraph(&mut self, words: &str) {
        self.0 += &format!("<p>{}</p>\n", text(words));
    }

    /// What nobody may overlook.
    pub fn strong(&mut self, words: &str) {
        self.0 += &format!("<p><strong>{}</strong></p>\n", text(words));
    }

    /// A list.
    pub fn list(&mut self, items: &[&str]) {
        let items: String = items.iter().map(|item| format!("<li>{}</li>\n", text(item))).collect();
        self.0 += &format!("<ul>\n{items}</ul>\n");
    }

    /// A table; what reads as a number stands right.
    pub fn table<const N: usize>(
        &mut self,
        head: [&str; N],
        rows: impl IntoIterator<Item = [String; N]>,
    ) {
        let cells: String = head.iter().map(|cell| format!("<th>{}</th>", text(cell))).collect();
        self.0 += &format!("<table>\n<thead><tr>{cells}</tr></thead>\n<tbody>\n");
        for row in rows {
            let cell = |cell: &String| match cell.parse::<u64>() {
                Ok(number) => format!("<td class=\"n\">{number}</td>"),
                Err(_) => format!("<td>{}</td>", text(cell)),
            };
            self.0 += &format!("<tr>{}</tr>\n", row.iter().map(cell).collect::<String>());
        }
        self.0 += "</tbody>\n</table>\n";
    }

    /// The last line, small, and the end.
    pub fn end(mut self, words: impl Display) -> String {
        self.0 +=
            &format!("<p><small>{}</small></p>\n</body>\n</html>\n", text(&words.to_string()));
        self.0
    }
}

/// By what a page was made, and when.
pub fn maker() -> String {
    format!("efface {} on {}", env!("CARGO_PKG_VERSION"), minute(&crate::clock::stamp()))
}

/// Day and minute of a record's time.
pub fn minute(time: &str) -> String {
    format!("{} UTC", time.get(..16).unwrap_or(time).replace('T', " "))
}

/// Text as it stands in HTML.
fn text(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe += "&amp;",
            '<' => safe += "&lt;",
            '>' => safe += "&gt;",
            '"' => safe += "&quot;",
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_on_a_page_is_markup_but_its_own() {
        let mut page = Page::new("<a> & \"b\"");
        page.heading("<script>");
        page.table(["<th>"], [["<td>".to_owned()], ["17".to_owned()]]);
        let page = page.end("</html>");
        assert!(page.contains("<h1>&lt;a&gt; &amp; &quot;b&quot;</h1>"), "{page}");
        assert!(page.contains("<td class=\"n\">17</td>"));
        assert_eq!(page.matches("<script").count() + page.matches("</html>").count(), 1);
    }
}
