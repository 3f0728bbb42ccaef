//! Private elements: safe ones by the standard's list (PS3.15 E.3.10) or by a rule.

use super::*;

const CREATOR: &str = "Philips Imaging DD 001";

fn safe() -> Expected<'static> {
    Expected { exempt: &[Kind::Private], ..expected(EXPLICIT) }
}

fn by_rule(kept: &[Kept]) -> Expected<'_> {
    Expected { kept, ..expected(EXPLICIT) }
}

fn block(creator: &str) -> Set {
    Set::default().with(0x2001_0010, "LO", creator)
}

/// These elements among clean ones.
fn and(set: Set) -> Set {
    let mut all = clean();
    all.0.extend(set.0);
    all
}

#[track_caller]
fn is_banned(expected: &Expected<'_>, set: Set) {
    assert_eq!(found_as(&watch(), expected, &and(set)), Found::Banned(Ban::Private));
}

#[test]
fn elements_of_the_list_stay_with_their_creator() {
    let watch = watch();
    let element = |set: Set| set.with(0x2001_1003, "FL", [0, 0, 128, 63]);
    let good = element(block(CREATOR));
    examine_as(&watch, &safe(), &and(good.clone())).unwrap();
    is_banned(&expected(EXPLICIT), good.clone());
    // Another number of the block is the same block.
    let moved = Set::default().with(0x2001_0042, "LO", CREATOR).with(0x2001_4203, "FL", [0; 4]);
    examine_as(&watch, &safe(), &and(moved)).unwrap();
    // Not the creator, not the group, not the element; no creator; a creator of something else.
    is_banned(&safe(), element(block("Philips Imaging DD 999")));
    is_banned(&safe(), element(block("philips imaging dd 001")));
    is_banned(
        &safe(),
        Set::default().with(0x2003_0010, "LO", CREATOR).with(0x2003_1003, "FL", [0; 4]),
    );
    is_banned(&safe(), good.clone().with(0x2001_10EE, "FL", [0; 4]));
    is_banned(&safe(), element(Set::default()));
    is_banned(&safe(), good.with(0x2001_1103, "FL", [0; 4]));
}

#[test]
fn no_creator_stays_alone() {
    is_banned(&safe(), block(CREATOR));
    is_banned(
        &safe(),
        block(CREATOR).with(0x2001_1003, "FL", [0; 4]).with(0x2001_0011, "LO", CREATOR),
    );
    is_banned(&safe(), block(""));
    is_banned(&safe(), block(&format!("{CREATOR}\\{CREATOR}")).with(0x2001_1003, "FL", [0; 4]));
    is_banned(&safe(), block(&format!("{CREATOR} of anybody")).with(0x2001_1003, "FL", [0; 4]));
    let unused = clean().items(0x5200_9229, &[block(CREATOR), Set::default()]);
    assert_eq!(found_as(&watch(), &safe(), &unused), Found::Banned(Ban::Private));
}

#[test]
fn blocks_are_of_their_own_item() {
    let watch = watch();
    let element = |set: Set| set.with(0x2001_1003, "FL", [0; 4]);
    let nested = |outer: Set, inner: Set| and(outer.items(0x5200_9229, &[inner]));
    let good = element(block(CREATOR));
    examine_as(&watch, &safe(), &nested(good.clone(), good.clone())).unwrap();
    examine_as(&watch, &safe(), &nested(Set::default(), good.clone())).unwrap();
    // A creator outside says nothing of the elements inside, nor one in the item before.
    examine_as(&watch, &safe(), &nested(good.clone(), element(Set::default()))).unwrap_err();
    let items = [good, element(Set::default())];
    examine_as(&watch, &safe(), &clean().items(0x5200_9229, &items)).unwrap_err();
}

#[test]
fn values_of_unknown_vr_never_stay() {
    is_banned(&safe(), block(CREATOR).with(0x2001_1003, "UN", [0; 4]));
    let creator = Set::default().with(0x2001_0010, "UN", CREATOR);
    is_banned(&safe(), creator.with(0x2001_1003, "FL", [0; 4]));
    let kept = [Kept { tag: 0x0009_0003, mask: 0xFFFF_00FF, creator: Some("ACME".to_owned()) }];
    let set = Set::default().with(0x0009_0010, "LO", "ACME").with(0x0009_1003, "UN", "raw");
    is_banned(&by_rule(&kept), set);
}

#[test]
fn safe_elements_are_searched_for_all_but_private_text() {
    // (2001,xx63) is text, and vendors write what they like.
    let text = |text: &str| and(block(CREATOR).with(0x2001_1008, "LO", text));
    let watch = watch_of(&source().with(0x2001_0010, "LO", CREATOR).with(
        0x2001_1008,
        "LO",
        "Thistlewood phase",
    ));
    examine_as(&watch, &safe(), &text("Thistlewood phase")).unwrap();
    for (value, kind) in [
        ("Merriweather", Kind::Name),
        ("MRN-12345678", Kind::PatientId),
        ("SN7654321", Kind::Device),
        ("20230111", Kind::Date),
        ("1.3.6.1.4.1.55555.4711.0.1", Kind::Uid),
    ] {
        assert_eq!(found_as(&watch, &safe(), &text(value)), Found::Value(kind));
    }
    // Private text is none elsewhere.
    let elsewhere = clean().with(0x0018_1210, "SH", "Thistlewood phase");
    assert_eq!(found_as(&watch, &safe(), &elsewhere), Found::Value(Kind::Private));
}

#[test]
fn safe_sequences_are_opened() {
    let watch = watch();
    let sequence = |item: Set| and(block("Philips Imaging DD 129").items(0x2001_1000, &[item]));
    examine_as(&watch, &safe(), &sequence(Set::default().with(0x0018_0050, "DS", "1"))).unwrap();
    let name = Set::default().with(0x0018_1210, "SH", "Merriweather");
    examine_as(&watch, &safe(), &sequence(name)).unwrap_err();
    let inner = block("Philips Imaging DD 129").with(0x2001_10EE, "FL", [0; 4]);
    examine_as(&watch, &safe(), &sequence(inner)).unwrap_err();
}

#[test]
fn a_rule_keeps_a_private_element_by_creator() {
    let watch = watch();
    let kept =
        [Kept { tag: 0x0009_0001, mask: 0xFFFF_00FF, creator: Some("ACME HC PHI 1".to_owned()) }];
    let set = |creator: &str, value: &str| {
        and(Set::default().with(0x0009_0010, "LO", creator).with(0x0009_1001, "LO", value))
    };
    let own = set("ACME HC PHI 1", "Quackenbush ward");
    examine_as(&watch, &by_rule(&kept), &own).unwrap();
    examine_as(&watch, &expected(EXPLICIT), &own).unwrap_err();
    examine_as(&watch, &safe(), &own).unwrap_err();
    let moved =
        Set::default().with(0x0009_0044, "LO", "ACME HC PHI 1").with(0x0009_4401, "LO", "new");
    examine_as(&watch, &by_rule(&kept), &and(moved)).unwrap();
    for set in [
        set("ACME HC PHI 2", "Quackenbush ward"),
        set("ACME HC PHI 1", "Merriweather"),
        set("ACME HC PHI 1", "12.01.2023"),
        own.clone().with(0x0009_1003, "LO", "x"),
        own.with(0x0018_1210, "SH", "Quackenbush ward"),
    ] {
        examine_as(&watch, &by_rule(&kept), &set).unwrap_err();
    }
    // A rule without a creator is no rule about private elements.
    let anybody = [Kept { creator: None, ..kept[0].clone() }];
    examine_as(&watch, &by_rule(&anybody), &set("ACME HC PHI 1", "new")).unwrap_err();
}
