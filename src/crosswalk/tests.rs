#![allow(clippy::disallowed_methods)] // a test owns its files and its patients

use super::*;
use crate::clock::Day;
use crate::deid::pseudonym::Pseudonyms;
use crate::phi::Phi;
use dicom_dictionary_std::tags;
use std::io::Cursor;

/// Stands in everything that identifies.
const CANARY: &str = "ZYX";

const MONTH: Retention = Retention { days: 30, pseudonyms: false };

struct Site {
    folder: tempfile::TempDir,
    root: RootKey,
}

impl Site {
    fn new() -> Self {
        let root = RootKey::of_patient(&[7; 32], "A1");
        let site = Site { folder: tempfile::tempdir().unwrap(), root };
        site.crosswalk().lay_out().unwrap();
        site
    }

    fn crosswalk(&self) -> Crosswalk {
        Crosswalk::new(self.folder.path(), "lab", &self.root)
    }

    fn pseudonyms(&self) -> Pseudonyms {
        Pseudonyms::new(&self.root, "lab")
    }

    /// Study Instance UID of a study as it left.
    fn left(&self, study: u32) -> String {
        self.pseudonyms().uid(&format!("1.2.{study}"))
    }

    /// Of a study of a patient, so many instances.
    fn rows(&self, patient: &str, study: u32, instances: u32) -> Rows {
        let pseudonyms = self.pseudonyms();
        let mut rows = Rows {
            study: self.left(study),
            patient: pseudonyms.patient("", patient),
            generation: self.root.generation().to_owned(),
            days_back: Some(77),
            names: Called::said("", patient)
                .hashed(&self.root.derive("lab", Purpose::Subject))
                .to_texts()
                .into_iter()
                .collect(),
            ..Rows::default()
        };
        rows.destinations.insert("lab".to_owned());
        rows.callers.insert("PACS".to_owned());
        for (tag, value) in [
            (tags::PATIENT_ID, patient.to_owned()),
            (tags::PATIENT_NAME, format!("{CANARY}^Jane")),
            (tags::STUDY_INSTANCE_UID, format!("1.2.{study}")),
        ] {
            rows.original.put(tag, Phi::new(value));
        }
        rows.accessions.insert(pseudonyms.accession("", "7"), Phi::new(format!("{CANARY}7")));
        let mut note = |uid: String| {
            let left = pseudonyms.uid(&uid);
            rows.uids.note(&left, &uid);
            left
        };
        note(format!("1.2.{study}"));
        let series = note(format!("1.2.{study}.1"));
        for n in 1..=instances {
            let uid = note(format!("1.2.{study}.1.{n}"));
            let sop_class = "1.2.840.10008.5.1.4.1.1.2".to_owned();
            rows.instances.insert(uid, Instance { sop_class, series: series.clone() });
        }
        rows
    }

    fn files(&self) -> Vec<PathBuf> {
        fn below(folder: &Path, found: &mut Vec<PathBuf>) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { below(&path, found) } else { found.push(path) }
            }
        }
        let mut found = Vec::new();
        below(self.folder.path(), &mut found);
        found.sort();
        found
    }

    fn export(&self) -> Vec<u8> {
        let mut out = Vec::new();
        export(&self.crosswalk(), &mut out).unwrap();
        out
    }

    fn import(&self, bytes: &[u8]) -> Result<Import, BadImport> {
        Import::of(&self.crosswalk(), &mut Cursor::new(bytes), &BTreeSet::new(), |_| Ok(()))
    }
}

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

fn number_of(rows: &Rows) -> &str {
    rows.original.get(tags::PATIENT_ID).unwrap().expose()
}

#[test]
fn what_is_kept_is_found_by_what_left_and_by_nothing_else() {
    let site = Site::new();
    let walk = site.crosswalk();
    assert!(walk.study(&site.left(1)).unwrap().is_none());
    walk.keep(&site.rows("ZYX-1", 1, 2)).unwrap();
    let kept = site.files();
    // Again after a crash, and more instances of the same study later.
    walk.keep(&site.rows("ZYX-1", 1, 2)).unwrap();
    assert_eq!(site.files(), kept);
    walk.keep(&site.rows("ZYX-1", 1, 3)).unwrap();
    walk.keep(&site.rows("ZYX-2", 2, 1)).unwrap();
    let rows = walk.study(&site.left(1)).unwrap().unwrap();
    assert_eq!((number_of(&rows), rows.instances.len(), rows.days_back), ("ZYX-1", 3, Some(77)));
    assert_eq!(rows.callers.iter().collect::<Vec<_>>(), ["PACS"]);
    assert_eq!(rows.accessions.values().next().unwrap().expose(), "ZYX7");
    for uid in ["1.2.1", "1.2.1.1", "1.2.1.1.3"] {
        let left = site.pseudonyms().uid(uid);
        assert_eq!(rows.uids.original(&left).unwrap().expose(), uid);
    }
    assert!(walk.study("1.2.1").unwrap().is_none());
    assert_eq!(walk.census().unwrap().studies, 2);
    for file in site.files() {
        let name = file.strip_prefix(site.folder.path()).unwrap().display().to_string();
        let bytes = std::fs::read(&file).unwrap();
        for canary in [CANARY.as_bytes(), b"1.2.1", b"2.25.", b"PACS"] {
            assert!(!bytes.windows(canary.len()).any(|window| window == canary), "{name}");
        }
        assert!(!name.contains(CANARY) && !name.contains("2.25"), "{name}");
    }
}

#[test]
fn a_pseudonym_that_stands_for_something_else_is_refused() {
    let site = Site::new();
    let walk = site.crosswalk();
    walk.keep(&site.rows("ZYX-1", 1, 2)).unwrap();
    let is_refused = |rows: &Rows| matches!(walk.keep(rows), Err(Error::Contradiction));
    // Another study, or another patient's, under the same Study Instance UID.
    let mut another = site.rows("ZYX-1", 2, 1);
    another.study = site.left(1);
    assert!(is_refused(&another));
    assert!(is_refused(&Rows { study: site.left(1), ..site.rows("ZYX-2", 2, 1) }));
    // Another patient under the same pseudonym.
    let mut another = site.rows("ZYX-2", 3, 1);
    another.patient = site.pseudonyms().patient("", "ZYX-1");
    assert!(is_refused(&another));
    // One UID for two.
    let mut another = site.rows("ZYX-1", 4, 1);
    another.uids.note(&site.pseudonyms().uid("1.2.4.1.1"), "1.2.4.1.2");
    assert!(is_refused(&another));
    // Two batches that nobody could compare before.
    let mut late = site.rows("ZYX-1", 1, 1);
    let one = site.pseudonyms().uid("1.2.1.1.2");
    late.uids.note(&one, "1.2.1.1.9");
    walk.keep(&late).unwrap();
    assert!(matches!(walk.study(&site.left(1)), Err(Error::Contradiction)));
}

#[test]
fn every_changed_byte_and_every_cut_is_noticed_and_another_key_reads_nothing() {
    let site = Site::new();
    let walk = site.crosswalk();
    walk.keep(&site.rows("ZYX-1", 1, 1)).unwrap();
    let lookup = || site.crosswalk().study(&site.left(1));
    for file in site.files().iter().filter(|file| !file.ends_with("lock")) {
        let whole = std::fs::read(file).unwrap();
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            std::fs::write(file, &changed).unwrap();
            assert!(matches!(lookup(), Err(Error::Damaged { .. })), "{} {at}", file.display());
            std::fs::write(file, &whole[..at]).unwrap();
            assert!(matches!(lookup(), Err(Error::Damaged { .. })), "{} {at}", file.display());
        }
        std::fs::write(file, &whole).unwrap();
    }
    assert!(lookup().unwrap().is_some());
    let other = RootKey::of_patient(&[8; 32], "A1");
    let other = Crosswalk::new(site.folder.path(), "lab", &other);
    assert!(other.study(&site.left(1)).unwrap().is_none());
    assert!(matches!(other.all_patients(), Err(Error::Damaged { .. })));
    let project = site.folder.path().join("lab");
    std::fs::rename(&project, site.folder.path().join("other")).unwrap();
    let moved = Crosswalk::new(site.folder.path(), "other", &site.root);
    assert!(moved.study(&site.left(1)).unwrap().is_none());
}

#[test]
fn older_generations_are_still_read() {
    let mut site = Site::new();
    site.crosswalk().keep(&site.rows("ZYX-1", 1, 1)).unwrap();
    let left = site.left(1);
    site.root = site.root.rotated().unwrap();
    site.crosswalk().keep(&site.rows("ZYX-1", 1, 1)).unwrap();
    for study in [left, site.left(1)] {
        assert_eq!(number_of(&site.crosswalk().study(&study).unwrap().unwrap()), "ZYX-1");
    }
    assert_eq!(site.crosswalk().patients_called(&Called::said("", "zyx 1")).unwrap().len(), 2);
}

#[test]
fn whoever_is_erased_is_in_no_copy_of_the_rows() {
    let site = Site::new();
    let walk = site.crosswalk();
    walk.keep(&site.rows("ZYX-1", 1, 1)).unwrap();
    walk.keep(&site.rows("ZYX-2", 2, 1)).unwrap();
    let rows = walk.rows();
    let backup = site.folder.path().join("backup");
    std::process::Command::new("cp").arg("-a").arg(&rows).arg(&backup).status().unwrap();
    let patients = walk.patients_called(&Called::said("", "zyx1")).unwrap();
    assert_eq!(patients.len(), 1);
    let studies = walk.studies_of(&patients[0]).unwrap();
    assert_eq!(studies, [(site.left(1), BTreeSet::from(["lab".to_owned()]))]);
    // What somebody has left behind who was stopped in the middle.
    std::fs::copy(walk.patients().join(&patients[0].tag), walk.patients().join(".draft")).unwrap();
    assert_eq!(walk.erase(&patients).unwrap(), Expired { studies: 1, patients: 1 });
    assert!(!walk.patients().join(".draft").exists());
    let is_gone = || walk.study(&site.left(1)).unwrap().is_none();
    assert!(is_gone() && walk.study(&site.left(2)).unwrap().is_some());
    std::fs::remove_dir_all(&rows).unwrap();
    std::fs::rename(&backup, &rows).unwrap();
    assert!(is_gone() && walk.study(&site.left(2)).unwrap().is_some());
    // The patient comes again: what was erased stays so.
    walk.keep(&site.rows("ZYX-1", 3, 1)).unwrap();
    assert!(is_gone() && walk.study(&site.left(3)).unwrap().is_some());
}

#[test]
fn rows_have_their_time_and_the_last_takes_the_key_along() {
    let site = Site::new();
    let walk = site.crosswalk();
    walk.keep_of(&site.rows("ZYX-1", 1, 1), day("2026-01-01")).unwrap();
    walk.keep_of(&site.rows("ZYX-1", 1, 2), day("2026-03-01")).unwrap();
    walk.keep_of(&site.rows("ZYX-1", 2, 1), day("2026-02-01")).unwrap();
    walk.keep_of(&site.rows("ZYX-2", 3, 1), day("2026-01-15")).unwrap();
    assert_eq!(walk.census().unwrap().oldest, Some(day("2026-01-15")));
    let expire = |today: &str| walk.expire(day(today), MONTH, |_| Ok(())).unwrap();
    assert_eq!(expire("2026-02-13"), Expired::default());
    // Nothing goes that was not told before.
    let untold = walk.expire(day("2026-02-14"), MONTH, |_| Err(io::ErrorKind::Other.into()));
    assert!(untold.is_err() && walk.study(&site.left(3)).unwrap().is_some());
    assert_eq!(expire("2026-02-14"), Expired { studies: 1, patients: 1 });
    assert_eq!(expire("2026-03-03"), Expired { studies: 1, patients: 0 });
    // Late instances keep the whole study.
    assert_eq!(walk.study(&site.left(1)).unwrap().unwrap().instances.len(), 2);
    assert_eq!(expire("2026-03-31"), Expired { studies: 1, patients: 1 });
    assert_eq!(walk.census().unwrap(), Census::default());
}

#[test]
fn an_export_is_all_and_comes_back_elsewhere() {
    let (here, there) = (Site::new(), Site::new());
    let old = day("2025-05-05");
    here.crosswalk().keep_of(&here.rows("ZYX-1", 1, 2), old).unwrap();
    here.crosswalk().keep(&here.rows("ZYX-1", 1, 3)).unwrap();
    here.crosswalk().keep_of(&here.rows("ZYX-2", 2, 1), old).unwrap();
    let bytes = here.export();
    assert_eq!(there.import(&bytes).unwrap(), Import { studies: 2, erased: 0, patients: 2 });
    assert_eq!(there.import(&bytes).unwrap().studies, 2, "the same again contradicts nothing");
    let rows = there.crosswalk().study(&there.left(1)).unwrap().unwrap();
    assert_eq!((number_of(&rows), rows.instances.len()), ("ZYX-1", 3));
    assert_eq!(there.crosswalk().census().unwrap().oldest, Some(old));
    assert_eq!(there.crosswalk().patients_called(&Called::said("", "ZYX 2")).unwrap().len(), 1);
    let lines = |bytes: &[u8]| -> Vec<String> {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let mut lines: Vec<String> = text.lines().skip(1).map(str::to_owned).collect();
        lines.pop();
        lines
    };
    assert_eq!(lines(&bytes), lines(&there.export()));
    // Who was erased does not come back.
    let third = Site::new();
    let erased = BTreeSet::from([here.pseudonyms().patient("", "ZYX-1")]);
    let import =
        Import::of(&third.crosswalk(), &mut Cursor::new(&bytes), &erased, |_| Ok(())).unwrap();
    assert_eq!(import, Import { studies: 1, erased: 1, patients: 1 });
    assert!(third.crosswalk().study(&third.left(1)).unwrap().is_none());
}

#[test]
fn an_import_that_was_changed_or_contradicts_brings_nothing() {
    let (here, there) = (Site::new(), Site::new());
    here.crosswalk().keep(&here.rows("ZYX-1", 1, 1)).unwrap();
    here.crosswalk().keep(&here.rows("ZYX-2", 2, 1)).unwrap();
    let bytes = here.export();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert!(there.import(&changed).is_err(), "byte {at}");
        assert!(there.import(&bytes[..at]).is_err(), "cut at {at}");
    }
    assert_eq!(there.crosswalk().census().unwrap(), Census::default());
    let mut other = there.rows("ZYX-3", 3, 1);
    other.study = there.left(2);
    other.uids = Default::default();
    other.uids.note(&there.left(2), "1.2.3");
    other.instances.clear();
    there.crosswalk().keep(&other).unwrap();
    let refused = there.import(&bytes).unwrap_err();
    assert!(refused.to_string().contains("stands for something else"), "{refused}");
    assert!(!refused.to_string().contains(CANARY));
    assert_eq!(there.crosswalk().census().unwrap().studies, 1, "not even the first one");
    let another = Crosswalk::new(there.folder.path(), "clinic", &there.root);
    another.lay_out().unwrap();
    let import = Import::of(&another, &mut Cursor::new(&bytes), &BTreeSet::new(), |_| Ok(()));
    assert!(matches!(import, Err(BadImport::Project { .. })));
}

#[test]
fn secrets_of_random_pseudonyms_go_along_and_go_when_they_should() {
    let (here, there) = (Site::new(), Site::new());
    let secrets = |site: &Site| Secrets::new(site.folder.path(), "lab", &site.root);
    let pseudonym = |site: &Site| secrets(site).pseudonym_of("", "ZYX-1").unwrap();
    let handle = here.crosswalk().keys[0].handle("", "ZYX-1", true);
    let directory = here.folder.path().join("lab/secrets");
    secrets::put(&directory, &here.crosswalk().keys[0].handles, &handle, &[9; 32]).unwrap();
    let own = pseudonym(&here).unwrap();
    let rows = |site: &Site| Rows { patient: own.clone(), ..site.rows("ZYX-1", 1, 1) };
    let old = day("2026-01-01");
    here.crosswalk().keep_of(&rows(&here), old).unwrap();
    there.import(&here.export()).unwrap();
    assert_eq!(pseudonym(&there).as_deref(), Some(own.as_str()));
    let later = day("2026-12-31");
    here.crosswalk().expire(later, MONTH, |_| Ok(())).unwrap();
    assert!(pseudonym(&here).is_some(), "the next study is of the same patient");
    there.crosswalk().expire(later, Retention { pseudonyms: true, ..MONTH }, |_| Ok(())).unwrap();
    assert!(pseudonym(&there).is_none());
    here.crosswalk().keep(&rows(&here)).unwrap();
    let walk = here.crosswalk();
    walk.erase(&walk.patients_called(&Called::said("", "ZYX-1")).unwrap()).unwrap();
    assert!(pseudonym(&here).is_none());
}

#[test]
fn whoever_erases_waits_for_those_who_write() {
    let site = Site::new();
    let walk = site.crosswalk();
    let (first, second) = (walk.hold().unwrap(), walk.hold().unwrap());
    std::thread::scope(|scope| {
        let eraser = scope.spawn(|| site.crosswalk().settle());
        std::thread::sleep(std::time::Duration::from_millis(100));
        assert!(!eraser.is_finished());
        drop((first, second));
        eraser.join().unwrap().unwrap();
    });
}

/// What a release of 1,000 instances costs: `cargo test --release --lib crosswalk::tests::speed -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn speed() {
    let site = Site::new();
    let walk = site.crosswalk();
    let rows = site.rows("ZYX-1", 1, 1000);
    let begun = std::time::Instant::now();
    walk.keep(&rows).unwrap();
    println!("first study of a patient, 1,000 instances: {:?}", begun.elapsed());
    let begun = std::time::Instant::now();
    (2..12).for_each(|study| walk.keep(&site.rows("ZYX-1", study, 1000)).unwrap());
    println!("ten more, each: {:?}", begun.elapsed() / 10);
    let begun = std::time::Instant::now();
    assert_eq!(walk.study(&site.left(1)).unwrap().unwrap().instances.len(), 1000);
    println!("found again: {:?}", begun.elapsed());
    let bytes: u64 = site.files().iter().map(|file| file.metadata().unwrap().len()).sum();
    println!("{} bytes an instance", bytes / 11_000);
}
