//! Results as a program outside makes them: it knows what left and nothing else. And what may be wrong with them.

use super::canary::UID_ROOT;
use super::dcmtk::Arrived;
use super::study::{BASIC_TEXT_SR, CT, Elements, SECONDARY_CAPTURE, patient, tiny_image};
use efface::clock::Day;

pub const SEGMENTATION: &str = "1.2.840.10008.5.1.4.1.1.66.4";
pub const PDF: &str = "1.2.840.10008.5.1.4.1.1.104.1";
pub const CLASSES: [&str; 4] = [SEGMENTATION, BASIC_TEXT_SR, SECONDARY_CAPTURE, PDF];
/// Where whoever makes results makes its UIDs.
pub const MAKER: &str = "1.2.826.0.1.3680043.10.511";

/// What makes a right result a wrong one.
pub type Change = Box<dyn Fn(&mut Elements)>;

/// A result of a class, of a study that left.
pub fn result(class: &str, of: &[&Arrived], number: u32) -> Elements {
    let image = of[0];
    let text = |keyword| image.text(keyword);
    let today = Day::today().to_string().replace('-', "");
    let mut data = Elements::default();
    data.texts(&[
        (0x0008_0005, "CS", "ISO_IR 100"),
        (0x0008_0016, "UI", class),
        (0x0008_0018, "UI", &format!("{MAKER}.{number}.1")),
        (0x0008_0020, "DA", &text("StudyDate")),
        (0x0008_0022, "DA", &text("AcquisitionDate")),
        (0x0008_0023, "DA", &today),
        (0x0008_0050, "SH", &text("AccessionNumber")),
        (0x0008_0060, "CS", "OT"),
        (0x0008_0070, "LO", "Model works"),
        (0x0010_0010, "PN", &text("PatientName")),
        (0x0010_0020, "LO", &text("PatientID")),
        (0x0010_1010, "AS", "099Y"),
        (0x0012_0062, "CS", "YES"),
        (0x0020_000D, "UI", &text("StudyInstanceUID")),
        (0x0020_000E, "UI", &format!("{MAKER}.{number}")),
        (0x0020_0052, "UI", &text("FrameOfReferenceUID")),
    ]);
    data.bytes(0x0008_103E, "LO", b"gr\xf6\xdfer");
    data.item(0x0008_1115, |series| {
        series.text(0x0020_000E, "UI", &text("SeriesInstanceUID"));
        series.item(0x0008_114A, |instance| {
            instance.text(0x0008_1150, "UI", CT);
            instance.text(0x0008_1155, "UI", &text("SOPInstanceUID"));
        });
    });
    match class {
        BASIC_TEXT_SR => {
            data.item(0x0040_A375, |study| {
                study.text(0x0020_000D, "UI", &text("StudyInstanceUID"));
                study.item(0x0008_1115, |series| {
                    series.text(0x0020_000E, "UI", &of[1].text("SeriesInstanceUID"));
                    series.item(0x0008_1199, |instance| {
                        instance.text(0x0008_1150, "UI", CT);
                        instance.text(0x0008_1155, "UI", &of[1].text("SOPInstanceUID"));
                    });
                });
            });
            data.item(0x0040_A730, |finding| {
                let said = format!("{} ({})", text("PatientID"), text("SOPInstanceUID"));
                finding.text(0x0040_A040, "CS", "TEXT").text(0x0040_A160, "UT", &said);
            });
        }
        PDF => {
            data.text(0x0042_0010, "ST", &format!("Report on {}", text("PatientID")));
            data.bytes(0x0042_0011, "OB", b"%PDF-1.4 nothing").text(
                0x0042_0012,
                "LO",
                "application/pdf",
            );
        }
        _ => tiny_image(&mut data, 1),
    }
    data
}

/// Has a result refer to one instance more.
pub fn reference(class: &'static str, uid: &str) -> impl Fn(&mut Elements) + use<> {
    let uid = uid.to_owned();
    move |data: &mut Elements| {
        data.item(0x0008_1140, |image| {
            image.text(0x0008_1150, "UI", class).text(0x0008_1155, "UI", &uid);
        });
    }
}

/// Everything that may be wrong with a result of one study, with the code by which it is refused; another study is of
/// somebody else.
pub fn wrong_kinds(own: &[&Arrived], other: &[&Arrived]) -> Vec<(&'static str, Change)> {
    let text = |tag, vr, value: &str| {
        let value = value.to_owned();
        move |data: &mut Elements| {
            data.text(tag, vr, &value);
        }
    };
    let stranger = other[0].text("PatientID");
    let of_other = other[0].text("SOPInstanceUID");
    #[rustfmt::skip]
    let wrong: Vec<(&str, Change)> = vec![
        ("unknown-study", Box::new(text(0x0020_000D, "UI", "2.25.4711"))),
        ("wrong-patient", Box::new(text(0x0010_0020, "LO", &stranger))),
        ("wrong-patient", Box::new(text(0x0010_0020, "LO", &patient(0).id()))),
        ("wrong-patient", Box::new(|data| { data.remove(0x0010_0020); })),
        ("wrong-patient", Box::new(text(0x0010_0010, "PN", "Doe^Jane"))),
        ("wrong-accession", Box::new(text(0x0008_0050, "SH", "ACC1"))),
        ("class-not-allowed", Box::new(text(0x0008_0016, "UI", "1.2.840.10008.5.1.4.1.1.6.1"))),
        ("existing-uid", Box::new(text(0x0008_0018, "UI", &own[0].text("SOPInstanceUID")))),
        ("existing-uid", Box::new(text(0x0020_000E, "UI", &own[0].text("SeriesInstanceUID")))),
        ("foreign-reference", Box::new(reference(CT, &of_other))),
        ("foreign-reference", Box::new(reference(CT, "1.2.3.4"))),
        ("foreign-reference", Box::new(reference(CT, &format!("{UID_ROOT}.9.9.9")))),
        ("referenced-class", Box::new(reference(SEGMENTATION, &own[0].text("SOPInstanceUID")))),
        ("second-patient", Box::new(move |data| { data.item(0x0010_1002, |item| {
            item.text(0x0010_0020, "LO", &stranger);
        }); })),
        ("second-patient", Box::new(|data| { data.item(0x0040_0275, |item| {
            item.text(0x0010_0010, "PN", "Doe^Jane");
        }); })),
        ("malformed-value", Box::new(text(0x0008_0023, "DA", "someday"))),
        ("charset", Box::new(|data| { data.text(0x0008_0005, "CS", "ISO_IR 192"); })),
        ("no-identity", Box::new(|data| { data.remove(0x0008_0018); })),
    ];
    wrong
}
