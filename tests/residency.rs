//! Destinations that may not be sent to: what is kept, told and logged; and one that may.
//!
//! What blocks is tested beside the code (`src/residency.rs`). Without dcmtk the test says SKIPPED.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test fails by its panic and owns its files"
)]

mod support;

use support::dcmtk::{self, Outside, deliver};
use support::gateway::{Site, efface, printed};
use support::study::{patient, write_body_ct};
use support::{files, until};

const POLICY: &str = "site_policy: { countries: [EEA], certifications: [HDS], warn_days: 36500 }\n";

fn entry(hosting: &str, until: &str) -> String {
    format!(
        ", register: {{ legal_entity: Lab SAS, parent_country: FR, hosting_country: {hosting}, remote_access: [], \
         role: processor, purpose: second reading, legal_basis: \"Art. 9(2)(h)\", contact: dpo@lab.example, \
         authorised_until: {until}, certifications: [{{ scheme: HDS, until: 2100-01-01 }}] }}"
    )
}

#[test]
fn what_may_not_go_there_stays_and_what_may_says_on_what_ground() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    let mut site = Site::leaving_faces();
    let outside = Outside::start(&site.sink());
    let config = site.at("efface.yaml");
    let mut kept = 0;
    for (study, (more, words)) in (1..).zip([
        (String::new(), "it has no entry in the register"),
        (entry("US", "2100-01-01"), "hosting_country US is not among the countries"),
        (entry("FR", "2026-01-01"), "its authorisation expired on 2026-01-01"),
    ]) {
        site.destination = more;
        let mut gateway = site.serve_configured(outside.port, POLICY);
        let folder = site.path(&format!("pacs/{study}"));
        deliver(gateway.port, &write_body_ct(&folder, &patient(0), study, 1));
        kept += 1;
        let kept_one = "efface_instances_quarantined_total{code=\"destination-blocked\"} 1";
        until("it is kept", || gateway.get("/metrics").1.contains(kept_one));
        assert_eq!(gateway.metric("efface_destination_blocked{destination=\"lab\"}"), 1);
        let told = gateway.wait_for("nothing is sent there");
        assert!(told["why"].as_str().unwrap().contains(words), "{told}");
        let status = site.ask(&["status", "--config", &config]);
        assert!(status.contains(&format!("lab: BLOCKED: {words}")), "{status}");
        let check = printed(&efface(&["config", "check", &config]));
        assert!(check.contains(words), "{check}");
        assert!(gateway.terminate().success());
    }
    assert_eq!(site.count("in quarantine"), (kept, kept));
    assert!(files(&outside.folder).is_empty());

    site.destination = entry("FR", "2100-01-01");
    let gateway = site.serve_configured(outside.port, POLICY);
    assert_eq!(gateway.metric("efface_destination_blocked{destination=\"lab\"}"), 0);
    assert!(gateway.metric("efface_destination_days_left{destination=\"lab\"}") > 20_000);
    gateway.wait_for("expires soon; then nothing is sent there");
    let names = site.ask(&["quarantine", "ls"]);
    for name in names.lines().filter_map(|line| line.split(' ').next()) {
        site.ask(&["spool", "retry", name]);
    }
    outside.wait_for(3);
    site.settled();
    let log = site.ask(&["audit", "export"]);
    assert!(
        log.contains("\"decided_by\":\"site policy\"")
            && log.contains("\"legal_entity\":\"Lab SAS\"")
    );
    let page = printed(&efface(&["subject-report", "--config", &config, "--id", &patient(0).id()]));
    assert!(
        page.contains("legal basis: Art. 9(2)(h)") && page.contains("data lie in FR"),
        "{page}"
    );
}
