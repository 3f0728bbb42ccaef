//! What stays inside until a person has looked, and why.

use super::{Place, Spool, entry_ids};
use crate::disk;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

/// Why something is in quarantine. The code is part of the directory's name and of the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// The spool entry changed on disk.
    Damaged,
    /// The data set is not well formed.
    Malformed,
    /// No legal SOP Class, SOP Instance, Study or Series Instance UID.
    NoIdentity,
    /// Two different objects under one SOP Instance UID.
    Conflict,
    /// This kind of object never leaves by itself.
    ClassPolicy,
    /// No defacer for this kind of volume.
    NoDefacer,
    /// The defacer could not prove that no face leaves.
    FaceNotCleared,
    /// The face stage ran out of time.
    FaceOutOfTime,
    /// A localizer: a projection that may show a profile.
    Localizer,
    /// Contours or segments that may trace a face.
    RoiMayTraceFace,
    /// Text may be burned into the pixels.
    BurnedInText,
    /// A rendering or a screen capture.
    Rendering,
    /// Overlay graphics within the samples of the pixels.
    OverlayInPixels,
    /// The pixels can't be cleaned of what no viewer shows, or not blanked where they have to be.
    PixelsNotCleaned,
    /// The verifier found something that identifies.
    Residue,
    /// The pipeline failed.
    Failed,
    /// The worker process died.
    WorkerCrashed,
    /// The worker process was not done in time.
    WorkerOutOfTime,
    /// The destination refused it for good.
    RefusedByDestination,
    /// The patient objects.
    Objection,
    /// Patients object, and whose it is nobody can say.
    NoPatientId,
    /// The register of destinations or the site policy does not let it go there.
    DestinationBlocked,
    /// No route takes it anywhere.
    NoRoute,
    /// A person decided that it leaves for nobody who would get it.
    Rejected,
}

/// Every code: its name, what it means and what a person can do.
const CODES: [(Code, &str, &str); 24] = [
    (
        Code::Damaged,
        "damaged",
        "the bytes on disk are not those received: check the disk, have the sender send again",
    ),
    (Code::Malformed, "malformed", "not a well-formed data set: have the sender export it again"),
    (Code::NoIdentity, "no-identity", "a UID is missing or illegal: have the sender correct it"),
    (
        Code::Conflict,
        "conflict",
        "other content was received under the same SOP Instance UID: ask the sender which is right",
    ),
    (
        Code::ClassPolicy,
        "class-policy",
        "objects of this SOP class leave only after a person has looked",
    ),
    (Code::NoDefacer, "no-defacer", "no defacer for this kind of image: it may show a face"),
    (Code::FaceNotCleared, "face-not-cleared", "it could not be proven that no face leaves"),
    (
        Code::FaceOutOfTime,
        "face-out-of-time",
        "the face stage did not end in time: raise face_s in the configuration, then: efface spool retry",
    ),
    (Code::Localizer, "localizer", "a localizer may show the profile of the face"),
    (
        Code::RoiMayTraceFace,
        "roi-may-trace-face",
        "contours or segments may trace the skin of the face",
    ),
    (Code::BurnedInText, "burned-in-text", "identifying text may be burned into the pixels"),
    (
        Code::Rendering,
        "rendering",
        "a rendering may show the face, a screen capture the name: send the volume instead",
    ),
    (Code::OverlayInPixels, "overlay-in-pixels", "an overlay is drawn into the pixels"),
    (
        Code::PixelsNotCleaned,
        "pixels-not-cleaned",
        "something may hide in the pixels that could not be removed: have the sender export them uncompressed",
    ),
    (
        Code::Residue,
        "residue",
        "the verifier found something identifying in the output: the profile has a hole",
    ),
    (Code::Failed, "failed", "the pipeline failed: see the log, then: efface spool retry"),
    (
        Code::WorkerCrashed,
        "worker-crashed",
        "the process that read the study died of it: it may be damaged, or an attack. After a look: efface spool retry",
    ),
    (
        Code::WorkerOutOfTime,
        "worker-out-of-time",
        "the study was not done in time: raise worker_s in the configuration, then: efface spool retry",
    ),
    (
        Code::RefusedByDestination,
        "refused-by-destination",
        "the destination refused it for good: see the log, then: efface spool retry",
    ),
    (
        Code::Objection,
        "objection",
        "the patient objects: it stays inside. Once the objection is lifted (efface objection lift): efface spool retry",
    ),
    (
        Code::NoPatientId,
        "no-patient-id",
        "patients object, and nobody can say whether this is one of them: have the sender give it its Patient ID and send it again",
    ),
    (
        Code::DestinationBlocked,
        "destination-blocked",
        "the destination may not be sent to: correct its register: in the configuration, restart, then: efface spool retry",
    ),
    (
        Code::NoRoute,
        "no-route",
        "no rule under routes: takes it anywhere: efface route explain FILE says why. With another rule: restart, then: efface spool retry",
    ),
    (
        Code::Rejected,
        "rejected",
        "a person decided before that it never leaves: efface quarantine reject drops it",
    ),
];

/// Doubts that a person can settle by looking: what cannot be seen in a picture is not among them.
const REVIEWABLE: [Code; 8] = [
    Code::ClassPolicy,
    Code::NoDefacer,
    Code::FaceNotCleared,
    Code::FaceOutOfTime,
    Code::Localizer,
    Code::RoiMayTraceFace,
    Code::BurnedInText,
    Code::Rendering,
];

impl Code {
    /// Whether two people who have looked may let it leave.
    pub fn is_reviewable(self) -> bool {
        REVIEWABLE.contains(&self)
    }

    /// Every code.
    pub fn all() -> impl Iterator<Item = Code> {
        CODES.iter().map(|(code, ..)| *code)
    }

    /// The code as it stands in names and metrics.
    pub fn name(self) -> &'static str {
        CODES.iter().find(|(code, ..)| *code == self).map_or("unknown", |(_, name, _)| name)
    }

    /// The code of a name.
    pub fn named(name: &str) -> Option<Code> {
        CODES.iter().find(|(_, known, _)| *known == name).map(|(code, ..)| *code)
    }

    /// What it means, and what a person can do.
    pub fn advice(self) -> &'static str {
        CODES.iter().find(|(code, ..)| *code == self).map_or("", |(.., advice)| advice)
    }
}

/// Why a group of instances was put aside. Holds nothing of a data set.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reason {
    /// The code.
    pub code: Code,
    /// What exactly, without any value.
    pub detail: String,
    /// For which destination; empty when for all.
    pub destination: String,
    /// When, RFC 3339.
    pub time: String,
}

/// Instances in quarantine by the name of their code.
///
/// # Errors
/// What the system says.
pub fn by_code(spool: &Spool) -> io::Result<BTreeMap<&'static str, u64>> {
    let directory = spool.dir(Place::Quarantine);
    let mut by_code = BTreeMap::new();
    for name in disk::list(&directory)? {
        let code = reason(spool, &name).map_or("without a reason", |reason| reason.code.name());
        *by_code.entry(code).or_default() += entry_ids(&directory.join(&name))?.len() as u64;
    }
    Ok(by_code)
}

/// Puts instances of a batch aside, as second names of the same files, and says why.
///
/// # Errors
/// What the system says.
pub fn put_aside(spool: &Spool, batch: &str, ids: &[String], reason: &Reason) -> io::Result<()> {
    let target = spool.dir(Place::Quarantine).join(name_of(batch, reason));
    disk::make_dir(&target)?;
    // First, so that nothing is there without a reason.
    explain(&target, reason)?;
    let work = spool.dir(Place::Work).join(batch);
    for id in ids {
        disk::link(&work.join(id), &target.join(id))?;
        let picture = picture_of(id);
        if work.join(&picture).exists() {
            disk::link(&work.join(&picture), &target.join(&picture))?;
        }
    }
    disk::sync_dir(&target)?;
    disk::sync_dir(&spool.dir(Place::Quarantine))
}

/// What is called so was put aside for one destination, or for all, and one reason: it is decided about by itself.
fn name_of(batch: &str, Reason { code, destination, .. }: &Reason) -> String {
    let whose = if destination.is_empty() { String::new() } else { format!("{destination}.") };
    format!("{batch}.{whose}{}", code.name())
}

/// The batch, or the entry of the inbox, of something in quarantine.
pub fn batch_of(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

/// Moves a whole batch to quarantine.
///
/// # Errors
/// What the system says.
pub fn put_batch(spool: &Spool, batch: &str, reason: &Reason) -> io::Result<()> {
    explain(&spool.dir(Place::Work).join(batch), reason)?;
    spool.move_batch(batch, Place::Work, Place::Quarantine)
}

/// Puts one entry of the inbox aside.
///
/// # Errors
/// What the system says.
pub fn put_entry(spool: &Spool, id: &str, reason: &Reason) -> io::Result<()> {
    let target = spool.dir(Place::Quarantine).join(format!("{id}.{}", reason.code.name()));
    disk::make_dir(&target)?;
    explain(&target, reason)?;
    disk::rename(&spool.dir(Place::Inbox).join(id), &target.join(id))?;
    disk::sync_dir(&target)?;
    disk::sync_dir(&spool.dir(Place::Quarantine))
}

/// Puts what is in quarantine back into the inbox, where it is gathered again, and leaves a note of it for the log.
///
/// # Errors
/// What the system says.
pub fn put_back(spool: &Spool, name: &str) -> io::Result<u64> {
    let _alone = spool.alone()?;
    let source = spool.dir(Place::Quarantine).join(name);
    let ids = super::entry_ids(&source)?;
    let elsewhere = elsewhere(spool, name)?;
    let moved = ids.iter().filter(|id| !elsewhere.contains(*id)).count() as u64;
    // Whoever was stopped on the way had moved some.
    let moved = moved.max(noted(spool, name)?);
    disk::make_dir(&spool.dir(Place::Returned))?;
    disk::write_whole(&spool.dir(Place::Returned).join(name), moved.to_string().as_bytes())?;
    for id in &ids {
        disk::rename(&source.join(id), &spool.dir(Place::Inbox).join(id))?;
    }
    disk::sync_dir(&spool.dir(Place::Inbox))?;
    disk::remove(&source)?;
    Ok(ids.len() as u64)
}

/// What a batch has in other places, too, and is accountable for there. Not by the number of names: what was put back for
/// another destination has one that is no longer of this batch.
fn elsewhere(spool: &Spool, name: &str) -> io::Result<BTreeSet<String>> {
    let (batch, quarantine) = (batch_of(name), spool.dir(Place::Quarantine));
    let of_batch = |other: &String| other != name && batch_of(other) == batch;
    let aside = disk::list(&quarantine)?.into_iter().filter(of_batch);
    let passed = [Place::Work, Place::Held, Place::Delivered].map(|p| spool.dir(p).join(batch));
    let all = aside.map(|name| quarantine.join(name)).chain(passed).map(|dir| entry_ids(&dir));
    Ok(all.collect::<io::Result<Vec<_>>>()?.into_iter().flatten().collect())
}

/// What was put back since it was last written to the log: names, and instances that their batch has nowhere else.
///
/// # Errors
/// What the system says.
pub fn returned(spool: &Spool) -> io::Result<Vec<(String, u64)>> {
    let directory = spool.dir(Place::Returned);
    let mut notes = Vec::new();
    // A draft of a note has an ending that no code has.
    for name in disk::list(&directory)?.into_iter().filter(|name| !name.ends_with(".part")) {
        let moved = noted(spool, &name)?;
        notes.push((name, moved));
    }
    Ok(notes)
}

fn noted(spool: &Spool, name: &str) -> io::Result<u64> {
    let text = disk::read_text(&spool.dir(Place::Returned).join(name))?;
    Ok(text.and_then(|text| text.parse().ok()).unwrap_or(0))
}

/// Reads why a directory of the quarantine is there.
///
/// # Errors
/// What the system says; a reason that cannot be read is an error too.
pub fn reason(spool: &Spool, name: &str) -> io::Result<Reason> {
    let path = spool.dir(Place::Quarantine).join(name).join(REASON);
    let mut text = String::new();
    disk::open(&path)?.take(1 << 16).read_to_string(&mut text)?;
    Ok(serde_json::from_str(&text)?)
}

/// Name of the picture of a series, beside the entry of its first instance. It shows a face, and goes where the
/// entry goes.
pub fn picture_of(id: &str) -> String {
    format!("{id}.face.png")
}

/// The file that says why. Not a spool entry.
pub const REASON: &str = "reason.json";

fn explain(directory: &std::path::Path, reason: &Reason) -> io::Result<()> {
    disk::write_whole(&directory.join(REASON), &serde_json::to_vec_pretty(reason)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_aside_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(folder.path(), 0).unwrap();
        let work = spool.dir(Place::Work).join("b");
        disk::make_dir(&work).unwrap();
        disk::create(&work.join("1")).unwrap();
        disk::create(&work.join(picture_of("1"))).unwrap();
        let why = Reason {
            code: Code::NoDefacer,
            detail: "MR".into(),
            destination: "lab".into(),
            time: String::new(),
        };
        put_aside(&spool, "b", &["1".to_owned()], &why).unwrap();
        put_aside(&spool, "b", &["1".to_owned()], &why).unwrap();
        assert_eq!(reason(&spool, "b.lab.no-defacer").unwrap().detail, "MR");
        let aside = disk::list(&spool.dir(Place::Quarantine).join("b.lab.no-defacer")).unwrap();
        assert_eq!(aside, ["1", "1.face.png", REASON]);
        let other = Reason { destination: "clinic".into(), ..why.clone() };
        put_aside(&spool, "b", &["1".to_owned()], &other).unwrap();
        assert_eq!(reason(&spool, "b.lab.no-defacer").unwrap().destination, "lab");
        put_batch(&spool, "b", &why).unwrap();
        assert!(!work.exists() && reason(&spool, "b").is_ok());
    }

    #[test]
    fn every_code_has_a_name_and_advice() {
        for (code, name, advice) in CODES {
            assert_eq!((code.name(), code.advice(), Code::named(name)), (name, advice, Some(code)));
            assert_eq!(serde_json::to_string(&code).unwrap(), format!("\"{name}\""));
        }
    }
}
