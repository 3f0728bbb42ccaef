//! Proofs for one study that can be checked without the log, and without efface: `packaging/verify_receipt.py` does.

use super::checkpoint::Verifier;
use super::details::There;
use super::entries::Line;
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
    /// What lies beside the log of its patient, with the salt: the record has its SHA-256. None if it was erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
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
    let mut found: Vec<(u64, String, Option<String>)> = Vec::new();
    let pick = |line: &Line<'_>| {
        progress(line.bytes.len() as u64);
        let row =
            needles.is_match(line.bytes).then(|| serde_json::from_slice::<Row>(line.bytes).ok());
        let is_it = row.flatten().is_some_and(|row| about.has(&row));
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
        let detail = match line.detail {
            There::Whole(detail) => text(detail),
            There::None | There::Erased | There::Wrong => None,
        };
        is_it.then(|| text(line.bytes)).flatten().map(|record| (line.seq, record, detail))
    };
    let walked = walk(directory, verifier, pick, |one| {
        found.extend(one);
        Ok(())
    })?;
    let records = found.into_iter().map(|(index, record, detail)| {
        let path = tree::inclusion(&walked.leaves, index as usize);
        let path = path.iter().map(|hash| BASE64.encode(hash)).collect();
        Included { index, record, detail, path }
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
        let pick = |line: &Line<'_>| {
            progress(line.bytes.len() as u64);
            let whole = line.whole();
            let row = needle.is_match(&*whole).then(|| serde_json::from_slice::<Row>(&whole).ok());
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
