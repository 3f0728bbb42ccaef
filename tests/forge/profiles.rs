//! Under which profiles the forge's objects are sent through.

use crate::support::gateway::HEAD;
use efface::standard::{Annex, Options};
use std::path::Path;

/// A profile, and what it lets stay.
#[derive(Clone)]
pub struct Sample {
    pub name: String,
    pub text: String,
    pub options: Options,
}

/// Faces and burned-in text leave, so that more than half of what is forged really does.
const LEAVE: &str = "leave:\n  faces: { because: \"forged, nobody's face\" }\n  burned_in_text: { because: \"forged, nobody's text\" }\n";

/// The profile under which most objects go.
pub fn leave() -> Sample {
    Sample::new("leave", format!("{HEAD}{LEAVE}"))
}

/// Every shipped profile: as it is, and with faces and burned-in text left.
pub fn shipped() -> Vec<Sample> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles");
    let files = crate::support::files(&folder).into_iter();
    let files = files.filter(|file| file.extension().is_some_and(|end| end == "yaml"));
    let both = files.flat_map(|file| {
        let name = file.file_stem().expect("a name").to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&file).expect("a profile");
        let open = leaving(&text);
        [Sample::new(&name, text), Sample::new(&format!("{name} and leave"), open)]
    });
    both.collect()
}

impl Sample {
    fn new(name: &str, text: String) -> Self {
        let options = options(&text);
        Sample { name: name.to_owned(), text, options }
    }
}

/// The options that a profile names, outside of comments.
fn options(text: &str) -> Options {
    let code = |line: &str| line.split('#').next().unwrap_or_default().to_owned();
    let lines: Vec<String> = text.lines().map(code).collect();
    let named = |option: &Annex| lines.iter().any(|line| line.contains(option.name()));
    Annex::ALL.into_iter().filter(named).collect()
}

/// The same profile without a word about faces and burned-in text, and [`LEAVE`].
fn leaving(text: &str) -> String {
    let about_pixels = [Annex::CleanRecognizableVisualFeatures, Annex::CleanPixelData];
    let drop = |line: &&str| {
        !line.starts_with("leave:")
            && !about_pixels.iter().any(|option| line.contains(option.name()))
    };
    let mut lines: Vec<&str> = text.lines().filter(drop).collect();
    let empty = |at: usize, lines: &[&str]| {
        lines[at].trim_end() == "options:"
            && !lines[at + 1..]
                .iter()
                .find(|l| !l.trim().is_empty())
                .is_some_and(|l| l.trim_start().starts_with('-'))
    };
    if let Some(at) = (0..lines.len()).find(|at| empty(*at, &lines)) {
        lines.remove(at);
    }
    format!("{}\n{LEAVE}", lines.join("\n"))
}
