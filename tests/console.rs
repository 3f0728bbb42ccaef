//! The console as people use it, in a real browser, and as those attack it who have none.
//!
//! Without Chromium, ChromeDriver or dcmtk these say SKIPPED. Pictures of the pages are in target/screenshots.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test fails by its panic and owns its files"
)]

mod support;

use rustix::process::Signal;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use support::browser::{self, Browser, Caller};
use support::dcmtk::{self, Outside, Running, deliver, free_port};
use support::gateway::{Gateway, LEAVE_FACES, Site, children_of, program};
use support::study::{patient, write_body_ct};
use support::{python_with, until};

const PASSWORD: &str = "correct horse battery";
/// What runs, or breaks out of an attribute, where a text is not escaped.
const HOSTILE: &str = "\"><img src=x onerror=\"document.title='taken over'\"><script>document.title='taken over'</script>";

/// A hospital with a console.
struct House {
    site: Site,
    gateway: u16,
    console: u16,
    /// After the first start: who agrees.
    approvers: String,
}

/// The console, and its pages.
struct Console {
    running: Running,
}

impl House {
    fn new() -> Self {
        let site = Site::with_profile(LEAVE_FACES);
        let [gateway, console] = [free_port(), free_port()];
        let house = House { site, gateway, console, approvers: String::new() };
        house.configure(1);
        house
    }

    fn configure(&self, outside: u16) -> u16 {
        let metrics = free_port();
        let lines = format!(
            "disk_reserve_bytes: 1000000\nconsole: {{ listen: 127.0.0.1:{} }}\n{}",
            self.console, self.approvers
        );
        self.site.configure([self.gateway, outside, metrics], &lines);
        metrics
    }

    /// Adds an account; the line of its key.
    fn add(&self, name: &str, roles: &[&str]) -> String {
        let config = self.site.at("efface.yaml");
        let mut command = program();
        command.args(["console", "user", "add", name, "--config", &config]);
        command.args(roles.iter().flat_map(|role| ["--role", role]));
        let mut adding = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        writeln!(adding.stdin.take().unwrap(), "{PASSWORD}").unwrap();
        let said = adding.wait_with_output().unwrap();
        assert!(said.status.success());
        String::from_utf8(said.stdout).unwrap().lines().last().unwrap().to_owned()
    }

    fn serve(&self, outside: u16) -> Gateway {
        let metrics = self.configure(outside);
        let mut command = program();
        command.args(["serve", "--config", &self.site.at("efface.yaml")]);
        Gateway::start(command, metrics)
    }

    fn watch(&self) -> Console {
        let mut command = program();
        command.args(["console", "--config", &self.site.at("efface.yaml")]);
        let log = std::fs::File::create(self.site.path("console.log")).unwrap();
        let running = Running(command.stderr(log).spawn().unwrap());
        until("the console listens", || {
            std::net::TcpStream::connect(("127.0.0.1", self.console)).is_ok()
        });
        Console { running }
    }

    fn at(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.console)
    }

    fn caller(&self, name: &str) -> Caller {
        let mut caller = Caller::new(&self.at(""));
        let got = caller.sign_in(name, PASSWORD);
        assert_eq!((got.status, got.header("location")), (303, "/"), "{}", got.text);
        caller
    }

    fn sign_in(&self, browser: &Browser, name: &str) {
        browser.go(&self.at("/sign-in"));
        browser.fill("input[name=name]", name);
        browser.fill("input[name=password]", PASSWORD);
        browser.click("main button");
        until("signed in", || browser.has("nav"));
    }
}

impl Console {
    fn pages(&self) -> Vec<rustix::process::Pid> {
        children_of(self.running.0.id(), "pages")
    }
}

fn picture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/screenshots").join(name)
}

macro_rules! skip_without_a_browser {
    () => {
        if let Some(program) = browser::missing().or_else(dcmtk::missing) {
            println!("SKIPPED: {program} is not installed");
            return;
        }
    };
}

#[test]
fn a_person_follows_a_study_from_the_pacs_to_delivery_and_takes_the_receipt() {
    skip_without_a_browser!();
    let house = House::new();
    house.add("anna", &["operator", "auditor"]);
    let outside = Outside::start(&house.site.sink());
    let _gateway = house.serve(outside.port);
    let _console = house.watch();
    let browser = Browser::start("en");
    browser.go(&house.at("/"));
    browser.fill("input[name=name]", "anna");
    browser.fill("input[name=password]", "a wrong password");
    browser.click("main button");
    assert!(browser.text("[role=alert]").contains("wrong"));
    browser.picture(&picture("sign-in.png"));
    house.sign_in(&browser, "anna");
    assert_eq!(browser.title(), "Flow · efface");
    let files = write_body_ct(&house.site.path("pacs"), &patient(3), 1, 6);
    deliver(house.gateway, &files);
    outside.wait_for(6);
    house.site.settled();
    until("the flow shows the delivery", || {
        browser.go(&house.at("/"));
        browser.texts(".event.delivered").iter().any(|text| text.contains("lab (6)"))
    });
    browser.picture(&picture("flow.png"));
    // From the batch to the way of the study, with the keyboard alone.
    browser.run("document.querySelector('td a').focus()");
    browser.keys("\u{e007}");
    until("the study is shown", || browser.title() == "Study · efface");
    let steps = browser.texts("tbody .event");
    let of = |word: &str| steps.iter().position(|step| step.contains(word));
    assert!(of("closed") < of("released") && of("released") < of("delivered"), "{steps:?}");
    browser.run("document.querySelectorAll('details').forEach(d => d.open = true)");
    assert!(browser.source().contains("(0010,0010)"), "what was done, element by element");
    browser.picture(&picture("study.png"));
    let batch = browser.text("h2 code");
    // By the UID that came in, which is not repeated anywhere but in the field that it was typed into.
    let uid = house.site.path("pacs");
    let uid = support::files(&uid).into_iter().next().unwrap();
    let uid = dicom_object::open_file(uid).unwrap();
    let uid = uid.element_by_name("StudyInstanceUID").unwrap().to_str().unwrap().to_string();
    browser.fill("header input[name=name]", uid.trim_end_matches(['\0', ' ']));
    browser.keys("\u{e007}");
    until("the same study is found", || browser.texts("h2 code").contains(&batch));
    // The receipt, checked by a program that shares no code with efface.
    let caller = house.caller("anna");
    let receipt = caller.get(&format!("/receipt/{batch}"));
    assert!(receipt.header("content-disposition").contains("attachment"), "{}", receipt.status);
    std::fs::write(house.site.path("receipt.json"), &receipt.text).unwrap();
    std::fs::write(house.site.path("log.key"), caller.get("/audit/key").text).unwrap();
    if let Some(python) = python_with("json") {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/verify_receipt.py");
        let checked = Command::new(python)
            .arg(script)
            .args([house.site.at("receipt.json"), house.site.at("log.key")])
            .output()
            .unwrap();
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    }
    browser.go(&house.at("/audit?event=released"));
    assert_eq!(browser.texts("tbody .event"), ["released"]);
    browser.go(&house.at("/audit"));
    browser.picture(&picture("audit.png"));
    browser.click("a[href='/audit/verify']");
    assert!(browser.text("[role=status]").contains("all as they were signed"));
    browser.go(&house.at("/registers"));
    browser.picture(&picture("registers.png"));
    // In French, on the page that is open.
    browser.click("a.language");
    until("it is French", || browser.text("h1") == "Registres");
    assert_eq!(browser.run("return document.documentElement.lang"), "fr");
    browser.go(&house.at("/"));
    browser.picture(&picture("flow-fr.png"));
    browser.click(".who button");
    until("signed out", || browser.url().ends_with("/sign-in"));
    browser.go(&house.at("/audit"));
    assert!(browser.url().ends_with("/sign-in"));
    let complaints = browser.complaints();
    let others: Vec<&String> = complaints.iter().filter(|c| !c.contains("/sign-in - ")).collect();
    assert!(others.is_empty(), "{others:?}");
}

#[test]
fn nothing_of_a_patient_and_no_script_of_a_stranger_is_on_any_page() {
    skip_without_a_browser!();
    let house = House::new();
    house.add("anna", &["operator", "auditor", "reviewer", "data-protection-officer"]);
    let outside = Outside::start(&house.site.sink());
    let _gateway = house.serve(outside.port);
    let _console = house.watch();
    let folder = house.site.path("pacs");
    std::fs::create_dir_all(&folder).unwrap();
    let mut sent = Vec::new();
    for number in 1..=3 {
        let mut slice = patient(4).body_slice(1, number);
        for (tag, vr) in [
            (0x0008_1030, "LO"),
            (0x0008_103E, "LO"),
            (0x0010_0010, "PN"),
            (0x0010_0020, "LO"),
            (0x0008_0050, "SH"),
            (0x0010_4000, "LT"),
            (0x0020_4000, "LT"),
            (0x0018_1030, "LO"),
        ] {
            let most = if vr == "SH" { 16 } else { 64 };
            slice.text(tag, vr, &HOSTILE[..HOSTILE.len().min(most)]);
        }
        let file = folder.join(format!("{number}.dcm"));
        slice.write(&file);
        sent.push(file);
    }
    // One that stays inside: a screen capture.
    let capture = folder.join("capture.dcm");
    let mut rendering = patient(4).image_of("1.2.840.10008.5.1.4.1.1.7", 1, 9);
    rendering.text(0x0008_1030, "LO", &HOSTILE[..64]).write(&capture);
    sent.push(capture);
    deliver(house.gateway, &sent);
    // What leaves of it and what stays inside does not matter here: both are shown.
    house.site.settled();
    let browser = Browser::start("en");
    house.sign_in(&browser, "anna");
    let mut pages = vec!["/".to_owned()];
    let mut seen = std::collections::BTreeSet::new();
    // Every page to which a link leads, and those where a person types.
    let typed = "%22%3E%3Cimg%20src%3Dx%20onerror%3D%22document.title%3D'taken%20over'%22%3E";
    for path in [
        "/study/",
        "/audit?patient=",
        "/audit?event=",
        "/quarantine?code=",
        "/quarantine/",
        "/receipt/",
        "/",
    ] {
        pages.push(format!("{path}{typed}"));
    }
    while let Some(path) = pages.pop() {
        let is_file = ["/receipt/", "/audit/checkpoint", "/audit/key", "/audit/export"];
        if is_file.iter().any(|file| path.starts_with(file)) && !path.contains("onerror") {
            continue;
        }
        if !seen.insert(path.clone()) || path.starts_with("/language") {
            continue;
        }
        browser.go(&house.at(&path));
        assert!(!browser.title().contains("taken over"), "{path}");
        let source = browser.source();
        assert!(!source.contains("<img src=\"x\"") && !source.contains("<img src=x"), "{path}");
        for needle in patient(4).needles() {
            assert!(!source.contains(&needle), "{path} shows {needle}");
        }
        let links = browser.run("return [...document.querySelectorAll('a[href^=\"/\"]')].map(a => a.getAttribute('href'))");
        let links = links.as_array().unwrap().iter().filter_map(|link| link.as_str());
        pages.extend(links.map(str::to_owned));
    }
    assert!(seen.len() > 8, "{seen:?}");
    let blocked: Vec<String> =
        browser.complaints().into_iter().filter(|c| c.contains("Content Security")).collect();
    assert_eq!(blocked, Vec::<String>::new(), "nothing got so far that it had to be blocked");
}

#[test]
fn a_form_is_its_persons_own_and_a_role_is_what_it_is() {
    let house = House::new();
    house.add("anna", &["operator"]);
    house.add("dora", &["data-protection-officer"]);
    let console = house.watch();
    let nobody = Caller::new(&house.at(""));
    for path in
        ["/", "/audit", "/registers", "/requests", "/study/x", "/account", "/audit/export.csv"]
    {
        let got = nobody.get(path);
        assert_eq!((got.status, got.header("location")), (303, "/sign-in"), "{path}");
    }
    let mut anna = Caller::new(&house.at(""));
    let signed = anna.sign_in("anna", PASSWORD);
    let cookie = signed.header("set-cookie");
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let policy = signed.header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    for (name, value) in [
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "no-store"),
        ("referrer-policy", "no-referrer"),
    ] {
        assert_eq!(signed.header(name), value);
    }
    // What she may not, whatever she types.
    for path in ["/audit", "/audit/verify", "/receipt/x", "/audit/export.csv"] {
        assert_eq!(anna.get(path).status, 403, "{path}");
    }
    let dora = house.caller("dora");
    let csrf = dora.get("/registers").csrf();
    let object = |caller: &Caller, csrf: &str, headers: &[(&str, &str)]| {
        let form = [("csrf", csrf), ("id", "MRN-1"), ("issuer", ""), ("scope", "all")];
        caller.post("/registers/object", &form, headers).status
    };
    assert_eq!(object(&anna, &anna.get("/account").csrf(), &[]), 403, "not an operator's");
    assert_eq!(object(&dora, "", &[]), 403);
    assert_eq!(object(&dora, &anna.get("/account").csrf(), &[]), 403, "another's token");
    assert_eq!(object(&dora, &csrf, &[("sec-fetch-site", "cross-site")]), 403);
    assert!(dora.get("/registers").text.contains("none"));
    assert_eq!(object(&dora, &csrf, &[("sec-fetch-site", "same-origin")]), 200);
    let registers = dora.get("/registers").text;
    assert!(registers.contains("all") && !registers.contains("MRN-1"));
    // Whoever takes the pages over, or kills them, has the sessions and nothing else.
    let before = console.pages();
    assert_eq!(before.len(), 1);
    let status = std::fs::read_to_string(format!("/proc/{}/status", before[0].as_raw_nonzero()));
    assert!(!support::gateway::can_confine() || status.unwrap().contains("Seccomp:\t2"));
    rustix::process::kill_process(before[0], Signal::KILL).unwrap();
    until("others are there", || {
        let now = console.pages();
        !now.is_empty()
            && now != before
            && std::net::TcpStream::connect(("127.0.0.1", house.console)).is_ok()
    });
    assert_eq!(dora.get("/registers").status, 200, "the session is the keeper's");
    // Another role, and no account: at once.
    let config = house.site.at("efface.yaml");
    let user = |arguments: &[&str]| {
        let done = program()
            .args(["console", "user"])
            .args(arguments)
            .args(["--config", &config])
            .status();
        assert!(done.unwrap().success());
    };
    user(&["roles", "dora", "--role", "operator"]);
    assert_eq!(dora.get("/registers").status, 303, "she signs in again");
    user(&["remove", "anna"]);
    assert_eq!(anna.get("/").status, 303);
    assert_eq!(Caller::new(&house.at("")).sign_in("anna", PASSWORD).status, 403);
    let log = house.site.ask(&["audit", "show", "-n", "0"]);
    for said in ["signed-in", "account-added", "account-changed", "account-removed", "refused"] {
        assert!(log.contains(said), "{said} in {log}");
    }
}

#[test]
fn who_guesses_passwords_waits() {
    let house = House::new();
    house.add("anna", &["operator"]);
    let _console = house.watch();
    let mut guesser = Caller::new(&house.at(""));
    let tries: Vec<u16> =
        (0..6).map(|n| guesser.sign_in("anna", &format!("a wrong one {n}")).status).collect();
    assert_eq!(tries, [403, 403, 403, 403, 403, 429]);
    assert_eq!(guesser.sign_in("anna", PASSWORD).status, 429, "also with the right one");
    let log = house.site.ask(&["audit", "show", "-n", "0"]);
    assert_eq!(log.matches("refused").count(), 5, "{log}");
}

#[test]
fn what_two_people_must_agree_to_waits_for_both() {
    let mut house = House::new();
    let people = ["dora", "emil"].map(|name| house.add(name, &["data-protection-officer"]));
    house.add("anna", &["operator"]);
    house.approvers = format!("approvers: [\"{}\", \"{}\"]\n", people[0], people[1]);
    let outside = free_port();
    let _gateway = house.serve(outside);
    let _console = house.watch();
    let (dora, emil, anna) = (house.caller("dora"), house.caller("emil"), house.caller("anna"));
    let csrf = |caller: &Caller| caller.get("/requests").csrf();
    let form = [("csrf", &*csrf(&dora)), ("id", "MRN-2"), ("issuer", ""), ("scope", "all")];
    assert_eq!(dora.post("/registers/object", &form, &[]).status, 200);
    let registers = dora.get("/registers").text;
    let (_, rest) = registers.split_once("name=\"reference\" value=\"").unwrap();
    let reference = rest.split_once('"').unwrap().0.to_owned();
    let asked =
        dora.post("/registers/lift", &[("csrf", &csrf(&dora)), ("reference", &reference)], &[]);
    assert!(asked.text.contains("It waits here"), "{}", asked.text);
    let (_, rest) = asked.text.split_once("action=\"/requests/").unwrap();
    let nonce = rest.split_once('/').unwrap().0.to_owned();
    let sign = |caller: &Caller, password: &str| {
        let path = format!("/requests/{nonce}/sign");
        caller.post(&path, &[("csrf", &csrf(caller)), ("password", password)], &[])
    };
    let is_in_force = || dora.get("/registers").text.contains(&reference);
    assert_eq!(sign(&dora, "a wrong password").status, 403);
    assert_eq!(sign(&anna, PASSWORD).status, 409, "none of those who agree");
    assert_eq!(sign(&dora, PASSWORD).status, 200);
    assert_eq!(sign(&dora, PASSWORD).status, 200, "once more is not another one");
    assert!(is_in_force());
    assert_eq!(sign(&emil, PASSWORD).status, 200);
    assert!(!is_in_force());
    assert_eq!(sign(&emil, PASSWORD).status, 404, "it is used");
    let log = house.site.ask(&["audit", "show", "-n", "0"]);
    assert!(log.contains("dora and emil"), "{log}");
}

#[test]
fn a_profile_is_written_tried_proposed_and_put_in_force_by_two_people() {
    skip_without_a_browser!();
    let mut house = House::new();
    let people = [house.add("paul", &["profile-editor"]), house.add("dora", &["auditor"])];
    house.add("anna", &["operator"]);
    house.approvers = format!("approvers: [\"{}\", \"{}\"]\n", people[0], people[1]);
    let outside = Outside::start(&house.site.sink());
    let _gateway = house.serve(outside.port);
    let _console = house.watch();
    deliver(house.gateway, &write_body_ct(&house.site.path("pacs/1"), &patient(0), 1, 1));
    assert_eq!(outside.wait_for(1)[0].text("PatientSex"), "");
    house.site.settled();
    let browser = Browser::start("en");
    house.sign_in(&browser, "paul");
    browser.go(&house.at("/profiles"));
    browser.click("#edit-lab");
    // What is wrong is said while he types, and what may be written when he asks.
    let write = |text: &str| {
        let text = serde_json::to_string(text).unwrap();
        browser.run(&format!(
            "const t = document.getElementById('text'); t.focus(); t.value = {text}; t.dispatchEvent(new Event('input'))"
        ));
    };
    let before = std::fs::read_to_string(house.site.path("profile.yaml")).unwrap();
    write(&format!("{before}rules:\n  - {{ keyword: PatientBirthdate, action: X }}\n"));
    until("the mistake is said", || {
        browser.texts("#mistakes li").iter().any(|text| text.contains("PatientBirthDate?"))
    });
    assert!(browser.has(".gutter .wrong"));
    write(&format!("{before}rules:\n  - {{ keyword: PatientSe"));
    browser.run("document.getElementById('text').dispatchEvent(new KeyboardEvent('keydown', { ctrlKey: true, key: ' ' }))");
    until("the keyword is offered", || {
        browser.texts("#completions li").iter().any(|text| text.starts_with("PatientSex "))
    });
    browser.picture(&picture("profile-editor.png"));
    browser.keys("\u{e007}");
    let typed = || browser.run("return document.getElementById('text').value");
    until("it is taken", || typed().as_str().unwrap().ends_with("keyword: PatientSex"));
    // What it would change, and what becomes of a study that is here.
    let because = "the trial compares them";
    let rule = format!("keyword: PatientSex, action: K, because: \"{because}\"");
    let text = format!("{before}rules:\n  - {{ {rule} }}\n");
    write(&text);
    browser.click("#check");
    until("the change is shown", || browser.has("#changes"));
    let changes = browser.text("section.card");
    assert!(changes.contains("1 newly leave") && changes.contains("PatientSex"), "{changes}");
    assert!(changes.contains(because), "{changes}");
    browser.click("#try");
    until("it was tried", || browser.has("#tried"));
    assert!(browser.text("#tried").starts_with("1 would leave, 0 would be withheld"));
    browser.picture(&picture("profile-tried.png"));
    browser.fill("#because", HOSTILE);
    browser.click("#propose");
    until("it is kept", || browser.has("#said"));
    assert!(browser.text("#said").contains("version 1"));
    assert_eq!(browser.title(), "Profiles · efface", "a reason is no script");
    browser.click("#activate-1");
    until("it waits", || browser.url().ends_with("/activate") && browser.has("form.sign"));
    browser.fill("form.sign input[name=password]", PASSWORD);
    browser.click("form.sign button");
    until("it has one signature", || browser.texts("dd").iter().any(|text| text == "paul"));
    // Chromium would like to see a name beside each password.
    let complaints = browser.complaints();
    let others: Vec<&String> = complaints.iter().filter(|c| !c.contains("[DOM]")).collect();
    assert!(others.is_empty(), "{others:?}");
    // One is not two; whoever may not propose does not; the second signature does it.
    let (dora, anna) = (house.caller("dora"), house.caller("anna"));
    let page = |caller: &Caller| caller.get("/profiles/lab").text;
    assert!(page(&dora).contains("the configuration’s"));
    let csrf = |caller: &Caller| caller.get("/requests").csrf();
    let form = [("csrf", &*csrf(&anna)), ("version", "1")];
    assert_eq!(anna.post("/profiles/lab/activate", &form, &[]).status, 403);
    assert!(!page(&anna).contains("id=\"propose\""));
    let requests = dora.get("/requests").text;
    let (_, rest) = requests.split_once("action=\"/requests/").unwrap();
    let sign = format!("/requests/{}/sign", rest.split_once('/').unwrap().0);
    let done = dora.post(&sign, &[("csrf", &csrf(&dora)), ("password", PASSWORD)], &[]);
    assert_eq!(done.status, 200, "{}", done.text);
    assert!(page(&dora).contains("<strong class=\"good\">In force</strong>"));
    deliver(house.gateway, &write_body_ct(&house.site.path("pacs/2"), &patient(0), 2, 1));
    let arrived = outside.wait_for(2);
    assert_eq!(arrived.iter().filter(|one| one.text("PatientSex") == "F").count(), 1);
    let log = house.site.ask(&["audit", "show", "-n", "0"]);
    assert!(log.contains("agreed paul and dora"), "{log}");
    // Back, which is stricter: he alone, and in French.
    browser.go(&house.at("/language?to=fr"));
    browser.go(&house.at("/profiles/lab"));
    browser.picture(&picture("profile-fr.png"));
    browser.click("#activate-configuration");
    until("it is done", || browser.text("h1") == "C’est fait");
    assert!(page(&dora).contains("the configuration’s"));
}
