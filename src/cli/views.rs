//! `efface flow`, `efface study` and `efface registers`: what the console shows, at a terminal.

use super::Problem;
use super::objection::{Site, SiteArgs};
use crate::config::Settings;
use crate::spool::Place;
use crate::view::{self, History};
use clap::Args;
use std::process::ExitCode;

#[derive(Args)]
#[command(
    after_help = "With --json: {time, sources, instances: [[state, n]], lost, oldest_undelivered_s, free_bytes, destinations, quarantine, batches}, as src/view/flow.rs says it."
)]
pub struct FlowArgs {
    #[command(flatten)]
    site: SiteArgs,
    /// As JSON, for programs
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
#[command(
    after_help = "With --json: {batches: [{batch, steps, places}]}, as src/view/study.rs says it."
)]
pub struct StudyArgs {
    /// A batch, or the Study Instance UID as it left or as it came
    name: String,
    #[command(flatten)]
    site: SiteArgs,
    /// As JSON, for programs: with what was done element by element
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
#[command(
    after_help = "With --json: {destinations, has_policy, objections, requests, approvers, key, generations, log_key}, as src/view/registers.rs says it."
)]
pub struct RegistersArgs {
    #[command(flatten)]
    site: SiteArgs,
    /// As JSON, for programs
    #[arg(long)]
    json: bool,
}

/// Sources, queues, destinations.
///
/// # Errors
/// What the system says; a log that does not verify.
pub fn flow(args: &FlowArgs) -> Result<ExitCode, Problem> {
    let site = args.site.open()?;
    let mut history = History::begin(&site.spool.dir(Place::Audit))?;
    history.catch_up()?;
    let flow = view::flow::look(configured(&site)?, &site.spool, &history)?;
    if args.json {
        super::json(&flow)?;
        return Ok(ExitCode::SUCCESS);
    }
    for (state, n) in &flow.instances {
        println!("{n:8} {state}");
    }
    for held in &flow.quarantine {
        println!("in quarantine: {} {}: {}", held.instances, held.code, held.advice);
    }
    for to in &flow.destinations {
        let (instances, bytes) = to.total();
        println!("{}: {}, profile {}, {} batches wait", to.name, to.place, to.profile, to.waiting);
        println!("  {instances} instances, {bytes} bytes arrived in {} h", to.hours.len());
        for (what, ms) in [("waited", to.waited_ms), ("took", to.took_ms)] {
            if let Some((half, most)) = ms {
                println!("  {what} {half} ms (median), {most} ms (95 %)");
            }
        }
        to.blocked.iter().for_each(|why| println!("  BLOCKED: {why}"));
        to.refused.iter().for_each(|batch| println!("  refused {batch}"));
    }
    for batch in &flow.batches {
        let last = batch.events.last().map_or("in work", |event| event.event.as_str());
        println!("{} {} {} instances, {last}", batch.taken, batch.name, batch.instances);
    }
    Ok(ExitCode::SUCCESS)
}

/// The way of one study.
///
/// # Errors
/// Nothing has the name; what the system says; a log that does not verify.
pub fn study(args: &StudyArgs) -> Result<ExitCode, Problem> {
    let site = args.site.open()?;
    let study = view::study::look(&site.spool, &site.root, &args.name)?;
    // The name may be a UID of the hospital's: it is not repeated.
    let study = study.ok_or("nothing has that name. See: efface flow, efface audit show")?;
    if args.json {
        super::json(&study)?;
        return Ok(ExitCode::SUCCESS);
    }
    for way in &study.batches {
        println!("{}", way.batch);
        for step in &way.steps {
            let mut line =
                format!("  {} {} {}", step.what.time, step.what.event, step.what.instances);
            if !step.what.destination.is_empty() {
                line += &format!(" for {}", step.what.destination);
            }
            if !step.what.code.is_empty() {
                line += &format!(": {}", step.what.code);
            }
            println!("{line}, record {}", step.seq);
            if let Some(release) = &step.release {
                let actions = release.actions.iter().map(|(letter, n)| format!("{letter} {n}"));
                println!(
                    "    under {}: {}",
                    release.profile,
                    actions.collect::<Vec<_>>().join(", ")
                );
            }
        }
        for there in &way.places {
            println!("  now: {} {} {}", there.instances, there.state, there.destination);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Destinations, objections, requests, keys.
///
/// # Errors
/// A register that cannot be read.
pub fn registers(args: &RegistersArgs) -> Result<ExitCode, Problem> {
    let site = args.site.open()?;
    let registers = view::registers::look(configured(&site)?, &site.root, &site.spool)?;
    if args.json {
        super::json(&registers)?;
        return Ok(ExitCode::SUCCESS);
    }
    for to in &registers.destinations {
        println!("{}: {}, project {}", to.name, to.place, to.project);
        to.blocked.iter().for_each(|why| println!("  BLOCKED: {why}"));
        to.expiring.iter().for_each(|(what, day)| println!("  {what} ends on {day}"));
        to.entry.iter().for_each(|(name, text)| println!("  {name}: {text}"));
    }
    println!("{} objections are in force: efface objection ls", registers.objections.len());
    for request in registers.requests.iter().filter(|request| request.is_open) {
        println!(
            "{} {} at {}: {}",
            request.kind, request.reference, request.destination, request.state
        );
    }
    println!("key {}, generations {}", registers.key, registers.generations.join(", "));
    println!("log {}", registers.log_key);
    Ok(ExitCode::SUCCESS)
}

fn configured(site: &Site) -> Result<&Settings, Problem> {
    Ok(site.settings.as_ref().ok_or("this needs the configuration: --config FILE")?)
}
