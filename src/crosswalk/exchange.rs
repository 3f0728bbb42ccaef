//! Export and import: all that a crosswalk knows, in the open, for the hospital and for nobody else.
//!
//! JSON Lines (UTF-8, a JSON object a line, each closed by a line feed):
//!
//! ```json
//! {"efface_crosswalk":1,"project":"lab","generations":["A1"],"made":"2026-11-28T10:00:00.000Z"}
//! {"study":"2.25.1","patient":"A1...",...,"recorded":"2026-11-28"}       a line a study: line.rs
//! {"studies":1,"sha256":"64 hex digits over all bytes before this line"}
//! ```
//! Where pseudonyms are random, a line has the patient's `secret` (64 hex digits), too: whoever imports it goes on to give the
//! patient the same pseudonyms. A file that lacks its last line, or does not fit it, was cut off or changed.

use super::line::Line;
use super::{Crosswalk, Error, Rows, secrets};
use crate::clock::{Day, stamp};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeSet, HashMap};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use zeroize::Zeroizing;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    efface_crosswalk: u32,
    project: String,
    generations: Vec<String>,
    made: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Foot {
    studies: u64,
    sha256: String,
}

/// Why nothing was imported.
#[derive(Debug, thiserror::Error)]
pub enum BadImport {
    /// A line is not what it should be. Says no value.
    #[error("line {line}: {why}. Nothing was imported")]
    Line {
        /// From 1.
        line: u64,
        /// What is wrong.
        why: &'static str,
    },
    /// It is of another project.
    #[error("the file is of project {found}, not of {wanted}. Nothing was imported")]
    Project {
        /// What it says.
        found: String,
        /// What was asked for.
        wanted: String,
    },
    /// The crosswalk itself.
    #[error(transparent)]
    Crosswalk(#[from] Error),
    /// The system refused.
    #[error("the file cannot be read: {0}")]
    Io(#[from] io::Error),
}

/// What an import brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Import {
    /// Studies that are in the crosswalk now.
    pub studies: u64,
    /// Studies that were left out: their patients were erased.
    pub erased: u64,
    /// Patients of whom it has studies.
    pub patients: u64,
}

const NO_HEAD: &str = "not the first line of an export of a crosswalk";
/// Bytes of the longest first line that is read.
const HEAD_MAX: u64 = 1 << 16;
/// Bytes of the longest line that is read: about a million instances.
const LINE_MAX: u64 = 1 << 28;

/// Writes all that a crosswalk knows; how many studies that are.
///
/// # Errors
/// [`Error`]: the file is not whole, and has no last line.
pub fn export(crosswalk: &Crosswalk, out: &mut impl Write) -> Result<u64, Error> {
    let _nobody_erases = crosswalk.hold()?;
    let mut out = Summed { out, digest: Sha256::new() };
    let io = |error: io::Error| crosswalk.io(error);
    let head = Head {
        efface_crosswalk: 1,
        project: crosswalk.project.clone(),
        generations: crosswalk.keys.iter().map(|keys| keys.generation.clone()).collect(),
        made: stamp(),
    };
    out.line(&head).map_err(io)?;
    let mut studies = 0;
    for files in crosswalk.studies()? {
        // Nobody can read what is left of a patient who was erased.
        let Some((rows, day)) = crosswalk.joined(&files)? else { continue };
        let secret = crosswalk.secret_of(&rows)?;
        let secret = secret.map(|secret| Zeroizing::new(HEXLOWER.encode(secret.as_slice())));
        out.line(&Line::for_export(&rows, day, secret)).map_err(io)?;
        studies += 1;
    }
    let sha256 = HEXLOWER.encode(&out.digest.clone().finalize());
    out.line(&Foot { studies, sha256 }).and_then(|()| out.out.flush()).map_err(io)?;
    Ok(studies)
}

impl Import {
    /// Takes an export in: all of it, or nothing. What the crosswalk knows otherwise is refused; patients whose
    /// pseudonyms are in `erased` are left out. `tell` is asked before anything is written.
    ///
    /// # Errors
    /// [`BadImport`].
    pub fn of(
        crosswalk: &Crosswalk,
        file: &mut (impl Read + Seek),
        erased: &BTreeSet<String>,
        tell: impl FnOnce(Import) -> io::Result<()>,
    ) -> Result<Self, BadImport> {
        let _nobody_erases = crosswalk.hold()?;
        let mut import = Import::default();
        let mut patients: HashMap<String, [u8; 32]> = HashMap::new();
        let mut studies = BTreeSet::new();
        each(crosswalk, file, |rows, _, secret| {
            let keys = crosswalk.keys_of(&rows.generation)?;
            let handle = rows.with_patient(|issuer, id, known| keys.handle(issuer, id, known));
            let is_one = *patients.entry(rows.patient.clone()).or_insert(handle) == handle;
            let is_new = studies.insert(rows.study.clone());
            if !is_one || !is_new {
                return Err(Error::Contradiction);
            }
            match erased.contains(&rows.patient) {
                true => import.erased += 1,
                false => import.studies += 1,
            }
            crosswalk.agrees(rows, secret)
        })?;
        let brought = patients.keys().filter(|pseudonym| !erased.contains(*pseudonym));
        import.patients = brought.count() as u64;
        tell(import)?;
        each(crosswalk, file, |rows, day, secret| {
            if erased.contains(&rows.patient) {
                return Ok(());
            }
            if let Some(secret) = secret {
                crosswalk.put_secret(&rows, secret)?;
            }
            crosswalk.keep_of(&rows, day)
        })?;
        Ok(import)
    }
}

/// The project that an export says it is of.
///
/// # Errors
/// [`BadImport`].
pub fn project_of(file: &mut impl Read) -> Result<String, BadImport> {
    let mut line = Vec::new();
    BufReader::new(file.take(HEAD_MAX)).read_until(b'\n', &mut line)?;
    let head = serde_json::from_slice::<Head>(&line);
    head.map(|head| head.project).map_err(|_| BadImport::Line { line: 1, why: NO_HEAD })
}

impl Crosswalk {
    /// Whether rows contradict nothing that is known.
    fn agrees(&self, rows: Rows, secret: Option<&[u8; 32]>) -> Result<(), Error> {
        let keys = self.keys_of(&rows.generation)?;
        let handle = rows.with_patient(|issuer, id, known| keys.handle(issuer, id, known));
        let patient = self.patient(keys, &keys.patient_tag(&rows.patient))?;
        let is_another = patient.is_some_and(|known| known.handle != HEXLOWER.encode(&handle));
        let known = self.secret_of(&rows)?;
        let throws_another = known.is_some_and(|known| secret.is_some_and(|s| *s != *known));
        if is_another || throws_another {
            return Err(Error::Contradiction);
        }
        match self.study(&rows.study)? {
            Some(mut known) => known.join(rows),
            None => Ok(()),
        }
    }

    fn secret_of(&self, rows: &Rows) -> Result<Option<Zeroizing<[u8; 32]>>, Error> {
        let keys = self.keys_of(&rows.generation)?;
        let handle = rows.with_patient(|issuer, id, known| keys.handle(issuer, id, known));
        secrets::read(&self.directory.join("secrets"), &keys.handles, &handle)
    }

    fn put_secret(&self, rows: &Rows, secret: &[u8; 32]) -> Result<(), Error> {
        let keys = self.keys_of(&rows.generation)?;
        let handle = rows.with_patient(|issuer, id, known| keys.handle(issuer, id, known));
        let put = secrets::put(&self.directory.join("secrets"), &keys.handles, &handle, secret);
        put.map_err(|error| self.io(error))
    }
}

/// Reads an export from its beginning and hands out its studies; what is behind its last line counts.
fn each(
    crosswalk: &Crosswalk,
    file: &mut (impl Read + Seek),
    mut take: impl FnMut(Rows, Day, Option<&[u8; 32]>) -> Result<(), Error>,
) -> Result<(), BadImport> {
    file.seek(SeekFrom::Start(0))?;
    let mut lines = Lines { file: BufReader::new(file), digest: Sha256::new(), line: 0 };
    let wrong = |line, why| Err(BadImport::Line { line, why });
    let Some(head) = lines.next()?.and_then(|line| serde_json::from_slice::<Head>(&line).ok())
    else {
        return wrong(1, NO_HEAD);
    };
    if head.efface_crosswalk != 1 {
        return wrong(1, "this version reads efface_crosswalk 1");
    }
    if head.project != crosswalk.project {
        let (found, wanted) = (head.project, crosswalk.project.clone());
        return Err(BadImport::Project { found, wanted });
    }
    let mut studies = 0;
    loop {
        let before = HEXLOWER.encode(&lines.digest.clone().finalize());
        let Some(text) = lines.next()? else {
            return wrong(lines.line, "the last line is missing: the file was cut off");
        };
        if let Ok(foot) = serde_json::from_slice::<Foot>(&text) {
            let is_whole = foot.studies == studies && foot.sha256 == before;
            return match lines.next()? {
                None if is_whole => Ok(()),
                None => wrong(lines.line, "the file was changed: it is not what was exported"),
                Some(_) => wrong(lines.line, "there is more behind the last line"),
            };
        }
        studies += 1;
        let Ok(line) = serde_json::from_slice::<Line>(&text) else {
            return wrong(lines.line, "not the line of a study");
        };
        let secret = line.secret.as_ref().map(|hex| HEXLOWER.decode(hex.as_bytes()));
        let secret = match secret.map(|bytes| bytes.ok().and_then(|b| <[u8; 32]>::try_from(b).ok()))
        {
            None => None,
            Some(Some(secret)) => Some(Zeroizing::new(secret)),
            Some(None) => return wrong(lines.line, "secret: 64 hex digits"),
        };
        let day = line.recorded;
        let (Some(day), Some(rows)) = (day, line.into_rows()) else {
            return wrong(lines.line, "it says what no rows of a study say");
        };
        if crosswalk.keys_of(&rows.generation).is_err() {
            return wrong(lines.line, "the key has no such generation");
        }
        match take(crosswalk.named(rows), day, secret.as_deref()) {
            Err(Error::Contradiction) => {
                return wrong(lines.line, "a pseudonym stands for something else already");
            }
            taken => taken?,
        }
    }
}

/// Lines of a file, and what was read of it.
struct Lines<R> {
    file: BufReader<R>,
    digest: Sha256,
    line: u64,
}

impl<R: Read> Lines<R> {
    /// The next line without its end; an unfinished one is none.
    fn next(&mut self) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
        let mut line = Zeroizing::new(Vec::new());
        self.file.by_ref().take(LINE_MAX).read_until(b'\n', &mut line)?;
        self.digest.update(line.as_slice());
        self.line += 1;
        Ok((line.pop() == Some(b'\n')).then_some(line))
    }
}

/// Sums up what is written.
struct Summed<'w, W> {
    out: &'w mut W,
    digest: Sha256,
}

impl<W: Write> Summed<'_, W> {
    fn line(&mut self, line: &impl Serialize) -> io::Result<()> {
        let mut text = Zeroizing::new(serde_json::to_vec(line)?);
        text.push(b'\n');
        self.digest.update(text.as_slice());
        self.out.write_all(&text)
    }
}
