//! Every command that answers a question answers programs, too: with `--json`, in the shape that its `--help` names.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test fails by its panic and owns its files"
)]

mod support;

use serde_json::Value;
use support::dcmtk::free_port;
use support::gateway::{Site, efface, ends, printed};
use support::study::{patient, write_body_ct};

/// What commands are called that answer a question.
const QUESTIONS: [&str; 12] = [
    "ask",
    "check",
    "checkpoint",
    "doctor",
    "explain",
    "fingerprint",
    "flow",
    "ls",
    "registers",
    "show",
    "status",
    "study",
];
/// Those are, too: `verify` of the log and of a release.
const VERIFY: &str = "verify";
/// Groups whose tests hold their shapes themselves.
const ELSEWHERE: [&str; 3] = ["profile", "quarantine", "spool"];

/// The commands that a command's `--help` lists; none: it is one that does something.
fn commands_of(path: &[String]) -> Vec<String> {
    let words: Vec<&str> = path.iter().map(String::as_str).chain(["--help"]).collect();
    let help = ends(&words, 0);
    let Some((_, listed)) = help.split_once("\nCommands:\n") else { return Vec::new() };
    let lines = listed.lines().take_while(|line| !line.is_empty());
    // A description that goes on in the next line stands further in.
    let names = lines.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = names.filter_map(|line| line.split_whitespace().next().map(str::to_owned));
    names.filter(|name| name != "help").collect()
}

fn leaves(path: &[String]) -> Vec<Vec<String>> {
    let commands = commands_of(path);
    if commands.is_empty() {
        return vec![path.to_vec()];
    }
    commands.into_iter().flat_map(|name| leaves(&[path, &[name]].concat())).collect()
}

#[test]
fn every_command_that_answers_a_question_answers_programs() {
    let leaves = leaves(&[]);
    assert!(leaves.len() > 50, "{leaves:?}");
    let mut asked = 0;
    for path in leaves.iter().filter(|path| !ELSEWHERE.contains(&path[0].as_str())) {
        let words: Vec<&str> = path.iter().map(String::as_str).chain(["--help"]).collect();
        let help = ends(&words, 0);
        let name = path.last().unwrap().as_str();
        let has_json = help.contains(" --json");
        if QUESTIONS.contains(&name) || name == VERIFY {
            assert!(has_json, "{path:?} has no --json");
            asked += 1;
        }
        assert!(
            !has_json || help.contains("With --json: "),
            "{path:?} does not say in which shape"
        );
    }
    assert!(asked >= 15, "{asked}");
}

/// What a command prints with `--json`, on standard output, and nothing besides.
#[track_caller]
fn answer(arguments: &[&str], code: i32) -> Value {
    let output = efface(&[arguments, &["--json"]].concat());
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", printed(&output));
    let answer = serde_json::from_slice(&output.stdout);
    answer.unwrap_or_else(|error| panic!("{arguments:?}: {error}: {}", printed(&output)))
}

/// That these names are in a value, and no others.
#[track_caller]
fn has(value: &Value, names: &[&str]) {
    let mut found: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    let mut names = names.to_vec();
    found.sort_unstable();
    names.sort_unstable();
    assert_eq!(found, names);
}

#[test]
fn answers_have_the_shape_that_help_names() {
    let site = Site::leaving_faces();
    let key = |name: &str| {
        ends(&["approval", "key", "--name", name, "--out", &site.at(name)], 0)
            .lines()
            .next()
            .unwrap()
            .to_owned()
    };
    let people = [key("anna"), key("bert")];
    let lines = format!(
        "approvers: [\"{}\", \"{}\"]\nroutes: [{{ name: all, to: [lab] }}]\n",
        people[0], people[1]
    );
    let mut gateway = site.serve_configured(free_port(), &lines);
    assert!(gateway.terminate().success());
    let (config, state) = (site.at("efface.yaml"), site.state().display().to_string());
    let (config, state) = (["--config", config.as_str()], ["--state", state.as_str()]);
    let of = |words: &[&str], place: &[&str], code| answer(&[words, place].concat(), code);

    let checked = answer(&["config", "check", config[1]], 0);
    has(
        &checked,
        &[
            "file",
            "listen",
            "ae_title",
            "checkpoint_file",
            "audit_repository",
            "tls",
            "receives_as",
            "sends_as",
            "approvers",
            "allow",
            "commitments",
            "pacs",
            "results_web",
            "console",
            "destinations",
            "routes",
            "new",
        ],
    );
    assert_eq!(checked["approvers"], serde_json::json!(["anna", "bert"]));
    assert_eq!((&checked["tls"], &checked["new"]), (&Value::Null, &serde_json::json!([])));
    let to = &checked["destinations"][0];
    has(
        to,
        &[
            "name",
            "to",
            "project",
            "profile",
            "digest",
            "kept",
            "tls",
            "may_be_sent_to",
            "results",
            "weaker_because",
        ],
    );
    assert_eq!((&to["name"], &to["profile"]), (&"lab".into(), &"test".into()));
    assert_eq!(to["weaker_because"][0], "phantoms, nobody's face");

    let said = of(&["status"], &state, 0);
    assert_eq!(said["lost"], 0);
    let found = of(&["doctor", "--offline"], &config, 0);
    assert!(found.as_array().unwrap().iter().all(|one| one["verdict"].is_string()));

    let records = of(&["audit", "show"], &state, 0);
    let records = records.as_array().unwrap();
    assert!(records.iter().all(|one| one["seq"].is_u64() && one["time"].is_string()));
    assert_eq!(records.last().unwrap()["event"], "stopped");
    assert_eq!(of(&["audit", "show", "-n", "1"], &state, 0).as_array().unwrap().len(), 1);
    let verified = of(&["audit", "verify"], &state, 0);
    has(
        &verified,
        &[
            "good",
            "origin",
            "records",
            "signed",
            "root",
            "erased",
            "findings",
            "kept_elsewhere",
            "key_believed",
        ],
    );
    assert_eq!((&verified["good"], &verified["key_believed"]), (&true.into(), &true.into()));
    assert_eq!(verified["records"], records.len());
    let newest = of(&["audit", "checkpoint"], &state, 0);
    has(&newest, &["key", "origin", "size", "root", "note"]);
    assert_eq!(newest["root"], verified["root"]);
    assert_eq!(
        newest["note"].as_str().unwrap(),
        ends(&["audit", "checkpoint", state[0], state[1]], 0)
    );

    for register in ["objection", "recall", "erasure"] {
        assert_eq!(of(&[register, "ls"], &config, 0), serde_json::json!([]), "{register}");
    }
    let known = of(&["crosswalk", "ls"], &config, 0);
    has(&known[0], &["project", "studies", "patients", "oldest", "days", "until"]);
    assert_eq!(
        of(&["result", "ls"], &state, 0),
        serde_json::json!({ "destinations": [], "pacs": [] })
    );
    has(&answer(&["keys", "fingerprint", &site.at("root.key")], 0), &["fingerprint", "generation"]);

    let (ask, lift) = (site.at("lift.txt"), ["objection", "lift", "--reference", "0abc"]);
    ends(&[&lift[..], &config, &["--ask", &ask]].concat(), 0);
    ends(&["approval", "sign", &ask, "--key", &site.at("anna"), "--yes"], 0);
    let people = ["--person", people[0].as_str(), "--person", people[1].as_str()];
    let request = of(&["approval", "show", &ask], &people, 0);
    has(&request, &["log", "until", "words", "operation", "signatures"]);
    assert_eq!(
        request["signatures"],
        serde_json::json!([{ "name": "anna", "signed": "yes" }, { "name": "bert", "signed": "no" }])
    );

    write_body_ct(&site.path("study"), &patient(1), 1, 3);
    std::fs::write(site.path("study/none.dcm"), "no file of DICOM").unwrap();
    let way = of(&["route", "explain", &site.at("study")], &config, 1);
    has(&way, &["calling", "called", "routes", "all_sent", "unreadable", "studies"]);
    assert_eq!((&way["routes"], &way["all_sent"]), (&1.into(), &false.into()));
    assert_eq!(way["unreadable"].as_array().unwrap().len(), 1);
    let alike = &way["studies"][0]["ways"][0];
    has(alike, &["instances", "example", "is_sent", "lines"]);
    assert_eq!((&alike["instances"], &alike["is_sent"]), (&3.into(), &true.into()));
}

#[test]
fn a_log_that_was_changed_is_told_to_programs() {
    let site = Site::leaving_faces();
    assert!(site.serve(free_port(), &[]).terminate().success());
    let state = site.state().display().to_string();
    let log = site.state().join("audit/log");
    let text = std::fs::read_to_string(&log).unwrap();
    std::fs::write(&log, text.replacen("\"event\":\"started\"", "\"event\":\"stopped\"", 1))
        .unwrap();
    let verified = answer(&["audit", "verify", "--state", &state], 1);
    assert_eq!(verified["good"], false);
    assert_eq!(verified["findings"].as_array().unwrap().len(), 1, "{verified}");
}

/// What is wrong with a configuration, with its place: all of it, and the exit code as without `--json`.
#[test]
fn mistakes_of_a_configuration_are_an_answer_too() {
    let site = Site::leaving_faces();
    let gateway = site.serve_configured(free_port(), "");
    drop(gateway);
    let file = site.at("efface.yaml");
    let right = std::fs::read_to_string(&file).unwrap();
    let wrong = format!("{right}quiet_peroid_s: 3\n");
    std::fs::write(&file, &wrong).unwrap();
    let said = answer(&["config", "check", &file], 2);
    has(&said, &["file", "mistakes"]);
    assert_eq!(said["file"], file.as_str());
    let mistakes = said["mistakes"].as_array().unwrap();
    has(&mistakes[0], &["line", "column", "what"]);
    let at = wrong.lines().position(|line| line.starts_with("quiet_peroid_s")).unwrap() as u64;
    assert_eq!((&mistakes[0]["line"], &mistakes[0]["column"]), (&(at + 1).into(), &1.into()));
    let what = mistakes[0]["what"].as_str().unwrap();
    assert!(what.contains("quiet_peroid_s"), "{what}");
    assert!(ends(&["config", "check", &file], 2).contains(what), "the same words as for people");
    // What is not about a place.
    std::fs::write(&file, &right).unwrap();
    let said = answer(&["config", "check", &site.at("nowhere.yaml")], 2);
    let mistake = &said["mistakes"][0];
    assert_eq!((&mistake["line"], &mistake["column"]), (&Value::Null, &Value::Null));
    assert!(mistake["what"].as_str().unwrap().contains("nowhere.yaml"), "{mistake}");
}
