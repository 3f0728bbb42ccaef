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
