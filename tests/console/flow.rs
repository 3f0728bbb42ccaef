//! From the PACS to the receipt.

use super::*;

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
    browser.picture(&picture("study.png"));
    browser.run("document.querySelectorAll('details').forEach(d => d.open = true)");
    assert!(browser.source().contains("(0010,0010)"), "what was done, element by element");
    let batch = browser.text("h2 code");
    // By the UID that came in, which is not repeated anywhere but in the field that it was typed into.
    let uid = house.site.path("pacs");
    let uid = support::files(&uid).into_iter().next().unwrap();
    let uid = dicom_object::open_file(uid).unwrap();
    let uid = uid.element_by_name("StudyInstanceUID").unwrap().to_str().unwrap().to_string();
    browser.fill("header input[name=name]", uid.trim_end_matches(['\0', ' ']));
    // The page that is left shows the same study: what is found is on another.
    browser.mark();
    browser.keys("\u{e007}");
    until("another page is there", || browser.has_left());
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
