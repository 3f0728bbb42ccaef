//! What each date policy leaves.

use super::*;

const STUDY: u32 = 0x0008_0020;
const ACQUIRED: u32 = 0x0008_002A;
const TIME: u32 = 0x0008_0030;
const BORN: u32 = 0x0010_0030;

fn policy(dates: Dates) -> Expected<'static> {
    Expected { dates, ..expected(EXPLICIT) }
}

fn shifted(days: u32) -> Expected<'static> {
    policy(Dates::Shifted { days })
}

/// The source has 2023-01-11 as StudyDate, 2023-01-12 as AcquisitionDateTime.
#[track_caller]
fn verdict(expected: &Expected<'_>, tag: u32, vr: &str, value: &str) -> Result<(), Found> {
    let set = clean().with(tag, vr, value);
    examine_as(&watch(), expected, &set).map(|_| ()).map_err(|residue| residue.found)
}

const POLICIES: [Dates; 4] =
    [Dates::Removed, Dates::Full, Dates::Shifted { days: 10 }, Dates::Years];

#[test]
fn dummies_and_empty_values_always_pass() {
    for dates in POLICIES {
        for (tag, vr, dummy) in [
            (STUDY, "DA", "19000101"),
            (BORN, "DA", "19000101"),
            (ACQUIRED, "DT", "19000101000000"),
            (TIME, "TM", "000000"),
        ] {
            verdict(&policy(dates), tag, vr, dummy).unwrap();
            verdict(&policy(dates), tag, vr, "").unwrap();
        }
    }
}

/// Whoever de-identified the source before us wrote the same dummies.
#[test]
fn dummies_of_the_source_say_nothing() {
    let dummies = source().with(STUDY, "DA", "19000101").with(BORN, "DA", "19000101").with(
        ACQUIRED,
        "DT",
        "19000101000000",
    );
    let watch = watch_of(&dummies);
    for dates in POLICIES {
        let set = clean().with(STUDY, "DA", "19000101").with(BORN, "DA", "19000101").with(
            ACQUIRED,
            "DT",
            "19000101000000",
        );
        examine_as(&watch, &policy(dates), &set).unwrap();
    }
}

#[test]
fn a_birth_date_never_stays_in_any_form() {
    for dates in POLICIES {
        for value in ["19310410", "19310331", "19310101"] {
            let found = verdict(&policy(dates), BORN, "DA", value);
            // Nothing is known of other dates where none is promised.
            if value == "19310410" || dates != Dates::Removed {
                assert_eq!(found, Err(Found::Value(Kind::BirthDate)), "{dates:?} {value}");
            }
        }
        verdict(&policy(dates), STUDY, "DA", "19310410").unwrap_err();
        verdict(&policy(dates), 0x0040_A160, "UT", "born 10 April 1931").unwrap_err();
    }
    // Shifted, or its year: not a date of the examination, so from nowhere.
    assert_eq!(verdict(&shifted(10), STUDY, "DA", "19310331"), Err(Found::Moment));
    assert_eq!(verdict(&policy(Dates::Years), STUDY, "DA", "19310101"), Err(Found::Moment));
}

#[test]
fn times_of_birth_and_of_gps_never_stay() {
    for dates in [Dates::Full, Dates::Shifted { days: 10 }, Dates::Years] {
        verdict(&policy(dates), 0x0010_0032, "TM", "0815").unwrap_err();
        verdict(&policy(dates), 0x0016_0077, "DT", "20230111").unwrap_err();
        verdict(&policy(dates), 0x0016_0077, "DT", "20230101").unwrap_err();
    }
}

#[test]
fn full_dates_stay_as_they_are() {
    for (tag, vr, value) in [
        (STUDY, "DA", "20230111"),
        (ACQUIRED, "DT", "20230112101317.400000+0100"),
        (TIME, "TM", "101317.400"),
        (0x0040_A160, "UT", "seen on 11 Jan 2023"),
    ] {
        verdict(&policy(Dates::Full), tag, vr, value).unwrap();
        verdict(&policy(Dates::Removed), tag, vr, value).unwrap_err();
    }
}

/// Digits of a patient's number that happen to be the day: in a date they are the day.
#[test]
fn digits_of_a_date_are_no_identifier() {
    let watch = watch_of(&source().with(0x0010_0020, "LO", "TRAUMA-20230111"));
    let day = clean().with(STUDY, "DA", "20230111");
    examine_as(&watch, &policy(Dates::Full), &day).unwrap();
    examine_as(&watch, &policy(Dates::Removed), &day).unwrap_err();
    let text = clean().with(0x0040_A160, "UT", "20230111");
    examine_as(&watch, &policy(Dates::Full), &text).unwrap_err();
    // What isn't in the form of a date isn't read as one.
    let phone = clean().with(STUDY, "DA", "+41-314159265");
    examine_as(&watch, &policy(Dates::Full), &phone).unwrap_err();
}

#[test]
fn shifted_dates_are_images_of_the_source() {
    let ten = shifted(10);
    for (tag, vr, good) in [
        (STUDY, "DA", "20230101"),
        (STUDY, "DA", "20230101\\20230102"),
        (ACQUIRED, "DT", "20230102101317.400000+0100"),
        (ACQUIRED, "DT", "20230102"),
        (0x0008_0023, "DA", "20230102"),
        (TIME, "TM", "101317.400"),
        (0x0008_0201, "SH", "+0100"),
    ] {
        assert_eq!(verdict(&ten, tag, vr, good), Ok(()), "{good}");
    }
    for (tag, vr, bad, found) in [
        (STUDY, "DA", "20230111", Found::Value(Kind::Date)),
        (STUDY, "DA", "20230112", Found::Value(Kind::Date)),
        (STUDY, "DA", "20230103", Found::Moment),
        (STUDY, "DA", "20230101\\20230103", Found::Moment),
        (STUDY, "DA", "2023.01.01", Found::Moment),
        (STUDY, "DA", "202301", Found::Moment),
        (ACQUIRED, "DT", "20230103101317", Found::Moment),
        (ACQUIRED, "DT", "2023", Found::Moment),
        (ACQUIRED, "DT", "202301", Found::Moment),
        (ACQUIRED, "DT", "20230112101317.400000+0100", Found::Value(Kind::Date)),
        (0x0040_A160, "UT", "11 Jan 2023", Found::Value(Kind::Date)),
        (0x0018_1210, "SH", "20230111", Found::Value(Kind::Date)),
        (0x0020_0052, "UI", "2.25.20230111.4711", Found::Value(Kind::Date)),
    ] {
        assert_eq!(verdict(&ten, tag, vr, bad), Err(found), "{bad}");
    }
    // By another number of days it is another date.
    verdict(&shifted(11), STUDY, "DA", "20230101").unwrap();
    verdict(&shifted(12), STUDY, "DA", "20230101").unwrap_err();
}

/// Shifted by a day, 2023-01-12 becomes 2023-01-11, which is a date of the source as well.
#[test]
fn an_image_that_is_a_date_of_the_source_is_believed_where_the_source_never_had_it() {
    let one = shifted(1);
    verdict(&one, ACQUIRED, "DT", "20230111101317").unwrap();
    verdict(&one, 0x0008_0023, "DA", "20230111").unwrap();
    assert_eq!(verdict(&one, STUDY, "DA", "20230111"), Err(Found::Unchanged(Kind::Date)));
    // Of a date and time, the date is remembered: another time makes no other date.
    let instances: Vec<Set> =
        ["20230111090000", "20230112090000"].map(|at| source().with(ACQUIRED, "DT", at)).into();
    let mut witness = Witness::new();
    instances.iter().for_each(|set| witness.observe(EXPLICIT, &set.bytes()).unwrap());
    let watch = witness.seal().unwrap();
    let set = clean().with(ACQUIRED, "DT", "20230111101317");
    assert_eq!(found_as(&watch, &one, &set), Found::Unchanged(Kind::Date));
    let set = clean().with(ACQUIRED, "DT", "20230110101317");
    examine_as(&watch, &one, &set).unwrap();
}

/// A date that the source has in a text only is no date that shifting shifts.
#[test]
fn dates_in_texts_have_no_image() {
    let watch = watch_of(&source().with(0x0020_4000, "LT", "before: 20211105"));
    let moved = clean().with(STUDY, "DA", "20211026");
    assert_eq!(found_as(&watch, &shifted(10), &moved), Found::Moment);
    let as_it_was = clean().with(0x0018_1210, "SH", "20211105");
    assert_eq!(found_as(&watch, &shifted(10), &as_it_was), Found::Value(Kind::Date));
}

#[test]
fn a_shift_of_no_day_is_no_shift() {
    let residue = examine_as(&watch(), &shifted(0), &clean()).unwrap_err();
    assert_eq!(residue.found, Found::Claim);
    examine_as(&watch(), &shifted(1), &clean()).unwrap();
}

#[test]
fn years_stay_without_month_and_day() {
    let years = policy(Dates::Years);
    for (tag, vr, good) in [
        (STUDY, "DA", "20230101"),
        (ACQUIRED, "DT", "2023"),
        (ACQUIRED, "DT", "20230101"),
        (ACQUIRED, "DT", "20230101000000.000000"),
    ] {
        assert_eq!(verdict(&years, tag, vr, good), Ok(()), "{good}");
    }
    for (tag, vr, bad) in [
        (STUDY, "DA", "2023"),
        (STUDY, "DA", "20230111"),
        (STUDY, "DA", "20230102"),
        (STUDY, "DA", "20220101"),
        (ACQUIRED, "DT", "2022"),
        (ACQUIRED, "DT", "202301"),
        (ACQUIRED, "DT", "20230101101317"),
        (ACQUIRED, "DT", "20230101000000+0100"),
        (ACQUIRED, "DT", "20230112"),
        (TIME, "TM", "101317.400"),
        (TIME, "TM", "101318"),
        (0x0040_A160, "UT", "11 Jan 2023"),
    ] {
        assert!(verdict(&years, tag, vr, bad).is_err(), "{bad}");
    }
    // What the source has on New Year's Day is its year all the same.
    let watch = watch_of(&source().with(STUDY, "DA", "20230101"));
    let set = clean().with(STUDY, "DA", "20230101");
    examine_as(&watch, &years, &set).unwrap();
    examine_as(&watch, &policy(Dates::Removed), &set).unwrap_err();
}

/// Dates of the device stay with its identity, whatever becomes of other dates.
#[test]
fn dates_of_the_device() {
    let calibrated = 0x0018_1200;
    let watch = watch_of(&source().with(calibrated, "DA", "20221130"));
    let set = clean().with(calibrated, "DA", "20221130");
    for dates in POLICIES {
        let device = Expected { exempt: &[Kind::Device], ..policy(dates) };
        examine_as(&watch, &device, &set).unwrap();
        let verdict = examine_as(&watch, &policy(dates), &set);
        assert_eq!(verdict.is_ok(), dates == Dates::Full, "{dates:?}");
    }
    // Calibrated on the day of the study, it tells that day.
    let watch = watch_of(&source().with(calibrated, "DA", "20230111"));
    let device = Expected { exempt: &[Kind::Device], ..expected(EXPLICIT) };
    let set = clean().with(calibrated, "DA", "20230111");
    assert_eq!(found_as(&watch, &device, &set), Found::Value(Kind::Date));
}

/// Ten thousand instances have as many times and few dates.
#[test]
fn memory_does_not_grow_with_times() {
    let mut witness = Witness::new();
    for second in 0..5_000 {
        let at = format!("20230112{:02}{:02}{:02}", second / 3600, second / 60 % 60, second % 60);
        let set = Set::default().with(ACQUIRED, "DT", at);
        witness.observe(EXPLICIT, &set.bytes()).unwrap();
    }
    let watch = witness.seal().unwrap();
    assert_eq!((watch.days.iter().count(), watch.same.len()), (1, 1));
}
