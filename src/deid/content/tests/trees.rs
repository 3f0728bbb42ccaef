use super::*;
use proptest::prelude::*;

#[test]
fn references_are_renumbered() {
    let items = vec![
        words("121106 DCM", "gone"),
        container("126010 DCM", vec![person("121036 DCM"), number("410668003 SCT")]),
        reference(&[1, 2, 2]),
        reference(&[1, 2]),
        reference(&[1]),
    ];
    assert_eq!(left(items, &[]), "[34] ->[1, 1, 1] ->[1, 1] ->[1]");
}

#[test]
fn a_reference_goes_with_its_target() {
    let items = vec![
        container("121000 DCM", vec![number("410668003 SCT")]), // Unique Device Identifiers: X
        number("410668003 SCT"),
        reference(&[1, 1]),
        reference(&[1, 1, 1]),
        reference(&[1, 9]),
        reference(&[1, 0]),
        reference(&[2, 2]),
        reference(&[1, 3]),
        reference(&[]),
        reference(&[1, 2]),
    ];
    assert_eq!(left(items, &[]), "34 ->[1, 1]");
}

#[test]
fn an_outline_goes_with_the_image_that_it_lies_on() {
    let illustration = || selected(image("125201 DCM")); // Illustration of Finding: X
    let items = || {
        vec![
            outline(vec![illustration()]),
            outline(vec![illustration(), selected(image(""))]),
            outline(vec![selected(reference(&[1, 5]))]),
            outline(Vec::new()),
            image("125201 DCM"),
            holding(number("410668003 SCT"), vec![reference(&[1, 1]), reference(&[1, 2])]),
        ]
    };
    assert_eq!(left(items(), &[]), "outline[2.25.5] outline 34[->[1, 1]]");
    let uids = "outline[2.25.5] outline[2.25.5 2.25.5] outline[->[1, 5]] outline 2.25.5 34[->[1, 1] ->[1, 2]]";
    assert_eq!(left(items(), &[RetainUids]), uids);
}

/// A tree to be: what stays, what goes, what refers.
#[derive(Clone, Debug)]
enum Plan {
    Number(Vec<Plan>),
    Person(Vec<Plan>),
    Reference(prop::sample::Index),
}

fn plans() -> impl Strategy<Value = Vec<Plan>> {
    let leaf = prop_oneof![
        3 => Just(Plan::Number(Vec::new())),
        1 => Just(Plan::Person(Vec::new())),
        2 => any::<prop::sample::Index>().prop_map(Plan::Reference),
    ];
    let tree = leaf.prop_recursive(4, 60, 5, |inner| {
        prop_oneof![
            4 => prop::collection::vec(inner.clone(), 0..5).prop_map(Plan::Number),
            1 => prop::collection::vec(inner, 0..5).prop_map(Plan::Person),
        ]
    });
    prop::collection::vec(tree, 1..6)
}

/// One item of a plan: where it stands, whether it and all above it stay, where it refers to.
struct Place {
    path: Vec<u32>,
    stays: bool,
    refers: Option<prop::sample::Index>,
}

fn survey(plans: &[Plan], above: &[u32], stays: bool, places: &mut Vec<Place>) {
    for (plan, ordinal) in plans.iter().zip(1..) {
        let path: Vec<u32> = above.iter().copied().chain([ordinal]).collect();
        let (stays, refers, children): (_, _, &[Plan]) = match plan {
            Plan::Number(children) => (stays, None, children),
            Plan::Person(children) => (false, None, children),
            Plan::Reference(to) => (stays, Some(*to), &[]),
        };
        places.push(Place { path: path.clone(), stays, refers });
        survey(children, &path, stays, places);
    }
}

/// Builds the items; the nth of all carries n in its Observation UID, if it is not a reference.
fn build(plans: &[Plan], places: &[Place], n: &mut usize) -> Vec<InMemDicomObject> {
    let mut items = Vec::new();
    for plan in plans {
        let label = text(tags::OBSERVATION_UID, VR::UI, &format!("1.2.840.10008.{n}"));
        *n += 1;
        let (mut item, children) = match plan {
            Plan::Number(children) => (number("410668003 SCT"), children),
            Plan::Person(children) => (person("77 99LOCAL"), children),
            Plan::Reference(to) => {
                items.push(reference(&places[to.index(places.len())].path));
                continue;
            }
        };
        item.put(label);
        items.push(holding(item, build(children, places, n)));
    }
    items
}

fn label(item: &InMemDicomObject) -> String {
    text_of(item.get(tags::OBSERVATION_UID).unwrap()).unwrap().rsplit('.').next().unwrap().into()
}

/// Labels in the order of the tree; of a reference, that of the item it leads to.
fn read_back(items: &[InMemDicomObject], roots: &[InMemDicomObject], read: &mut Vec<String>) {
    for item in items {
        if let Some(path) = item.get(tags::REFERENCED_CONTENT_ITEM_IDENTIFIER) {
            let path: Vec<usize> = path.value().to_multi_int().unwrap();
            let mut at = &roots[path[1] - 1];
            for step in &path[2..] {
                at = &at.get(tags::CONTENT_SEQUENCE).unwrap().items().unwrap()[step - 1];
            }
            read.push(format!("->{}", label(at)));
            continue;
        }
        read.push(label(item));
        if let Some(children) = item.get(tags::CONTENT_SEQUENCE) {
            read_back(children.items().unwrap(), roots, read);
        }
    }
}

proptest! {
    #[test]
    fn order_stays_and_references_resolve(plans in plans()) {
        let mut places = Vec::new();
        survey(&plans, &[1], true, &mut places);
        let expected: Vec<String> = places.iter().enumerate().filter(|(_, p)| p.stays).filter_map(
            |(n, place)| match place.refers.map(|to| to.index(places.len())) {
                None => Some(n.to_string()),
                Some(to) => {
                    let resolves = places[to].stays && places[to].refers.is_none();
                    resolves.then(|| format!("->{to}"))
                }
            },
        ).collect();
        let items = build(&plans, &places, &mut 0);
        let content = clean(items, Options::NONE, &mut Fake::default());
        let mut read = Vec::new();
        read_back(&content.items, &content.items, &mut read);
        prop_assert_eq!(read, expected);
        prop_assert_eq!(content.counts.values().sum::<u64>(), places.len() as u64);
    }
}
