//! Three thousand forged objects with canaries in every place: none may be in anything that comes out.
//!
//! For more: `cargo run --release --example forge -- 100000`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test fails by its panic and owns its files"
)]

#[path = "forge/mod.rs"]
mod forge;
mod support;

use forge::canary::Canary;
use forge::generator::{Object, study};
use forge::profiles;
use forge::run::{self, Days, Hunt, Outcome, Settings};
use forge::search::Search;
use support::dcmtk::{self, Outside, send};
use support::gateway::{self, Site};
use support::{files, until};

const SEED: u64 = 1;

#[test]
fn no_canary_of_three_thousand_objects_leaves() {
    let settings = Settings {
        seed: SEED,
        objects: 3000,
        profile: None,
        keep_going: true,
        keep: None,
        workers: std::thread::available_parallelism().map_or(1, usize::from),
        program: gateway::program,
    };
    let outcome = run::run(&settings, &|_| ());
    let report = outcome.report(true);
    println!("{report}");
    assert!(outcome.problems.is_empty(), "{report}");
    assert!(outcome.leaks.is_empty(), "{report}");
    assert!(outcome.objects >= 3000);
    // A forge of which nothing leaves would prove nothing.
    assert!(outcome.share("leave") > 50.0, "{report}");
    assert!(outcome.stayed > 300, "the search does not see what is there: {report}");
}

/// What is looked for is what was planted, in the bytes in which it was planted.
#[test]
fn the_search_finds_what_was_planted_in_the_inputs() {
    let (mut planted, mut found) = (0, 0);
    let mut missed = Vec::new();
    for number in 0..150 {
        let study = study(SEED, number);
        for object in study.objects.iter().filter(|o| !is_packed(o)) {
            for search in
                [Search::new(object.canaries.iter()), Search::as_planted(object.canaries.iter())]
            {
                let hits = search.find(&object.file);
                planted += object.canaries.len();
                found += hits.len();
                let lost = |(n, _): &(usize, &Canary)| !hits.contains_key(n);
                missed.extend(
                    object.canaries.iter().enumerate().filter(lost).map(|(_, c)| c.describe()),
                );
            }
        }
    }
    assert!(planted > 5000, "{planted}");
    assert!(found * 100 > planted * 99, "{found} of {planted}: {missed:#?}");
}

/// Deflated bytes say nothing to a search; big endian ones say numbers backwards.
fn is_packed(object: &Object) -> bool {
    object.syntax.is_refused()
}

/// Every canary of an object, put into an output in each of its forms, is called a leak.
#[test]
fn a_leak_would_be_seen() {
    let sample = profiles::leave();
    let study = study(SEED, 7);
    let object = &study.objects[0];
    let hunt = Hunt::new(&[(7, object)], &sample);
    let must_go = |canary: &&Canary| !canary.may_stay(sample.options);
    let mut tried = 0;
    for canary in object.canaries.iter().filter(must_go) {
        for form in &canary.forms {
            let bytes = [&b"\x08\0\x30\x10LO\x20\0"[..], form, b" \x08\0"].concat();
            let mut outcome = Outcome::default();
            hunt.search("a file", &bytes, Days::Any, &mut outcome);
            assert!(!outcome.leaks.is_empty(), "{} as {}", canary.describe(), form.escape_ascii());
            tried += 1;
        }
    }
    assert!(tried > 50, "{tried}");
}

/// The same through the gateway: files outside, names in the state directory, log, metrics, records.
#[test]
fn the_gateway_lets_no_canary_out() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let sample = profiles::leave();
    let lines = sample.text.strip_prefix(gateway::HEAD).unwrap();
    let site = Site::with_profile(lines);
    let outside = Outside::start(&site.sink());
    let gateway = site.serve(outside.port, &[]);
    let studies: Vec<_> = (0..40).map(|number| study(SEED + 1, number)).collect();
    let sent = run::write_studies(&site.path("pacs"), &studies);
    let acknowledged: usize = sent
        .iter()
        .map(|file| send(gateway.port, std::slice::from_ref(file)).acknowledged.len())
        .sum();
    site.settled();
    let arrived = || files(&outside.folder).len();
    until("the last object has arrived", || {
        let before = arrived();
        std::thread::sleep(std::time::Duration::from_millis(300));
        arrived() == before
    });
    println!("{} forged, {acknowledged} acknowledged, {} arrived", sent.len(), arrived());
    assert!(acknowledged * 2 > sent.len(), "{acknowledged} of {}", sent.len());
    assert!(arrived() * 3 > acknowledged, "{} of {acknowledged}", arrived());

    let objects: Vec<_> =
        studies.iter().flat_map(|s| s.objects.iter().map(|o| (s.number, o))).collect();
    let hunt = Hunt::new(&objects, &sample);
    let mut outcome = Outcome::default();
    for path in files(&outside.folder) {
        hunt.search("a file outside", &std::fs::read(&path).unwrap(), Days::Nobodys, &mut outcome);
        hunt.search(
            "its name",
            path.file_name().unwrap().as_encoded_bytes(),
            Days::Nobodys,
            &mut outcome,
        );
    }
    for path in files(site.state()) {
        let below = path.strip_prefix(site.state()).unwrap();
        hunt.search(
            "a name in the state directory",
            below.as_os_str().as_encoded_bytes(),
            Days::Any,
            &mut outcome,
        );
    }
    for folder in ["audit", "outbox"] {
        for record in files(&site.state().join(folder)) {
            hunt.search("a record", &std::fs::read(&record).unwrap(), Days::Any, &mut outcome);
        }
    }
    hunt.search("the log", gateway.log().as_bytes(), Days::Any, &mut outcome);
    hunt.search("/metrics", gateway.get("/metrics").1.as_bytes(), Days::Any, &mut outcome);
    for words in [["spool", "ls"], ["quarantine", "ls"]] {
        hunt.search("what a command prints", site.ask(&words).as_bytes(), Days::Any, &mut outcome);
    }
    let report = outcome.report(true);
    assert!(outcome.leaks.is_empty(), "{report}");
}
