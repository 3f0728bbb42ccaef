//! Heads that were found, for the other series of their frame of reference.

use super::find::MOTION_MM;
use crate::custody::verify::FaceSeen;
use crate::deface::Anatomy;
use crate::deface::grid::ras;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A head, and who found it.
#[derive(Clone, Debug)]
pub struct KnownHead {
    /// Where it is in the patient, as the defacer found it.
    pub anatomy: Arc<Anatomy>,
    /// And as the verifier found it by itself.
    pub seen: FaceSeen,
}

impl KnownHead {
    /// Whether a point of the patient (LPS mm) is removed from images of the head, or would be if the
    /// patient moved a little.
    pub fn removes(&self, point: [f64; 3]) -> bool {
        self.anatomy.removes(ras(point), MOTION_MM)
    }

    /// As bytes, for batches that come later. They show the skin: for inside only.
    pub fn to_bytes(&self) -> Vec<u8> {
        let seen = self.seen.to_bytes();
        [&(seen.len() as u32).to_le_bytes()[..], &seen, &self.anatomy.to_bytes()].concat()
    }

    /// Reads what [`KnownHead::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (length, rest) = bytes.split_first_chunk()?;
        let (seen, head) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        let (seen, anatomy) = (FaceSeen::from_bytes(seen)?, Anatomy::from_bytes(head)?);
        Some(KnownHead { anatomy: Arc::new(anatomy), seen })
    }
}

/// The heads of a study, by keyed tag of the Frame of Reference UID (0020,0052).
#[derive(Clone, Debug, Default)]
pub struct Heads {
    known: BTreeMap<[u8; 32], KnownHead>,
    /// Those that weren't known before.
    new: Vec<[u8; 32]>,
    /// Frames of reference in which series were proven to show no head (true), or were not (false).
    proven: BTreeMap<[u8; 32], bool>,
}

impl Heads {
    /// Heads that were found earlier.
    pub fn known(heads: impl IntoIterator<Item = ([u8; 32], KnownHead)>) -> Self {
        Heads { known: heads.into_iter().collect(), ..Heads::default() }
    }

    /// The head in a frame of reference.
    pub fn of(&self, frame_of_reference: Option<[u8; 32]>) -> Option<&KnownHead> {
        self.known.get(&frame_of_reference?)
    }

    /// Remembers a head. The first that was found stays: what was treated by it must be treated in the
    /// same way again.
    pub fn learn(&mut self, frame_of_reference: Option<[u8; 32]>, head: KnownHead) {
        if let Some(tag) = frame_of_reference
            && !self.known.contains_key(&tag)
        {
            self.known.insert(tag, head);
            self.new.push(tag);
        }
    }

    /// Remembers whether a series that was not defaced is proven to show no head.
    pub fn note(&mut self, frame_of_reference: Option<[u8; 32]>, proven: bool) {
        if let Some(tag) = frame_of_reference {
            let all = self.proven.entry(tag).or_insert(true);
            *all = *all && proven;
        }
    }

    /// Whether all series that were looked at in a frame of reference were proven to show no head.
    pub fn show_none(&self, frame_of_reference: [u8; 32]) -> bool {
        let proven = self.proven.get(&frame_of_reference) == Some(&true);
        proven && !self.known.contains_key(&frame_of_reference)
    }

    /// Those that were found now.
    pub fn new_ones(&self) -> impl Iterator<Item = (&[u8; 32], &KnownHead)> {
        self.new.iter().filter_map(|tag| Some((tag, self.known.get(tag)?)))
    }
}
