//! Profiles, from the editor to the next study.

use super::*;

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
    let by = || {
        let records = house.site.records("policy").into_iter();
        let activated = records.map(|record| record["activated"]["by"].clone());
        activated.filter(|by| !by.is_null()).collect::<Vec<_>>()
    };
    assert_eq!(by(), ["dora"], "who signed last had it put in force");
    // Back, which is stricter: he alone, and in French.
    browser.go(&house.at("/language?to=fr"));
    browser.go(&house.at("/profiles/lab"));
    browser.picture(&picture("profile-fr.png"));
    browser.click("#activate-configuration");
    until("it is done", || browser.text("h1") == "C’est fait");
    assert!(page(&dora).contains("the configuration’s"));
    assert_eq!(by(), ["dora", "paul"]);
}
