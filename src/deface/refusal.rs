//! Why a series can't be defaced, or why the result isn't trusted.

/// A doubt. Each one keeps the series inside: what is wrong, and what a person can do.
///
/// The figures are geometry (mm, mL, ratios), never content of the data set.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// Too few slices to make out a head.
    #[error(
        "{slices} slices don't make a volume (at least {least}). Drop the series or deface it by hand"
    )]
    TooFewSlices {
        /// Slices in the series.
        slices: usize,
        /// Slices that are needed.
        least: usize,
    },
    /// Orientation, matrix or voxel size differ within the series.
    #[error("slices differ in orientation, matrix or voxel size. Split the series into volumes")]
    MixedGeometry,
    /// Two slices lie at the same place.
    #[error(
        "two slices lie at the same position. Split the series by phase, energy or reconstruction"
    )]
    DuplicatePosition,
    /// Slices are missing.
    #[error(
        "a gap of {gap_mm:.1} mm where slices lie {median_mm:.1} mm apart. Fetch the missing slices, or split the series"
    )]
    MissingSlices {
        /// The widest gap.
        gap_mm: f64,
        /// The usual gap.
        median_mm: f64,
    },
    /// The volume is larger than any patient.
    #[error("the volume extends over more than {limit_mm} mm. Check the series' geometry")]
    TooLarge {
        /// The most that is taken.
        limit_mm: f64,
    },
    /// A slice doesn't have the number of samples that its plane announces.
    #[error(
        "slice {slice} has {got} samples, its plane announces {expected}. Check the pixel data"
    )]
    SampleCount {
        /// Position of the slice in the caller's list.
        slice: usize,
        /// Rows x Columns.
        expected: usize,
        /// Samples handed over.
        got: usize,
    },
    /// A slice came twice, not at all, or isn't one of the volume.
    #[error(
        "slice {slice} came twice, not at all, or is none of this volume. Process the series again"
    )]
    SliceBookkeeping {
        /// Position of the slice in the caller's list.
        slice: usize,
    },
    /// Rescale Slope or Intercept can't be a CT's.
    #[error(
        "Rescale Slope or Intercept (0028,1053), (0028,1052) don't lead to HU. Check the series"
    )]
    Rescale,
    /// The values aren't in Hounsfield units.
    #[error(
        "no air in the volume (share below -800 HU: {air_fraction:.4}): not in HU, or cropped inside the body. \
         Deface it by hand or drop it"
    )]
    NotHounsfield {
        /// Share of the volume below -800 HU.
        air_fraction: f32,
    },
    /// No endocranium was found, but that there is no head isn't proven either.
    #[error(
        "no cranium found ({cavity_ml:.0} mL), yet {head_like_mm:.0} mm of sections could be head or neck, or the \
         header doesn't name another body part. Look at it: release as non-head, or deface by hand"
    )]
    AbsenceUnproven {
        /// Volume of what bone encloses.
        cavity_ml: f32,
        /// Longest run of sections of the size of a head or neck.
        head_like_mm: f32,
    },
    /// Nothing but air, or nothing but noise.
    #[error("no tissue in the volume. Check the series, or deface it by hand")]
    NoTissue,
    /// What was fitted has no brain in view.
    #[error("the head that was fitted has no brain in the field of view. Deface it by hand")]
    NoBrainInView,
    /// Facial bones are to be kept where they can't be told from soft tissue.
    #[error(
        "facial bones are to be kept, but only CT shows them. Use the level `strict` for this series"
    )]
    BonesNotSeen,
    /// The head isn't where another series of the frame of reference has it.
    #[error(
        "{:.1} % of the head stick out of where another series of the same frame of reference shows it: the patient \
         moved. Deface it by hand", share * 100.0
    )]
    Moved {
        /// Share of what is seen.
        share: f32,
    },
    /// The template doesn't fit the head.
    #[error(
        "the template doesn't fit: cost {cost:.1}, endocranium {median_mm:.1} mm median, {p90_mm:.1} mm at p90. \
         Deface it by hand"
    )]
    PoorFit {
        /// Robust mean of squared residuals, mm2.
        cost: f32,
        /// Median distance of the endocranium, mm.
        median_mm: f32,
        /// 90th percentile of that distance, mm.
        p90_mm: f32,
    },
    /// The head fits as well the wrong way round.
    #[error(
        "the head's orientation isn't proven (cost ratio {ratio:.2}). Check Image Orientation and Patient Position"
    )]
    OrientationUnproven {
        /// Cost of the fit over that of the best fit with the volume turned.
        ratio: f32,
    },
    /// The fit found a head of inhuman size or with an improbable tilt.
    #[error(
        "head size {scale_min:.2} to {scale_max:.2} of the template's, tilted by {rotation_deg:.0} degrees: outside \
         what is proven. Deface it by hand (small children: always)"
    )]
    ImplausiblePose {
        /// Smallest scale of an axis.
        scale_min: f32,
        /// Largest scale of an axis.
        scale_max: f32,
        /// Angle to the patient axes.
        rotation_deg: f32,
    },
    /// Tissue at the edge of the field of view, apart from the head: MR that wraps round.
    #[error(
        "{ml:.0} mL of tissue lie apart from the head at the edge of the field of view: the image wraps round, and part \
         of the face may show behind the head. Deface it by hand, or drop the series"
    )]
    Wrapped {
        /// Volume of the largest piece.
        ml: f32,
    },
    /// The skull has a large hole towards the face.
    #[error(
        "the skull is open towards the face ({gain_ml:.0} mL of brain without bone, {leak_ml:.0} mL leaking out): the \
         margin to the brain isn't proven. Deface it by hand"
    )]
    SkullDefect {
        /// Volume taken from the template for brain outside the skull.
        gain_ml: f32,
        /// Volume that bone seems to enclose in front of the brain.
        leak_ml: f32,
    },
    /// The brain would be, or was, touched.
    #[error("{cells} cells of brain changed. Deface it by hand, and report this series' geometry")]
    BrainTouched {
        /// Cells of the survey grid.
        cells: usize,
    },
    /// Voxels in the removal region don't hold the fill value.
    #[error(
        "{voxels} voxels of the removal region in slice {slice} aren't filled. Process the series again"
    )]
    RegionNotFilled {
        /// Position of the slice in the caller's list.
        slice: usize,
        /// Voxels that differ from the fill value.
        voxels: usize,
    },
    /// Voxels outside the removal region changed.
    #[error("slice {slice} changed outside the removal region. Process the series again")]
    ChangedOutside {
        /// Position of the slice in the caller's list.
        slice: usize,
    },
    /// Facial skin is left.
    #[error("{:.1} % of the facial skin is left. Deface it by hand", fraction * 100.0)]
    SkinSurvives {
        /// Share of the original's facial skin near a remaining surface.
        fraction: f32,
    },
    /// Where bone is to stay, noise as dense as bone is left of the skin.
    #[error(
        "something as dense as bone is left where {:.0} % of the facial skin was: too noisy for the level that keeps \
         facial bones. Use the level `strict` for this series", fraction * 100.0
    )]
    SkinSpeckled {
        /// Share of the original's facial skin that isn't empty.
        fraction: f32,
    },
    /// The original shows nothing where the template has a face.
    #[error(
        "no face where it should be ({pixels} pixels of its front): already defaced, or cut. Look at it"
    )]
    NoFront {
        /// Frontal pixels that show a surface.
        pixels: usize,
    },
    /// Seen from the front, the surface is where it was.
    #[error(
        "seen from the front, {:.1} % of the face are where they were (moved at p5: {moved_p5_mm:.1} mm). \
         Deface it by hand", unmoved * 100.0
    )]
    FrontSurvives {
        /// Share of frontal pixels moved by less than 4 mm.
        unmoved: f32,
        /// 5th percentile of the displacement.
        moved_p5_mm: f32,
    },
    /// The relief of what is left resembles a face.
    #[error(
        "what is left resembles a face (relief correlation {to_original:.2} to the original, {to_template:.2} to the \
         average, bone {bone:.2}). Deface it by hand"
    )]
    ReliefSurvives {
        /// Correlation of the skin's relief before and after.
        to_original: f32,
        /// Correlation of the skin's relief after with the average head's.
        to_template: f32,
        /// Correlation of the bone's relief before and after.
        bone: f32,
    },
    /// Too little or too much of the head was removed.
    #[error("{:.0} % of the head were removed: implausible. Deface it by hand", fraction * 100.0)]
    RemovedFraction {
        /// Share of the head's volume.
        fraction: f32,
    },
}
