//! Functional groups of enhanced multi-frame objects (PS3.3 C.7.6.16): those of a frame outweigh
//! the shared ones.

use super::dataset::{Dataset, Element};
use super::facts::FactsError;
use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;

/// An item of a sequence, or a data set.
pub type Item = InMemDicomObject;

const SHARED: &str = "Shared Functional Groups Sequence (5200,9229)";
const PER_FRAME: &str = "Per-Frame Functional Groups Sequence (5200,9230)";

/// The functional groups of an instance.
pub struct Groups<'a> {
    shared: Option<&'a Item>,
    frames: &'a [Item],
}

/// Where a frame's attributes stand.
pub enum Source<'a> {
    /// All in the top level of a single-frame object.
    Top(&'a Item),
    /// In functional groups.
    Groups {
        /// Those of all frames.
        shared: Option<&'a Item>,
        /// Those of the frame.
        own: &'a Item,
    },
}

impl<'a> Groups<'a> {
    /// The groups of an instance of so many frames; `None` for a single frame without any.
    ///
    /// # Errors
    /// [`FactsError`] for many frames without groups, for groups of another number of frames, and
    /// where a plane stands outside, too.
    pub fn of(dataset: &'a Dataset, frames: usize) -> Result<Option<Self>, FactsError> {
        let top = dataset.object();
        let own = top.get(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE);
        let shared = top.get(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE);
        if own.is_none() && shared.is_none() && frames == 1 {
            return Ok(None);
        }
        for (tag, name) in [
            (tags::IMAGE_POSITION_PATIENT, "Image Position (Patient) (0020,0032)"),
            (tags::IMAGE_ORIENTATION_PATIENT, "Image Orientation (Patient) (0020,0037)"),
        ] {
            if dataset.has(tag) {
                return Err(FactsError::Twice(name));
            }
        }
        let own = own.and_then(Element::items).ok_or(FactsError::Attribute(PER_FRAME))?;
        let shared = match shared.map(|element| element.items().unwrap_or_default()) {
            None | Some([]) => None,
            Some([shared]) => Some(shared),
            Some(_) => return Err(FactsError::Items(SHARED)),
        };
        if own.len() != frames {
            return Err(FactsError::Items(PER_FRAME));
        }
        Ok(Some(Groups { shared, frames: own }))
    }

    /// The groups of a frame, which must be one of the instance's.
    pub fn of_frame(&self, frame: usize) -> Source<'a> {
        Source::Groups { shared: self.shared, own: &self.frames[frame] }
    }
}

impl<'a> Source<'a> {
    /// The one item of a macro: the frame's, or else the shared one. In the top level all
    /// attributes stand side by side.
    ///
    /// # Errors
    /// [`FactsError::Items`] when the macro has no item, or several.
    pub fn macro_of(&self, named: &(Tag, &'static str)) -> Result<Option<&'a Item>, FactsError> {
        let (shared, own) = match *self {
            Source::Top(item) => return Ok(Some(item)),
            Source::Groups { shared, own } => (shared, own),
        };
        let sequence = own.get(named.0).or_else(|| shared?.get(named.0));
        match sequence.map(|element| element.items().unwrap_or_default()) {
            None => Ok(None),
            Some([item]) => Ok(Some(item)),
            Some(_) => Err(FactsError::Items(named.1)),
        }
    }
}
