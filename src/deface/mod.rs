//! Removing the face from CT and MR of the head, and proving that it is gone.
//!
//! Two passes over the slices, one slice in memory at a time:
//!
//! 1. [`Survey`]: every slice is added to a 3 mm grid in the patient. [`Survey::locate`] then fits the
//!    average head to the skin, and in CT to the endocranium (what bone encloses), makes sure that the
//!    head isn't upside down, and finds the brain's border; or it proves that there is no head.
//! 2. [`Region::apply`]: the face, in the average head's frame, is filled with air in every slice; what
//!    lies near the brain stays. [`Region::check`] reads the output again: every voxel of the region
//!    is filled, every other one is unchanged, and to an onlooker there is no face.
//!
//! Other series of the same frame of reference get the same head: [`Head::anatomy`], [`Region::carried`].
//!
//! ```
//! use efface::deface::{BodyPartHint, Contrast, Finding, Level, Refusal, Slice, Survey};
//! use efface::phantom::Phantom;
//!
//! let mut ct = Phantom::axial(4.0);
//! let rescale = ct.rescale;
//! let survey = Survey::new(&ct.planes, Contrast::Hounsfield)?;
//! for (index, samples) in ct.slices.iter().enumerate() {
//!     survey.add(index, &Slice { samples, rescale, padding: None, inverted: false })?;
//! }
//! let Finding::Head(head) = survey.locate(BodyPartHint::Head)? else { panic!("it is a head") };
//! let region = head.region(Level::Strict)?;
//! let edit = region.edit(rescale, false, 0..=4095);
//! let check = region.check()?;
//! for (index, samples) in ct.slices.iter_mut().enumerate() {
//!     let change = region.apply(index, samples, edit)?;
//!     check.add(&change, &Slice { samples, rescale, padding: None, inverted: false })?;
//! }
//! let evidence = check.finish()?;
//! assert!(evidence.appearance.is_some_and(|seen| seen.skin_surviving < 0.03));
//! # Ok::<(), Refusal>(())
//! ```
//!
//! Every doubt is a [`Refusal`]. Nothing here reads a clock, a disk or a random number, and sums over
//! voxels are of whole numbers: the same series gives the same bytes on any number of threads and
//! in whatever order its slices come.
//!
//! Invariant: the border of what is removed is geometry of the template out to the edge of the volume,
//! never a distance to the patient's skin in air; an outline of fill against noise would be the face.

mod agreement;
mod air;
mod appearance;
mod bare;
mod brain;
mod cavity;
mod check;
pub mod contours;
mod fit;
pub mod grid;
mod head;
mod histogram;
mod intensity;
mod linear;
mod morphology;
mod pose;
mod presence;
mod record;
mod refusal;
mod region;
mod sketch;
mod skin;
mod stack;
mod start;
mod survey;
mod template;
mod wrap;
mod zones;

pub use air::Air;
pub use appearance::{Appearance, Front};
pub use check::{Check, Evidence, Examined};
pub use fit::Closeness;
pub use head::{Anatomy, Doubt, Finding, Head, Located};
pub use intensity::{Contrast, Rescale, Slice};
pub(crate) use pose::{Frame, Pose, Turn};
pub use presence::{Absence, BodyPartHint};
pub use refusal::Refusal;
pub use region::{Edit, Level, Region, SliceChange};
pub use sketch::Sketch;
pub use skin::Outline;
pub use stack::Stack;
pub use survey::{CELL_MM, Survey, Volume};
pub(crate) use template::TEMPLATE;
