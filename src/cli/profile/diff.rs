//! `efface profile diff`: two profiles compared, for whoever answers for what leaves.

use super::{Problem, load, print, short_digest};
use crate::profile::compare::{Change, Kind, compare, reasons, settings};
use crate::profile::{Ground, Profile};
use clap::Args;
use std::collections::{BTreeMap, BTreeSet};
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
}

/// Compares.
///
/// # Errors
/// A profile that isn't one.
pub fn run(args: &DiffArgs) -> Result<ExitCode, Problem> {
    let (a, b) = (load(&args.a)?, load(&args.b)?);
    let mut lines = vec![
        format!("from {} ({} {})", args.a, a.name(), short_digest(&a)),
        format!("to   {} ({} {})", args.b, b.name(), short_digest(&b)),
    ];
    let settings = [settings(&a, &b), reasons(&a, &b)].concat();
    let changes = compare(&a, &b);
    let same = settings.is_empty() && changes.is_empty();
    if same {
        lines.push("\nThe same leaves under both.".to_owned());
    }
    if !settings.is_empty() {
        lines.push("\nSettings".to_owned());
        lines.extend(settings.iter().map(|line| format!("  {line}")));
    }
    for kind in Kind::ALL {
        let of_kind: Vec<&Change> = changes.iter().filter(|change| change.kind == kind).collect();
        if !of_kind.is_empty() {
            lines.push(format!("\n{} ({})", title(kind), of_kind.len()));
            lines.extend(by_reason(&of_kind, &a, &b, args.all));
        }
    }
    print(&(lines.join("\n") + "\n"))?;
    Ok(if same { ExitCode::SUCCESS } else { ExitCode::from(1) })
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

/// The changes of one kind under headings that say what happens, what happened, and by whose word.
fn by_reason(changes: &[&Change], a: &Profile, b: &Profile, all: bool) -> Vec<String> {
    let mut headings: BTreeMap<String, Vec<&Change>> = BTreeMap::new();
    for change in changes {
        // How something doesn't leave matters to nobody where the point is that it does not.
        let (before, after) = match change.kind {
            Kind::NewlyLeaves => ("did not leave".to_owned(), list(&change.after)),
            Kind::NoLongerLeaves => (list(&change.before), "does not leave".to_owned()),
            Kind::LeavesDifferently | Kind::StaysDifferently => {
                (list(&change.before), list(&change.after))
            }
        };
        let after = format!("{after}, by {}", deciders(b, &change.by_after));
        let before = format!("{before}, by {}", deciders(a, &change.by_before));
        let heading = format!("  {after}\n    (before: {before})");
        headings.entry(heading).or_default().push(change);
    }
    let mut lines = Vec::new();
    for (heading, changes) in headings {
        lines.push(heading);
        let (named, counted): (Vec<_>, Vec<_>) =
            changes.into_iter().partition(|change| all || change.listed);
        for Change { tag, keyword, places, .. } in named {
            let places = if places.is_empty() { String::new() } else { format!(" ({places})") };
            let keyword = if keyword.is_empty() { "" } else { &format!(" {keyword}") };
            lines.push(format!("      {tag}{keyword}{places}"));
        }
        let mut by_vr: BTreeMap<String, usize> = BTreeMap::new();
        for change in counted {
            let vr = change.vr.map_or(String::new(), |vr| vr.to_string().to_owned());
            *by_vr.entry(vr).or_default() += 1;
        }
        lines.extend(by_vr.into_iter().map(|(vr, n)| {
            format!(
                "      {n} elements of VR {vr} that Table E.1-1 does not list (--all names them)"
            )
        }));
    }
    lines
}

fn list(words: &BTreeSet<String>) -> String {
    words.iter().map(String::as_str).collect::<Vec<_>>().join(" or ")
}

fn deciders(profile: &Profile, grounds: &BTreeSet<Ground>) -> String {
    let name = |ground: &Ground| {
        let because = match ground {
            Ground::Rule(n) => profile.rules().get(usize::from(*n)).and_then(|r| r.because.clone()),
            _ => None,
        };
        let because = because.map(|because| format!(", because: {because:?}"));
        format!("{}{}", profile.ground_name(*ground), because.unwrap_or_default())
    };
    grounds.iter().map(name).collect::<Vec<_>>().join("; ")
}
