//! What those try who have no right to it, and texts that would like to run.

use super::*;

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
    let mut rendering = patient(4).image_of(SECONDARY_CAPTURE, 1, 9);
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
