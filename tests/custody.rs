//! What the types forbid: programs that would let something leave unchecked do not compile.
//!
//! Each program of `compile_fail/` says under the lines that are wrong what the compiler has to say of them
//! (`//~ error[E0616]: ...`): these errors, there, and no others. The compiler is called as it is, with the library that
//! the tests have just been linked with: a crate that does the same builds every dependency once more.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test fails by its panic and owns its files"
)]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use support::files;

/// What the compiler says of a program: `(line, "error[E0616]: field ...")`, in order of lines.
fn errors_of(program: &Path) -> Vec<(usize, String)> {
    let cargo = PathBuf::from(std::env::var_os("CARGO").expect("run by cargo"));
    let output = Command::new(cargo.with_file_name("rustc"))
        .args(["--edition=2024", "--emit=metadata", "--error-format=short", "-o"])
        .arg(tempfile::tempdir().unwrap().path().join("program"))
        .arg("--extern")
        .arg(format!("efface={}", library().display()))
        .arg("-L")
        .arg(format!("dependency={}", library().parent().unwrap().display()))
        .arg(program)
        .output()
        .expect("the compiler runs");
    let said = String::from_utf8(output.stderr).expect("text");
    let at = |line: &str| line.split(':').nth(1)?.parse().ok();
    // `tests/compile_fail/NAME.rs:5:18: error[E0616]: ...`; what has no place is said in summary.
    let placed = said.lines().filter_map(|line| {
        let error = line.find(": error")? + 2;
        Some((at(line)?, without_paths(&line[error..])))
    });
    let mut errors: Vec<_> = placed.collect();
    errors.sort();
    assert_eq!(errors.is_empty(), output.status.success(), "{}: {said}", program.display());
    errors
}

/// The compiler writes the path of a type where the crate has something else of its name.
fn without_paths(error: &str) -> String {
    let mut parts = error.split("efface::");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let module = |name: &&str| name.starts_with(|c: char| c.is_ascii_lowercase());
        let mut rest = part;
        while let Some((_, after)) = rest.split_once("::").filter(|(name, _)| module(name)) {
            rest = after;
        }
        text += rest;
    }
    text
}

/// What a program says that the compiler must say: a comment stands under its line, or under another comment.
fn errors_foretold(program: &Path) -> Vec<(usize, String)> {
    let text = std::fs::read_to_string(program).unwrap();
    let (mut foretold, mut code) = (Vec::new(), 0);
    for (n, line) in text.lines().enumerate() {
        match line.trim_start().strip_prefix("//~ ") {
            Some(error) => foretold.push((code, without_paths(error))),
            None => code = n + 1,
        }
    }
    foretold.sort();
    foretold
}

/// The library as the build of these tests left it: the newest of its name beside them.
fn library() -> PathBuf {
    let beside = std::env::current_exe().unwrap();
    let libraries = files(beside.parent().unwrap()).into_iter().filter(|file| {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("libefface-") && name.ends_with(".rlib")
    });
    libraries.max_by_key(|file| file.metadata().unwrap().modified().unwrap()).expect("a library")
}

fn programs(folder: &str) -> Vec<PathBuf> {
    let programs = files(&Path::new("tests").join(folder));
    assert!(!programs.is_empty(), "no programs in {folder}");
    programs
}

#[test]
fn what_would_leave_unchecked_does_not_compile() {
    for program in programs("compile_fail") {
        let (said, foretold) = (errors_of(&program), errors_foretold(&program));
        assert!(!foretold.is_empty(), "{} foretells nothing", program.display());
        // The compiler may explain itself behind that.
        let as_foretold = said.len() == foretold.len()
            && said
                .iter()
                .zip(&foretold)
                .all(|((at, error), (line, begins))| at == line && error.starts_with(begins));
        assert!(as_foretold, "{}: {said:#?}, not {foretold:#?}", program.display());
    }
}

#[test]
fn the_one_way_out_compiles() {
    for program in programs("compile_pass") {
        assert_eq!(errors_of(&program), [], "{}", program.display());
    }
}
