//! Files and folders that a command was given, as studies.

use super::Problem;
use crate::dicom::canonical::Limits;
use crate::dicom::dataset::Dataset;
use crate::dicom::source::Source;
use crate::disk;
use crate::pipeline::survey::Arrival;
use crate::spool::random_name;
use dicom_dictionary_std::tags;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

/// One DICOM file.
pub struct File {
    /// Where it is.
    pub path: PathBuf,
    /// Its data set.
    pub source: Source,
}

/// What was found.
pub struct Inputs {
    /// DICOM files by Study Instance UID.
    pub studies: BTreeMap<String, Vec<File>>,
    /// Other files, and why they are none.
    pub malformed: Vec<(PathBuf, String)>,
}

impl Inputs {
    /// Opens folders and looks into every file, up to its Study Instance UID.
    ///
    /// # Errors
    /// A name that isn't there, or what the system says.
    pub fn find(named: &[PathBuf]) -> Result<Self, Problem> {
        let mut inputs = Inputs { studies: BTreeMap::new(), malformed: Vec::new() };
        for path in files(named)? {
            match look(&path) {
                Ok((study, source)) => {
                    inputs.studies.entry(study).or_default().push(File { path, source });
                }
                Err(why) => inputs.malformed.push((path, why)),
            }
        }
        Ok(inputs)
    }
}

fn look(path: &Path) -> Result<(String, Source), String> {
    let limits = Limits { stop_after: tags::STUDY_INSTANCE_UID, ..Limits::default() };
    let source = Source::of_file(path).map_err(|e| e.to_string())?;
    let header = source.header(limits).map_err(|e| e.to_string())?;
    let dataset = Dataset::parse(&header.bytes).map_err(|e| e.to_string())?;
    Ok((dataset.text(tags::STUDY_INSTANCE_UID).unwrap_or_default(), source))
}

/// All regular files, folders opened, in a fixed order.
fn files(inputs: &[PathBuf]) -> Result<Vec<PathBuf>, Problem> {
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = inputs.iter().rev().cloned().collect();
    while let Some(path) = open.pop() {
        let kind = std::fs::metadata(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        if kind.is_dir() {
            let names = disk::list(&path)?;
            open.extend(names.iter().rev().map(|name| path.join(name)));
        } else {
            found.push(path);
        }
    }
    Ok(found)
}

/// The files of a study as a survey takes them, and their paths by the names made for them.
///
/// # Errors
/// What the system says.
pub fn arrivals(files: Vec<File>) -> Result<(Vec<Arrival>, HashMap<String, PathBuf>), Problem> {
    let mut paths = HashMap::new();
    let mut arrivals = Vec::new();
    for File { path, source } in files {
        let id = random_name()?;
        paths.insert(id.clone(), path);
        arrivals.push(Arrival {
            id,
            source,
            digest: None,
            said_class: None,
            caller: None,
            called: None,
            received_ms: None,
        });
    }
    Ok((arrivals, paths))
}
