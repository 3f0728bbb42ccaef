//! Structure sets: contours are cut where the face was removed from the images on which they were drawn.

use super::faces::{Decided, removed_to};
use super::survey::Instance;
use super::{Failure, Finished, Group, Stage};
use crate::custody::object::{Deidentified, Object, Wanted};
use crate::deface::contours::{self, Contours};
use crate::deid::FaceStatement;
use crate::face::{self, Heads, KnownHead};
use crate::pixel;

/// An instance that the verifier passed.
type Passed = (String, Object<Deidentified>);

impl Stage<'_> {
    /// Cuts the contours of structure sets where the face was removed from the images.
    pub(super) fn cut_contours(
        &self,
        groups: &[Group<'_>],
        heads: &Heads,
    ) -> Result<Vec<Decided>, Failure> {
        groups.iter().map(|group| self.cut_group(group, heads)).collect()
    }

    fn cut_group(&self, group: &Group<'_>, heads: &Heads) -> Result<Decided, Failure> {
        let mut clean = Vec::new();
        let mut points = 0;
        for instance in &group.members {
            match self.cut_one(instance, heads)? {
                Ok((passed, cut)) => {
                    clean.push(passed);
                    points += cut;
                }
                Err(reason) => return self.stays(group, &reason),
            }
        }
        let face = if points > 0 { removed_to(self.level()) } else { FaceStatement::Silent };
        let line = face::series_face(self.pseudonym(group), clean.len(), face, None);
        Ok(Ok(Finished { clean, stay: Vec::new(), face: Some(line) }))
    }

    fn cut_one(
        &self,
        instance: &Instance,
        heads: &Heads,
    ) -> Result<Result<(Passed, usize), face::Error>, Failure> {
        let head = match self.head_of_contours(instance, heads) {
            Ok(head) => head,
            Err(reason) => return Ok(Err(reason)),
        };
        let removed = |point: [f64; 3]| head.is_some_and(|head| head.removes(point));
        let mut object = Object::open(instance.source.clone())?;
        let cut = match object.cut_contours(&removed) {
            Ok(cut) => cut,
            Err(reason) => return Ok(Err(reason.into())),
        };
        let face = if cut.cut > 0 { removed_to(self.level()) } else { FaceStatement::Silent };
        let scrubbed = object.scrub(self.grant, &self.engine, face, Wanted::Own);
        let draft = match scrubbed.and_then(|object| object.draft(&self.draft_path(instance))) {
            Ok(draft) => draft,
            Err(pixel::Error::Io(error)) => return Err(Failure::Io(error)),
            Err(reason) => return Ok(Err(face::Error::NotCleaned(reason))),
        };
        // What would leave is what was left, and none of it is in the face.
        match draft.contours(&removed) {
            Ok(Contours { cut: 0, left }) if left == cut.left => {}
            Ok(_) => return Ok(Err(contours::Error::Points.into())),
            Err(reason) => return Ok(Err(reason.into())),
        }
        if let Some(Err(fault)) = head.map(|head| draft.require_contours_clear(&head.seen)) {
            return Ok(Err(fault.into()));
        }
        Ok(Ok((self.verified(instance, draft)?, cut.cut)))
    }

    /// The head that contours may trace; `None` where it is proven that there is none.
    fn head_of_contours<'h>(
        &self,
        instance: &Instance,
        heads: &'h Heads,
    ) -> Result<Option<&'h KnownHead>, face::Error> {
        let tags = &instance.contours_in;
        // Also where there are no contours.
        if tags.iter().all(|&tag| heads.show_none(tag)) {
            return Ok(None);
        }
        match tags.as_slice() {
            &[tag] => heads.of(Some(tag)).map(Some).ok_or(face::Error::ContoursAlone),
            _ => Err(face::Error::ContoursAlone),
        }
    }
}
