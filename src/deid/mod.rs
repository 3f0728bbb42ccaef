//! The de-identification engine: a profile, keys and a data set in, a data set and a report out.
//!
//! Pure: no disk, clock, network or log. Every element at every depth meets [`Profile::decide`];
//! then the attributes by which an object says that it was de-identified are written from what was
//! really done (PS3.15 E.1.1).
#![allow(clippy::disallowed_methods)] // here identifying values become pseudonyms

mod dummy;
pub mod pseudonym;
mod report;
pub mod text;

pub use report::Report;

use crate::dicom::dataset::{Dataset, Element, is_well_known, text_of};
use crate::phi::Phi;
use crate::profile::Profile;
use crate::standard::{self, Action};
use dicom_core::header::Header;
use dicom_core::value::{DataSetSequence, PrimitiveValue, Value};
use dicom_core::{DataElement, Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use pseudonym::Pseudonyms;

/// Why an object cannot be de-identified. Names the attribute, never its value.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An attribute without which an object has no identity.
    #[error("{0} is missing or not a legal UID; the object cannot be matched with anything")]
    Identity(&'static str),
}

/// What was done about the face that an object may show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaceStatement {
    /// Removed, and the removal was checked: 113102, Recognizable Visual Features NO.
    Removed,
    /// Left by the profile in a kind of object that may show one: Recognizable Visual Features YES.
    Left,
    /// Nothing to say: no face can be in it, or none was found.
    Silent,
}

/// What identifies an instance inside, read before anything is changed.
pub struct Subject {
    sop_class: String,
    instance: Phi<String>,
    study: Phi<String>,
    series: Phi<String>,
    issuer: Phi<String>,
    patient_id: Option<Phi<String>>,
    accession: Option<Phi<String>>,
}

impl Subject {
    /// Reads the identity of a source data set.
    ///
    /// # Errors
    /// [`Error::Identity`] when a UID is missing or malformed.
    pub fn of(source: &Dataset) -> Result<Self, Error> {
        let uid = |tag, name| {
            let text = source.text(tag).filter(|t| t.parse::<crate::id::Uid>().is_ok());
            text.ok_or(Error::Identity(name))
        };
        Ok(Subject {
            sop_class: uid(tags::SOP_CLASS_UID, "SOP Class UID (0008,0016)")?,
            instance: Phi::new(uid(tags::SOP_INSTANCE_UID, "SOP Instance UID (0008,0018)")?),
            study: Phi::new(uid(tags::STUDY_INSTANCE_UID, "Study Instance UID (0020,000D)")?),
            series: Phi::new(uid(tags::SERIES_INSTANCE_UID, "Series Instance UID (0020,000E)")?),
            issuer: Phi::new(source.text(tags::ISSUER_OF_PATIENT_ID).unwrap_or_default()),
            patient_id: source.text(tags::PATIENT_ID).map(Phi::new),
            accession: source.text(tags::ACCESSION_NUMBER).map(Phi::new),
        })
    }

    /// SOP Class UID (0008,0016).
    pub fn sop_class(&self) -> &str {
        &self.sop_class
    }

    /// Whether the data set is of the SOP class that an association spoke of.
    pub fn is_of_class(&self, sop_class: &str) -> bool {
        self.sop_class == sop_class
    }

    /// Whether two instances are about one person.
    pub fn is_same_patient(&self, other: &Subject) -> bool {
        let id = |s: &Subject| s.patient_id.as_ref().map(|id| id.expose().clone());
        self.issuer.expose() == other.issuer.expose() && id(self) == id(other)
    }

    /// Hands the SOP Instance UID of the source to whoever tags it with a key.
    pub fn with_instance<T>(&self, tag: impl FnOnce(&str) -> T) -> T {
        tag(self.instance.expose())
    }

    /// Hands the Series Instance UID of the source to whoever tags it with a key.
    pub fn with_series<T>(&self, tag: impl FnOnce(&str) -> T) -> T {
        tag(self.series.expose())
    }

    /// Hands the Study Instance UID of the source to whoever tags it with a key.
    pub fn with_study<T>(&self, tag: impl FnOnce(&str) -> T) -> T {
        tag(self.study.expose())
    }

    /// The pseudonym of the patient.
    pub fn pseudonymous_patient(&self, pseudonyms: &Pseudonyms) -> String {
        match &self.patient_id {
            Some(id) => pseudonyms.patient(self.issuer.expose(), id.expose()),
            None => pseudonyms.patient_of_study(self.study.expose()),
        }
    }

    /// The Study Instance UID as it leaves.
    pub fn pseudonymous_study(&self, pseudonyms: &Pseudonyms) -> String {
        pseudonyms.uid(self.study.expose())
    }

    /// The Series Instance UID as it leaves.
    pub fn pseudonymous_series(&self, pseudonyms: &Pseudonyms) -> String {
        pseudonyms.uid(self.series.expose())
    }

    fn pseudonymous_accession(&self, pseudonyms: &Pseudonyms) -> String {
        let number = self.accession.as_ref();
        number.map(|n| pseudonyms.accession(self.issuer.expose(), n.expose())).unwrap_or_default()
    }
}

/// One project's way of de-identifying.
pub struct Engine<'a> {
    profile: &'a Profile,
    pseudonyms: &'a Pseudonyms,
}

impl<'a> Engine<'a> {
    /// An engine for a profile and the keys of a project.
    pub fn new(profile: &'a Profile, pseudonyms: &'a Pseudonyms) -> Self {
        Engine { profile, pseudonyms }
    }

    /// De-identifies everything but the pixels.
    ///
    /// `face` is what the pixels' own stage did; `pixels_changed` marks the image as derived.
    pub fn scrub(
        &self,
        source: Dataset,
        subject: &Subject,
        face: FaceStatement,
        pixels_changed: bool,
    ) -> (Dataset, Report) {
        let mut report = Report::default();
        let mut scrub = Scrub { engine: self, sop_class: &subject.sop_class, report: &mut report };
        let mut dataset = Dataset::from(scrub.items_elements(source.into_object(), true));
        self.pseudonymize(&mut dataset, subject);
        if pixels_changed {
            mark_derived(&mut dataset);
        }
        self.state_what_was_done(&mut dataset, face);
        (dataset, report)
    }

    fn pseudonymize(&self, dataset: &mut Dataset, subject: &Subject) {
        let patient = subject.pseudonymous_patient(self.pseudonyms);
        dataset.put_text(tags::PATIENT_NAME, VR::PN, patient.clone());
        dataset.put_text(tags::PATIENT_ID, VR::LO, patient);
        dataset.put_text(
            tags::ACCESSION_NUMBER,
            VR::SH,
            subject.pseudonymous_accession(self.pseudonyms),
        );
    }

    /// PS3.15 E.1.1: the attributes that claim de-identification claim what was done, no more.
    ///
    /// Claims of an earlier de-identification by others are not carried on: nobody here checked them.
    fn state_what_was_done(&self, dataset: &mut Dataset, face: FaceStatement) {
        dataset.put_text(tags::PATIENT_IDENTITY_REMOVED, VR::CS, "YES");
        dataset.put(DataElement::new(
            tags::DEIDENTIFICATION_METHOD,
            VR::LO,
            PrimitiveValue::Strs(method(self.profile).into()),
        ));
        let codes = method_codes(face).iter().map(|(value, meaning)| {
            let mut item = InMemDicomObject::new_empty();
            item.put_str(tags::CODE_VALUE, VR::SH, *value);
            item.put_str(tags::CODING_SCHEME_DESIGNATOR, VR::SH, "DCM");
            item.put_str(tags::CODE_MEANING, VR::LO, *meaning);
            item
        });
        let codes = DataSetSequence::from(codes.collect::<Vec<_>>());
        dataset.put(DataElement::new(
            tags::DEIDENTIFICATION_METHOD_CODE_SEQUENCE,
            VR::SQ,
            Value::from(codes),
        ));
        dataset.put_text(tags::LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED, VR::CS, LONGITUDINAL);
        match recognizable_visual_features(face) {
            Some(answer) => {
                dataset.put_text(tags::RECOGNIZABLE_VISUAL_FEATURES, VR::CS, answer);
            }
            None => dataset.remove(tags::RECOGNIZABLE_VISUAL_FEATURES),
        }
    }
}

/// (0028,0303) when no option retains dates.
pub const LONGITUDINAL: &str = "REMOVED";

/// The value of Recognizable Visual Features (0028,0302), if there is anything to say.
pub fn recognizable_visual_features(face: FaceStatement) -> Option<&'static str> {
    match face {
        FaceStatement::Removed => Some("NO"),
        FaceStatement::Left => Some("YES"),
        FaceStatement::Silent => None,
    }
}

/// De-identification Method Code Sequence (0012,0064): code value and meaning of CID 7050.
pub fn method_codes(face: FaceStatement) -> &'static [(&'static str, &'static str)] {
    const BASIC: (&str, &str) = ("113100", "Basic Application Confidentiality Profile");
    const FACES: (&str, &str) = ("113102", "Clean Recognizable Visual Features Option");
    match face {
        FaceStatement::Removed => &[BASIC, FACES],
        FaceStatement::Left | FaceStatement::Silent => &[BASIC],
    }
}

/// De-identification Method (0012,0063), each value at most 64 characters.
fn method(profile: &Profile) -> Vec<String> {
    let digest = data_encoding::HEXLOWER.encode(&profile.digest()[..8]);
    vec![
        format!("efface {} PS3.15 {}", env!("CARGO_PKG_VERSION"), standard::EDITION),
        format!("profile {} {digest}", profile.name()),
    ]
}

/// PS3.3 C.7.6.1.1.2: pixels that differ from those of the source are derived; what was computed
/// from the old ones no longer holds.
fn mark_derived(dataset: &mut Dataset) {
    let mut image_type = dataset.texts(tags::IMAGE_TYPE);
    if let Some(first) = image_type.first_mut() {
        *first = "DERIVED".to_owned();
        let values = PrimitiveValue::Strs(image_type.into());
        dataset.put(DataElement::new(tags::IMAGE_TYPE, VR::CS, values));
    }
    for stale in STALE_AFTER_PIXEL_CHANGE {
        dataset.remove(stale);
    }
}

/// Optional attributes that describe the pixels of the source.
const STALE_AFTER_PIXEL_CHANGE: [Tag; 6] = [
    tags::SMALLEST_IMAGE_PIXEL_VALUE,
    tags::LARGEST_IMAGE_PIXEL_VALUE,
    tags::SMALLEST_PIXEL_VALUE_IN_SERIES,
    tags::LARGEST_PIXEL_VALUE_IN_SERIES,
    tags::EXTENDED_OFFSET_TABLE,
    tags::EXTENDED_OFFSET_TABLE_LENGTHS,
];

/// One walk over one object.
struct Scrub<'e, 'a> {
    engine: &'e Engine<'a>,
    sop_class: &'e str,
    report: &'e mut Report,
}

impl Scrub<'_, '_> {
    /// The elements of a data set or item. Recursion is bounded by the pre-scan's depth limit.
    fn items_elements(&mut self, object: InMemDicomObject, top_level: bool) -> InMemDicomObject {
        let mut out = InMemDicomObject::new_empty();
        for element in object {
            if let Some(element) = self.element(element, top_level) {
                out.put_element(element);
            }
        }
        out
    }

    fn element(&mut self, element: Element, top_level: bool) -> Option<Element> {
        let (tag, vr) = (element.tag(), element.vr());
        let (action, ground) = self.engine.profile.decide(self.sop_class, top_level, tag, vr);
        let (action, element) = match action {
            Action::X => (Action::X, None),
            Action::Z => (Action::Z, Some(DataElement::empty(tag, vr))),
            Action::D => self.dummy(element),
            Action::U => self.map(element),
            Action::K => self.keep(element),
        };
        self.report.count(tag, action, ground);
        element
    }

    /// D: the shape without the content. A UID's dummy is its pseudonym.
    fn dummy(&mut self, element: Element) -> (Action, Option<Element>) {
        let (tag, vr) = (element.tag(), element.vr());
        match vr {
            VR::UI => (Action::U, Some(self.map_uids(element))),
            _ => match dummy::value(tag, vr) {
                Some(value) => (Action::D, Some(DataElement::new(tag, vr, value))),
                None => (Action::X, None),
            },
        }
    }

    /// U: UIDs mapped; of a sequence, items kept under the same rules.
    fn map(&mut self, element: Element) -> (Action, Option<Element>) {
        match element.vr() {
            VR::UI => (Action::U, Some(self.map_uids(element))),
            VR::SQ => (Action::U, Some(self.descend(element))),
            _ => self.dummy(element),
        }
    }

    /// K: kept if it can be read; UIDs are mapped whatever the table says, unless registered.
    fn keep(&mut self, element: Element) -> (Action, Option<Element>) {
        match element.vr() {
            VR::SQ => (Action::K, Some(self.descend(element))),
            VR::UI => self.keep_uid(element),
            VR::UN => (Action::X, None),
            vr if is_doubtful(&element) => (Action::Z, Some(DataElement::empty(element.tag(), vr))),
            _ => (Action::K, Some(element)),
        }
    }

    fn keep_uid(&mut self, element: Element) -> (Action, Option<Element>) {
        let registered = text_of(&element).is_none_or(|uid| is_well_known(&uid));
        if registered { (Action::K, Some(element)) } else { self.map(element) }
    }

    fn map_uids(&mut self, element: Element) -> Element {
        let tag = element.tag();
        let Value::Primitive(value) = element.into_value() else {
            return DataElement::empty(tag, VR::UI);
        };
        let uids = value.to_multi_str();
        let mapped = uids.iter().map(|uid| {
            let uid = uid.trim_matches([' ', '\0']);
            match uid {
                "" => String::new(),
                _ if is_well_known(uid) => uid.to_owned(),
                _ => self.engine.pseudonyms.uid(uid),
            }
        });
        let mapped: Vec<String> = mapped.collect();
        DataElement::new(tag, VR::UI, PrimitiveValue::Strs(mapped.into()))
    }

    fn descend(&mut self, element: Element) -> Element {
        let tag = element.tag();
        let items = element.into_value().into_items().unwrap_or_default();
        let items: Vec<_> = items.into_iter().map(|i| self.items_elements(i, false)).collect();
        DataElement::new(tag, VR::SQ, Value::from(DataSetSequence::from(items)))
    }
}

/// Text that did not decode: nobody can say what it holds.
fn is_doubtful(element: &Element) -> bool {
    match element.value() {
        Value::Primitive(PrimitiveValue::Str(text)) => text.contains(char::REPLACEMENT_CHARACTER),
        Value::Primitive(PrimitiveValue::Strs(texts)) => {
            texts.iter().any(|t| t.contains(char::REPLACEMENT_CHARACTER))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::RootKey;
    use crate::profile::language;
    use dicom_dictionary_std::uids;
    use std::sync::LazyLock;

    static ROOT: LazyLock<RootKey> = LazyLock::new(|| RootKey::generate().unwrap());

    fn profile() -> Profile {
        language::parse("basic.yaml", include_str!("../../profiles/basic.yaml")).unwrap()
    }

    fn text(tag: Tag, vr: VR, value: &str) -> Element {
        Element::new(tag, vr, PrimitiveValue::from(value))
    }

    fn sequence(tag: Tag, items: Vec<InMemDicomObject>) -> Element {
        Element::new(tag, VR::SQ, Value::from(DataSetSequence::from(items)))
    }

    fn ct() -> InMemDicomObject {
        let mut object = InMemDicomObject::from_element_iter([
            text(tags::SOP_CLASS_UID, VR::UI, uids::CT_IMAGE_STORAGE),
            text(tags::SOP_INSTANCE_UID, VR::UI, "1.2.3.4"),
            text(tags::STUDY_INSTANCE_UID, VR::UI, "1.2.3"),
            text(tags::SERIES_INSTANCE_UID, VR::UI, "1.2.3.1"),
            text(tags::PATIENT_ID, VR::LO, "MRN-4711"),
            text(tags::PATIENT_NAME, VR::PN, "DOE^JANE"),
            text(tags::ACCESSION_NUMBER, VR::SH, "A-1"),
            text(tags::MODALITY, VR::CS, "CT"),
        ]);
        object.put_element(Element::new(
            tags::IMAGE_TYPE,
            VR::CS,
            PrimitiveValue::Strs(vec!["ORIGINAL".to_owned(), "PRIMARY".to_owned()].into()),
        ));
        object
    }

    fn scrub(object: InMemDicomObject) -> (Dataset, Report) {
        let (profile, pseudonyms) = (profile(), Pseudonyms::new(&ROOT, "lab"));
        let source = Dataset::from(object);
        let subject = Subject::of(&source).unwrap();
        Engine::new(&profile, &pseudonyms).scrub(source, &subject, FaceStatement::Silent, false)
    }

    #[test]
    fn identity_becomes_pseudonyms() {
        let (out, report) = scrub(ct());
        let pseudonyms = Pseudonyms::new(&ROOT, "lab");
        let patient = pseudonyms.patient("", "MRN-4711");
        assert_eq!(out.text(tags::PATIENT_ID), Some(patient.clone()));
        assert_eq!(out.text(tags::PATIENT_NAME), Some(patient));
        assert_eq!(out.text(tags::ACCESSION_NUMBER), Some(pseudonyms.accession("", "A-1")));
        assert_eq!(out.text(tags::SOP_INSTANCE_UID), Some(pseudonyms.uid("1.2.3.4")));
        assert_eq!(out.text(tags::SOP_CLASS_UID), Some(uids::CT_IMAGE_STORAGE.to_owned()));
        assert_eq!(out.text(tags::PATIENT_IDENTITY_REMOVED), Some("YES".to_owned()));
        assert!(report.total(Action::U) >= 3);
    }

    #[test]
    fn rules_hold_at_every_depth() {
        let mut object = ct();
        let deep = InMemDicomObject::from_element_iter([
            text(tags::PATIENT_NAME, VR::PN, "DOE^JANE"),
            text(tags::STATION_NAME, VR::SH, "CT-1"),
            text(Tag(0x0011, 0x1001), VR::LO, "private"),
            text(tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, "1.2.3.9"),
            text(tags::CODE_VALUE, VR::SH, "kept"),
        ]);
        let middle = InMemDicomObject::from_element_iter([sequence(
            tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE,
            vec![deep],
        )]);
        object.put_element(sequence(tags::REFERENCED_IMAGE_SEQUENCE, vec![middle]));
        let out = scrub(object).0.into_object();
        let middle = &out.get(tags::REFERENCED_IMAGE_SEQUENCE).unwrap().items().unwrap()[0];
        let deep =
            &middle.get(tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE).unwrap().items().unwrap()[0];
        assert_eq!(deep.get(tags::PATIENT_NAME).unwrap().value().multiplicity(), 0);
        assert_eq!(text_of(deep.get(tags::STATION_NAME).unwrap()).as_deref(), Some("REMOVED"));
        assert!(deep.get(Tag(0x0011, 0x1001)).is_none());
        let reference = text_of(deep.get(tags::REFERENCED_SOP_INSTANCE_UID).unwrap()).unwrap();
        assert_eq!(reference, Pseudonyms::new(&ROOT, "lab").uid("1.2.3.9"));
        assert_eq!(text_of(deep.get(tags::CODE_VALUE).unwrap()).as_deref(), Some("kept"));
    }

    /// Every row of the Basic Profile: a value planted there does not come out.
    #[test]
    fn no_listed_element_keeps_its_value() {
        use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
        for tag in standard::listed_tags() {
            let vr =
                dicom_dictionary_std::StandardDataDictionary.by_tag(tag).unwrap().vr().relaxed();
            let canary = match vr {
                VR::SQ => sequence(
                    tag,
                    vec![InMemDicomObject::from_element_iter([text(
                        tags::PATIENT_COMMENTS,
                        VR::LT,
                        "CANARY",
                    )])],
                ),
                VR::UI => text(tag, vr, "1.99.77.55"),
                VR::OB | VR::OW | VR::UN => {
                    Element::new(tag, vr, PrimitiveValue::U8(b"CANARY".as_slice().into()))
                }
                VR::FD => Element::new(tag, vr, PrimitiveValue::from(1234.5_f64)),
                VR::FL => Element::new(tag, vr, PrimitiveValue::from(1234.5_f32)),
                VR::US | VR::UL | VR::SL | VR::SS => continue,
                _ => text(tag, vr, "CANARY"),
            };
            let mut object = ct();
            if object.get(tag).is_none() {
                object.put_element(canary);
            }
            let bytes = scrub(object).0.encode().unwrap();
            for trace in [b"CANARY".as_slice(), b"1.99.77.55", b"1.2.3.4", b"MRN-4711", b"DOE"] {
                assert!(!bytes.windows(trace.len()).any(|w| w == trace), "{tag} {vr}");
            }
        }
    }

    #[test]
    fn what_does_not_decode_is_emptied() {
        let mut object = ct();
        object.put_element(text(tags::CONTRAST_BOLUS_INGREDIENT, VR::LO, "J\u{fffd}r"));
        object.put_element(text(tags::MANUFACTURER, VR::LO, "Müller"));
        let out = scrub(object).0;
        assert!(out.has(tags::CONTRAST_BOLUS_INGREDIENT));
        assert_eq!(out.text(tags::CONTRAST_BOLUS_INGREDIENT), None);
        assert_eq!(out.text(tags::MANUFACTURER).as_deref(), Some("Müller"));
    }

    #[test]
    fn claims_are_what_was_done() {
        let (profile, pseudonyms) = (profile(), Pseudonyms::new(&ROOT, "lab"));
        let mut object = ct();
        object.put_element(text(tags::RECOGNIZABLE_VISUAL_FEATURES, VR::CS, "NO"));
        let engine = Engine::new(&profile, &pseudonyms);
        let subject = Subject::of(&Dataset::from(object.clone())).unwrap();
        let said = |face, changed| {
            let out = engine.scrub(Dataset::from(object.clone()), &subject, face, changed).0;
            let codes = out.object().get(tags::DEIDENTIFICATION_METHOD_CODE_SEQUENCE).unwrap();
            let codes = codes.items().unwrap().len();
            let features = out.text(tags::RECOGNIZABLE_VISUAL_FEATURES);
            (codes, features, out.text(tags::IMAGE_TYPE).unwrap())
        };
        let yes_no = |s: &str| Some(s.to_owned());
        assert_eq!(said(FaceStatement::Removed, true), (2, yes_no("NO"), "DERIVED".into()));
        assert_eq!(said(FaceStatement::Left, false), (1, yes_no("YES"), "ORIGINAL".into()));
        assert_eq!(said(FaceStatement::Silent, false), (1, None, "ORIGINAL".into()));
    }

    #[test]
    fn an_object_without_identity_is_refused() {
        let mut object = ct();
        object.put_element(text(tags::STUDY_INSTANCE_UID, VR::UI, "../../etc"));
        assert!(Subject::of(&Dataset::from(object)).is_err());
    }
}
