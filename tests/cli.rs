//! The commands as a person types them: what is printed, and with which exit code they end.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test fails by its panic and owns its files"
)]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use support::canary::{assert_clean, assert_clean_files, assert_clean_names};
use support::dcmtk::{self, deliver, free_port};
use support::gateway::{HEAD, LEAVE_FACES, Site, ends, printed, program};
use support::study::{self, patient, write_all, write_body_ct};
use support::{files, until};

/// De-identifies a folder and gives every file that left, by its name.
fn left(input: &Path, out: &Path, key: &Path, profile: &str, crosswalk: &Path) -> Vec<Vec<u8>> {
    let arguments = [input, out, key, crosswalk].map(|path| path.to_str().unwrap().to_owned());
    let [input, out, key, crosswalk] = &arguments;
    let deid = ["deid", input, "--out", out, "--profile", profile, "--key-file", key];
    ends(&[&deid[..], &["--crosswalk", crosswalk]].concat(), 0);
    files(Path::new(out)).iter().map(|file| std::fs::read(file).unwrap()).collect()
}

#[test]
fn pages_and_a_backup_give_the_same_pseudonyms_on_another_machine() {
    let site = Site::with_profile(&format!("{LEAVE_FACES}pseudonyms: random\n"));
    write_body_ct(&site.path("in"), &patient(1), 1, 2);
    let at = |name: &str| site.path(name);
    let before = left(&at("in"), &at("out"), &at("root.key"), &site.profile, &at("crosswalk"));
    assert_eq!(before.len(), 2);

    let [key, pages] = [site.at("root.key"), site.at("pages")];
    let said = ends(&["keys", "split", &key, "--shares", "4", "--needed", "2", "--out", &pages], 0);
    let secret = std::fs::read_to_string(&key).unwrap();
    assert!(!said.contains(secret.trim().rsplit(' ').next().unwrap()), "the key is printed");
    let modes = files(&at("pages")).into_iter().map(|page| page.metadata().unwrap().permissions());
    assert_eq!(modes.map(|mode| mode.mode() & 0o777).collect::<Vec<_>>(), [0o600; 4]);

    // The machine is gone; what is left is a copy of the crosswalk, and the people with the pages.
    std::fs::remove_file(&key).unwrap();
    let copied = Command::new("cp").arg("-a").arg(at("crosswalk")).arg(at("restored")).status();
    assert!(copied.unwrap().success());
    let page = |n: u8| format!("{pages}/share-{n}.txt");
    let joined = site.at("joined.key");
    let few = ends(&["keys", "join", &page(3), "--out", &joined], 2);
    assert!(few.contains("2 different shares are needed, 1 were given"), "{few}");
    let said = ends(&["keys", "join", &page(4), &page(1), "--out", &joined], 0);
    assert!(said.contains("root key"), "{said}");
    assert_eq!(std::fs::read_to_string(&joined).unwrap(), secret);
    let after = left(&at("in"), &at("again"), &at("joined.key"), &site.profile, &at("restored"));
    assert_eq!(before, after);

    std::fs::write(
        page(1),
        std::fs::read_to_string(page(1)).unwrap().replace("share 1", "share 2"),
    )
    .unwrap();
    let slip = ends(&["keys", "join", &page(4), &page(1), "--out", &site.at("none")], 2);
    assert!(slip.contains("share-1.txt") && slip.contains("copied with a mistake"), "{slip}");
    assert!(!at("none").exists());
}

#[test]
fn a_new_generation_makes_other_pseudonyms_and_keeps_the_old() {
    let site = Site::leaving_faces();
    write_body_ct(&site.path("in"), &patient(1), 1, 1);
    let [old, new] = [site.at("root.key"), site.at("new.key")];
    let said = ends(&["keys", "rotate", &old, "--out", &new], 0);
    assert!(said.contains("generation A2"), "{said}");
    let pseudonym = |key: &str, out: &str| {
        let at = |name: &str| site.path(name);
        left(&at("in"), &at(out), Path::new(key), &site.profile, &at("none"));
        let file = dicom_object::open_file(&files(&at(out))[0]).unwrap();
        file.element_by_name("PatientID").unwrap().to_str().unwrap().into_owned()
    };
    let (before, after) = (pseudonym(&old, "a"), pseudonym(&new, "b"));
    assert!(before.starts_with("A1") && after.starts_with("A2"), "{before} {after}");
    assert_ne!(before[2..], after[2..]);
    let kept = std::fs::read_to_string(&new).unwrap();
    assert!(
        kept.ends_with(std::fs::read_to_string(&old).unwrap().split_once("generation").unwrap().1)
    );
    assert_eq!(ends(&["keys", "fingerprint", &old], 0), ends(&["keys", "fingerprint", &new], 0));
}

// ---------------------------------------------------------------------------------------------- help

#[test]
fn every_command_explains_itself() {
    for command in [
        "",
        "serve",
        "deface",
        "deid",
        "demo",
        "keys",
        "keys init",
        "keys fingerprint",
        "keys split",
        "keys join",
        "keys rotate",
        "config",
        "config check",
        "spool",
        "status",
        "spool ls",
        "spool check",
        "spool show",
        "spool retry",
        "quarantine",
        "quarantine ls",
        "quarantine show",
        "audit",
        "audit verify",
        "audit show",
        "audit export",
        "audit receipt",
        "audit checkpoint",
        "result",
        "result take",
        "report",
        "report incident",
        "report month",
        "report register",
        "report dpia",
    ] {
        let arguments: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
        let said = ends(&arguments, 0);
        let first = said.lines().next().unwrap_or_default();
        assert!(first.len() > 15 && said.contains("Usage: efface"), "{command}: {said}");
    }
    for wrong in [&["srve"][..], &["serve"], &["deid"], &["keys", "init"], &[]] {
        assert!(ends(wrong, 2).contains("Usage"), "{wrong:?}");
    }
}

// ---------------------------------------------------------------------------------------------- keys

#[test]
fn a_sealed_key_opens_to_its_passphrase_and_to_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (key, sealed) = (at("root.key"), at("sealed.key"));
    ends(&["keys", "init", "--out", &key], 0);
    // As systemd hands a passphrase over.
    let with = |passphrase: Option<&str>, arguments: &[&str]| {
        let mut command = program();
        command.args(arguments).stdin(std::process::Stdio::null());
        if let Some(passphrase) = passphrase {
            std::fs::write(at("efface-passphrase"), passphrase).unwrap();
            command.env("CREDENTIALS_DIRECTORY", folder.path());
        }
        let output = command.output().unwrap();
        (output.status.code(), printed(&output))
    };
    let seal = ["keys", "seal", &key, "--out", &sealed];
    assert!(with(Some("too short"), &seal).1.contains("at least 12 characters"));
    assert_eq!(with(Some("correct horse battery\n"), &seal).0, Some(0));
    let text = std::fs::read_to_string(&sealed).unwrap();
    assert!(!text.contains(&std::fs::read_to_string(&key).unwrap()[60..]));
    let fingerprint = ends(&["keys", "fingerprint", &key], 0);
    let ask = |passphrase| with(passphrase, &["keys", "fingerprint", &sealed]);
    assert_eq!(ask(Some("correct horse battery\n")), (Some(0), fingerprint));
    let (code, said) = ask(Some("correct horse cattery\n"));
    assert!(code == Some(2) && said.contains("does not open"), "{said}");
    let (code, said) = ask(None);
    assert!(code == Some(2) && said.contains("efface-passphrase"), "{said}");
}

#[test]
fn keys_are_made_once_private_and_known_by_a_fingerprint() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("root.key");
    let key = path.to_str().unwrap();
    let said = ends(&["keys", "init", "--out", key], 0);
    let fingerprint = ends(&["keys", "fingerprint", key], 0);
    assert!(said.contains(fingerprint.trim()), "{said} / {fingerprint}");
    assert_eq!(fingerprint.trim().len(), 16);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

    let secret = std::fs::read_to_string(&path).unwrap();
    let root = secret.lines().last().unwrap().rsplit(' ').next().unwrap();
    assert!(root.len() == 64 && !said.contains(root), "the key is printed");

    assert!(ends(&["keys", "init", "--out", key], 2).contains("never overwritten"));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), secret);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(ends(&["keys", "fingerprint", key], 2).contains("chmod 600"));
    std::fs::write(folder.path().join("other"), "hello").unwrap();
    let other = folder.path().join("other");
    std::fs::set_permissions(&other, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert!(
        ends(&["keys", "fingerprint", other.to_str().unwrap()], 2).contains("not an efface key")
    );
}

// --------------------------------------------------------------------------------------------- config

#[test]
fn a_good_configuration_is_read_back_in_words() {
    let site = Site::basic();
    std::fs::write(site.path("efface.yaml"), configuration(&site, "")).unwrap();
    let said = ends(&["config", "check", &site.at("efface.yaml")], 0);
    for words in
        ["listens on 127.0.0.1:11112 as EFFACE", "accepts PACS", "LAB@192.0.2.7:104", "basic"]
    {
        assert!(said.contains(words), "{words}: {said}");
    }
    ends(&["config", "check", &site.at("nothing.yaml")], 2);
}

#[test]
fn every_mistake_of_a_configuration_is_said_with_its_place() {
    let site = Site::basic();
    for (lines, place, words) in [
        ("quiet_periods: 5\n", ":9:1:", "unknown field `quiet_periods`"),
        ("quiet_period_s: -1\n", ":9:17:", "a number from 0"),
        ("metrics: 0.0.0.0:9104\n", ":9:10:", "loopback"),
        ("associations_max: 0\n", ":9:19:", "1 to 1000"),
    ] {
        std::fs::write(site.path("efface.yaml"), configuration(&site, lines)).unwrap();
        let said = ends(&["config", "check", &site.at("efface.yaml")], 2);
        assert!(said.contains(place) && said.contains(words), "{lines}{said}");
    }
    let text = configuration(&site, "").replace("EFFACE", "MUCH TOO LONG FOR A TITLE");
    let text = text.replace("192.0.2.7:104", "192.0.2.7");
    std::fs::write(site.path("efface.yaml"), text).unwrap();
    let said = ends(&["config", "check", &site.at("efface.yaml")], 2);
    assert!(said.contains(":5:11:") && said.contains(":8:"), "both at once: {said}");
}

#[test]
fn a_mistake_in_a_profile_is_said_with_its_place() {
    let site = Site::basic();
    let profile = format!("{HEAD}rules:\n  - {{ keyword: PatientBirthdate, action: X }}\n");
    std::fs::write(site.path("lab.yaml"), profile).unwrap();
    let text = configuration(&site, "").replace("profile: basic", "profile: lab.yaml");
    std::fs::write(site.path("efface.yaml"), text).unwrap();
    let said = ends(&["config", "check", &site.at("efface.yaml")], 2);
    assert!(said.contains(":5:16:") && said.contains("PatientBirthDate?"), "{said}");
}

/// A configuration whose optional lines begin at line 9.
fn configuration(site: &Site, lines: &str) -> String {
    format!(
        "efface_config: 1\nstate: {}\nkey_file: {}\nlisten: 127.0.0.1:11112\nae_title: EFFACE\n\
         allow: [{{ ae_title: PACS }}]\ndestinations:\n  \
         - {{ name: lab, to: LAB@192.0.2.7:104, profile: basic }}\n{lines}",
        site.state().display(),
        site.at("root.key")
    )
}

// ----------------------------------------------------------------------------------------------- deid

fn deid(site: &Site, code: i32) -> String {
    let (input, out, key) = (site.at("in"), site.at("out"), site.at("root.key"));
    ends(&["deid", &input, "-o", &out, "--profile", &site.profile, "--key-file", &key], code)
}

#[test]
fn files_that_may_leave_are_written_under_their_pseudonyms() {
    let site = Site::leaving_faces();
    write_body_ct(&site.path("in"), &patient(0), 1, 3);
    write_body_ct(&site.path("in"), &patient(1), 1, 2);
    let said = deid(&site, 0);
    assert_eq!(said.trim(), "5 de-identified, 0 withheld, 0 repeated");
    assert_clean("what was printed", said.as_bytes());
    assert_clean_files(&site.path("out"));
    assert_clean_names(&site.path("out"));
    let written = dcmtk::arrived(&site.path("out"));
    assert_eq!(written.len(), 5);
    for one in written {
        let expected = site.path("out").join(one.text("PatientID"));
        let expected = expected.join(one.text("StudyInstanceUID"));
        let expected = expected.join(format!("{}.dcm", one.text("SOPInstanceUID")));
        assert_eq!(one.path, expected);
    }
    assert_eq!(files(&site.path("out")).len(), 5, "nothing else is left there");
}

#[test]
fn what_is_withheld_is_listed_with_its_reason_and_ends_in_1() {
    let site = Site::leaving_faces();
    let held = patient(0).image_of(study::SECONDARY_CAPTURE, 2, 1);
    write_all(&site.path("in"), &[patient(0).body_slice(1, 1), held]);
    std::fs::write(site.path("in/notes.txt"), "no DICOM file").unwrap();
    let said = deid(&site, 1);
    assert!(said.starts_with("1 de-identified, 2 withheld, 0 repeated"), "{said}");
    for words in ["withheld: class-policy (1 files)", "withheld: malformed (1 files)", "notes.txt"]
    {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert_eq!(files(&site.path("out")).len(), 1);
}

/// What no viewer shows doesn't leave; pixels that can't be cleaned stay, and nothing else with them.
#[test]
fn pixels_leave_without_what_hides_in_them_or_stay() {
    let site = Site::leaving_faces();
    let mut hiding = patient(0).body_slice(1, 4);
    hiding.numbers(0x0028_0101, &[12]).numbers(0x0028_0102, &[11]).numbers(0x0028_0103, &[0]);
    let side = usize::from(study::SIDE);
    let words: Vec<u16> = (0..side * side).map(|n| (n % 4096) as u16).collect();
    // A letter to every two samples, in the four bits that nobody sees; and some behind them.
    let letters = b"MERRIWEATHER^Cordelia".iter().cycle().flat_map(|b| [b >> 4, b & 0xf]);
    let filled = words.iter().zip(letters).map(|(word, nibble)| word | u16::from(nibble) << 12);
    let mut bytes: Vec<u8> = filled.flat_map(u16::to_le_bytes).collect();
    bytes.extend(b"MERRIWEATHER^Cordelia ");
    hiding.bytes(0x7FE0_0010, "OW", &bytes);
    let mut short = patient(0).body_slice(1, 5);
    short.bytes(0x7FE0_0010, "OW", &[0; 64]);
    write_all(&site.path("in"), &[hiding, short, patient(0).body_slice(1, 3)]);
    let said = deid(&site, 1);
    assert!(said.starts_with("2 de-identified, 1 withheld, 0 repeated"), "{said}");
    assert!(said.contains("withheld: pixels-not-cleaned (1 files)"), "{said}");
    let left = dcmtk::arrived(&site.path("out"));
    let clean: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    assert_eq!(left.iter().filter(|one| one.pixels() == clean).count(), 1);
    assert!(left.iter().all(|one| !one.text("ImageType").contains("DERIVED")));
}

#[test]
fn without_key_profile_or_input_nothing_is_written() {
    let site = Site::leaving_faces();
    write_all(&site.path("in"), &[patient(0).body_slice(1, 1)]);
    let (input, out, key) = (site.at("in"), site.at("out"), site.at("root.key"));
    for (arguments, words) in [
        (
            [input.as_str(), "--key-file", "/nowhere/root.key", "--profile", "basic"],
            "/nowhere/root.key",
        ),
        ([&input, "--key-file", &key, "--profile", "/nowhere/lab.yaml"], "/nowhere/lab.yaml"),
        (["/nowhere/in", "--key-file", &key, "--profile", "basic"], "/nowhere/in"),
    ] {
        let said = ends(&[&["deid", "-o", &out][..], &arguments].concat(), 2);
        assert!(said.contains(words), "{said}");
        assert!(files(&site.path("out")).is_empty());
    }
}

// --------------------------------------------------------------------------------- spool and quarantine

#[test]
fn a_directory_that_is_no_state_directory_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().to_str().unwrap();
    for command in [
        &["status"][..],
        &["spool", "ls"],
        &["spool", "check"],
        &["spool", "show", "x"],
        &["spool", "retry", "x"],
        &["quarantine", "ls"],
        &["quarantine", "show", "x"],
    ] {
        let said = ends(&[command, &["--state", state]].concat(), 2);
        assert!(said.contains("not a state directory"), "{said}");
    }
    assert!(files(folder.path()).is_empty(), "looking changed something");
}

#[test]
fn spool_and_quarantine_tell_where_everything_is() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let site = Site::leaving_faces();
    let gateway = site.serve(free_port(), &[]);
    assert_eq!(site.ask(&["quarantine", "ls"]).trim(), "nothing is in quarantine");
    let held = patient(0).image_of(study::SECONDARY_CAPTURE, 2, 1);
    deliver(gateway.port, &write_body_ct(&site.path("pacs"), &patient(0), 1, 2));
    deliver(gateway.port, &write_all(&site.path("held"), &[held]));
    until("one waits and one is held", || {
        site.count("waiting for outside") == (1, 2) && site.count("in quarantine") == (1, 1)
    });

    let listed = site.ask(&["quarantine", "ls"]);
    let name = listed.split_whitespace().next().unwrap().to_owned();
    assert!(listed.contains("1 instances  class-policy  for outside"), "{listed}");
    let shown = site.ask(&["quarantine", "show", &name[..6]]);
    for words in ["since", "what", "meaning", "again", &format!("efface spool retry {name}")] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let waiting = files(&site.state().join("outbox"));
    let manifest = waiting.iter().find(|path| path.ends_with("manifest.json")).unwrap();
    let batch = manifest.parent().unwrap().file_name().unwrap().to_str().unwrap().to_owned();
    let shown = site.ask(&["spool", "show", &batch[..8]]);
    assert!(shown.contains("2 of 2 parcels wait for outside"), "{shown}");
    for (command, name) in [("spool", "zzz"), ("quarantine", "zzz")] {
        let state = site.state().to_str().unwrap();
        assert!(
            ends(&[command, "show", name, "--state", state], 2).contains("nothing is called zzz")
        );
    }

    let status = |key: &str| -> serde_json::Value {
        let all: serde_json::Value =
            serde_json::from_str(&site.ask(&["status", "--json"])).unwrap();
        all.pointer(key).unwrap().clone()
    };
    assert_eq!((status("/accounted"), status("/lost")), (3.into(), 0.into()));
    assert_eq!(status("/instances/on the way"), 2);
    assert_eq!(status("/quarantine/class-policy"), 1);
    assert_eq!(status("/outboxes/outside/batches"), 1);
    let said = site.ask(&["spool", "check"]);
    assert!(said.contains("3 entries read, 0 damaged, 0 missing"), "{said}");

    // Put back, it is decided about again, and again it stays inside.
    let said = site.ask(&["spool", "retry", &name]);
    assert!(said.contains("1 instances are in the queue again"), "{said}");
    until("it is back in quarantine", || {
        let listed = site.ask(&["quarantine", "ls"]);
        listed.contains("class-policy") && !listed.contains(&name)
    });
    until("the log knows that it was put back", || {
        files(&site.state().join("returned")).is_empty()
    });
    assert_eq!((status("/accounted"), status("/lost")), (3.into(), 0.into()));

    // What is damaged or gone is named.
    drop(gateway);
    let mut held = files(&site.state().join("held"));
    held.retain(|path| path.extension().is_none());
    let [first, second] = &held[..] else { panic!("two are held: {held:?}") };
    let mut bytes = std::fs::read(first).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(first, bytes).unwrap();
    std::fs::remove_file(second).unwrap();
    let state = site.state().to_str().unwrap();
    let said = ends(&["spool", "check", "--state", state], 1);
    assert!(said.contains("2 entries read, 1 damaged, 1 missing"), "{said}");
    assert!(said.contains(&batch), "{said}");
    assert!(ends(&["status", "--state", state], 1).contains("CANNOT BE FOUND"));
}
