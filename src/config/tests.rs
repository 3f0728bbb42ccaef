//! What holds for the configuration as a whole.

use super::*;

pub(super) const GOOD: &str = "\
efface_config: 1
state: /tmp/state
key_file: /tmp/key
listen: 127.0.0.1:11112
ae_title: EFFACE
allow:
  - { ae_title: PACS, from: [10.20.0.0/16] }
destinations:
  - { name: lab, to: LAB@192.0.2.7:104, profile: basic }
";

pub(super) fn mistakes(text: &str) -> String {
    parse(Path::new("efface.yaml"), text)
        .map(|_| ())
        .map_err(|m| m.to_string())
        .err()
        .unwrap_or_default()
}

#[test]
fn what_is_left_out_has_a_default() {
    let settings = parse(Path::new("efface.yaml"), GOOD).unwrap();
    assert_eq!(settings.limits, Limits::default());
    let lab = &settings.destinations[0];
    assert_eq!((lab.project.as_str(), lab.associations, lab.profile.name()), ("lab", 4, "basic"));
    assert_eq!(lab.address, "192.0.2.7:104");
    assert!(settings.metrics.is_none());
}

#[test]
fn the_example_that_is_shipped_is_right() {
    let text = include_str!("../../packaging/efface.yaml");
    let settings = parse(Path::new("/etc/efface/efface.yaml"), text).unwrap();
    assert_eq!(settings.limits, Limits::default());
}

#[test]
fn every_mistake_has_its_place() {
    let bad = GOOD
        .replace("127.0.0.1:11112", "localhost")
        .replace("10.20.0.0/16", "10.20.0.1/16")
        .replace("LAB@192.0.2.7:104", "192.0.2.7:104")
        + "quiet_period_s: -1\nmetrics: 0.0.0.0:9104\n";
    let said = mistakes(&bad);
    for place in [":4:9:", ":7:30:", ":9:22:", ":10:17:", ":11:10:"] {
        assert!(said.contains(place), "{place} in {said}");
    }
    assert_eq!(said.lines().filter(|line| line.contains("efface.yaml:")).count(), 5);
}

#[test]
fn the_witness_of_the_log_lies_elsewhere() {
    let with = |file: &str| format!("{GOOD}checkpoint_file: {file}\n");
    let settings = parse(Path::new("efface.yaml"), &with("/mnt/dpo/efface")).unwrap();
    assert_eq!(settings.checkpoint_file.unwrap(), Path::new("/mnt/dpo/efface"));
    assert!(mistakes(&with("/tmp/state/checkpoint")).contains(":10:18:"));
}

#[test]
fn unknown_profiles_and_keys_are_refused() {
    assert!(
        mistakes(&GOOD.replace("profile: basic", "profile: basics"))
            .contains("did you mean basic?")
    );
    assert!(mistakes(&format!("{GOOD}quiet_period: 3\n")).contains("quiet_period"));
}
