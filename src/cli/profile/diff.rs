//! `efface profile diff`: two profiles compared, for whoever answers for what leaves.

use super::{Problem, load, print, print_json};
use crate::profile::compare::Kind;
use crate::profile::words::ENGLISH;
use crate::view::profile::{Diff, Element, Heading, Named, diff};
use clap::Args;
use std::process::ExitCode;

#[derive(Args)]
pub struct DiffArgs {
    /// The profile that is in force: file, or name of a shipped one
    a: String,
    /// The profile that would take its place
    b: String,
    /// Name every element that Table E.1-1 does not list, instead of counting them by VR
    #[arg(long)]
    all: bool,
    /// As JSON, for programs
    #[arg(long)]
    json: bool,
}

/// Compares.
///
/// # Errors
/// A profile that isn't one.
pub fn run(args: &DiffArgs) -> Result<ExitCode, Problem> {
    let (a, b) = (load(&args.a)?, load(&args.b)?);
    let diff = diff(&ENGLISH, (&args.a, &a), (&args.b, &b), args.all);
    match args.json {
        true => print_json(&diff)?,
        false => print(&in_words(&diff))?,
    }
    Ok(if diff.is_nothing() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// All of it, line by line.
pub(super) fn in_words(diff: &Diff) -> String {
    let named = |Named { file, name, plan }: &Named| format!("{file} ({name} {plan})");
    let mut lines =
        vec![format!("from {}", named(&diff.from)), format!("to   {}", named(&diff.to))];
    if diff.is_nothing() {
        lines.push("\nThe same leaves under both.".to_owned());
    }
    if !diff.settings.is_empty() || !diff.reasons.is_empty() {
        lines.push("\nSettings".to_owned());
        lines.extend(diff.settings.iter().chain(&diff.reasons).map(|line| format!("  {line}")));
    }
    for group in &diff.groups {
        lines.push(format!("\n{} ({})", title(group.kind), group.count));
        lines.extend(group.headings.iter().flat_map(under));
    }
    lines.join("\n") + "\n"
}

fn title(kind: Kind) -> &'static str {
    match kind {
        Kind::NewlyLeaves => "Newly leaves",
        Kind::NoLongerLeaves => "No longer leaves",
        Kind::LeavesDifferently => "Leaves differently",
        Kind::StaysDifferently => {
            "Does not leave under either, but what stands in its place differs"
        }
    }
}

fn under(heading: &Heading) -> Vec<String> {
    let Heading { after, before, elements, unlisted } = heading;
    let mut lines = vec![format!("  {after}\n    (before: {before})")];
    for Element { tag, keyword, places } in elements {
        let places = if places.is_empty() { String::new() } else { format!(" ({places})") };
        let keyword = if keyword.is_empty() { "" } else { &format!(" {keyword}") };
        lines.push(format!("      {tag}{keyword}{places}"));
    }
    lines.extend(unlisted.iter().map(|(vr, n)| {
        format!("      {n} elements of VR {vr} that Table E.1-1 does not list (--all names them)")
    }));
    lines
}
