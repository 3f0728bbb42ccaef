//! README.md is true: its commands are run as they stand there.
//!
//! What cannot be run as it stands: `cargo` (this is its test, the program is built) and `.ci/test` (that is
//! this). The first is replaced by the program, the second must exist and be what `.ci/run` calls.

use std::path::Path;
use std::process::{Command, Output};

const README: &str = include_str!("../README.md");

/// The `sh` blocks of README.md, in order.
fn blocks() -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = README.lines();
    while let Some(line) = lines.next() {
        if line == "```sh" {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            blocks.push(block.join("\n"));
        }
    }
    blocks
}

fn bash(script: &str, folder: &Path) -> Output {
    let program = Path::new(env!("CARGO_BIN_EXE_efface")).parent().expect("a folder");
    let path = std::env::var("PATH").expect("PATH");
    // What runs in the background ends with the script, also where a line of it fails: it holds the output open.
    let script = format!("trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n{script}");
    Command::new("timeout")
        .args(["300", "bash", "-euc", &script])
        .current_dir(folder)
        .env("PATH", format!("{}:{path}", program.display()))
        .env("TCP_NODELAY", "1")
        .output()
        .expect("bash")
}

fn succeeded(output: &Output) -> String {
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    out.into_owned()
}

#[test]
fn the_first_command_shows_the_main_job() {
    let folder = tempfile::tempdir().expect("a folder");
    let block = &blocks()[0];
    assert_eq!(block, "cargo run --release --locked -- demo");
    let script = block.replace("cargo run --release --locked --", "efface") + " --dir demo";
    let said = succeeded(&bash(&script, folder.path()));
    assert!(
        said.contains("PatientIdentityRemoved") && said.contains("delivered 135 instances"),
        "{said}"
    );
    assert!(said.contains("face removed in 135 slices"), "{said}");
    let picture = std::fs::read(folder.path().join("demo/before-after.png")).expect("a picture");
    assert!(picture.starts_with(b"\x89PNG"));
}

#[test]
fn the_second_command_is_what_ci_runs() {
    assert_eq!(blocks()[1], ".ci/test");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    assert!(std::fs::read_to_string(root.join(".ci/run")).expect(".ci/run").contains(".ci/test"));
}

#[test]
fn ten_lines_with_dcmtk() {
    if Command::new("storescp").arg("--version").output().is_err() {
        eprintln!("SKIPPED: dcmtk's storescp is not installed");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let build = "cargo build --release --locked && export PATH=\"$PWD/target/release:$PATH\"";
    let block = &blocks()[2];
    assert!(block.contains(build));
    let said = succeeded(&bash(&block.replace(build, "true"), folder.path()));
    let arrived = said.lines().filter(|line| line.trim() == "135").count();
    assert_eq!(arrived, 1, "{said}");
    assert!(said.contains("135 delivered"), "{said}");
    assert!(said.contains("nothing is in quarantine"), "{said}");
}

#[test]
fn the_command_for_files_exists() {
    assert!(
        README.contains("efface deid exports/ -o deidentified --profile basic --key-file root.key")
    );
    let folder = tempfile::tempdir().expect("a folder");
    let script = "efface demo --dir d --voxels 3 >/dev/null && mv d/pacs exports && efface keys init --out root.key >/dev/null \
                  && efface deid exports/ -o deidentified --profile basic --key-file root.key";
    assert!(succeeded(&bash(script, folder.path())).contains("90 de-identified, 0 withheld"));
}
