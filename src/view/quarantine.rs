//! What stays inside, and why: studies that were put aside, what destinations refused, results that are not delivered.

use super::Error;
use super::study::Step;
use crate::audit;
use crate::custody::homebox::Homebox;
use crate::custody::outbox::Outbox;
use crate::disk;
use crate::spool::entry::Entry;
use crate::spool::quarantine::{self, Code, batch_of};
use crate::spool::rejected::Bar;
use crate::spool::results::{self, Tray};
use crate::spool::{Place, Spool, entry_ids};
use crate::standard::sop_classes;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;

/// What kind of thing stays inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Identified originals, put aside by a stage.
    Study,
    /// De-identified instances that their destination refused for good.
    Refused,
    /// Results that were not re-identified.
    Result,
    /// Re-identified results that their PACS refused for good.
    RefusedResult,
}

/// What a person may decide about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Choice {
    /// It is tried again.
    Retry,
    /// It never leaves.
    Reject,
    /// It leaves although a stage has its doubts: two people must agree.
    Release,
}

/// One thing that stays inside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// By what it is called.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// How many instances.
    pub instances: u64,
    /// The code of the reason; empty where there is none.
    pub code: String,
    /// What that means, in plain words.
    pub meaning: String,
    /// What a person can do about it.
    pub advice: String,
    /// What exactly a stage found, without any value.
    pub detail: String,
    /// For which destination, of which, or by whom it was refused; empty: for all.
    pub destination: String,
    /// Since when, RFC 3339; empty where nobody noted it.
    pub since: String,
    /// What may be decided about it.
    pub choices: Vec<Choice>,
    /// Names of pictures of surfaces beside it. They show the patient.
    pub pictures: Vec<String>,
}

/// One of them, with what is known about it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Whole {
    /// As in the list.
    #[serde(flatten)]
    pub held: Held,
    /// How many instances of which SOP class, by its keyword (PS3.6 A).
    pub classes: BTreeMap<String, u64>,
    /// What became of its batch, as the log has it.
    pub tried: Vec<Step>,
}

impl Held {
    /// Whether two people who have looked may let it leave.
    pub fn is_reviewable(&self) -> bool {
        self.choices.contains(&Choice::Release)
    }
}

/// All that stays inside.
///
/// # Errors
/// What the system says.
pub fn look(spool: &Spool) -> io::Result<Vec<Held>> {
    let mut all = Vec::new();
    for name in disk::list(&spool.dir(Place::Quarantine))? {
        all.extend(gone_is_none(study(spool, name))?);
    }
    for destination in spool.outboxes()? {
        let outbox = Outbox::of(spool, &destination);
        for batch in outbox.refused()? {
            let instances = outbox.refused_parcels(&batch)?;
            all.push(refused(batch, Kind::Refused, instances, destination.clone()));
        }
    }
    for destination in Tray::all(spool)? {
        let quarantined = Tray::of(spool, &destination).quarantined()?.into_iter();
        all.extend(quarantined.map(|one| result(one, &destination)));
    }
    for home in Homebox::all(spool)? {
        let homebox = Homebox::of(spool, &home);
        for (batch, instances) in homebox.refused()? {
            all.push(refused(batch, Kind::RefusedResult, instances, homebox.address()));
        }
    }
    Ok(all)
}

/// Those whose names begin so, with all that is known of them.
///
/// # Errors
/// What the system says, or the log does.
pub fn look_at(spool: &Spool, beginning: &str) -> Result<Vec<Whole>, Error> {
    let named = look(spool)?.into_iter().filter(|held| held.name.starts_with(beginning));
    named.map(|held| whole(spool, held)).collect()
}

fn study(spool: &Spool, name: String) -> io::Result<Held> {
    let folder = spool.dir(Place::Quarantine).join(&name);
    let files = disk::list(&folder)?;
    let pictures = files.iter().filter(|file| file.ends_with(".png")).cloned().collect();
    let ids = entry_ids(&folder)?;
    let instances = ids.len() as u64;
    let mut choices = vec![Choice::Retry, Choice::Reject];
    let Ok(reason) = quarantine::reason(spool, &name) else {
        let kind = Kind::Study;
        let held = Held { choices, pictures, ..plain(name, kind, instances, String::new()) };
        let meaning = "why it is here cannot be read".to_owned();
        return Ok(Held {
            meaning,
            advice: "look at the disk, then try it again".to_owned(),
            ..held
        });
    };
    let is_barred =
        |id: &String| Bar::read(spool, id).is_ok_and(|bar| bar.is_for(&reason.destination));
    let may_be_seen = reason.code.is_reviewable() && !reason.destination.is_empty();
    if may_be_seen && !ids.iter().any(is_barred) {
        choices.push(Choice::Release);
    }
    let (meaning, advice) = in_words(reason.code);
    Ok(Held {
        code: reason.code.name().to_owned(),
        meaning,
        advice,
        detail: reason.detail,
        since: reason.time,
        choices,
        pictures,
        ..plain(name, Kind::Study, instances, reason.destination)
    })
}

/// What a code means, and what to do; where only looking helps, that.
pub fn in_words(code: Code) -> (String, String) {
    match code.advice().split_once(": ") {
        Some((meaning, advice)) => (meaning.to_owned(), advice.to_owned()),
        None => (
            code.advice().to_owned(),
            "look at it: two people may release it (efface quarantine release), one may reject it"
                .to_owned(),
        ),
    }
}

fn result(
    (name, reason, instances): (String, Option<results::Reason>, u64),
    destination: &str,
) -> Held {
    let held = plain(name, Kind::Result, instances, destination.to_owned());
    let Some(results::Reason { code, detail, time }) = reason else {
        return Held { choices: vec![Choice::Retry], ..held };
    };
    let (meaning, advice) = detail.split_once(". ").unwrap_or((&detail, "efface result retry"));
    let (meaning, advice) = (meaning.to_owned(), advice.to_owned());
    Held { code, meaning, advice, detail, since: time, choices: vec![Choice::Retry], ..held }
}

fn refused(name: String, kind: Kind, instances: u64, whose: String) -> Held {
    let code = Code::RefusedByDestination;
    let (meaning, _) = in_words(code);
    Held {
        code: code.name().to_owned(),
        meaning,
        advice: "see its log and efface's, put it right there, then try it again".to_owned(),
        choices: vec![Choice::Retry],
        ..plain(name, kind, instances, whose)
    }
}

fn plain(name: String, kind: Kind, instances: u64, destination: String) -> Held {
    Held {
        name,
        kind,
        instances,
        code: String::new(),
        meaning: String::new(),
        advice: String::new(),
        detail: String::new(),
        destination,
        since: String::new(),
        choices: Vec::new(),
        pictures: Vec::new(),
    }
}

fn whole(spool: &Spool, held: Held) -> Result<Whole, Error> {
    let batch = batch_of(&held.name);
    let tried = tried(spool, batch)?;
    let mut classes = BTreeMap::new();
    if held.kind == Kind::Study {
        let folder = spool.dir(Place::Quarantine).join(&held.name);
        for id in entry_ids(&folder)? {
            // What its association said. Whatever is damaged is of no class.
            let said = Entry::open(&folder.join(id)).ok().map(|entry| entry.head.sop_class);
            let class = said.as_deref().and_then(|uid| sop_classes().get(uid));
            let keyword = class.map_or("unknown", |class| class.keyword).to_owned();
            *classes.entry(keyword).or_default() += 1;
        }
    }
    Ok(Whole { held, classes, tried })
}

/// What became of a batch.
fn tried(spool: &Spool, batch: &str) -> Result<Vec<Step>, Error> {
    let (log, mut steps) = (spool.dir(Place::Audit), Vec::new());
    if log.join("log").exists() {
        audit::search(&log, &[batch], |record| {
            let step = Step::of(record).filter(|(of, _)| of == batch);
            // What was done to each element belongs to the study's page.
            steps.extend(step.map(|(_, step)| Step { release: None, ..step }));
        })?;
    }
    Ok(steps)
}

/// What a gateway that runs, or a person, has moved on meanwhile.
fn gone_is_none<T>(looked: io::Result<T>) -> io::Result<Option<T>> {
    match looked {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        looked => looked.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::quarantine::Reason;

    #[test]
    fn every_code_is_explained_and_says_what_to_do() {
        for code in Code::all() {
            let (meaning, advice) = in_words(code);
            assert!(!meaning.is_empty() && !advice.is_empty(), "{}", code.name());
        }
    }

    #[test]
    fn what_may_be_decided_follows_from_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(folder.path(), 0).unwrap();
        let put = |id: &str, code, destination: &str| {
            let work = spool.dir(Place::Work).join("h-1");
            disk::make_dir(&work).unwrap();
            let _ = disk::create(&work.join(id));
            let (detail, time) = (String::new(), String::new());
            let reason = Reason { code, detail, destination: destination.to_owned(), time };
            quarantine::put_aside(&spool, "h-1", &[id.to_owned()], &reason).unwrap();
        };
        put("i1", Code::Localizer, "lab");
        put("i2", Code::Residue, "lab");
        put("i3", Code::Localizer, "");
        let choices = |name: &str| {
            let all = look(&spool).unwrap();
            all.into_iter().find(|held| held.name == name).unwrap().choices
        };
        assert_eq!(choices("h-1.lab.localizer"), [Choice::Retry, Choice::Reject, Choice::Release]);
        for name in ["h-1.lab.residue", "h-1.localizer"] {
            assert_eq!(choices(name), [Choice::Retry, Choice::Reject]);
        }
        // Rejected for this destination under another name: nobody releases it there any more.
        put("i1", Code::Rendering, "lab");
        crate::spool::rejected::reject(&spool, "h-1.lab.rendering", "anna", "why").unwrap();
        assert_eq!(choices("h-1.lab.localizer"), [Choice::Retry, Choice::Reject]);
    }
}
