//! Proof that a volume shows no head with a face.
//!
//! A head that isn't recognised as one would leave with its face, so absence must be proven from the
//! voxels: in CT nothing enclosed by bone and no sections of a head's or neck's size, in MR a brain that
//! nothing surrounds ([`super::bare`]), or no way in which a head would fit. But for the bare brain the header
//! must say so, too: legs, arms and small children look like necks.

use super::fit::Closeness;
use super::grid::Mask;
use super::morphology::{fill_section, largest_component, open};
use super::refusal::Refusal;
use super::skin::Outline;
use super::survey::Volume;
use rayon::prelude::*;
use std::ops::RangeInclusive;

/// Sections of heads and necks, shoulders excluded: area in cm2, width and depth in mm.
const AREA_CM2: RangeInclusive<f32> = 45.0..=430.0;
const WIDTH_MAX_MM: f32 = 250.0;
const DEPTH_MAX_MM: f32 = 280.0;
/// The head is most of the tissue in its section.
const SHARE_MIN: f32 = 0.6;
/// Thin parts such as table and tubes don't count, mm.
const OPENING_MM: f32 = 6.0;
/// A shorter run of such sections is no head or neck. (Measured: abdomen 0, shoulders 6, neck with
/// shoulders 45, heads over 100.)
const RUN_MIN_MM: f32 = 20.0;

/// What the header says of the body part (BodyPartExamined, AnatomicRegionSequence, protocol).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyPartHint {
    /// Head, neck, face or brain, or something that includes them.
    Head,
    /// A part that can't include them.
    Other,
    /// Nothing that could be relied on.
    Unknown,
}

impl BodyPartHint {
    /// Of what several headers say, the most careful word.
    pub fn most_careful(all: impl IntoIterator<Item = BodyPartHint>) -> Self {
        let careful = |hint: &BodyPartHint| match hint {
            BodyPartHint::Head => 2,
            BodyPartHint::Unknown => 1,
            BodyPartHint::Other => 0,
        };
        all.into_iter().max_by_key(careful).unwrap_or(BodyPartHint::Other)
    }
}

/// The worst fit of a head that was ever right costs 8 mm2, fruit 11: from here on it is none, mm2.
const NO_HEAD_COST: f32 = 10.0;

/// The proof that there is no head, or none with a face.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Absence {
    /// A CT of another part of the body, as the header says.
    OtherPart {
        /// Volume of the largest space enclosed by bone, mL.
        cavity_ml: f32,
        /// Length of the longest run of head- or neck-like sections, mm.
        head_like_mm: f32,
    },
    /// An MR of another part of the body, as the header says: a head fits in no way.
    Unlike {
        /// Robust mean of squared residuals of the best fit, mm2.
        cost: f32,
    },
    /// A brain without skull, scalp and face: whatever lies outside it holds the lowest value.
    BareBrain {
        /// How well the endocranium fits to its surface.
        surface: Closeness,
        /// Share of what was measured that lies outside it.
        outside: f32,
    },
}

impl Absence {
    /// Proves that there is no head in a volume without endocranium.
    ///
    /// # Errors
    /// [`Refusal::AbsenceUnproven`] if sections could be a head's or neck's, or if the header
    /// doesn't name another part of the body.
    pub(super) fn prove(
        volume: &Volume,
        cavity_ml: f32,
        hint: BodyPartHint,
    ) -> Result<Self, Refusal> {
        let head_like_mm = head_like_run(volume);
        if hint == BodyPartHint::Other && head_like_mm < RUN_MIN_MM {
            Ok(Absence::OtherPart { cavity_ml, head_like_mm })
        } else {
            Err(Refusal::AbsenceUnproven { cavity_ml, head_like_mm })
        }
    }

    /// Whether what kept a head from being found in an MR proves, with the header's word, that there is none.
    pub(super) fn of_refusal(refusal: &Refusal, hint: BodyPartHint) -> Option<Self> {
        match *refusal {
            Refusal::PoorFit { cost, .. } if hint == BodyPartHint::Other && cost > NO_HEAD_COST => {
                Some(Absence::Unlike { cost })
            }
            _ => None,
        }
    }
}

/// Length in mm of the longest run of axial sections which could be a head's or neck's.
fn head_like_run(volume: &Volume) -> f32 {
    let body = open(&Outline::of(volume).tissue(volume), OPENING_MM);
    let sections = body.lattice.size[2];
    let like_head: Vec<bool> =
        (0..sections).into_par_iter().map(|z| is_head_like(&body, z)).collect();
    let longest = like_head.split(|&h| !h).map(<[bool]>::len).max().unwrap_or(0);
    longest as f32 * body.lattice.spacing
}

fn is_head_like(body: &Mask, z: usize) -> bool {
    let section = fill_section(body, z);
    let largest = largest_component(&section);
    let spacing = section.lattice.spacing;
    let area = largest.count() as f32 * spacing * spacing / 100.0;
    let extent = |axis: usize| {
        let at = || {
            (0..largest.data.len())
                .filter(|&i| largest.data[i])
                .map(|i| largest.lattice.node(i)[axis])
        };
        at().min().zip(at().max()).map_or(0.0, |(low, high)| (high - low) as f32 * spacing)
    };
    AREA_CM2.contains(&area)
        && extent(0) <= WIDTH_MAX_MM
        && extent(1) <= DEPTH_MAX_MM
        && largest.count() as f32 > SHARE_MIN * section.count() as f32
}
