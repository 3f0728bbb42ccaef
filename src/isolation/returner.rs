//! The returner's side: told what to judge, confined to it, then at work. What it reads comes from outside: it has neither
//! the root key nor a network, and of the crosswalk it can read one project.

use super::RETURNER;
use super::confine::{Bounds, Reach, Rights, Strictness, confine, end_with};
use super::worker::{NOT_CONFINED, or_not_confined};
use crate::audit::relay::Relay;
use crate::clock::Day;
use crate::crosswalk::{self, Reading};
use crate::disk::Syncs;
use crate::key::Key;
use crate::pipe::hear;
use crate::reid::ResultUids;
use crate::returns::{Returner, Terms};
use crate::spool::Spool;
use crate::spool::results::Tray;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::io::{self, BufReader};
use std::path::PathBuf;
use std::process::ExitCode;
use zeroize::Zeroizing;

/// What every returner of a destination is told.
#[derive(Clone, Serialize, Deserialize)]
pub struct ReturnOrders {
    /// The state directory.
    pub state: PathBuf,
    /// What is said of the destination.
    pub terms: Terms,
    /// What it takes to read the crosswalk of its project.
    pub crosswalk: Reading,
    /// The key of UIDs of results of its project.
    pub uids: Zeroizing<String>,
    /// The key of the seals of what waits for a PACS.
    pub seal: Zeroizing<String>,
    /// What it may use.
    pub bounds: Bounds,
    /// Whether it works where the kernel cannot confine it.
    pub strictness: Strictness,
    /// Log lines as JSON.
    pub log_json: bool,
}

/// Orders and the batch that they are for.
#[derive(Serialize, Deserialize)]
pub(super) struct ReturnTask<'a> {
    pub orders: Cow<'a, ReturnOrders>,
    pub batch: Cow<'a, str>,
    /// The process whose end is the returner's.
    pub gateway: u32,
}

/// Is a returner: reads a task, is confined, judges the batch, says that it is done.
///
/// # Errors
/// In words: there was no task, or its end could not be told. [`ExitCode`] 70: nothing was begun.
pub fn take_back() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let mut input = BufReader::new(io::stdin());
    let ReturnTask { orders, batch, gateway } = hear(&mut input)?
        .ok_or_else(|| format!("efface {RETURNER} is for the gateway alone: see efface serve"))?;
    end_with(Some(gateway))?;
    Syncs::are_kept();
    let key = |text: &str| Key::from_text(text).ok_or("the task has no key");
    let (uids, seal) = (ResultUids::of_key(key(&orders.uids)?), key(&orders.seal)?);
    let spool = Spool::look(&orders.state);
    let tray = Tray::of(&spool, &orders.terms.destination);
    let rights = rights(&spool, &tray, &orders.terms.project, &batch);
    if let Some((_, gone)) = rights.iter().find(|(_, directory)| !directory.exists()) {
        tracing::error!(directory = %gone.display(), "is not there: results wait");
        return Ok(ExitCode::from(NOT_CONFINED));
    }
    let confined = confine(&rights, Reach::Nobody, &orders.bounds, orders.strictness);
    if confined.is_err() {
        return Ok(or_not_confined(confined));
    }
    let relay = Relay::new(input, io::stdout());
    let crosswalk = orders.crosswalk.open().ok_or("the task has no key")?;
    let returner = Returner {
        tray,
        terms: &orders.terms,
        log: &relay,
        crosswalk: &crosswalk,
        uids: &uids,
        seal: &seal,
        today: Day::today(),
    };
    let judged = returner.judge(&batch);
    if let Err(why) = &judged {
        tracing::error!(%batch, %why, "results cannot be judged now: they wait, and are tried again");
    }
    relay.end(judged.is_err(), Syncs::take())?;
    Ok(ExitCode::SUCCESS)
}

fn rights(spool: &Spool, tray: &Tray<'_>, project: &str, batch: &str) -> Vec<(Rights, PathBuf)> {
    let [rows, patients, _] = crosswalk::places(&spool.crosswalk(), project);
    vec![
        (Rights::Look, tray.batch(batch)),
        (Rights::Own, tray.drafts(batch)),
        (Rights::Own, tray.earlier()),
        (Rights::Look, rows),
        (Rights::Look, patients),
    ]
}
