//! What was found in a series, to be drawn for a person: the image, the head's frame, what is removed.

use super::cavity::Cavity;
use super::grid::Grid;
use super::head::{Anatomy, Doubt, Head};
use super::refusal::Refusal;
use super::region::Region;
use super::skin::Outline;
use super::survey::{Survey, Volume};
use std::sync::Arc;

/// What was found, on the survey's grid. It shows the patient, and proves nothing.
#[derive(Debug)]
pub struct Sketch {
    image: Volume,
    head: Option<Sketched>,
}

/// A head, or what fits one best.
#[derive(Debug)]
struct Sketched {
    anatomy: Arc<Anatomy>,
    /// How deep each node lies in what is removed, in about mm.
    removed: Grid<f32>,
}

impl Sketch {
    /// What fits best, and what would be removed.
    fn of(guess: Head) -> Self {
        let Head { anatomy, original } = guess;
        let image = original.volume;
        let removed = anatomy.removal_field(image.value.lattice, 0.0);
        Sketch { image, head: Some(Sketched { anatomy, removed }) }
    }

    /// The image, before anything was removed.
    pub fn image(&self) -> &Volume {
        &self.image
    }

    /// The head that fits best; `None` if there is nothing that one could be fitted to.
    pub fn anatomy(&self) -> Option<&Anatomy> {
        self.head.as_ref().map(|head| &*head.anatomy)
    }

    /// How deep each node of the grid lies in what is removed, in about mm; positive is removed.
    pub fn removed(&self) -> Option<&Grid<f32>> {
        self.head.as_ref().map(|head| &head.removed)
    }
}

impl Region {
    /// What was found; `None` if the head was found in another series.
    pub fn sketch(&self) -> Option<Sketch> {
        let image = self.original.as_ref()?.volume.clone();
        let (anatomy, removed) = (Arc::clone(self.anatomy()), self.field.clone());
        Some(Sketch { image, head: Some(Sketched { anatomy, removed }) })
    }
}

impl Doubt {
    /// What fits best, however badly; `None` if nothing was fitted.
    pub fn sketch(self) -> Option<Sketch> {
        self.guess.map(|head| Sketch::of(*head))
    }
}

impl Survey {
    /// What fits best, however badly, and what would be removed: to see why [`Survey::locate`] or
    /// [`Head::region`] refused.
    ///
    /// # Errors
    /// [`Refusal::SliceBookkeeping`] if a slice is missing.
    pub fn sketch(&self) -> Result<Sketch, Refusal> {
        let image = self.volume()?;
        let cavity = match image.contrast.is_hounsfield() {
            true => match Cavity::find(&image) {
                Cavity::None { .. } => return Ok(Sketch { image, head: None }),
                Cavity::Endocranium(cavity) => Some(cavity),
            },
            false => None,
        };
        let (stack, outlined) = (self.stack().clone(), Outline::with_solid(&image));
        let guess = Head::guess(stack, image.clone(), outlined, cavity.as_ref());
        Ok(guess.map_or(Sketch { image, head: None }, Sketch::of))
    }
}
