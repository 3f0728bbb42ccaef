//! The quarantine, looked at and decided upon.

use super::*;

#[test]
fn what_stays_inside_is_looked_at_for_a_reason_and_released_by_two_people_or_rejected() {
    skip_without_a_browser!();
    let mut house = House::new();
    let people = ["rita", "rolf"].map(|name| house.add(name, &["reviewer"]));
    house.add("anna", &["operator"]);
    house.approvers = format!("approvers: [\"{}\", \"{}\"]\n", people[0], people[1]);
    let outside = Outside::start(&house.site.sink());
    let _gateway = house.serve(outside.port);
    let _console = house.watch();
    let mut captures = Vec::new();
    for number in [5, 6] {
        let file = house.site.path(&format!("{number}.dcm"));
        patient(number).image_of(SECONDARY_CAPTURE, 1, 1).write(&file);
        captures.push(file);
    }
    deliver(house.gateway, &captures);
    house.site.settled();
    let browser = Browser::start("en");
    house.sign_in(&browser, "rita");
    browser.go(&house.at("/quarantine"));
    let names = browser.texts("tbody td a");
    assert_eq!(names.len(), 2, "{names:?}");
    browser.picture(&picture("quarantine.png"));
    // Nobody sees anything without a reason and the role; who does stands in the log.
    let (first, second) = (names[0].clone(), names[1].clone());
    let anna = house.caller("anna");
    assert!(!anna.get(&format!("/quarantine/{first}")).text.contains("id=\"look\""));
    let csrf = anna.get("/quarantine").csrf();
    let look = |caller: &Caller, csrf: &str, because: &str| {
        let form = [("csrf", csrf), ("name", &*first), ("because", because), ("slice", "1")];
        caller.post("/quarantine/picture", &form, &[]).status
    };
    assert_eq!(look(&anna, &csrf, "I am curious"), 403);
    let rita = house.caller("rita");
    assert_eq!(look(&rita, &rita.get("/quarantine").csrf(), " "), 422, "without a reason");
    assert!(!house.site.ask(&["audit", "show", "-n", "0"]).contains(" shown "));
    browser.go(&house.at(&format!("/quarantine/{first}")));
    browser.picture(&picture("held.png"));
    browser.fill("#look input[name=because]", "is there a name in it?");
    browser.click("#show");
    until("the picture is drawn", || {
        browser.run("const i = document.getElementById('picture'); return !!i && i.complete && i.naturalWidth > 0") == true
    });
    assert!(house.site.ask(&["audit", "show", "-n", "0"]).contains(" shown "));
    // Released by two.
    browser.go(&house.at(&format!("/quarantine/{first}")));
    browser.fill("#release-form input[name=because]", "no text, no face in it");
    browser.click("#release");
    until("it waits", || browser.has("form.sign"));
    assert!(browser.text("article").contains("no text, no face in it"));
    browser.picture(&picture("two-people.png"));
    browser.fill("form.sign input[name=password]", PASSWORD);
    browser.click("form.sign button");
    until("it has one signature", || browser.texts("dd").iter().any(|text| text == "rita"));
    assert_eq!(outside.arrived().len(), 0);
    let rolf = house.caller("rolf");
    let requests = rolf.get("/requests").text;
    let (_, rest) = requests.split_once("action=\"/requests/").unwrap();
    let sign = format!("/requests/{}/sign", rest.split_once('/').unwrap().0);
    let csrf = rolf.get("/requests").csrf();
    let done = rolf.post(&sign, &[("csrf", &csrf), ("password", PASSWORD)], &[]);
    assert_eq!(done.status, 200, "{}", done.text);
    outside.wait_for(1);
    // The other never leaves: one person decides that.
    browser.go(&house.at(&format!("/quarantine/{second}")));
    browser.fill("#reject-form input[name=because]", "a name is burned in");
    browser.click("#reject");
    until("it is decided", || !browser.has("#reject-form"));
    browser.go(&house.at("/quarantine"));
    until("nothing is left", || browser.texts("tbody td a").is_empty());
    house.site.settled();
    assert_eq!(outside.arrived().len(), 1);
    until("it stands in the log", || {
        let log = house.site.ask(&["audit", "show", "-n", "0"]);
        log.contains("rita and rolf") && log.contains(" rejected ")
    });
    assert!(house.site.ask(&["status"]).contains("instances were acknowledged"));
}
