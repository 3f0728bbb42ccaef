//! Proof that a volume shows no head with a face.
//!
//! A head that isn't recognised as one would leave with its face, so absence must be proven from the
//! voxels: in CT nothing enclosed by bone and no sections of a head's or neck's size, in MR a brain that
//! nothing surrounds ([`super::bare`]), or no way in which a head would fit. But for the bare brain, and for
//! volumes in which every section is a trunk's, the header must say so, too: legs, arms and small children
//! look like necks.

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

/// Every section of a trunk has at least this area, cm2. A head with both arms beside it has 360.
const TRUNK_CM2: f32 = 450.0;

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
    /// A trunk, whatever the header says: every axial section is one piece larger than a head with both arms
    /// beside it.
    Trunk {
        /// Area of the smallest section, cm2.
        least_cm2: f32,
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
        let sections = Section::all(volume);
        let head_like_mm = head_like_run(&sections, volume.value.lattice.spacing);
        if hint == BodyPartHint::Other && head_like_mm < RUN_MIN_MM {
            return Ok(Absence::OtherPart { cavity_ml, head_like_mm });
        }
        trunk(&sections, hint).ok_or(Refusal::AbsenceUnproven { cavity_ml, head_like_mm })
    }

    /// Whether what kept a head from being found in an MR proves, with the header's word or by the size of what is
    /// seen, that there is none.
    pub(super) fn of_refusal(
        refusal: &Refusal,
        volume: &Volume,
        hint: BodyPartHint,
    ) -> Option<Self> {
        match *refusal {
            Refusal::PoorFit { cost, .. } if cost > NO_HEAD_COST => match hint {
                BodyPartHint::Other => Some(Absence::Unlike { cost }),
                _ => trunk(&Section::all(volume), hint),
            },
            _ => None,
        }
    }
}

/// A volume that shows a trunk and nothing else, unless the header names the head.
fn trunk(sections: &[Section], hint: BodyPartHint) -> Option<Absence> {
    let areas = sections.iter().map(|section| section.area_cm2);
    let least_cm2 = areas.fold(f32::INFINITY, f32::min);
    let large = (TRUNK_CM2..f32::INFINITY).contains(&least_cm2);
    (hint != BodyPartHint::Head && large).then_some(Absence::Trunk { least_cm2 })
}

/// Length in mm of the longest run of axial sections which could be a head's or neck's.
fn head_like_run(sections: &[Section], spacing_mm: f32) -> f32 {
    let runs = sections.split(|section| !section.is_head_like());
    runs.map(<[Section]>::len).max().unwrap_or(0) as f32 * spacing_mm
}

/// The largest piece of tissue in an axial section, filled.
struct Section {
    area_cm2: f32,
    width_mm: f32,
    depth_mm: f32,
    /// Of all tissue in the section.
    share: f32,
}

impl Section {
    /// All sections that are in view, from below.
    fn all(volume: &Volume) -> Vec<Self> {
        let body = open(&Outline::of(volume).tissue(volume), OPENING_MM);
        let in_section = body.lattice.size[0] * body.lattice.size[1];
        let in_view =
            volume.inside.data.par_chunks(in_section).map(|section| section.contains(&true));
        let sections = in_view.enumerate().filter(|(_, in_view)| *in_view);
        sections.map(|(z, _)| Section::of(&body, z)).collect()
    }

    fn of(body: &Mask, z: usize) -> Self {
        let section = fill_section(body, z);
        let largest = largest_component(&section);
        let spacing = section.lattice.spacing;
        let extent = |axis: usize| {
            let at = || {
                (0..largest.data.len())
                    .filter(|&i| largest.data[i])
                    .map(|i| largest.lattice.node(i)[axis])
            };
            at().min().zip(at().max()).map_or(0.0, |(low, high)| (high - low) as f32 * spacing)
        };
        Section {
            area_cm2: largest.count() as f32 * spacing * spacing / 100.0,
            width_mm: extent(0),
            depth_mm: extent(1),
            share: largest.count() as f32 / section.count().max(1) as f32,
        }
    }

    fn is_head_like(&self) -> bool {
        AREA_CM2.contains(&self.area_cm2)
            && self.width_mm <= WIDTH_MAX_MM
            && self.depth_mm <= DEPTH_MAX_MM
            && self.share > SHARE_MIN
    }
}
