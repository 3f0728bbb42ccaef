//! UIDs on the way back: what we gave out becomes the original, what a result made is made anew, what refers to anything else
//! is refused.

use super::refusal::Refusal;
use crate::crosswalk::Rows;
use crate::dicom::dataset::{Dataset, is_well_known};
use crate::id::Uid;
use crate::key::{Key, Purpose, RootKey};
use data_encoding::HEXLOWER;
use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Makes the UIDs of results of one project.
pub struct ResultUids {
    key: Key,
}

impl ResultUids {
    /// With the key of `project`, which is the same in every generation: a result that comes twice is one.
    pub fn new(root: &RootKey, project: &str) -> Self {
        ResultUids { key: root.derive(project, Purpose::Result) }
    }

    /// With that key itself, as it was handed over.
    pub fn of_key(key: Key) -> Self {
        ResultUids { key }
    }

    /// By what a UID that a result of a study was made with is known again later.
    fn tag(&self, study: &str, made_outside: &str) -> String {
        self.named(&[b"returned", study.as_bytes(), made_outside.as_bytes()])
    }

    /// The name of what is remembered of results of a study.
    pub fn study_tag(&self, study: &str) -> String {
        self.named(&[b"study", study.as_bytes()])
    }

    /// By what the contents of a result are known again: without the key nobody can try others against it.
    pub fn content_tag(&self, sha256: &[u8; 32]) -> String {
        self.named(&[b"content", sha256])
    }

    fn named(&self, parts: &[&[u8]]) -> String {
        HEXLOWER.encode(&self.key.tag(parts)[..16])
    }

    /// The UID that stands inside for one that a result of a study was made with: `2.25.` and a UUIDv8 (RFC 9562 5.8) of
    /// 122 keyed bits.
    pub fn uid(&self, study: &str, made_outside: &str) -> String {
        let tag = self.key.tag(&[study.as_bytes(), made_outside.as_bytes()]);
        let mut uuid = [0; 16];
        uuid.copy_from_slice(&tag[..16]);
        uuid[6] = uuid[6] & 0x0f | 0x80;
        uuid[8] = uuid[8] & 0x3f | 0x80;
        format!("2.25.{}", u128::from_be_bytes(uuid))
    }
}

/// Results of one study that come together, and may refer to each other.
#[derive(Default)]
pub struct Companions {
    /// SOP Class UIDs by SOP Instance UID.
    instances: BTreeMap<String, String>,
    series: BTreeSet<String>,
    earlier: Earlier,
}

/// Results of one study that came back before, by keyed tags: others may refer to them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Earlier {
    instances: BTreeMap<String, Seen>,
    series: BTreeSet<String>,
}

/// A result that came back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seen {
    sop_class: String,
    /// [`ResultUids::content_tag`].
    content: String,
}

/// What a result is called, and what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calling {
    /// SOP Instance UID as it came.
    pub instance: String,
    /// Series Instance UID as it came.
    pub series: String,
    /// SOP Class UID.
    pub sop_class: String,
}

impl Calling {
    /// Reads a result.
    ///
    /// # Errors
    /// [`Refusal::Identity`].
    pub fn of(result: &Dataset) -> Result<Self, Refusal> {
        let text = |tag| result.text(tag).ok_or(Refusal::Identity);
        Ok(Calling {
            instance: text(tags::SOP_INSTANCE_UID)?,
            series: text(tags::SERIES_INSTANCE_UID)?,
            sop_class: text(tags::SOP_CLASS_UID)?,
        })
    }
}

impl Earlier {
    /// Whether this is none that came before with other contents.
    ///
    /// # Errors
    /// [`Refusal::Changed`].
    pub fn require_same(
        &self,
        uids: &ResultUids,
        study: &str,
        result: &Calling,
        content: &str,
    ) -> Result<(), Refusal> {
        match self.instances.get(&uids.tag(study, &result.instance)) {
            Some(seen) if seen.content != content => Err(Refusal::Changed),
            _ => Ok(()),
        }
    }

    /// Remembers one.
    pub fn add(&mut self, uids: &ResultUids, study: &str, result: &Calling, content: String) {
        let seen = Seen { sop_class: result.sop_class.clone(), content };
        self.instances.insert(uids.tag(study, &result.instance), seen);
        self.series.insert(uids.tag(study, &result.series));
    }
}

impl Companions {
    /// Adds one.
    ///
    /// # Errors
    /// [`Refusal::Repeated`]: one of them is called the same.
    pub fn add(&mut self, result: &Dataset) -> Result<(), Refusal> {
        let Calling { instance, series, sop_class } = Calling::of(result)?;
        self.series.insert(series);
        match self.instances.insert(instance, sop_class) {
            None => Ok(()),
            Some(_) => Err(Refusal::Repeated),
        }
    }

    /// Nobody yet, after those that came before.
    pub fn after(earlier: Earlier) -> Self {
        Companions { earlier, ..Companions::default() }
    }
}

/// Names of kinds of things, registered or private: they stay.
const NAMES: [Tag; 9] = [
    tags::SOP_CLASS_UID,
    tags::REFERENCED_SOP_CLASS_UID,
    tags::RELATED_GENERAL_SOP_CLASS_UID,
    tags::ORIGINAL_SPECIALIZED_SOP_CLASS_UID,
    tags::CODING_SCHEME_UID,
    tags::CONTEXT_UID,
    tags::MAPPING_RESOURCE_UID,
    tags::CONTEXT_GROUP_EXTENSION_CREATOR_UID,
    tags::MANUFACTURER_DEVICE_CLASS_UID,
];

/// What must lead to something: studies, series and instances.
const REFERENCES: [Tag; 6] = [
    tags::STUDY_INSTANCE_UID,
    tags::SERIES_INSTANCE_UID,
    tags::SOP_INSTANCE_UID,
    tags::REFERENCED_SOP_INSTANCE_UID,
    tags::FAILED_SOP_INSTANCE_UID_LIST,
    tags::MULTI_FRAME_SOURCE_SOP_INSTANCE_UID,
];

/// Where the UIDs of results of one study lead.
pub(super) struct References<'a> {
    rows: &'a Rows,
    uids: &'a ResultUids,
    originals: BTreeSet<&'a str>,
}

impl<'a> References<'a> {
    pub(super) fn new(rows: &'a Rows, uids: &'a ResultUids) -> Self {
        let originals = rows.uids.iter().map(|(_, original)| original.expose().as_str());
        References { rows, uids, originals: originals.collect() }
    }

    /// Whether a result may be called so: nothing that left is, nor anything inside.
    pub(super) fn require_new(&self, uid: &str) -> Result<(), Refusal> {
        let is_known = self.rows.uids.original(uid).is_some() || self.originals.contains(uid);
        if is_known || is_well_known(uid) { Err(Refusal::Existing) } else { Ok(()) }
    }

    /// One UID as it stands inside.
    pub(super) fn inside(
        &self,
        tag: Tag,
        uid: &str,
        companions: &Companions,
    ) -> Result<String, Refusal> {
        let uid = uid.trim_matches([' ', '\0']);
        if uid.is_empty() {
            return Ok(String::new());
        }
        if uid.parse::<Uid>().is_err() {
            return Err(Refusal::Form(tag));
        }
        let original = self.rows.uids.original(uid);
        let is_name = NAMES.contains(&tag);
        match original {
            Some(_) if is_name => Err(Refusal::Reference(tag)),
            Some(original) => Ok(original.expose().clone()),
            None if self.originals.contains(uid) => Err(Refusal::Original(tag)),
            None if is_name => Ok(uid.to_owned()),
            None if self.has_come(uid, companions) => Ok(self.uids.uid(&self.rows.study, uid)),
            None if REFERENCES.contains(&tag) => Err(Refusal::Reference(tag)),
            None if is_well_known(uid) => Ok(uid.to_owned()),
            None => Ok(self.uids.uid(&self.rows.study, uid)),
        }
    }

    /// Whether a reference in an item, if it is to an instance that left or came back, says the class that this has.
    pub(super) fn require_class(
        &self,
        item: &InMemDicomObject,
        companions: &Companions,
    ) -> Result<(), Refusal> {
        let text = |tag| item.get(tag).and_then(crate::dicom::dataset::text_of);
        let Some(instance) = text(tags::REFERENCED_SOP_INSTANCE_UID) else { return Ok(()) };
        let known = self.class_of(&instance, companions);
        let said = text(tags::REFERENCED_SOP_CLASS_UID);
        match known.zip(said) {
            Some((known, said)) if known != said => Err(Refusal::ReferencedClass),
            _ => Ok(()),
        }
    }

    /// SOP Class of an instance that left, comes now, or came before.
    fn class_of<'c>(&'c self, instance: &str, companions: &'c Companions) -> Option<&'c str> {
        let left = self.rows.instances.get(instance).map(|known| &known.sop_class);
        let earlier = || companions.earlier.instances.get(&self.tag(instance));
        let now = || companions.instances.get(instance);
        let class = left.or_else(now).or_else(|| earlier().map(|seen| &seen.sop_class));
        class.map(String::as_str)
    }

    /// Whether a UID is of a result: one that comes now, or came before.
    fn has_come(&self, uid: &str, companions: &Companions) -> bool {
        let Companions { instances, series, earlier } = companions;
        let came =
            |tag: String| earlier.instances.contains_key(&tag) || earlier.series.contains(&tag);
        instances.contains_key(uid) || series.contains(uid) || came(self.tag(uid))
    }

    fn tag(&self, uid: &str) -> String {
        self.uids.tag(&self.rows.study, uid)
    }
}
