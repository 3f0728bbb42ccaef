//! docs/profile-author.md is true: each of its profiles is right, and each of its commands says what stands behind it. What it
//! calls a mistake is refused.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test fails by its panic and owns its files"
)]

mod support;

use std::path::Path;
use std::process::Output;
use support::gateway::{HEAD, printed, program};

const GUIDE: &str = include_str!("../docs/profile-author.md");

/// The blocks of one language, in order.
fn blocks(language: &str) -> Vec<&'static str> {
    let begin = format!("\n```{language}\n");
    GUIDE.split(&begin).skip(1).map(|rest| rest.split("\n```").next().unwrap()).collect()
}

fn efface(folder: &Path, arguments: &[&str]) -> Output {
    program().args(arguments).current_dir(folder).output().unwrap()
}

/// Arguments, as a shell would part them: quotes hold together.
fn parted(command: &str) -> Vec<&str> {
    let quoted = command.split('"').enumerate();
    let parts = quoted.flat_map(|(n, part)| match n % 2 {
        0 => part.split_whitespace().collect(),
        _ => vec![part],
    });
    parts.collect()
}

#[test]
fn ten_tasks_are_profiles_that_do_what_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let profiles = blocks("yaml");
    assert_eq!(profiles.len(), 10);
    for text in &profiles {
        let name = text.lines().next().unwrap().strip_prefix("# ").unwrap();
        std::fs::write(folder.path().join(name), text).unwrap();
        let checked = efface(folder.path(), &["profile", "check", name]);
        assert!(checked.status.success(), "{name}: {}", printed(&checked));
    }
    let lines: Vec<&str> = blocks("sh").iter().flat_map(|block| block.lines()).collect();
    assert!(lines.len() >= 25, "{lines:?}");
    for line in lines {
        let (command, words) = line.rsplit_once('#').unwrap();
        let arguments = parted(command);
        assert_eq!(arguments[0], "efface", "{line}");
        let said = efface(folder.path(), &arguments[1..]);
        let is_so = said.status.success() && printed(&said).contains(words.trim());
        assert!(is_so, "{line}: {}", printed(&said));
    }
}

#[test]
fn what_the_guide_calls_a_mistake_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let because = "because: \"a reason\"";
    for rest in [
        format!("rules:\n  - {{ vr: LO, action: K, {because} }}\n"),
        format!(
            "dates: {{ keep: year, {because} }}\nrules:\n  - {{ keyword: StudyDate, date: shift, {because} }}\n"
        ),
        "options: [Clean Pixel Data]\n".to_owned(),
        "rules:\n  - { keyword: PatientAge, action: K }\n".to_owned(),
        "rules:\n  - { keyword: Modality, action: X }\n  - { keyword: Modality, action: Z }\n"
            .to_owned(),
    ] {
        std::fs::write(folder.path().join("wrong.yaml"), format!("{HEAD}{rest}")).unwrap();
        let checked = efface(folder.path(), &["profile", "check", "wrong.yaml"]);
        assert_eq!(checked.status.code(), Some(1), "{rest}: {}", printed(&checked));
    }
}
