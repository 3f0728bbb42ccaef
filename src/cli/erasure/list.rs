//! `efface erasure ls`: what was not acknowledged yet, and when it is due.

use crate::cli::Problem;
use crate::cli::objection::Site;
use crate::clock::Day;
use crate::erasure::{Request, Wanted};
use serde::Serialize;
use std::process::ExitCode;

/// What is shown of a request.
#[derive(Serialize)]
struct Shown<'a> {
    reference: &'a str,
    destination: &'a str,
    project: &'a str,
    patient: &'a str,
    studies: usize,
    received: Day,
    due: Day,
    state: &'static str,
    overdue: bool,
    erased_here: Option<Day>,
    sent: Option<Day>,
    acknowledged: Option<Day>,
}

/// Prints the requests.
///
/// # Errors
/// When the register cannot be read.
pub(super) fn run(site: &Site, all: bool, json: bool) -> Result<ExitCode, Problem> {
    let (today, (_, mut requests)) = (Day::today(), site.erasures()?.read()?);
    requests.retain(|request| all || request.is_open() || request.erased_here.is_none());
    // What is most urgent stands last, above the prompt.
    requests.sort_by_key(|r| (r.is_open(), std::cmp::Reverse(r.due())));
    if json {
        let shown = requests.iter().map(|request| Shown::of(request, today)).collect::<Vec<_>>();
        println!("{}", serde_json::to_string_pretty(&shown)?);
        return Ok(ExitCode::SUCCESS);
    }
    for request in &requests {
        println!("{}", Shown::of(request, today).to_words(today));
    }
    let open = requests.iter().filter(|request| request.is_open()).count();
    let overdue = requests.iter().filter(|request| request.is_overdue(today)).count();
    println!("{open} are not acknowledged, {overdue} of them overdue");
    Ok(ExitCode::SUCCESS)
}

impl<'a> Shown<'a> {
    fn of(request: &'a Request, today: Day) -> Self {
        let Wanted { destination, project, patient, studies } = &request.wanted;
        Shown {
            reference: &request.reference,
            destination,
            project,
            patient,
            studies: studies.len(),
            received: request.received,
            due: request.due(),
            state: request.state(),
            overdue: request.is_overdue(today),
            erased_here: request.erased_here,
            sent: request.sent,
            acknowledged: request.acknowledged,
        }
    }

    fn to_words(&self, today: Day) -> String {
        let Shown { reference, destination, studies, state, due, .. } = self;
        let until = match self.acknowledged {
            Some(day) => format!("acknowledged {day}"),
            None if self.overdue => format!("{state}, OVERDUE since {due}"),
            None => format!("{state}, due by {due}, in {} days", today.until(*due)),
        };
        let here = match self.erased_here {
            Some(_) => "",
            None => "  NOT ERASED HERE: give efface erasure request once more",
        };
        format!("{reference}  to {destination}  {studies} studies  {until}{here}")
    }
}
