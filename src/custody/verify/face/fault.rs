//! Why a volume's face is not proven gone.

/// What the check of a defaced volume found. Figures are of geometry; no value of an image is in them.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FaceFault {
    /// Too few slices for a volume.
    #[error(
        "{slices} slices are no volume in which a face can be looked for. Send the whole series"
    )]
    Slices {
        /// How many there are.
        slices: usize,
    },
    /// A slice without a place.
    #[error("slice {slice} has no valid place in the patient. Check the series' geometry")]
    Place {
        /// Its number.
        slice: usize,
    },
    /// Slices of different orientation or with gaps.
    #[error(
        "the slices are not one stack ({gap_mm:.1} mm at most between them). Check the series' geometry"
    )]
    Stack {
        /// The widest gap, mm; NaN for slices that aren't parallel.
        gap_mm: f32,
    },
    /// Voxels or extent too large.
    #[error("cells of {cell_mm:.1} mm show no face. A series with smaller voxels is needed")]
    Coarse {
        /// The side that a cell would need, mm.
        cell_mm: f32,
    },
    /// A range of values that isn't one, or a rescale.
    #[error(
        "the range or the rescale of the values is not valid. Check the series' Modality LUT attributes"
    )]
    Scale,
    /// A slice added twice, never, or of another size.
    #[error(
        "slice {slice} was seen twice, never, or with another number of samples. Deface the series again"
    )]
    Bookkeeping {
        /// Its number.
        slice: usize,
    },
    /// Samples with another value than the claimed fill.
    #[error(
        "slice {slice}: {samples} samples changed to another value than the fill. Deface the series again"
    )]
    NotFill {
        /// Its number.
        slice: usize,
        /// How many.
        samples: usize,
    },
    /// The fill differs between slices or is as bright as skin.
    #[error(
        "the fill of slice {slice} is not that of the others, or not as dark as air. Deface the series again"
    )]
    Fill {
        /// Its number.
        slice: usize,
    },
    /// Nothing changed at all.
    #[error("nothing was removed. Deface the series")]
    Nothing,
    /// A slice has its face where its neighbours have none.
    #[error(
        "slice {slice} was left out where its neighbours were defaced. Deface the series again"
    )]
    SliceLeftOut {
        /// Its number.
        slice: usize,
    },
    /// No surface of a body.
    #[error("skin cannot be told from air. A person must look at this series")]
    NoSkin,
    /// The verifier doesn't find the face whose removal it is to prove.
    #[error(
        "the face is not found in the original (likeness {likeness:.2}, mirror error {mirror:.2}). A person must \
         look at this series"
    )]
    NoFace {
        /// The best likeness to a face from any direction.
        likeness: f32,
        /// How far the head is from being symmetric there.
        mirror: f32,
    },
    /// What was removed isn't where the face is.
    #[error(
        "what was removed lies {degrees:.0} degrees from the face and {off_mm:.0} mm off the midline. Deface the series \
         again"
    )]
    WrongSide {
        /// Angle in the midline plane, seen from the head's centre.
        degrees: f32,
        /// Distance to the midline, mm.
        off_mm: f32,
    },
    /// Skin of the face is still there.
    #[error("{share:.3} of the {part} skin is still there. Deface the series again")]
    SkinSurvives {
        /// Which skin.
        part: &'static str,
        /// Share of its cells.
        share: f32,
    },
    /// A view of the face is where it was.
    #[error("{share:.3} of a frontal view is unmoved. Deface the series again")]
    ViewUnmoved {
        /// Share of its pixels.
        share: f32,
    },
    /// A surface that is still shaped like the face.
    #[error(
        "the {surface} is still shaped like the face (relief {likeness:.2}, features {features:.2}, moved together \
         {together:.2}). Deface the series again"
    )]
    ReliefSurvives {
        /// Which surface.
        surface: &'static str,
        /// Correlation with the relief before, in the view that is most alike.
        likeness: f32,
        /// Correlation of features in the middle view.
        features: f32,
        /// Share of the middle view that moved by the same.
        together: f32,
    },
    /// A face is seen in what will be sent.
    #[error(
        "a face is still seen from some direction (likeness {likeness:.2}). Deface the series again"
    )]
    FaceSeen {
        /// Likeness to a face.
        likeness: f32,
    },
    /// Brain is no longer what it was.
    #[error("{cells} cells of the brain changed. Deface the series again")]
    BrainTouched {
        /// How many.
        cells: usize,
    },
    /// Too little or too much is gone, or in pieces.
    #[error(
        "{share:.3} of the head was removed, {connected:.2} of it in one piece. A person must look at this series"
    )]
    Removed {
        /// Share of the head.
        share: f32,
        /// Share of the largest piece.
        connected: f32,
    },
    /// Tissue in the facial zone of another series.
    #[error("{share:.3} of the tissue in the facial zone is still there. Deface the series again")]
    ZoneNotEmpty {
        /// Share of cells.
        share: f32,
    },
    /// A contour that traces the face.
    #[error(
        "{points} points of contours lie in the face that was removed from the images. A person must look at this \
         structure set"
    )]
    ContourInFace {
        /// How many.
        points: usize,
    },
    /// A contour, or the file around it, that isn't read here.
    #[error("contours cannot be read. Have the sender export the structure set again")]
    ContourUnread,
}
