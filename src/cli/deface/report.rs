//! The report: what was decided and why, in figures and pictures. It shows the patient's face, before
//! and possibly after, and stays inside.

use super::flow::{Outcome, Verdict};
use crate::cli::Problem;
use crate::deface::{Evidence, Level};
use crate::disk;
use crate::render;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The file of figures and reasons.
const FILE: &str = "report.json";

/// A folder that a report is written to, once.
pub struct Report {
    folder: PathBuf,
    explain: bool,
    level: Level,
    volumes: Vec<Entry>,
}

/// What became of a volume, as it stands in the file.
#[derive(Serialize)]
struct Entry {
    volume: String,
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    slices: usize,
    removed_voxels: u64,
    figures: BTreeMap<&'static str, f64>,
    pictures: Vec<String>,
}

#[derive(Serialize)]
struct Document<'a> {
    efface: &'static str,
    notice: &'static str,
    level: &'static str,
    volumes: &'a [Entry],
}

const NOTICE: &str = "this report shows the patient's face: keep it inside";

impl Report {
    /// Begins a report. `explain`: with pictures of what was found.
    ///
    /// # Errors
    /// A folder that holds a report already, or that can't be made.
    pub fn begin(folder: &Path, explain: bool, level: Level) -> Result<Self, Problem> {
        if folder.join(FILE).exists() {
            let what = "holds a report already. Name another folder";
            return Err(format!("{}: {what}", folder.display()).into());
        }
        disk::make_dir(folder)?;
        Ok(Report { folder: folder.to_owned(), explain, level, volumes: Vec::new() })
    }

    /// Draws a volume and notes what became of it. `prefix` begins the names of its pictures.
    ///
    /// # Errors
    /// A picture that can't be written.
    pub fn add(&mut self, volume: String, prefix: &str, outcome: &Outcome) -> Result<(), Problem> {
        let mut pictures = Vec::new();
        let mut draw = |name: &str, file: Vec<u8>| {
            let name = format!("{prefix}{name}.png");
            disk::write_whole(&self.folder.join(&name), &file)?;
            pictures.push(name);
            Ok::<(), Problem>(())
        };
        if let Some(sketch) = &outcome.sketch {
            let name = if outcome.after.is_some() { "before-after" } else { "before" };
            let after = outcome.after.as_ref();
            let (anatomy, before, side) = (sketch.anatomy(), sketch.image(), render::PORTRAIT_SIDE);
            draw(name, render::portrait(anatomy, before, after, side)?)?;
            if self.explain {
                draw("found", render::found(sketch)?)?;
            }
        }
        let evidence = outcome.evidence.as_ref();
        let removed = evidence.map_or(0, |e| e.removed_voxels.iter().map(|&n| n as u64).sum());
        self.volumes.push(Entry {
            volume,
            verdict: outcome.verdict.name(),
            reason: match &outcome.verdict {
                Verdict::Withheld(reason) => Some(reason.clone()),
                Verdict::Removed(_) | Verdict::NoHead => None,
            },
            slices: outcome.slices,
            removed_voxels: removed,
            figures: evidence.map(figures).unwrap_or_default(),
            pictures,
        });
        Ok(())
    }

    /// Writes the file.
    ///
    /// # Errors
    /// What the system says.
    pub fn finish(self) -> Result<(), Problem> {
        let document = Document {
            efface: env!("CARGO_PKG_VERSION"),
            notice: NOTICE,
            level: level_name(self.level),
            volumes: &self.volumes,
        };
        let mut text = serde_json::to_string_pretty(&document)?;
        text.push('\n');
        Ok(disk::write_whole(&self.folder.join(FILE), text.as_bytes())?)
    }
}

impl Verdict {
    /// As the log has it (`audit`), and `withheld`.
    fn name(&self) -> &'static str {
        match self {
            Verdict::Removed(Level::Strict) => "removed",
            Verdict::Removed(Level::KeepFacialBones) => "soft-tissue-removed",
            Verdict::NoHead => "none-found",
            Verdict::Withheld(_) => "withheld",
        }
    }
}

/// As a person types it.
fn level_name(level: Level) -> &'static str {
    match level {
        Level::Strict => "strict",
        Level::KeepFacialBones => "keep-facial-bones",
    }
}

/// The evidence in numbers, named; three decimals.
fn figures(evidence: &Evidence) -> BTreeMap<&'static str, f64> {
    let round = |value: f32| (f64::from(value) * 1000.0).round() / 1000.0;
    // JSON has no NaN.
    let finite = evidence.figures().into_iter().filter(|(_, value)| value.is_finite());
    finite.map(|(name, value)| (name, round(value))).collect()
}
