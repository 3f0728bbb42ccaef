//! The series of a study that may show a face: proven to show none, or defaced and checked, or kept inside.
//!
//! ```text
//! 1. the series that shows most first: find its own head -> deface -> its head is known in its frame of reference
//! 2. where that failed, or no head was found: by the head that is known in the frame of reference
//! ```
//! A series whose own head was found and passes all checks keeps to it: patients move between series.

use super::survey::{self, Instance};
use super::{Failure, Finished, Group, Stage, Withheld};
use crate::custody::object::{Object, Wanted};
use crate::deface::Level;
use crate::deid::FaceStatement;
use crate::dicom::frame;
use crate::face::{
    self, Deadline, Defacing, Found, Frames, Heads, KnownHead, Removal, Series, Sources, Unsure,
};
use crate::pixel;
use crate::profile::{FaceLevel, Faces};
use crate::spool::quarantine::Code;
use crate::standard::Sight;
use rayon::prelude::*;
use std::sync::PoisonError;

/// A series that may leave, or stays.
pub(super) type Decided = Result<Finished, Withheld>;

/// What the series itself shows.
enum Own {
    /// It was defaced by its own head.
    Defaced(Finished),
    /// It shows none.
    Clear,
    /// It could not be cleared by itself.
    Unsure(face::Error),
}

impl Stage<'_> {
    /// Clears all series that may show a face.
    pub(super) fn clear_faces(
        &self,
        groups: &[Group<'_>],
        heads: &mut Heads,
    ) -> Result<Vec<Decided>, Failure> {
        let mut order: Vec<(&Group<'_>, _)> = groups.iter().map(|g| (g, series(g))).collect();
        // The order of the groups, which is that of keyed tags, decides between equals.
        order.sort_by_key(|(_, series)| {
            std::cmp::Reverse(series.as_ref().ok().map(Series::promise))
        });
        let mut decided = Vec::new();
        let mut second = Vec::new();
        for (group, series) in order {
            let tag = frame_of_reference(group);
            match self.by_itself(group, series, tag, heads)? {
                Own::Defaced(finished) => decided.push(Ok(finished)),
                Own::Clear => second.push((group, tag, None)),
                Own::Unsure(late @ face::Error::OutOfTime { .. }) => {
                    decided.push(self.stays(group, &late)?);
                }
                Own::Unsure(doubt) => second.push((group, tag, Some(doubt))),
            }
        }
        for (group, tag, doubt) in second {
            let proven = doubt.is_none();
            let done = self.by_the_known_head(group, heads.of(tag), doubt)?;
            heads.note(tag, proven && done.is_ok());
            decided.push(done);
        }
        Ok(decided)
    }

    fn by_itself(
        &self,
        group: &Group<'_>,
        series: Result<Series, face::Error>,
        tag: Option<[u8; 32]>,
        heads: &mut Heads,
    ) -> Result<Own, Failure> {
        let hint = survey::body_part(&group.members);
        let sources = self.sources(group);
        let found = series
            .map_err(Unsure::from)
            .and_then(|series| face::find(series, self.level(), hint, &sources));
        let defacing = match found {
            Err(Unsure { reason, picture }) => {
                self.show(group, picture);
                return Ok(Own::Unsure(reason));
            }
            Ok(Found::Clear) => return Ok(Own::Clear),
            Ok(Found::Head(defacing)) => defacing,
        };
        Ok(match self.deface(group, &defacing, &sources)? {
            Err(reason) => Own::Unsure(reason),
            Ok((finished, head)) => {
                heads.learn(tag, head);
                Own::Defaced(finished)
            }
        })
    }

    /// `doubt`: why the series could not be cleared by itself; `None` if it was proven to show no head.
    fn by_the_known_head(
        &self,
        group: &Group<'_>,
        head: Option<&KnownHead>,
        doubt: Option<face::Error>,
    ) -> Result<Decided, Failure> {
        let attempt = match head {
            None => None,
            Some(head) => Some(self.carry(group, head)?),
        };
        match (attempt, doubt) {
            (Some(Ok(finished)), _) => Ok(Ok(finished)),
            (None | Some(Err(face::Error::HeadElsewhere)), None) => {
                self.plain(group, FaceStatement::Silent).map(Ok)
            }
            (None | Some(Err(face::Error::HeadElsewhere)), Some(reason)) => {
                self.stays(group, &reason)
            }
            (Some(Err(reason)), _) => self.stays(group, &reason),
        }
    }

    fn carry(
        &self,
        group: &Group<'_>,
        head: &KnownHead,
    ) -> Result<Result<Finished, face::Error>, Failure> {
        let sources = self.sources(group);
        let defacing =
            series(group).and_then(|series| face::carry(series, self.level(), head, &sources));
        match defacing {
            Err(reason) => Ok(Err(reason)),
            Ok(defacing) => {
                Ok(self.deface(group, &defacing, &sources)?.map(|(finished, _)| finished))
            }
        }
    }

    /// A series that stays leaves no draft.
    pub(super) fn stays(
        &self,
        group: &Group<'_>,
        reason: &face::Error,
    ) -> Result<Decided, Failure> {
        for instance in &group.members {
            crate::disk::remove(&self.draft_path(instance))?;
            (self.done)();
        }
        let ids: Vec<String> = group.members.iter().map(|i| i.id.clone()).collect();
        let late = matches!(reason, face::Error::OutOfTime { .. });
        if !late && !self.has_picture(group) {
            let series = series(group).ok();
            self.show(group, series.and_then(|s| face::picture(&s, &self.sources(group))));
        }
        let code = if late { Code::FaceOutOfTime } else { Code::FaceNotCleared };
        Ok(Err(Withheld { code, detail: reason.to_string(), ids }))
    }

    /// Second pass. The inner error is a decision, the outer one a failure.
    fn deface(
        &self,
        group: &Group<'_>,
        defacing: &Defacing,
        sources: &Sources<'_>,
    ) -> Result<Result<(Finished, KnownHead), face::Error>, Failure> {
        let removal = Removal::new(defacing, sources.deadline());
        let statement = removed_to(defacing.level());
        let members = &group.members;
        let drafts = members.par_iter().enumerate().map(|(n, instance)| {
            let object = Object::open(instance.source.clone())?;
            let index = match object.frame_index() {
                Ok(index) => index,
                Err(reason) => return Ok(Err(face::Error::Pixels(reason))),
            };
            let make = |frame: usize| removal.make(n, &index, frame);
            let wanted =
                Wanted::Frames { format: index.format(), count: index.frames(), make: &make };
            crate::disk::remove(&self.draft_path(instance))?;
            let scrubbed = object.scrub(self.grant, &self.engine, statement, wanted);
            match scrubbed.and_then(|object| object.draft(&self.draft_path(instance))) {
                Ok(draft) => Ok(Ok(draft)),
                Err(pixel::Error::Io(error)) => Err(Failure::Io(error)),
                Err(reason) => {
                    Ok(Err(removal.trouble().unwrap_or(face::Error::NotCleaned(reason))))
                }
            }
        });
        let drafts: Result<Vec<Result<_, face::Error>>, Failure> = drafts.collect();
        let drafts: Vec<_> = match drafts?.into_iter().collect() {
            Err(reason) => return Ok(Err(reason)),
            Ok(drafts) => drafts,
        };
        let confirmed = removal.confirm(sources, &drafts);
        self.show(group, removal.picture());
        let proof = match confirmed {
            Err(reason) => return Ok(Err(reason)),
            Ok(proof) => proof,
        };
        let verified = members.par_iter().zip(drafts);
        let clean = verified.map(|(instance, draft)| self.verified(instance, draft));
        let clean = clean.collect::<Result<Vec<_>, Failure>>()?;
        let pseudonym = self.pseudonym(group);
        let line = face::series_face(pseudonym, clean.len(), statement, Some(&proof));
        let finished = Finished { clean, stay: Vec::new(), face: Some(line) };
        Ok(Ok((finished, proof.head().clone())))
    }

    /// The instances of a group, to be worked on from now until its time is over.
    fn sources<'g>(&self, group: &'g Group<'_>) -> Sources<'g> {
        let open = |n: usize| {
            Object::open(group.members[n].source.clone()).map_err(|_| frame::Error::Decode)
        };
        Sources::new(Box::new(open), Deadline::after(self.route.face_limit))
    }

    /// Keeps a picture of a series for reviewers inside; a later one of the same series replaces it.
    fn show(&self, group: &Group<'_>, picture: Option<Vec<u8>>) {
        if let (Some(first), Some(png)) = (group.members.first(), picture) {
            let mut pictures = self.pictures.lock().unwrap_or_else(PoisonError::into_inner);
            pictures.insert(first.id.clone(), png);
        }
    }

    fn has_picture(&self, group: &Group<'_>) -> bool {
        let pictures = self.pictures.lock().unwrap_or_else(PoisonError::into_inner);
        group.members.first().is_some_and(|first| pictures.contains_key(&first.id))
    }

    /// How much of a face goes.
    pub(super) fn level(&self) -> Level {
        match self.route.profile.faces() {
            Faces::Remove(FaceLevel::KeepFacialBones { .. }) => Level::KeepFacialBones,
            _ => Level::Strict,
        }
    }
}

/// What is said of a face of which so much was removed.
pub(super) fn removed_to(level: Level) -> FaceStatement {
    match level {
        Level::Strict => FaceStatement::Removed,
        Level::KeepFacialBones => FaceStatement::SoftTissueRemoved,
    }
}

/// What a series shows, by what its instances say.
fn series(group: &Group<'_>) -> Result<Series, face::Error> {
    let sight = group.members.first().and_then(|i| Sight::of(i.subject.sop_class()));
    let sight = sight.ok_or(face::Error::NeedsHead("no volume of CT, MR or PET"))?;
    let frames = group.members.iter().map(|i| i.frames.clone());
    Ok(Series::new(sight, frames.collect::<Result<Vec<Frames>, _>>()?))
}

/// The frame of reference of a series, if all of its instances have the same one.
fn frame_of_reference(group: &Group<'_>) -> Option<[u8; 32]> {
    let tag = |instance: &&Instance| instance.frame_of_reference;
    let first = group.members.first().and_then(tag)?;
    group.members.iter().all(|i| tag(i) == Some(first)).then_some(first)
}
