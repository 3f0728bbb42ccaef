//! Text in the pixels of ultrasound: blanked where a site said that its device writes, else withheld.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test fails by its panic and owns its files"
)]

mod support;

use std::path::Path;
use support::dcmtk::{Arrived, arrived};
use support::gateway::{Site, efface, printed};
use support::study::{Elements, US, patient, write_all};
use support::{files, shared};

const ROWS: u16 = 96;
const COLUMNS: u16 = 128;
/// Rows at the top and a corner below, in which the device writes.
const BAR: usize = 12;
const CORNER: (usize, usize) = (80, 40);

const PROFILE: &str = "\
options: [Clean Pixel Data, Clean Recognizable Visual Features]
devices:
  - manufacturer: ACME MEDICAL
    model: Model 9
    rows: 96
    columns: 128
    blank: [{ x: 0, y: 0, width: 128, height: 12 }, { x: 0, y: 80, width: 40, height: 16 }]
    because: two people looked at twenty images
  - manufacturer: Philips Medical Systems
    model: EPIQ 5G
    rows: 768
    columns: 1024
    blank: [{ x: 0, y: 0, width: 1024, height: 24 }]
    because: looked at one public image
  - manufacturer: SIEMENS
    model: S2000
    rows: 768
    columns: 1024
    blank: [{ x: 0, y: 0, width: 1024, height: 60 }]
    because: looked at one public image
";

/// Samples of which no two beside each other are equal: speckle, and letters at the top.
fn samples(rows: u16) -> Vec<u8> {
    let count = usize::from(rows) * usize::from(COLUMNS);
    (0..count).map(|n| (n * 37 % 251) as u8 + 1).collect()
}

fn ultrasound(number: u32, rows: u16) -> Elements {
    let mut image = patient(0).image_of(US, 1, number);
    image.numbers(0x0028_0010, &[rows]).numbers(0x0028_0011, &[COLUMNS]);
    for (tag, value) in [(0x0028_0100, 8), (0x0028_0101, 8), (0x0028_0102, 7), (0x0028_0103, 0)] {
        image.numbers(tag, &[value]);
    }
    image.text(0x0028_0301, "CS", "YES");
    image.bytes(0x7FE0_0010, "OW", &samples(rows));
    image
}

fn deid(site: &Site, input: &Path, code: i32) -> String {
    let (input, out, key) = (input.display().to_string(), site.at("out"), site.at("root.key"));
    let arguments = ["-o", &out, "--profile", &site.profile, "--key-file", &key];
    let output = efface(&[&["deid", &input][..], &arguments].concat());
    assert_eq!(output.status.code(), Some(code), "{}", printed(&output));
    printed(&output)
}

fn says_that_it_was_cleaned(image: &Arrived) {
    assert_eq!(image.text("BurnedInAnnotation"), "NO");
    assert!(image.methods().contains(&"113101".to_owned()), "{:?}", image.methods());
    assert!(image.text("ImageType").starts_with("DERIVED"));
}

/// The sample and where it was: row, column.
fn pixels(bytes: &[u8], columns: usize) -> impl Iterator<Item = (u8, usize, usize)> {
    bytes.iter().enumerate().map(move |(n, sample)| (*sample, n / columns, n % columns))
}

#[test]
fn a_device_rule_blanks_where_the_device_writes_and_nowhere_else() {
    let site = Site::with_profile(PROFILE);
    write_all(&site.path("in"), &[ultrasound(1, ROWS)]);
    deid(&site, &site.path("in"), 0);
    let left = arrived(&site.path("out"));
    let [image] = &left[..] else { panic!("{} objects", left.len()) };
    says_that_it_was_cleaned(image);
    let (before, after) = (samples(ROWS), image.pixels());
    assert_eq!(before.len(), after.len());
    for ((old, row, column), new) in pixels(&before, usize::from(COLUMNS)).zip(&after) {
        let blank = row < BAR || row >= CORNER.0 && column < CORNER.1;
        assert_eq!(*new, if blank { 0 } else { old }, "row {row}, column {column}");
    }
}

/// A mask for another size would miss the text.
#[test]
fn the_same_device_at_another_image_size_stays() {
    let site = Site::with_profile(PROFILE);
    write_all(&site.path("in"), &[ultrasound(1, ROWS), ultrasound(2, ROWS + 2)]);
    let said = deid(&site, &site.path("in"), 1);
    assert!(said.starts_with("1 de-identified, 1 withheld"), "{said}");
    assert!(said.contains("withheld: burned-in-text (1 files)"), "{said}");
    let left = arrived(&site.path("out"));
    assert_eq!(left.iter().map(|one| one.text("Rows")).collect::<Vec<_>>(), ["96"]);
}

/// What two makers write at the top of real images: name, number, date of birth, hospital.
#[test]
fn public_ultrasound_images_leave_without_their_headline() {
    let Some(folder) = shared("data/dcm_burnedin_phi_deiddata") else { skip!("no ../shared/data") };
    for (name, samples, headline) in [("GREYSCALE_IMAGE.dcm", 1, 24), ("RGB_IMAGE.dcm", 3, 60)] {
        let site = Site::with_profile(PROFILE);
        deid(&site, &folder.join(name), 0);
        let left = arrived(&site.path("out"));
        says_that_it_was_cleaned(&left[0]);
        let source = dicom_object::open_file(folder.join(name)).unwrap();
        let before = source.element_by_name("PixelData").unwrap().to_bytes().unwrap();
        let (after, columns) = (left[0].pixels(), 1024 * samples);
        assert_eq!(before.len(), after.len());
        let same = |(old, row, _): (u8, usize, usize), new: u8| match row < headline {
            true => new == 0,
            false => new == old,
        };
        assert!(pixels(&before, columns).zip(&after).all(|(old, new)| same(old, *new)), "{name}");
        let written = before[..headline * columns].iter().filter(|sample| **sample > 128).count();
        assert!(written > 500, "{name}: nothing was written there");
        assert_eq!(files(&site.path("out")).len(), 1);
    }
}
