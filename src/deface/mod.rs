//! Removing the face.
mod appearance;
mod cavity;
mod check;
mod fit;
pub mod grid;
mod head;
mod linear;
mod morphology;
mod pose;
mod presence;
mod refusal;
mod region;
mod skin;
mod stack;
mod survey;
mod template;
mod zones;

pub use appearance::{Appearance, Front};
pub use check::{Check, Evidence};
pub use fit::Closeness;
pub use head::{Finding, Head, Located};
pub(crate) use pose::{Frame, Pose, Turn};
pub use presence::{Absence, BodyPartHint};
pub use refusal::Refusal;
pub use region::{Region, SliceChange};
pub use survey::{CELL_MM, CtSlice, Rescale, Survey, Volume};
pub(crate) use template::TEMPLATE;
