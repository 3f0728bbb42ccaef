//! What goes and what stays; and the verifier finds nothing in what stays.

use super::*;
use crate::dicom::dataset::Dataset;
use chrono::Days;
use dicom_core::{Tag, VR};

/// A data set of text elements.
pub(super) fn dataset(rows: &[(u32, VR, &str)]) -> Dataset {
    let mut set = Dataset::new();
    for (tag, vr, value) in rows {
        set.put_text(Tag((tag >> 16) as u16, *tag as u16), *vr, *value);
    }
    set
}

pub(super) fn cleaner(rows: &[(u32, VR, &str)]) -> Cleaner {
    let mut known = Known::default();
    known.observe(&dataset(rows));
    known.cleaner(Retained::default())
}

/// What a scanner in Ebbensburg knows.
pub(super) const STUDY: &[(u32, VR, &str)] = &[
    (0x0008_0020, VR::DA, "20230111"),
    (0x0008_002A, VR::DT, "20230112101317.400000+0100"),
    (0x0008_0050, VR::SH, "ACC918273645"),
    (0x0008_0070, VR::LO, "GE MEDICAL SYSTEMS"),
    (0x0008_0080, VR::LO, "St Vitus Memorial Hospital"),
    (0x0008_0081, VR::ST, "77 Sanatorium Road, Ebbensburg"),
    (0x0008_0090, VR::PN, "HUMPERDINCK^Engelberta"),
    (0x0008_1010, VR::SH, "STVITUS123"),
    (0x0008_1070, VR::PN, "Lee^May"),
    (0x0010_0010, VR::PN, "MERRIWEATHER^Cordélia^Anne"),
    (0x0010_0020, VR::LO, "MRN-12345678"),
    (0x0010_0030, VR::DA, "19310410"),
    (0x0010_1000, VR::LO, "987654\\0047114"),
    (0x0010_1040, VR::LO, "221 Gooseberry Lane"),
    (0x0010_2154, VR::SH, "+41-314159265"),
    (0x0018_1000, VR::LO, "SN7654321"),
    (0x0018_1020, VR::LO, "vct.12.3"),
];

fn shown(text: &str, cleaned: Cleaned) -> String {
    match cleaned {
        Cleaned::Unchanged => text.to_owned(),
        Cleaned::Changed(rest) => {
            assert_ne!(rest, text);
            rest
        }
        Cleaned::Nothing => "NOTHING".to_owned(),
    }
}

fn assert_table(rows: &[(&str, &str)], clean: impl Fn(&str) -> Cleaned) {
    let wrong: Vec<String> = rows
        .iter()
        .filter_map(|(text, expected)| {
            let found = shown(text, clean(text));
            (found != *expected).then(|| format!("{text:?}: {found:?}, expected {expected:?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn ordinary_descriptions_survive() {
    let (nobody, study) = (Cleaner::nothing_known(), cleaner(STUDY));
    for text in [
        "CT HEAD W/O CONTRAST 1.5MM AXIAL",
        "T1 MPRAGE SAG ISO p2",
        "THORAX 3.0 B70f",
        "Abdomen 5.0 MPR cor",
        "C-spine L4/L5",
        "kV 120 mAs 300",
        "FLAIR 3D 512x512",
        "t2_tse_tra_p2_448",
        "ep2d_diff_b0_50_400_800_ADC",
        "DWI b 0 50 400 800 1000",
        "AX T1 POST GAD FS",
        "MR Knie links PD fs cor",
        "DR CHEST PA/LAT",
        "Schädel nativ 1.0 Hr64 Q3",
        "Hals/Thorax/Abdomen 120 kV, 2.0 mm, I40f\\3",
        "TR 2500 TE 30 TI 900 FA 90",
        "TR2500 TE120 FOV250 1024x1024x60",
        "Angio-CT Becken-Bein-Achse, KM arteriell",
        "IRM genou droit sans injection",
        "RM encefalo con e senza mdc",
        "TC torax sin contraste",
        "Right hand, 3 views",
        "SMART_BRAIN Survey 32ch-coil",
        "WW 1500 WL -600",
        "Lung 1.25 mm 350/1500",
        "Average 35-40% phase, 0.6x0.6, 0.625",
        "Perfusion 4D 15 x 1.5 s, 70 ml",
        "HU 100-300, 10-20 cm",
        "MIP Range[1]",
        "CTDIvol 12.5 mGy, DLP 1234 mGy",
        "Siemens syngo MR E11",
        "ORIGINAL",
        "Topogramm 0.6 Tr20",
        "(left) [right] {both}",
        "Seite: links",
        "Patient position: supine",
        "2 view knee",
        "Prostata mpMRI PI-RADS 4",
        "Dx: rule out stroke",
        "",
        "   ",
        "***",
        "vct.12.3",
        "v1.2.3 rev 4.5",
        "62 years, 62Y, 089Y",
        "Follow-up 2021, prior 2019",
        "Recon 2 MAR 3 OCT 5",
        "Head^Routine",
        "Abdomen^1_AbdRoutine (Adult)",
        "SpineCervical^HWS_nativ (Erwachsener)",
        "CT Thorax/Abdomen/Becken mit KM i.v. portalvenös",
        "Scanner thoraco-abdomino-pelvien",
        "NM Bone Scan Whole Body Tc-99m MDP 740 MBq",
        "see Tc99m I131 Y90 Lu177 F18",
        "18F-FDG WB 3D MAC",
        "DelayRec Axial 2.5mm Bone Plus ASiR-V50%",
        "RESOLVE_3scan_trace_tra_192_ADC_DFC",
        "DS_CaSc 3.0 Sa36 BestDiast 71 %",
        "64 x 0.6 mm, pitch 0.9, rot 0.5 s",
        "Prostate MRI, PSA 6.8 ng/ml, PI-RADS 4 lesion 12 x 9 mm in left PZ",
        "V. a. Lungenembolie, D-Dimere 2500",
        "Z. n. Hirninfarkt 2019, aktuell Schwindel",
        "Technique: Axial CT images from vertex to skull base. 120 kVp, 250 mAs.",
        "History: 62-year-old male with headache, r/o bleed",
        "Contrast: Omnipaque 350, 100 ml at 4 ml/s",
        "AIDR 3D Enhanced FC18-H",
        "WL-600 WW1600 TI=2200ms b=1000",
        "Portable AXR supine 11:30",
        "Reported by CAD system",
        "From: axial To: sagittal",
    ] {
        for (who, cleaner) in [("nobody", &nobody), ("study", &study)] {
            for dates in [TextDates::Remove, TextDates::Keep, TextDates::Year] {
                assert_eq!(shown(text, cleaner.descriptor(text, dates)), text, "{who}");
                assert_eq!(shown(text, cleaner.kept(text, dates)), text, "{who}");
            }
        }
    }
}

#[test]
fn known_identifiers_go_from_any_text() {
    let study = cleaner(STUDY);
    assert_table(
        &[
            ("CT head Merriweather axial", "CT head axial"),
            ("CT head MERRIWEATHER^CORDELIA^ANNE axial", "CT head axial"),
            ("CT head cordelia merriweather axial", "CT head axial"),
            ("CT head, Merriweather, Cordélia, axial", "CT head, axial"),
            ("Cordelia_CT_head_axial", "CT_head_axial"),
            ("CT_head_MerriweatherCordelia2_axial", "CT_head_axial"),
            ("CT head Merriweather's left side", "CT head left side"),
            ("CT head M E R R I W E A T H E R left side", "CT head left side"),
            ("Cord\u{65}\u{301}lia head left", "head left"),
            ("ＭＥＲＲＩＷＥＡＴＨＥＲ head left", "head left"),
            ("head Mrs C. A. Merriweather left", "head Mrs left"),
            ("head C.M. left", "head left"),
            ("head M.C.A. left", "head left"),
            ("head C.T. left", "head C.T. left"),
            ("reported by Humperdinck today", "reported by today"),
            ("head LEE left", "head left"),
            ("fleet leeds sleep may", "fleet leeds sleep may"),
            ("head May Lee left", "head left"),
            ("head LEE, MAY left", "head left"),
            ("may be normal", "may be normal"),
            ("MRN-12345678 head", "head"),
            ("head MRN12345678 left", "head left"),
            ("head mrn 12345678 left", "head left"),
            ("head 0012345678 left", "head left"),
            ("head 12-34-56-78 left", "head left"),
            ("head 12345678b left", "head left"),
            ("head 98-76-54 left", "head left"),
            ("head ９８７６５４ left", "head left"),
            ("head ٩٨٧٦٥٤ left", "head left"),
            ("head 1987654 left", "head 1987654 left"),
            ("head_ACC918273645_left", "head_left"),
            ("head 918273645 left", "head left"),
            ("head STVITUS123 left", "head left"),
            ("head sn7654321 left", "head left"),
            ("at St. Vitus Memorial-Hospital today", "at today"),
            ("from Ebbensburg today", "from today"),
            ("from Ebbensburger Spital", "from Spital"),
            ("of 221 Gooseberry Lane, left", "of, left"),
            ("call +41 31 415 92 65 now", "call now"),
            ("call 0041314159265 now", "call now"),
            ("call 031/415.92.65 now", "call now"),
            ("call 415 92 65 now", "call now"),
            ("head TVJOLTEyMzQ1Njc4 left", "head left"),
            ("head bcac30307e12e2d1b67ef74bacbd1855 left", "head left"),
            ("head 87654321-NRM left", "head left"),
            ("uid 1.3.6.1.4.1.55555.4711.0.1.2 seen", "uid seen"),
            ("class 1.2.840.10008.5.1.4.1.1.2 seen", "class 1.2.840.10008.5.1.4.1.1.2 seen"),
            ("Merriweather", "NOTHING"),
            ("MERRIWEATHER^Cordélia^Anne^^", "NOTHING"),
            ("head J\u{FFFD}rg", "NOTHING"),
        ],
        |text| study.kept(text, TextDates::Remove),
    );
}

#[test]
fn dates_go_in_every_spelling() {
    let nobody = Cleaner::nothing_known();
    for date in [
        "20230111",
        "2023-01-11",
        "2023.01.11",
        "2023/01/11",
        "2023_01_11",
        "2023 01 11",
        "11.01.2023",
        "11.1.2023",
        "11. 1. 2023",
        "11/01/2023",
        "1/11/2023",
        "01-11-2023",
        "11012023",
        "11.01.23",
        "11/01/23",
        "11-Jan-2023",
        "11-JAN-23",
        "11 Jan 2023",
        "11Jan2023",
        "Jan 11, 2023",
        "January 11th, 2023",
        "Jan. 11 2023",
        "2023-Jan-11",
        "2023 January 11",
        "11th of January 2023",
        "11. Januar 2023",
        "11. März 2023",
        "1er février 2023",
        "11 août 2023",
        "11 gennaio 2023",
        "11 de enero de 2023",
        "20230111101317",
        "202301111013",
        "2023-01-11T10:13:17.250+01:00",
        "2023-01-11 10:13:17",
        "20230111_101317",
        "11.01.2023 10:13 Uhr",
        "11.01.2023 um 10.13 Uhr",
        "11/01/2023 10:13 PM",
        "le 11 janvier 2023 à 10h13",
        "Wednesday, 11 January 2023",
        "2023年1月11日",
        "2023년 1월 11일",
        "２０２３／０１／１１",
        "31/02/2023",
        "2023-13-45",
        "Jan 2023",
        "janvier 2023",
    ] {
        let date = date.trim_start_matches("le ");
        for text in [format!("head {date} left"), format!("head_{date}_left")] {
            for rest in
                [nobody.kept(&text, TextDates::Remove), nobody.descriptor(&text, TextDates::Remove)]
            {
                let rest = shown(&text, rest);
                assert!(["head left", "head_left"].contains(&rest.as_str()), "{text}: {rest}");
            }
            assert_eq!(shown(&text, nobody.kept(&text, TextDates::Keep)), text);
            assert_eq!(shown(&text, nobody.descriptor(&text, TextDates::Keep)), text);
            let year = shown(&text, nobody.descriptor(&text, TextDates::Year));
            let expected = ["head 2023 left", "head_2023_left"].contains(&year.as_str());
            let short = date.contains(".23") || date.contains("/23") || date == "11012023";
            assert!(expected || short, "{text}: {year}");
        }
    }
}

#[test]
fn dates_are_shifted_in_their_writing() {
    let nobody = Cleaner::nothing_known();
    let back = |date: NaiveDate| date.checked_sub_days(Days::new(20));
    let shift = TextDates::Shift(&back);
    assert_table(
        &[
            ("head 20230111 left", "head 20221222 left"),
            ("head 2023-01-11 left", "head 2022-12-22 left"),
            ("head_2023_01_11_left", "head_2022_12_22_left"),
            ("head 11.01.2023 left", "head 22.12.2022 left"),
            ("head 21.1.2023 left", "head 1.1.2023 left"),
            ("head 31.01.23 left", "head 11.01.23 left"),
            ("head 1/31/2023 left", "head 1/11/2023 left"),
            ("head 11/01/2023 left", "head left"),
            ("head 11/11/2023 left", "head 22/10/2023 left"),
            ("head 23/01/11 left", "head left"),
            ("head 31/02/2023 left", "head left"),
            ("head 11012023 left", "head left"),
            ("head 31-MAR-2023 left", "head 11-MAR-2023 left"),
            ("head 1 March 2023 left", "head 9 February 2023 left"),
            ("head 1. März 2023 left", "head 9. Februar 2023 left"),
            ("head 1 août 2023 left", "head 12 juillet 2023 left"),
            ("head Mar 1, 2023 left", "head Feb 9, 2023 left"),
            ("head 20230111101317 left", "head 20221222101317 left"),
            ("head 2023-01-11T10:13:17 left", "head 2022-12-22T10:13:17 left"),
            ("head 20230111_101317 left", "head 20221222_101317 left"),
            ("head Wed, 11 Jan 2023 left", "head 22 Dec 2022 left"),
            ("head 2023年1月11日 left", "head 2022年12月22日 left"),
            ("head Jan 2023 left", "head left"),
            ("head 2023 left", "head 2023 left"),
        ],
        |text| {
            assert_eq!(nobody.kept(text, shift), nobody.descriptor(text, shift), "{text}");
            nobody.descriptor(text, shift)
        },
    );
    let study = cleaner(STUDY);
    assert_table(
        &[
            ("head 11.01.2023, born 10.04.1931", "head 22.12.2022, born"),
            ("head 10 Apr 1931 left", "head left"),
            ("head 100431 left", "head left"),
            ("head 1104-1931 left", "head 1104-1931 left"),
            ("head 1004-1931 left", "head left"),
            ("head 110123 left", "head left"),
        ],
        |text| study.kept(text, shift),
    );
    // The day of birth never stays, nor does a date that becomes it.
    assert_eq!(shown("", study.kept("head 10.04.1931 left", TextDates::Keep)), "head left");
    assert_eq!(shown("", study.kept("head 30.04.1931 left", shift)), "head left");
}

#[test]
fn a_name_that_is_a_word_only_run_together_leaves_the_word() {
    let study = cleaner(&[
        (0x0010_0010, VR::PN, "Ng^Lu"),
        (0x0008_0090, VR::PN, "Ad^He\\A^Ye S"),
        (0x0010_0020, VR::LO, "CH EST"),
    ]);
    for text in ["LUNG", "CT lung 1.5 mm", "MR HEAD, chest", "YES"] {
        assert_eq!(study.kept(text, TextDates::Remove), Cleaned::Unchanged, "{text}");
    }
    assert_table(
        &[
            ("CT chest of NG LU left", "CT chest of left"),
            ("CT chest of Lu_Ng left", "CT chest of left"),
            ("CT of He^Ad left", "CT of left"),
            ("CT of A Ye S left", "CT of left"),
            ("Ng, Lu", "NOTHING"),
            ("CT of ch-est left", "CT of left"),
        ],
        |text| study.kept(text, TextDates::Remove),
    );
}

#[test]
fn what_is_doubtful_goes_from_descriptions() {
    let nobody = Cleaner::nothing_known();
    assert_table(
        &[
            ("CT head for j.smith@hospital.org left", "CT head for left"),
            ("CT head as seen on https://pacs/x left", "CT head as seen on left"),
            ("CT head see www.hospital.org left", "CT head see left"),
            ("CT head \\\\server\\share left", "CT head left"),
            ("CT head from 192.168.10.17 left", "CT head from left"),
            ("CT head tel. 031 415 92 65 left", "CT head left"),
            ("CT head +41 31 415 92 65 left", "CT head left"),
            ("CT head 555 123 4567 left", "CT head left"),
            ("CT head 06 12 34 56 78 left", "CT head left"),
            ("CT head 12345 left", "CT head left"),
            ("CT head 123-45-678 left", "CT head left"),
            ("CT head 756.1234.5678.97 left", "CT head left"),
            ("CT head AB1234 left", "CT head left"),
            ("CT head 8K2M9P4Q left", "CT head left"),
            ("CT head PAT0042 left", "CT head left"),
            ("CT head MRN 42 left", "CT head left"),
            ("CT head Pat.-ID: 4711 left", "CT head Pat left"),
            ("CT head case no. 4711 left", "CT head left"),
            ("CT head 550e8400-e29b-41d4-a716-446655440000 left", "CT head left"),
            ("CT head Dr. Smith left", "CT head left"),
            ("MR Knie links, Dr. med. Hans-Peter Muster, PD fs", "MR Knie links, PD fs"),
            (
                "CT head neck chest Prof Dr A. B. van den Berg left and right",
                "CT head neck chest left and right",
            ),
            ("CT head dr smith left", "CT head left"),
            ("CT HEAD DR SMITH LEFT", "CT HEAD LEFT"),
            ("CT head Mrs Jones left", "CT head left"),
            ("CT head Frau Müller links", "CT head links"),
            ("CT head Mme Dupont gauche", "CT head gauche"),
            ("CT head Sra. García izquierda", "CT head izquierda"),
            ("CT head Dott. Rossi sinistra", "CT head sinistra"),
            ("CT head, patient: John Smith, left", "CT head, patient, left"),
            ("CT head name: Smith; left", "CT head; left"),
            ("CT head, ref by Smith, left", "CT head, ref by, left"),
            ("CT head, operator: JS, left", "CT head, left"),
            ("CT head, initials JS, left", "CT head, initials, left"),
            ("CT head Überweiser: Muster", "CT head"),
            ("CT head SMITH^JOHN left", "CT head left"),
            ("CT head SMITH^JOHN^^DR left side", "CT head left side"),
            ("CT head of 12 Gooseberry Lane left side", "CT head of left side"),
            ("CT head Bahnhofstrasse 7 links", "CT head links"),
            ("CT head 12 rue du Bac gauche droit", "CT head gauche droit"),
            ("CT head via Garibaldi 3 sinistra", "CT head sinistra"),
            ("CT head 8004 Zürich links", "CT head links"),
            ("CT head CH-3010 links", "CT head links"),
            ("CT head SW1A 1AA left", "CT head left"),
            ("CT head 92Y left", "CT head left"),
            ("CT head, 103 years, left", "CT head, left"),
            ("CT head 95-jährig links", "CT head links"),
            ("CT head age 91 left", "CT head left"),
            ("CT head 12 March left", "CT head left"),
            ("CT head 03/2023 left", "CT head left"),
            ("CT head 1.3.6.1.4.1.55555.4711.0.1.2 left", "CT head left"),
            ("CT head at Springfield General Hospital left", "CT head at left"),
            ("CT head Klinik Hirslanden links", "CT head links"),
            ("Head CT, Mr. Jones is a 92 yo male", "Head CT, is a male"),
            ("Patient name: Smith, John CT head neck axial", "Patient CT head neck axial"),
            ("Head CT of Thu Apr 19 11:14:42 EDT 2018", "Head CT of"),
            ("Dr. Smith", "NOTHING"),
            ("SMITH^JOHN", "NOTHING"),
            ("12345678", "NOTHING"),
            ("CT j.smith@hospital.org 12345678", "NOTHING"),
            ("J\u{FFFD}rg head", "NOTHING"),
        ],
        |text| nobody.descriptor(text, TextDates::Remove),
    );
}
