//! What a record says of one patient lies beside the log. The record commits to it, so that it can be erased (GDPR
//! Art. 17) and nothing else changes: no hash, no root, no signature.
//!
//! ```text
//! audit/details    SEQ SALT JSON      what record SEQ says of its patient; in the record: "detail", SHA-256 of `SALT JSON`
//!                  SEQ -----------    the same, erased: as many dashes as there were bytes
//! ```
//! A salt is 128 random bits in hex: without it nobody can try what was erased against the hash. Lines are in the order of
//! the records, and on disk before them. One that is gone without dashes was not erased by efface, and is a finding.

use super::Release;
use crate::disk;
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::Path;

/// The file.
const NAME: &str = "details";
/// Bytes of a salt.
const SALT: usize = 16;

/// What a release says of one patient.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Detail {
    /// Pseudonym of the patient.
    pub patient: String,
    /// Study Instance UID as it left.
    pub study: String,
    /// Keyed hashes of the patient's numbers.
    pub subjects: Vec<String>,
    /// Keyed digest of what came in.
    pub input: String,
    /// What was done about faces, by series.
    pub faces: Vec<super::SeriesFace>,
}

impl Detail {
    /// Takes it out of a release.
    pub fn part(release: &mut Release) -> Self {
        Detail {
            patient: std::mem::take(&mut release.patient),
            study: std::mem::take(&mut release.study),
            subjects: std::mem::take(&mut release.subjects),
            input: std::mem::take(&mut release.input),
            faces: std::mem::take(&mut release.faces),
        }
    }

    /// Its line for a record, and what the record has to say of it.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn seal(&self, seq: u64) -> io::Result<(Vec<u8>, String)> {
        let mut salt = [0; SALT];
        getrandom::fill(&mut salt).map_err(io::Error::from)?;
        let text = format!("{} {}", HEXLOWER.encode(&salt), serde_json::to_string(self)?);
        let line = format!("{seq} {text}\n").into_bytes();
        Ok((line, commitment(text.as_bytes())))
    }
}

/// What a record says of its detail, `SALT JSON`.
fn commitment(text: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(text))
}

/// Opens the file for appending, without what belongs to records from `size` on: nobody was told of them.
///
/// # Errors
/// What the system says.
pub fn settle(audit: &Path, size: u64) -> io::Result<File> {
    let path = audit.join(NAME);
    let file = disk::append(&path)?;
    let mut lines = Lines::of(audit)?;
    while lines.next_below(size)?.is_some() {}
    if file.metadata()?.len() > lines.read {
        file.set_len(lines.read)?;
        disk::sync_file(&file)?;
    }
    Ok(file)
}

/// Erases details, durably; how many. What is chosen is asked once, record by record.
///
/// # Errors
/// What the system says: some may be erased, and some not. Do it again.
pub fn erase(audit: &Path, mut is_chosen: impl FnMut(&Detail) -> bool) -> io::Result<u64> {
    let (mut lines, mut erased, mut at) = (Lines::of(audit)?, 0, 0);
    let mut file = None;
    while let Some((seq, text)) = lines.next_below(u64::MAX)? {
        let begins = at + seq.to_string().len() as u64 + 1;
        at = lines.read;
        let detail = json(&text).and_then(|json| serde_json::from_slice::<Detail>(json).ok());
        if detail.as_ref().is_some_and(&mut is_chosen) {
            let file = match &mut file {
                Some(file) => file,
                none => none.insert(disk::overwrite(&audit.join(NAME))?),
            };
            file.seek(SeekFrom::Start(begins))?;
            file.write_all(&vec![b'-'; text.len()])?;
            erased += 1;
        }
    }
    file.as_ref().map_or(Ok(()), disk::sync_file)?;
    Ok(erased)
}

/// What is there of the detail of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum There<'a> {
    /// The record has none, or says all itself.
    None,
    /// `SALT JSON`.
    Whole(&'a [u8]),
    /// It was erased.
    Erased,
    /// It is not what the record commits to, or gone.
    Wrong,
}

/// What is there of the detail of a record, by its line and what stands beside the log.
pub fn there<'a>(line: &[u8], text: Option<&'a [u8]>) -> There<'a> {
    match (committed(line), text) {
        (None, None) => There::None,
        (Some(_), Some(text)) if text.iter().all(|b| *b == b'-') => There::Erased,
        (Some(said), Some(text)) if commitment(text).as_bytes() == said => There::Whole(text),
        _ => There::Wrong,
    }
}

/// A record with its detail in it, as if it had never been parted.
pub fn whole(line: &[u8], text: &[u8]) -> Option<Vec<u8>> {
    let (json, line) = (json(text)?.strip_prefix(b"{")?, line.strip_suffix(b"}")?);
    Some([line, b",", json].concat())
}

/// What stands in a line of the log as its commitment: `{"seq":N,"time":"T","detail":"HEX",`.
fn committed(line: &[u8]) -> Option<&[u8]> {
    const AFTER_TIME: &[u8] = b"\",\"detail\":\"";
    let rest = line.strip_prefix(b"{\"seq\":")?;
    let rest = &rest[rest.iter().position(|b| !b.is_ascii_digit())?..];
    let rest = rest.strip_prefix(b",\"time\":\"")?;
    let rest = rest[rest.iter().position(|b| *b == b'"')?..].strip_prefix(AFTER_TIME)?;
    rest.get(..64).filter(|_| rest.get(64) == Some(&b'"'))
}

fn json(text: &[u8]) -> Option<&[u8]> {
    text.get(2 * SALT..)?.strip_prefix(b" ")
}

/// The lines of the file, in the order of their records.
pub struct Lines {
    /// `None`: there is no such file.
    file: Option<BufReader<File>>,
    /// Bytes of the lines that were read.
    read: u64,
    /// The next line, for a record that was not wanted yet.
    ahead: Option<(u64, Vec<u8>)>,
    ahead_bytes: u64,
}

impl Lines {
    /// From the beginning.
    ///
    /// # Errors
    /// What the system says.
    pub fn of(audit: &Path) -> io::Result<Self> {
        let file = match disk::open(&audit.join(NAME)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            file => Some(BufReader::new(file?)),
        };
        Ok(Lines { file, read: 0, ahead: None, ahead_bytes: 0 })
    }

    /// Those of records below `end` that were not read yet.
    ///
    /// # Errors
    /// What the system says.
    pub fn below(&mut self, end: u64) -> io::Result<Vec<(u64, Vec<u8>)>> {
        let mut lines = Vec::new();
        while let Some(line) = self.next_below(end)? {
            lines.push(line);
        }
        Ok(lines)
    }

    /// The one of this record, which has one; those before it are passed over. Nothing behind it is read: that may
    /// not be whole yet.
    ///
    /// # Errors
    /// What the system says.
    pub fn of_record(&mut self, seq: u64) -> io::Result<Option<Vec<u8>>> {
        while let Some((of, text)) = self.next_below(seq + 1)? {
            if of == seq {
                return Ok(Some(text));
            }
        }
        Ok(None)
    }

    /// The next one, if it is of a record below `end`. What is no whole line ends them.
    fn next_below(&mut self, end: u64) -> io::Result<Option<(u64, Vec<u8>)>> {
        if self.ahead.is_none() {
            let Some(file) = &mut self.file else { return Ok(None) };
            let mut line = Vec::new();
            let bytes = file.read_until(b'\n', &mut line)?;
            self.ahead = parsed(&line);
            self.ahead_bytes = bytes as u64;
            if self.ahead.is_none() {
                self.file = None;
            }
        }
        let is_wanted = self.ahead.as_ref().is_some_and(|(seq, _)| *seq < end);
        self.read += if is_wanted { self.ahead_bytes } else { 0 };
        Ok(if is_wanted { self.ahead.take() } else { None })
    }
}

fn parsed(line: &[u8]) -> Option<(u64, Vec<u8>)> {
    let line = line.strip_suffix(b"\n")?;
    let at = line.iter().position(|b| *b == b' ')?;
    let seq = std::str::from_utf8(&line[..at]).ok()?.parse().ok()?;
    Some((seq, line[at + 1..].to_vec()))
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test owns its files")]
mod tests {
    use super::super::tests::{findings, log};
    use super::super::{Error, Event, Finding, read, tree};
    use super::*;
    use std::fs;

    fn released(patient: &str) -> Event {
        Event::Released(Box::new(Release {
            patient: patient.to_owned(),
            study: format!("2.25.{patient}"),
            batch: "b".to_owned(),
            ..Release::default()
        }))
    }

    fn patients(audit: &Path) -> Vec<String> {
        let mut patients = Vec::new();
        read(audit, |record| match record.event {
            Event::Released(release) => patients.push(release.patient),
            _ => assert_eq!(record.detail, None),
        })
        .unwrap();
        patients
    }

    #[test]
    fn what_was_erased_is_gone_and_the_root_is_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let audit = folder.path();
        let began = log(audit);
        for event in [released("A1X"), Event::Stopped, released("A1Y"), released("A1X")] {
            began.append(event).unwrap();
        }
        assert_eq!(patients(audit), ["A1X", "A1Y", "A1X"]);
        let bytes = |name: &str| fs::read(audit.join(name)).unwrap();
        let has = |name: &str, word: &str| {
            bytes(name).windows(word.len()).any(|window| window == word.as_bytes())
        };
        assert!(has("details", "A1X") && !has("log", "A1X") && !has("log", "2.25"));
        let (before, length) = ((bytes("log"), bytes("checkpoint")), bytes("details").len());
        assert_eq!(erase(audit, |detail| detail.patient == "A1X").unwrap(), 2);
        assert_eq!(erase(audit, |detail| detail.patient == "A1X").unwrap(), 0);
        assert!(!has("details", "A1X") && has("details", "A1Y"));
        assert_eq!((bytes("log"), bytes("checkpoint")), before);
        assert_eq!(bytes("details").len(), length);
        assert_eq!(patients(audit), ["", "A1Y", ""]);
        assert_eq!(findings(audit, &[]), []);
        began.append(released("A1Z")).unwrap();
        drop(began);
        drop(log(audit));
        assert_eq!(patients(audit), ["", "A1Y", "", "A1Z"]);
    }

    #[test]
    fn every_changed_byte_and_every_missing_line_is_found_and_refused() {
        let folder = tempfile::tempdir().unwrap();
        let audit = folder.path();
        let began = log(audit);
        for event in [released("A1X"), Event::Stopped, released("A1Y")] {
            began.append(event).unwrap();
        }
        drop(began);
        let good = fs::read(audit.join(NAME)).unwrap();
        let first = good.iter().position(|b| *b == b'\n').unwrap();
        let is_found = |bytes: &[u8], record: u64| {
            fs::write(audit.join(NAME), bytes).unwrap();
            let found = findings(audit, &[]);
            assert!(found.contains(&Finding::Detail(record)), "{found:?}");
            assert!(matches!(read(audit, |_| ()), Err(Error::Detail { .. })));
            let opened = super::super::Log::open(audit, super::super::tests::signer());
            assert!(matches!(opened, Err(Error::Detail { .. })));
            assert_eq!(fs::read(audit.join(NAME)).unwrap(), bytes, "it was changed");
        };
        for at in 0..good.len() {
            let mut changed = good.clone();
            changed[at] ^= 1;
            is_found(&changed, if at <= first { 0 } else { 2 });
        }
        is_found(&good[first + 1..], 0);
        is_found(&good[..=first], 2);
        is_found(b"", 0);
        // A detail cannot be passed off as another record's.
        let text = |line: &[u8]| parsed(line).unwrap().1;
        let (one, two) = (text(&good[..=first]), text(&good[first + 1..]));
        let swapped = [b"0 ".to_vec(), two, b"\n2 ".to_vec(), one, b"\n".to_vec()].concat();
        is_found(&swapped, 0);
        fs::write(audit.join(NAME), &good).unwrap();
        assert_eq!(findings(audit, &[]), []);
    }

    #[test]
    fn what_a_crash_left_behind_the_records_goes_at_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let audit = folder.path();
        log(audit).append(released("A1X")).unwrap();
        let good = fs::read(audit.join(NAME)).unwrap();
        let (line, _) = Detail::default().seal(1).unwrap();
        for end in [line.len(), line.len() - 1, 3] {
            fs::write(audit.join(NAME), [&good[..], &line[..end]].concat()).unwrap();
            assert_eq!(findings(audit, &[]), []);
            drop(log(audit));
            assert_eq!(fs::read(audit.join(NAME)).unwrap(), good);
        }
    }

    #[test]
    fn logs_that_say_all_themselves_are_read_as_before() {
        let folder = tempfile::tempdir().unwrap();
        let audit = folder.path();
        let line = br#"{"seq":0,"time":"2026-01-01T00:00:00.000Z","event":"released","destination":"lab","project":"lab","batch":"b","engine":"0","profile":"p","plan":"00","because":[],"patient":"A1X","study":"2.25.1","input":"00","instances":1,"verified":1,"bytes":1,"digest":"00","actions":[],"evidence":[],"faces":[]}"#;
        fs::write(audit.join("log"), [&line[..], b"\n"].concat()).unwrap();
        let note = super::super::tests::signer().sign(1, tree::leaf(line));
        fs::write(audit.join("checkpoint"), note).unwrap();
        drop(log(audit));
        assert_eq!(patients(audit), ["A1X"]);
    }
}
