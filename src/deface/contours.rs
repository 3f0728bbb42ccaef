//! Contours of structure sets (PS3.3 C.8.8.6), cut where a face was removed from the images.
//!
//! An outline of the body traces the face as well as the images did. Points in what was removed go; what
//! is left of a closed contour is closed by a straight line. A contour of which too little is left goes
//! whole, whatever it outlines: there is no image of it any more.

use crate::dicom::dataset::{numbers_of, text_of};
use dicom_core::value::{DataSetSequence, PrimitiveValue, Value};
use dicom_core::{DataElement, Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use std::collections::{BTreeMap, BTreeSet};

/// Whether a point of the patient (LPS mm) is removed.
pub type Removed<'a> = dyn Fn([f64; 3]) -> bool + Sync + 'a;

/// What was cut, and what is left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Contours {
    /// Points that went.
    pub cut: usize,
    /// Points that stay.
    pub left: usize,
}

/// Why contours cannot be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A contour that cannot be read.
    #[error(
        "a contour is not a list of points in mm (Contour Data (3006,0050)): have the sender export the structure set again"
    )]
    Points,
    /// Contours outside of the sequences in which they belong.
    #[error(
        "contours stand where no reader looks for them: have the sender export the structure set again"
    )]
    Elsewhere,
}

/// Cuts all contours of a structure set.
///
/// # Errors
/// [`Error`]: the structure set stays as it is, half cut, and must not leave.
pub fn cut(object: &mut InMemDicomObject, removed: &Removed<'_>) -> Result<Contours, Error> {
    let mut counts = Contours::default();
    let Some(rois) = items(object, tags::ROI_CONTOUR_SEQUENCE)? else {
        return if mentions_contours(object) { Err(Error::Elsewhere) } else { Ok(counts) };
    };
    let mut kept = Vec::with_capacity(rois.len());
    for mut roi in rois {
        if let Some(contours) = items(&roi, tags::CONTOUR_SEQUENCE)? {
            let mut left = Vec::with_capacity(contours.len());
            for contour in contours {
                left.extend(cut_contour(contour, removed, &mut counts)?);
            }
            roi.remove_element(tags::CONTOUR_SEQUENCE);
            if !left.is_empty() {
                roi.put_element(sequence(tags::CONTOUR_SEQUENCE, left));
            }
        }
        kept.push(roi);
    }
    object.put_element(sequence(tags::ROI_CONTOUR_SEQUENCE, kept));
    Ok(counts)
}

/// How many points of a structure set's contours are, and are not, in what is removed.
///
/// # Errors
/// [`Error::Points`], [`Error::Elsewhere`].
pub fn count(object: &InMemDicomObject, removed: &Removed<'_>) -> Result<Contours, Error> {
    let mut counts = Contours::default();
    for roi in items(object, tags::ROI_CONTOUR_SEQUENCE)?.unwrap_or_default() {
        for contour in items(&roi, tags::CONTOUR_SEQUENCE)?.unwrap_or_default() {
            for point in points(&contour)? {
                if removed(point) { counts.cut += 1 } else { counts.left += 1 }
            }
        }
    }
    Ok(counts)
}

/// UIDs of the frames of reference in which contours lie, each once; an empty one for contours of a region
/// of interest that the structure set does not describe.
pub fn frames_of_reference(object: &InMemDicomObject) -> Vec<String> {
    let all = |tag| items(object, tag).ok().flatten().unwrap_or_default();
    let text = |item: &InMemDicomObject, tag| item.get(tag).and_then(text_of).unwrap_or_default();
    let described: BTreeMap<String, String> = all(tags::STRUCTURE_SET_ROI_SEQUENCE)
        .iter()
        .map(|roi| {
            (text(roi, tags::ROI_NUMBER), text(roi, tags::REFERENCED_FRAME_OF_REFERENCE_UID))
        })
        .collect();
    let with_contours = all(tags::ROI_CONTOUR_SEQUENCE)
        .into_iter()
        .filter(|roi| roi.get(tags::CONTOUR_SEQUENCE).is_some());
    let uid = |roi: InMemDicomObject| {
        described.get(&text(&roi, tags::REFERENCED_ROI_NUMBER)).cloned().unwrap_or_default()
    };
    with_contours.map(uid).collect::<BTreeSet<_>>().into_iter().collect()
}

/// What is left of a contour, if that is one.
fn cut_contour(
    mut contour: InMemDicomObject,
    removed: &Removed<'_>,
    counts: &mut Contours,
) -> Result<Option<InMemDicomObject>, Error> {
    let all = points(&contour)?;
    let left: Vec<[f64; 3]> = all.iter().copied().filter(|&point| !removed(point)).collect();
    let cut = left.len() < all.len();
    let shape = contour.get(tags::CONTOUR_GEOMETRIC_TYPE).and_then(text_of).unwrap_or_default();
    let least = LEAST_POINTS.iter().find(|(name, _)| *name == shape).map_or(3, |(_, least)| *least);
    if cut && left.len() < least {
        counts.cut += all.len();
        return Ok(None);
    }
    counts.left += left.len();
    counts.cut += all.len() - left.len();
    if cut {
        // The source's own digits: a point that stays is written as it was.
        let texts: Vec<String> = source_texts(&contour)?;
        let kept = all.iter().zip(texts.chunks_exact(3)).filter(|(point, _)| !removed(**point));
        let kept: Vec<String> = kept.flat_map(|(_, texts)| texts.to_vec()).collect();
        let number = PrimitiveValue::from(left.len().to_string());
        contour.put_element(DataElement::new(tags::NUMBER_OF_CONTOUR_POINTS, VR::IS, number));
        let data = PrimitiveValue::Strs(kept.into());
        contour.put_element(DataElement::new(tags::CONTOUR_DATA, VR::DS, data));
    }
    Ok(Some(contour))
}

/// Fewer points than this are no such contour (PS3.3 C.8.8.6.1); of other shapes 3.
const LEAST_POINTS: [(&str, usize); 3] = [("POINT", 1), ("OPEN_PLANAR", 2), ("OPEN_NONPLANAR", 2)];

fn points(contour: &InMemDicomObject) -> Result<Vec<[f64; 3]>, Error> {
    let Some(data) = contour.get(tags::CONTOUR_DATA) else { return Ok(Vec::new()) };
    let numbers = numbers_of(data);
    let texts = source_texts(contour)?.len();
    let readable = numbers.len().is_multiple_of(3)
        && numbers.len() == texts
        && numbers.iter().all(|number| number.is_finite());
    if !readable {
        return Err(Error::Points);
    }
    Ok(numbers.chunks_exact(3).map(|p| [p[0], p[1], p[2]]).collect())
}

fn source_texts(contour: &InMemDicomObject) -> Result<Vec<String>, Error> {
    match contour.get(tags::CONTOUR_DATA).map(|element| element.value()) {
        None => Ok(Vec::new()),
        Some(Value::Primitive(PrimitiveValue::Empty)) => Ok(Vec::new()),
        Some(Value::Primitive(value)) => Ok(value
            .to_multi_str()
            .iter()
            .flat_map(|text| text.split('\\'))
            .map(|text| text.trim_matches([' ', '\0']).to_owned())
            .collect()),
        Some(_) => Err(Error::Points),
    }
}

/// Contours, somewhere.
fn mentions_contours(object: &InMemDicomObject) -> bool {
    object.iter().any(|element| {
        element.header().tag == tags::CONTOUR_DATA
            || element.items().is_some_and(|items| items.iter().any(mentions_contours))
    })
}

fn items(object: &InMemDicomObject, tag: Tag) -> Result<Option<Vec<InMemDicomObject>>, Error> {
    match object.get(tag) {
        None => Ok(None),
        Some(element) => match element.items() {
            Some(items) => Ok(Some(items.to_vec())),
            None => Err(Error::Points),
        },
    }
}

fn sequence(tag: Tag, items: Vec<InMemDicomObject>) -> DataElement<InMemDicomObject, Vec<u8>> {
    DataElement::new(tag, VR::SQ, Value::from(DataSetSequence::from(items)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contour(shape: &str, data: &str) -> InMemDicomObject {
        let texts: Vec<String> = data.split('\\').map(str::to_owned).collect();
        let points = (texts.len() / 3).to_string();
        InMemDicomObject::from_element_iter([
            DataElement::new(tags::CONTOUR_GEOMETRIC_TYPE, VR::CS, PrimitiveValue::from(shape)),
            DataElement::new(tags::NUMBER_OF_CONTOUR_POINTS, VR::IS, PrimitiveValue::from(points)),
            DataElement::new(tags::CONTOUR_DATA, VR::DS, PrimitiveValue::Strs(texts.into())),
        ])
    }

    fn structure_set(rois: Vec<Vec<InMemDicomObject>>) -> InMemDicomObject {
        let rois = rois.into_iter().map(|contours| {
            InMemDicomObject::from_element_iter([sequence(tags::CONTOUR_SEQUENCE, contours)])
        });
        let rois = sequence(tags::ROI_CONTOUR_SEQUENCE, rois.collect());
        InMemDicomObject::from_element_iter([rois])
    }

    /// The face is where y is negative.
    fn in_front(point: [f64; 3]) -> bool {
        point[1] < 0.0
    }

    #[test]
    fn what_lies_in_the_face_goes_and_the_rest_keeps_its_digits() {
        let body = "10.50\\-20\\5\\10.50\\20.0\\5\\-10\\20\\5.000\\-12\\3\\5\\-10\\-20\\5";
        let mut set = structure_set(vec![
            vec![contour("CLOSED_PLANAR", body)],
            vec![
                contour("CLOSED_PLANAR", "0\\-9\\0\\5\\-9\\0\\5\\9\\0"),
                contour("POINT", "0\\-1\\0"),
            ],
        ]);
        assert_eq!(count(&set, &in_front), Ok(Contours { cut: 5, left: 4 }));
        assert_eq!(cut(&mut set, &in_front), Ok(Contours { cut: 6, left: 3 }));
        assert_eq!(count(&set, &in_front), Ok(Contours { cut: 0, left: 3 }));
        let rois = items(&set, tags::ROI_CONTOUR_SEQUENCE).unwrap().unwrap();
        let body = &items(&rois[0], tags::CONTOUR_SEQUENCE).unwrap().unwrap()[0];
        assert_eq!(
            source_texts(body).unwrap(),
            ["10.50", "20.0", "5", "-10", "20", "5.000", "-12", "3", "5"]
        );
        assert_eq!(
            body.get(tags::NUMBER_OF_CONTOUR_POINTS).and_then(text_of).as_deref(),
            Some("3")
        );
        assert!(rois[1].get(tags::CONTOUR_SEQUENCE).is_none(), "an ROI without contours (type 3)");
    }

    #[test]
    fn what_is_not_read_is_not_passed() {
        let mut odd = structure_set(vec![vec![contour("CLOSED_PLANAR", "1\\2\\3\\4")]]);
        assert_eq!(cut(&mut odd, &in_front), Err(Error::Points));
        let mut elsewhere = InMemDicomObject::from_element_iter([sequence(
            tags::CONTOUR_SEQUENCE,
            vec![contour("POINT", "1\\2\\3")],
        )]);
        assert_eq!(cut(&mut elsewhere, &in_front), Err(Error::Elsewhere));
    }
}
