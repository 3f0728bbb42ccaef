//! UIDs on the way back: what we gave out becomes the original, what a result made is made anew, what refers to anything else
//! is refused.

use super::refusal::Refusal;
use crate::crosswalk::Rows;
use crate::dicom::dataset::{Dataset, is_well_known};
use crate::id::Uid;
use crate::key::{Key, Purpose, RootKey};
use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use std::collections::BTreeSet;

/// Makes the UIDs of results of one project.
pub struct ResultUids {
    key: Key,
}

impl ResultUids {
    /// With the key of `project`, which is the same in every generation: a result that comes twice is one.
    pub fn new(root: &RootKey, project: &str) -> Self {
        ResultUids { key: root.derive(project, Purpose::Result) }
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
    instances: BTreeSet<String>,
    series: BTreeSet<String>,
}

impl Companions {
    /// Adds one.
    ///
    /// # Errors
    /// [`Refusal::Repeated`]: one of them is called the same.
    pub fn add(&mut self, result: &Dataset) -> Result<(), Refusal> {
        let instance = result.text(tags::SOP_INSTANCE_UID).ok_or(Refusal::Identity)?;
        self.series.extend(result.text(tags::SERIES_INSTANCE_UID));
        match self.instances.insert(instance) {
            true => Ok(()),
            false => Err(Refusal::Repeated),
        }
    }

    fn have(&self, uid: &str) -> bool {
        self.instances.contains(uid) || self.series.contains(uid)
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
            None if companions.have(uid) => Ok(self.uids.uid(&self.rows.study, uid)),
            None if REFERENCES.contains(&tag) => Err(Refusal::Reference(tag)),
            None if is_well_known(uid) => Ok(uid.to_owned()),
            None => Ok(self.uids.uid(&self.rows.study, uid)),
        }
    }

    /// Whether a reference in an item, if it is to an instance that left, says the class that this has.
    pub(super) fn require_class(&self, item: &InMemDicomObject) -> Result<(), Refusal> {
        let text = |tag| item.get(tag).and_then(crate::dicom::dataset::text_of);
        let Some(instance) = text(tags::REFERENCED_SOP_INSTANCE_UID) else { return Ok(()) };
        let known = self.rows.instances.get(&instance);
        let said = text(tags::REFERENCED_SOP_CLASS_UID);
        match known.zip(said) {
            Some((known, said)) if known.sop_class != said => Err(Refusal::ReferencedClass),
            _ => Ok(()),
        }
    }
}
