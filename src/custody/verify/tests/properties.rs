//! Whatever is done to a file.

use super::*;

use proptest::prelude::*;
use std::sync::LazyLock;

static WATCH: LazyLock<Watch> = LazyLock::new(watch);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever is done to a file: no panic, and what passes has its own digest.
    #[test]
    fn mutants(edits in prop::collection::vec((0_usize..1500, any::<u8>()), 1..6),
               cut in proptest::option::of(0_usize..1500)) {
        use sha2::Digest;
        let mut file = part10(&meta(EXPLICIT), &clean().with(0x7FE0_0010, "OW", [1, 2]).bytes());
        for (at, byte) in edits {
            let at = at % file.len();
            file[at] = byte;
        }
        file.truncate(cut.unwrap_or(file.len()));
        if let Ok(examined) = examine(&WATCH, &file) {
            prop_assert_eq!(&examined.sha256[..], &sha2::Sha256::digest(&file)[..]);
        }
        let dataset = &file[file.len().min(300)..];
        let _ = Witness::new().observe(EXPLICIT, dataset);
        let _ = Witness::new().observe(IMPLICIT, dataset);
    }

    /// A name as its own words anywhere in a text is found.
    #[test]
    fn any_name_in_any_text(family in "[B-DF-HJ-NP-TV-Z]{1}[a-zäöüéøł]{3,12}", given in "[A-Z][a-z]{3,9}",
                            before in "[ -~]{0,40}", after in "[ -~]{0,40}") {
        let source = Set::default().with(0x0008_0005, "CS", "ISO_IR 192")
            .with(0x0010_0010, "PN", format!("{family}^{given}"));
        let watch = watch_of(&source);
        for name in [format!("{family}, {given}"), format!("{given} {family}").to_uppercase()] {
            let out = clean().with(0x0040_A160, "UT", format!("{before} {name} {after}"));
            prop_assert!(examine_set(&watch, &out).is_err());
        }
    }

    /// Needles are found at every offset of a long file, across the seams of the window.
    #[test]
    fn any_offset(at in 0_usize..600_000) {
        let mut pixels = vec![7; 600_100];
        pixels[at..at + 12].copy_from_slice(b"MERRIWEATHER");
        let found = examine_set(&WATCH, &clean().with(0x7FE0_0010, "OW", pixels)).unwrap_err();
        prop_assert_eq!(found.place, Place::PixelData);
    }
}
