//! A value for every element: of its VR, unlike any other, and telling; or as short as people write.

use dicom_core::value::{DataSetSequence, PrimitiveValue, Value};
use dicom_core::{DataElement, Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use efface::dicom::dataset::Element;

/// What kind of value is planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// Nobody else has it.
    Telling,
    /// A letter, a small number: it tells something in its own element only.
    Short,
}

/// The canary of an element. `salt` is another number for each place of each element.
pub fn canary(tag: Tag, vr: VR, sort: Sort, salt: u32) -> Element {
    let n = number(tag, salt);
    let value = match vr {
        VR::SQ => return sequence(tag, sort, salt),
        VR::UI => format!("1.3.6.1.4.1.55555.{n}.{salt}").into(),
        VR::DA => date(salt).into(),
        VR::DT => format!("{}{}", date(salt), time(n)).into(),
        VR::TM => time(n).into(),
        VR::PN if sort == Sort::Telling => format!("{}^{}", word(n), word(!n)).into(),
        VR::AS => "043Y".into(),
        VR::DS if sort == Sort::Telling => format!("{}.{}", n % 1000, n / 1000 % 10_000).into(),
        VR::IS if sort == Sort::Telling => (n % 100_000_000).to_string().into(),
        VR::DS | VR::IS => "7".into(),
        VR::US => PrimitiveValue::from(n as u16 | 1),
        VR::UL => PrimitiveValue::from(n | 1),
        VR::SS => PrimitiveValue::from(-(n as i16 & 0x7FF | 1)),
        VR::SL => PrimitiveValue::from(-(n as i32 & 0x7FFF | 1)),
        VR::FL => PrimitiveValue::from(n as f32 + 0.5),
        VR::FD => PrimitiveValue::from(f64::from(n) + 0.5),
        VR::AT => PrimitiveValue::Tags(vec![Tag(0x0010, 0x0010)].into()),
        VR::OB | VR::OW | VR::OF | VR::OD | VR::OL | VR::OV | VR::UN => bytes(n, sort),
        VR::UR => format!("https://{}.example/{n}", word(n)).into(),
        _ if sort == Sort::Short => "M".into(),
        VR::CS => word(n).to_uppercase().into(),
        VR::AE | VR::SH => word(n).into(),
        _ => sentence(n).into(),
    };
    DataElement::new(tag, vr, value)
}

/// Codes as hospitals have them: nothing in the item identifies by its own tag.
fn sequence(tag: Tag, sort: Sort, salt: u32) -> Element {
    let n = number(tag, salt);
    let text = |tag, vr, text: String| DataElement::new(tag, vr, PrimitiveValue::from(text));
    let meaning = if sort == Sort::Telling { sentence(n) } else { "M".to_owned() };
    let mut item = InMemDicomObject::from_element_iter([
        text(tags::CODE_VALUE, VR::SH, format!("Q{}", n % 1000)),
        text(tags::CODING_SCHEME_DESIGNATOR, VR::SH, "99SITE".to_owned()),
        text(tags::CODE_MEANING, VR::LO, meaning),
    ]);
    if is_reference(tag) {
        let uid = format!("1.3.6.1.4.1.55555.{n}.9");
        item.put_element(text(tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, uid));
    }
    items(tag, vec![item])
}

/// Sequences of references to instances.
fn is_reference(tag: Tag) -> bool {
    matches!(tag, Tag(0x0008, 0x1110..=0x1140 | 0x2112))
}

pub fn items(tag: Tag, items: Vec<InMemDicomObject>) -> Element {
    DataElement::new(tag, VR::SQ, Value::from(DataSetSequence::from(items)))
}

fn bytes(n: u32, sort: Sort) -> PrimitiveValue {
    let bytes = match sort {
        Sort::Telling => [&[1, 0, 200, 3], word(n).as_bytes(), &[7, 0]].concat(),
        Sort::Short => vec![1, 2],
    };
    PrimitiveValue::U8(bytes.into())
}

fn sentence(n: u32) -> String {
    format!("{} {}", word(n), word(!n))
}

/// Sixteen letters that are no word of any language.
fn word(n: u32) -> String {
    const CONSONANTS: &[u8; 16] = b"bdfghjklmnprstvz";
    let letters = (0..8).flat_map(|at| {
        let digit = (n >> (4 * at)) as usize & 15;
        [CONSONANTS[digit], b"aeiou"[(digit + at) % 5]]
    });
    letters.map(char::from).collect()
}

/// Each number's own week, from 1952 on.
fn date(n: u32) -> String {
    let first = chrono::NaiveDate::from_ymd_opt(1952, 2, 4).expect("a day");
    (first + chrono::Days::new(7 * u64::from(n))).format("%Y%m%d").to_string()
}

fn time(n: u32) -> String {
    format!("{:02}{:02}{:02}.{:06}", n % 24, n / 24 % 60, 1 + n / 1440 % 59, 1 + n % 999_999)
}

/// Another number for every tag and place: neighbours are nothing alike (splitmix64).
fn number(tag: Tag, salt: u32) -> u32 {
    let tag = u64::from(tag.group()) << 16 | u64::from(tag.element());
    let mut n = (u64::from(salt) << 32 | tag).wrapping_add(0x9E37_79B9_7F4A_7C15);
    n = (n ^ n >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    n = (n ^ n >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    (n ^ n >> 31) as u32
}
