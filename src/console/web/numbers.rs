//! Times and sizes, as people read them.

/// Seconds, for people.
pub(super) fn seconds(s: u64) -> String {
    match s {
        0..=119 => format!("{s} s"),
        120..=7_199 => format!("{} min", s / 60),
        7_200..=172_799 => format!("{} h", s / 3_600),
        _ => format!("{} d", s / 86_400),
    }
}

/// Milliseconds, for people.
pub(super) fn milliseconds(ms: u64) -> String {
    match ms {
        0..=999 => format!("{ms} ms"),
        1_000..=119_999 => format!("{:.1} s", ms as f64 / 1e3),
        _ => seconds(ms / 1000),
    }
}

/// Bytes, for people.
pub(super) fn bytes(n: u64) -> String {
    match n {
        0..=9_999 => format!("{n} B"),
        10_000..=9_999_999 => format!("{:.0} kB", n as f64 / 1e3),
        10_000_000..=9_999_999_999 => format!("{:.0} MB", n as f64 / 1e6),
        _ => format!("{:.1} GB", n as f64 / 1e9),
    }
}

/// A time of the log without its milliseconds, in the time zone of the log, which is UTC.
pub(super) fn short(time: &str) -> String {
    time.get(..19).map_or(time.to_owned(), |text| text.replace('T', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!((seconds(5), seconds(600)), ("5 s".to_owned(), "10 min".to_owned()));
        assert_eq!(
            (milliseconds(12), milliseconds(1_500)),
            ("12 ms".to_owned(), "1.5 s".to_owned())
        );
        assert_eq!((bytes(12), bytes(52_428_800)), ("12 B".to_owned(), "52 MB".to_owned()));
        assert_eq!(short("2026-11-28T09:10:11.123Z"), "2026-11-28 09:10:11");
    }
}
