//! Objections from a table: CSV (RFC 4180) with commas, semicolons or tabs, as spreadsheets write it.
//!
//! ```text
//! id,issuer,scope,received
//! 4711,,all,2026-11-02
//! ```
//! `id` must be there; `issuer` may be empty for every issuer, `scope` for all, `received` for today. All mistakes are
//! said at once, by their lines and never with what stands there, and with one nothing is taken.

use super::changes::Wish;
use super::register::Scope;
use crate::clock::Day;

/// The columns.
const COLUMNS: [&str; 4] = ["id", "issuer", "scope", "received"];
/// Mistakes that are named.
const NAMED: usize = 20;

/// Reads a table; `is_known` says whether a scope is about anything.
///
/// # Errors
/// Every mistake, a line each.
pub fn read_csv(
    text: &str,
    today: Day,
    is_known: impl Fn(&Scope) -> Result<(), String>,
) -> Result<Vec<Wish>, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let head = text.lines().next().unwrap_or_default();
    let comma = [',', ';', '\t'].into_iter().max_by_key(|c| head.matches(*c).count());
    let mut rows = rows(text, comma.unwrap_or(',')).into_iter();
    let (_, head) = rows.next().ok_or("the table is empty")?;
    let mut places = [None; COLUMNS.len()];
    for (place, name) in head.iter().enumerate() {
        let column = COLUMNS.iter().position(|known| name.trim().eq_ignore_ascii_case(known));
        let column = column.ok_or_else(|| {
            format!("line 1: column {} is none of {}", place + 1, COLUMNS.join(", "))
        })?;
        if places[column].replace(place).is_some() {
            return Err(format!("line 1: a second column {}", COLUMNS[column]));
        }
    }
    if places[0].is_none() {
        return Err("line 1: there is no column id".to_owned());
    }
    let (mut wishes, mut wrong) = (Vec::new(), Vec::new());
    for (line, row) in rows.filter(|(_, row)| row.iter().any(|value| !value.trim().is_empty())) {
        let value = |column: usize| {
            places[column].and_then(|place| row.get(place)).map_or("", |value| value.trim())
        };
        match wish(row.len() == head.len(), [0, 1, 2, 3].map(value), today, &is_known) {
            Ok(wish) => wishes.push(wish),
            Err(why) => wrong.push(format!("line {line}: {why}")),
        }
    }
    if wrong.is_empty() {
        return Ok(wishes);
    }
    let more = wrong.len().saturating_sub(NAMED);
    wrong.truncate(NAMED);
    if more > 0 {
        wrong.push(format!("and {more} more"));
    }
    Err(wrong.join("\n"))
}

fn wish(
    is_whole: bool,
    [number, issuer, scope, received]: [&str; COLUMNS.len()],
    today: Day,
    is_known: impl Fn(&Scope) -> Result<(), String>,
) -> Result<Wish, String> {
    if !is_whole {
        return Err("not as many values as there are columns".to_owned());
    }
    let scope = if scope.is_empty() { "all" } else { scope };
    let scope: Scope = scope.parse().map_err(|must| format!("scope must be {must}"))?;
    is_known(&scope)?;
    let received = match received {
        "" => today,
        day => day.parse().map_err(|must| format!("received must be {must}"))?,
    };
    if received > today {
        return Err("received is a day to come".to_owned());
    }
    let wish = Wish::new(issuer, number, scope, received);
    wish.ok_or_else(|| "id has no letter and no digit".to_owned())
}

/// Records with the lines on which they begin.
fn rows(text: &str, comma: char) -> Vec<(usize, Vec<String>)> {
    let (mut rows, mut row, mut value) = (Vec::new(), Vec::new(), String::new());
    let (mut line, mut begun, mut is_quoted) = (1, 1, false);
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        line += usize::from(c == '\n');
        match c {
            '"' if is_quoted && rest.peek() == Some(&'"') => value.extend(rest.next()),
            '"' if is_quoted || value.is_empty() => is_quoted = !is_quoted,
            c if is_quoted => value.push(c),
            c if c == comma => row.push(std::mem::take(&mut value)),
            '\r' if rest.peek() == Some(&'\n') => {}
            '\n' => {
                row.push(std::mem::take(&mut value));
                rows.push((begun, std::mem::take(&mut row)));
                begun = line;
            }
            c => value.push(c),
        }
    }
    if !row.is_empty() || !value.is_empty() {
        row.push(value);
        rows.push((begun, row));
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn today() -> Day {
        "2026-11-28".parse().unwrap()
    }

    fn read(text: &str) -> Result<usize, String> {
        let is_known = |scope: &Scope| match scope {
            Scope::Destination(name) if name != "lab" => Err("no such destination".to_owned()),
            _ => Ok(()),
        };
        read_csv(text, today(), is_known).map(|wishes| wishes.len())
    }

    #[test]
    fn tables_of_spreadsheets_are_read() {
        for table in [
            "id\n4711\n",
            "id,issuer,scope,received\r\n4711,,all,2026-11-02\r\n4712,\"St, Vitus\",destination:lab,\r\n\r\n",
            "\u{feff}Received;ID\n2026-01-31;\"47\"\"11\"\n;4712",
            "issuer\tid\nA\t1\n",
        ] {
            read(table).unwrap_or_else(|why| panic!("{table}: {why}"));
        }
        assert_eq!(read("id,issuer\n1,\n2,B\n,\n"), Ok(2));
    }

    #[test]
    fn every_mistake_is_named_by_its_line_and_no_value_is_shown() {
        let table = "id,scope,received\nZYX1,lab,\nZYX2,destination:ZYX,\n--,all,\nZYX4,all,2026-13-01\nZYX5,all\n\
                     ZYX6,all,2026-11-29\n\"ZYX7\nZYX\",all,\nZYX9,,1.1.2026\n";
        let why = read(table).unwrap_err();
        for line in [2, 3, 4, 5, 6, 7, 10] {
            assert!(why.contains(&format!("line {line}: ")), "{line}: {why}");
        }
        assert_eq!(why.lines().count(), 7, "{why}");
        assert!(!why.contains("ZYX"), "{why}");
        for head in ["", "number\n1\n", "issuer\nA\n", "id,id\n1,2\n", "id,ZYX\n1,2\n"] {
            let why = read(head).unwrap_err();
            assert!(!why.contains("ZYX"), "{why}");
        }
        let many = format!("id,scope\n{}", "1,x\n".repeat(30));
        assert!(read(&many).unwrap_err().ends_with("and 10 more"));
    }
}
