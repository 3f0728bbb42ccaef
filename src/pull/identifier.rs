//! Identifiers of the Study Root (PS3.4 C.6.2.1), in Implicit VR Little Endian.
//!
//! What comes back is a peer's, and hostile until it is read: pre-scanned, bounded in depth and size, and doubtful as soon
//! as it is about anything that was not asked for.

use crate::dicom::canonical::{self, ElementEncoding, Limits};
use crate::dicom::dataset::Dataset;
use crate::id::Uid;
use dicom_core::Tag;
use dicom_dictionary_std::tags;
use std::io::Cursor;

/// No study has so many instances: larger numbers are none.
const NUMBER_MAX: usize = 10_000_000;

/// A level of the information model: which are there, what is asked of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Study,
    Series,
    Image,
}

impl Level {
    /// Query/Retrieve Level (0008,0052).
    fn name(self) -> &'static str {
        match self {
            Level::Study => "STUDY",
            Level::Series => "SERIES",
            Level::Image => "IMAGE",
        }
    }

    /// The unique key (PS3.4 C.6.2.1.1).
    fn key(self) -> Tag {
        match self {
            Level::Study => tags::STUDY_INSTANCE_UID,
            Level::Series => tags::SERIES_INSTANCE_UID,
            Level::Image => tags::SOP_INSTANCE_UID,
        }
    }

    /// Number of Study Related Instances, or of Series Related Instances.
    fn number(self) -> Option<Tag> {
        match self {
            Level::Study => Some(tags::NUMBER_OF_STUDY_RELATED_INSTANCES),
            Level::Series => Some(tags::NUMBER_OF_SERIES_RELATED_INSTANCES),
            Level::Image => None,
        }
    }

    fn above(self) -> &'static [Level] {
        match self {
            Level::Study => &[],
            Level::Series => &[Level::Study],
            Level::Image => &[Level::Study, Level::Series],
        }
    }
}

/// What is asked: everything of a level below the study, or series, that `above` names.
#[derive(Clone)]
pub(super) struct Asked {
    pub level: Level,
    /// Study Instance UID, and at the level of images Series Instance UID. At that of studies the study itself.
    pub above: Vec<Uid>,
}

/// One response, as far as it is believed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Match {
    /// The unique key of the level.
    pub uid: Uid,
    /// How many instances it has; `None`: it does not say, or what is no number.
    pub number: Option<usize>,
}

impl Asked {
    /// The identifier of a C-FIND.
    pub fn identifier(&self) -> Vec<u8> {
        let mut keys: Vec<(Tag, String)> =
            vec![(tags::QUERY_RETRIEVE_LEVEL, self.level.name().to_owned())];
        keys.push((self.level.key(), String::new()));
        keys.extend(self.level.number().map(|tag| (tag, String::new())));
        keys.extend(self.known().map(|(tag, uid)| (tag, uid.as_str().to_owned())));
        encode(keys)
    }

    /// The identifier of a C-MOVE of these instances of a series.
    pub fn retrieval<'u>(
        study: &Uid,
        series: &Uid,
        instances: impl Iterator<Item = &'u Uid>,
    ) -> Vec<u8> {
        let list: Vec<&str> = instances.map(Uid::as_str).collect();
        encode(vec![
            (tags::QUERY_RETRIEVE_LEVEL, Level::Image.name().to_owned()),
            (tags::SOP_INSTANCE_UID, list.join("\\")),
            (tags::STUDY_INSTANCE_UID, study.as_str().to_owned()),
            (tags::SERIES_INSTANCE_UID, series.as_str().to_owned()),
        ])
    }

    /// What stands in the request and must stand in a response, if that repeats it.
    fn known(&self) -> impl Iterator<Item = (Tag, &Uid)> {
        let levels = match self.level {
            Level::Study => &[Level::Study],
            level => level.above(),
        };
        levels.iter().map(|level| level.key()).zip(&self.above)
    }

    /// Reads a response.
    ///
    /// # Errors
    /// In words about the peer: it is no data set, or not about what was asked.
    pub fn read(&self, data_set: &[u8]) -> Result<Match, &'static str> {
        let limits = Limits { depth: 4, header_bytes: 1 << 17, ..Limits::default() };
        let length = data_set.len() as u64;
        let encoding = ElementEncoding::ImplicitLittle;
        let header = canonical::read(Cursor::new(data_set), length, encoding, limits);
        let header = header.map_err(|_| "a match that is no data set")?;
        let set = Dataset::parse(&header.bytes).map_err(|_| "a match that is no data set")?;
        let uid = |tag| set.text(tag).and_then(|text| text.parse::<Uid>().ok());
        let repeats = |(tag, asked): (Tag, &Uid)| {
            set.text(tag).is_none() || uid(tag).is_some_and(|uid| uid == *asked)
        };
        if !self.known().all(repeats) {
            return Err("a match that was not asked for");
        }
        let number = self.level.number().and_then(|tag| set.text(tag)?.trim().parse().ok());
        let number = number.filter(|number| *number <= NUMBER_MAX);
        let uid = uid(self.level.key()).ok_or("a match without its UID")?;
        Ok(Match { uid, number })
    }
}

/// Elements in ascending order, each text padded to an even length.
fn encode(mut elements: Vec<(Tag, String)>) -> Vec<u8> {
    elements.sort_by_key(|(tag, _)| *tag);
    // The key of the level stands there twice if its value is known.
    elements.dedup_by(|(tag, later), (before, text)| {
        let same = tag == before;
        if same && text.is_empty() {
            std::mem::swap(text, later);
        }
        same
    });
    let mut out = Vec::new();
    for (tag, text) in elements {
        let padded = text.len().next_multiple_of(2);
        let padding = if tag == tags::QUERY_RETRIEVE_LEVEL { b' ' } else { 0 };
        out.extend_from_slice(&tag.group().to_le_bytes());
        out.extend_from_slice(&tag.element().to_le_bytes());
        out.extend_from_slice(&(padded as u32).to_le_bytes());
        out.extend_from_slice(text.as_bytes());
        out.resize(out.len() + padded - text.len(), padding);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn uid(text: &str) -> Uid {
        text.parse().unwrap()
    }

    fn of_study() -> Asked {
        Asked { level: Level::Study, above: vec![uid("1.2.3")] }
    }

    fn of_series() -> Asked {
        Asked { level: Level::Image, above: vec![uid("1.2.3"), uid("1.2.3.4")] }
    }

    fn answer(elements: &[(Tag, &str)]) -> Vec<u8> {
        encode(elements.iter().map(|(tag, text)| (*tag, (*text).to_owned())).collect())
    }

    #[test]
    fn identifiers_name_what_is_known_and_ask_for_the_rest() {
        let of = |bytes: &[u8]| {
            let (encoding, end) = (ElementEncoding::ImplicitLittle, bytes.len() as u64);
            let header = canonical::read(Cursor::new(bytes), end, encoding, Limits::default());
            let set = Dataset::parse(&header.unwrap().bytes).unwrap();
            let text = move |tag| set.has(tag).then(|| set.texts(tag).join("\\"));
            [
                text(tags::QUERY_RETRIEVE_LEVEL),
                text(tags::STUDY_INSTANCE_UID),
                text(tags::SERIES_INSTANCE_UID),
                text(tags::SOP_INSTANCE_UID),
                text(tags::NUMBER_OF_STUDY_RELATED_INSTANCES),
            ]
        };
        let are = |texts: [Option<&str>; 5]| texts.map(|text| text.map(str::to_owned));
        assert_eq!(
            of(&of_study().identifier()),
            are([Some("STUDY"), Some("1.2.3"), None, None, Some("")])
        );
        assert_eq!(
            of(&of_series().identifier()),
            are([Some("IMAGE"), Some("1.2.3"), Some("1.2.3.4"), Some(""), None])
        );
        let two = [uid("1.7"), uid("1.88")];
        assert_eq!(
            of(&Asked::retrieval(&uid("1.2.3"), &uid("1.2.3.4"), two.iter())),
            are([Some("IMAGE"), Some("1.2.3"), Some("1.2.3.4"), Some("1.7\\1.88"), None])
        );
    }

    #[test]
    fn a_match_is_about_what_was_asked_or_it_is_none() {
        let number = tags::NUMBER_OF_STUDY_RELATED_INSTANCES;
        let study = tags::STUDY_INSTANCE_UID;
        let read = |elements: &[(Tag, &str)]| of_study().read(&answer(elements));
        let said = |number| Ok(Match { uid: uid("1.2.3"), number });
        assert_eq!(read(&[(study, "1.2.3"), (number, " 12 ")]), said(Some(12)));
        assert_eq!(read(&[(study, "1.2.3")]), said(None));
        for none in ["-3", "99999999999"] {
            assert_eq!(read(&[(study, "1.2.3"), (number, none)]), said(None));
        }
        assert_eq!(read(&[(study, "1.2.3"), (number, "many")]), said(None));
        assert!(read(&[(study, "1.2.4"), (number, "12")]).is_err());
        assert!(read(&[(number, "12")]).is_err());
        let image = tags::SOP_INSTANCE_UID;
        let read = |elements: &[(Tag, &str)]| of_series().read(&answer(elements));
        assert!(read(&[(image, "1.9"), (tags::SERIES_INSTANCE_UID, "1.2.3.4")]).is_ok());
        assert!(read(&[(image, "1.9"), (tags::SERIES_INSTANCE_UID, "1.2.3.5")]).is_err());
        assert!(read(&[(image, "../x")]).is_err());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(
            mut bytes in proptest::collection::vec(any::<u8>(), 0..200),
            begins_well: bool,
        ) {
            if begins_well {
                bytes.splice(0..0, answer(&[(tags::STUDY_INSTANCE_UID, "1.2.3")]));
            }
            let _ = of_study().read(&bytes);
            let _ = of_series().read(&bytes);
        }
    }

    #[test]
    fn garbage_is_no_match() {
        let good = answer(&[(tags::STUDY_INSTANCE_UID, "1.2.3")]);
        for cut in 1..good.len() {
            assert!(of_study().read(&good[..cut]).is_err(), "cut at {cut}");
        }
        assert!(of_study().read(&[]).is_err());
        assert!(of_study().read(&[0xFF; 64]).is_err());
    }
}
