//! What two people must agree to.

use super::*;

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

/// A request goes when who asked for it, or one of those who agree, drops it; and stands in the log then.
#[test]
fn a_request_is_dropped_by_who_may_and_in_the_log() {
    let mut house = House::new();
    let people = ["dora", "emil"].map(|name| house.add(name, &["data-protection-officer"]));
    house.add("anna", &["operator"]);
    house.add("fritz", &["data-protection-officer"]);
    house.approvers = format!("approvers: [\"{}\", \"{}\"]\n", people[0], people[1]);
    let _gateway = house.serve(free_port());
    let _console = house.watch();
    let [dora, emil, anna, fritz] =
        ["dora", "emil", "anna", "fritz"].map(|name| house.caller(name));
    let csrf = |caller: &Caller| caller.get("/requests").csrf();
    let form = [("csrf", &*csrf(&fritz)), ("id", "MRN-2"), ("issuer", ""), ("scope", "all")];
    assert_eq!(fritz.post("/registers/object", &form, &[]).status, 200);
    let registers = fritz.get("/registers").text;
    let (_, rest) = registers.split_once("name=\"reference\" value=\"").unwrap();
    let reference = rest.split_once('"').unwrap().0.to_owned();
    // The nonce of what is asked for.
    let ask = |caller: &Caller| {
        let form = [("csrf", &*csrf(caller)), ("reference", &*reference)];
        let asked = caller.post("/registers/lift", &form, &[]).text;
        let (_, rest) = asked.split_once("action=\"/requests/").unwrap();
        rest.split_once('/').unwrap().0.to_owned()
    };
    let drop_it = |caller: &Caller, nonce: &str| {
        let path = format!("/requests/{nonce}/drop");
        caller.post(&path, &[("csrf", &csrf(caller))], &[])
    };
    let waits = |caller: &Caller, nonce: &str| caller.get("/requests").text.contains(nonce);
    let is_offered = |caller: &Caller, nonce: &str| {
        caller.get("/requests").text.contains(&format!("/requests/{nonce}/drop"))
    };
    let nonce = ask(&fritz);
    assert!(dora.get("/requests").text.contains("<dd>fritz</dd>"), "who asked is shown");
    assert!(!is_offered(&anna, &nonce));
    let refused = drop_it(&anna, &nonce);
    assert_eq!(refused.status, 409, "{}", refused.text);
    assert!(refused.text.contains("fritz, who asked for it"), "{}", refused.text);
    assert!(waits(&dora, &nonce));
    assert_eq!(house.site.records("request-dropped").len(), 0);
    // One of those who agree; and then who asked.
    assert!(is_offered(&emil, &nonce));
    assert_eq!(drop_it(&emil, &nonce).status, 200);
    assert!(!waits(&dora, &nonce));
    assert_eq!(drop_it(&emil, &nonce).status, 404, "it is gone");
    let again = ask(&fritz);
    assert_ne!(again, nonce);
    assert_eq!(drop_it(&fritz, &again).status, 200);
    let said = house.site.records("request-dropped").into_iter().map(|record| {
        ["operation", "asked", "by", "nonce"]
            .map(|field| record[field].as_str().unwrap().to_owned())
    });
    let said: Vec<[String; 4]> = said.collect();
    let dropped = |by: &str, nonce: &str| ["lift-objection", "fritz", by, nonce].map(str::to_owned);
    assert_eq!(said, [dropped("emil", &nonce), dropped("fritz", &again)]);
}
