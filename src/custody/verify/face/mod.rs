//! Whether a face is gone: the verifier's own look at a volume before and after.
//!
//! Told nothing of the defacer's head, region or template: it sees the samples and where the slices lie.
//!
//! ```text
//! slices -> cells of 3 mm -> body -> mirror plane -> drawn face on it -> head frame    -> verdict
//!           cells, field     body    mirror          search, drawn       frame            verdict: views, skin, brain
//!                                                                        hollow, cuts
//!        -> counts per slice -> fill, slices left out (series)
//! ```
//!
//! A head is its own mirror image about the midline; on the midline a face is known by its relief, from
//! whichever side, so that headers that lie and patients who lie on their side make no difference. From seven
//! views in front the surfaces before and after are compared. Where only part of a face is in view, the place
//! of what was removed is a hint, which the hollows of nose and sinuses must confirm, or else the surface; which way
//! up the head is, the neck says, which goes on beyond the field of view, or the hollows below the brain.
//!
//! What it can't see: a face that the relief before doesn't show either (bandages, wrap-around, slices more
//! than 10 mm apart), a likeness finer than 3 mm, teeth and bone below the surface, and what a person could be known by
//! besides the face.

mod body;
mod brain;
mod cells;
mod contours;
mod cuts;
mod drawn;
mod fault;
mod field;
mod frame;
mod hollow;
mod mirror;
mod relief;
mod search;
mod series;
mod skin;
mod space;
#[cfg(test)]
mod tests;
mod verdict;
mod views;
mod zone;

pub use fault::FaceFault;
pub use space::SlicePlace;

use body::Body;
use cells::{Cell, Lattice, Levels, Samples, SliceCount};
use field::Field;
use frame::HeadFrame;
use std::io::Read;
use std::sync::{Mutex, PoisonError};
use verdict::Findings;
use zone::PatientFrame;

/// What real-world values mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scale {
    /// CT: HU.
    Hounsfield,
    /// MR: anything in which tissue differs from air.
    Arbitrary {
        /// The lowest real-world value that a sample of the volume can have.
        low: f32,
        /// The highest.
        high: f32,
    },
}

/// Fewer slices are no volume in which a head can be found.
const SLICES_MIN: usize = 8;

/// Follows one volume slice by slice; memory doesn't grow with their number. `Sync`.
#[derive(Debug)]
pub struct FaceAudit {
    places: Vec<SlicePlace>,
    scale: Scale,
    bones_kept: bool,
    levels: Levels,
    lattice: Lattice,
    seen: Mutex<Seen>,
}

/// What the slices so far add up to.
#[derive(Debug)]
struct Seen {
    cells: Vec<Cell>,
    slices: Vec<Option<SliceCount>>,
    fault: Option<FaceFault>,
}

/// A volume whose face is gone: the verifier's own head frame, and figures for the log.
#[derive(Debug, Clone, PartialEq)]
pub struct FaceSeen {
    frame: PatientFrame,
    figures: Vec<(&'static str, f32)>,
}

impl FaceSeen {
    /// Names and values of what was measured: shares, correlations, mm, cells.
    pub fn figures(&self) -> Vec<(&'static str, f32)> {
        self.figures.clone()
    }

    /// No contour of a structure set in the same frame of reference traces the face that is gone.
    ///
    /// `file` is a draft of `size` bytes in transfer syntax `syntax`.
    ///
    /// # Errors
    /// [`FaceFault::ContourInFace`], [`FaceFault::ContourUnread`].
    pub fn require_contours_clear(
        &self,
        file: impl Read,
        size: u64,
        syntax: &str,
    ) -> Result<(), FaceFault> {
        contours::require_clear(file, size, syntax, &self.frame)
    }

    /// The head frame as bytes, for series that come later.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.frame.to_bytes()
    }

    /// Reads what [`FaceSeen::to_bytes`] wrote; without figures. `None` for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(FaceSeen { frame: PatientFrame::from_bytes(bytes)?, figures: Vec::new() })
    }
}

impl FaceAudit {
    /// Has seen no slice yet.
    ///
    /// # Errors
    /// [`FaceFault::Place`], [`FaceFault::Slices`], [`FaceFault::Coarse`], [`FaceFault::Scale`].
    pub fn new(places: Vec<SlicePlace>, scale: Scale) -> Result<Self, FaceFault> {
        for (slice, place) in places.iter().enumerate() {
            place.require_valid(slice)?;
        }
        let (lattice, levels) = (Lattice::enclosing(&places)?, Levels::of(scale)?);
        let cells = vec![Cell::default(); lattice.size.iter().product()];
        let seen = Mutex::new(Seen { cells, slices: vec![None; places.len()], fault: None });
        Ok(FaceAudit { places, scale, bones_kept: false, levels, lattice, seen })
    }

    /// Bone may stay where the face was: only skin and soft tissue must be gone. CT.
    pub fn with_bones_kept(mut self) -> Self {
        self.bones_kept = true;
        self
    }

    /// Takes one slice, in any order, from any thread.
    ///
    /// `before` and `after` are stored samples, `slope` and `intercept` those of this slice (PS3.3 C.11.1),
    /// `inverted` says MONOCHROME1, `fill` is the stored value that the defacer says it put in.
    ///
    /// # Errors
    /// [`FaceFault::Bookkeeping`], [`FaceFault::Scale`], [`FaceFault::NotFill`]. The first fault stays:
    /// `finish` reports it again.
    #[allow(clippy::too_many_arguments, reason = "one slice is described by these")]
    pub fn add(
        &self,
        slice: usize,
        before: &[i32],
        after: &[i32],
        slope: f64,
        intercept: f64,
        inverted: bool,
        fill: i32,
    ) -> Result<(), FaceFault> {
        let samples = Samples { before, after, slope, intercept, inverted, fill };
        let summed = self.sum_up(slice, &samples);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let result = summed.and_then(|(patch, count)| {
            let place = seen.slices.get_mut(slice).filter(|seen| seen.is_none());
            *place.ok_or(FaceFault::Bookkeeping { slice })? = Some(count);
            patch.merge_into(&mut seen.cells, &self.lattice);
            Ok(())
        });
        if let (Err(fault), None) = (&result, &seen.fault) {
            seen.fault = Some(fault.clone());
        }
        result
    }

    fn sum_up(
        &self,
        slice: usize,
        samples: &Samples<'_>,
    ) -> Result<(cells::Patch, SliceCount), FaceFault> {
        let place = self.places.get(slice).ok_or(FaceFault::Bookkeeping { slice })?;
        let whole = place.rows * place.columns;
        if samples.before.len() != whole || samples.after.len() != whole {
            return Err(FaceFault::Bookkeeping { slice });
        }
        samples.require_valid()?;
        cells::sum_up(place, samples, &self.lattice, &self.levels)
            .map_err(|samples| FaceFault::NotFill { slice, samples })
    }

    /// The verdict on a volume in which the head itself can be found.
    ///
    /// # Errors
    /// Whatever speaks against the face being gone, and every doubt: [`FaceFault`].
    pub fn finish(self) -> Result<FaceSeen, FaceFault> {
        if self.places.len() < SLICES_MIN {
            return Err(FaceFault::Slices { slices: self.places.len() });
        }
        let fine = self.lattice.cell <= cells::CELL_MAX_MM;
        if !fine {
            return Err(FaceFault::Coarse { cell_mm: self.lattice.cell as f32 });
        }
        let (cells, counts) = self.take()?;
        let field = Field::near_change(&cells, &self.lattice, &self.places)?;
        drop(cells);
        let body = Body::find(&field, self.scale, &self.levels)?;
        series::require_one_dark_fill(&counts, self.scale, &self.levels, body.level)?;
        series::require_no_slice_left_out(&counts, &self.places, body.level)?;
        let removed = body.removed();
        let bone = (self.scale == Scale::Hounsfield).then_some(&self.levels);
        let head = HeadFrame::find(&field, &body, &removed, bone)?;
        let findings = Findings::measure(&field, &body, &head, &removed, self.scale, &self.levels);
        findings.require_faceless(self.bones_kept)?;
        let frame = PatientFrame::of(&field, &head);
        Ok(FaceSeen { frame, figures: findings.figures(&head) })
    }

    /// The verdict on another volume of the same frame of reference, however few or thick its slices are, by the
    /// head that [`FaceAudit::finish`] found in a better one: no tissue is left in the middle of the face, and
    /// the middle of the brain is unchanged.
    ///
    /// # Errors
    /// [`FaceFault`].
    pub fn finish_by(self, seen: &FaceSeen) -> Result<FaceSeen, FaceFault> {
        let (cells, counts) = self.take()?;
        let field = Field::whole(&cells, &self.lattice);
        drop(cells);
        let level = body::skin_level(&field, self.scale, &self.levels);
        series::require_one_dark_fill(&counts, self.scale, &self.levels, level)?;
        let figures =
            zone::require_empty(&field, level, &seen.frame, self.bones_kept, &self.levels)?;
        Ok(FaceSeen { frame: seen.frame, figures })
    }

    /// Sums and counts, if every slice was added and none was faulty.
    fn take(&self) -> Result<(Vec<Cell>, Vec<SliceCount>), FaceFault> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(fault) = seen.fault.take() {
            return Err(fault);
        }
        let missing = seen.slices.iter().position(Option::is_none);
        if let Some(slice) = missing {
            return Err(FaceFault::Bookkeeping { slice });
        }
        let counts = std::mem::take(&mut seen.slices).into_iter().flatten().collect();
        Ok((std::mem::take(&mut seen.cells), counts))
    }
}
