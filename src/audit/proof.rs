//! Proofs for one study that can be checked without the log, and without efface: `packaging/verify_receipt.py` does.

use super::checkpoint::Verifier;
use super::export::Row;
use super::{Error, tree, walk};
use aho_corasick::AhoCorasick;
use data_encoding::BASE64;
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::Path;

/// Records of a study, and what proves that the log of a checkpoint holds them.
#[derive(Serialize)]
pub struct Proof {
    /// Version of this form.
    pub efface_receipt: u32,
    /// The public key of the log, as it says itself: to be compared with a copy from elsewhere.
    pub log_key: String,
    /// A signed note (C2SP tlog-checkpoint).
    pub checkpoint: String,
    /// The records.
    pub records: Vec<Included>,
}

/// One record.
#[derive(Serialize)]
pub struct Included {
    /// Its position, from 0.
    pub index: u64,
    /// Its line, byte for byte.
    pub record: String,
    /// The way from it to the root, base64 (RFC 6962 2.1.1).
    pub path: Vec<String>,
}

/// Proves everything that the log says of a study: by its batch, or by its Study Instance UID as it left. The second
/// gives only what concerns the destination that knows it by this UID. `None` when nothing is known by the name.
///
/// # Errors
/// [`Error`]: the log does not verify, and nothing can be proven.
pub fn prove(
    directory: &Path,
    verifier: &Verifier,
    name: &str,
    progress: impl Fn(u64) + Sync,
) -> Result<Option<Proof>, Error> {
    let about = About::find(directory, verifier, name, &progress)?;
    let Some(needles) = about.needles() else { return Ok(None) };
    let mut found: Vec<(u64, String)> = Vec::new();
    let pick = |seq: u64, line: &[u8]| {
        progress(line.len() as u64);
        let row = needles.is_match(line).then(|| serde_json::from_slice::<Row>(line).ok());
        let is_it = row.flatten().is_some_and(|row| about.has(&row));
        let text = is_it.then(|| String::from_utf8(line.to_vec()).ok()).flatten();
        text.map(|text| (seq, text))
    };
    let walked = walk(directory, verifier, pick, |one| {
        found.extend(one);
        Ok(())
    })?;
    let records = found.into_iter().map(|(index, record)| {
        let path = tree::inclusion(&walked.leaves, index as usize);
        Included { index, record, path: path.iter().map(|hash| BASE64.encode(hash)).collect() }
    });
    let (records, log_key): (Vec<_>, _) = (records.collect(), verifier.to_string());
    let proof = Proof { efface_receipt: 1, log_key, checkpoint: walked.note, records };
    Ok((!proof.records.is_empty()).then_some(proof))
}

/// What is asked for.
struct About {
    name: String,
    /// Batches of the study, each with the destination to which it left under the UID.
    left: BTreeSet<(String, String)>,
}

impl About {
    fn find(
        directory: &Path,
        verifier: &Verifier,
        name: &str,
        progress: &(impl Fn(u64) + Sync),
    ) -> Result<Self, Error> {
        let mut about = About { name: name.to_owned(), left: BTreeSet::new() };
        let Ok(needle) = AhoCorasick::new([name]) else { return Ok(about) };
        let pick = |_, line: &[u8]| {
            progress(line.len() as u64);
            let row = needle.is_match(line).then(|| serde_json::from_slice::<Row>(line).ok());
            let row = row.flatten().filter(|row| row.study.as_deref() == Some(name));
            row.and_then(|row| Some((row.batch?, row.destination?)))
        };
        walk(directory, verifier, pick, |one| {
            about.left.extend(one);
            Ok(())
        })?;
        Ok(about)
    }

    /// Something of which each record that may be meant has one.
    fn needles(&self) -> Option<AhoCorasick> {
        let batches = self.left.iter().map(|(batch, _)| batch.as_str());
        AhoCorasick::new(batches.chain([self.name.as_str()])).ok()
    }

    fn has(&self, row: &Row) -> bool {
        let Some(batch) = row.batch_of() else { return false };
        let destination = row.destination.as_deref().unwrap_or_default();
        let is_to = |(of, to): &(String, String)| {
            of == batch && (destination.is_empty() || destination == to)
        };
        batch == self.name || self.left.iter().any(is_to)
    }
}
