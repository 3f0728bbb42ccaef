//! Results that came back, judged on one page: a closed batch of one destination becomes objects for the PACS, or stays.
//!
//! ```text
//! entry -> pre-scan, class, size -> by study: rows, time limit -> together: matched, re-identified -> log -> homebox
//! ```
//! Every step can be done again with the same outcome: UIDs are keyed hashes, and what came back before is known by keyed
//! tags of UIDs and contents. What cannot be judged because the crosswalk does not say waits, and is not refused.

use crate::audit::{Event, Journal, Receipt};
use crate::clock::Day;
use crate::crosswalk::{Crosswalk, Rows};
use crate::custody::homebound::Manifest;
use crate::custody::homebox;
use crate::custody::object::Object;
use crate::custody::result::{Reidentified, Returned, TakeError};
use crate::dicom::source::Source;
use crate::disk;
use crate::key::Key;
use crate::reid::{Calling, Companions, Earlier, Refusal, Reidentifier, ResultUids};
use crate::spool::entry::{self, Damage};
use crate::spool::entry_ids;
use crate::spool::quarantine::Code;
use crate::spool::results::{Tray, Verdicts};
use serde::{Deserialize, Serialize};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

/// Bytes of the largest record of what came back of a study: about 500,000 results.
const EARLIER_BYTES_MAX: u64 = 64 << 20;

/// What is the same for all results of a destination.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Terms {
    /// The destination by its name in the configuration.
    pub destination: String,
    /// The project of its pseudonyms.
    pub project: String,
    /// SOP Class UIDs that come back.
    pub sop_classes: BTreeSet<String>,
    /// Bytes of the largest data set.
    pub instance_bytes_max: u64,
    /// Days after the last release of a study.
    pub days: u64,
    /// Homeboxes by the AE title of whoever sent a study.
    pub homes: BTreeMap<String, String>,
    /// The one homebox for all, instead.
    pub home: Option<String>,
}

/// Takes closed batches of one destination to the homeboxes.
pub struct Returner<'a> {
    /// Where they are.
    pub tray: Tray<'a>,
    /// What is said of the destination.
    pub terms: &'a Terms,
    /// The transform log.
    pub log: &'a dyn Journal,
    /// What pseudonyms stand for; whoever erases waits.
    pub crosswalk: &'a Crosswalk,
    /// Makes UIDs.
    pub uids: &'a ResultUids,
    /// Seals what waits for a PACS.
    pub seal: &'a Key,
    /// Today.
    pub today: Day,
}

/// Why a result does not come back.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It cannot be looked at.
    #[error(transparent)]
    Take(#[from] TakeError),
    /// It may not be delivered.
    #[error(transparent)]
    Refusal(#[from] Refusal),
    /// The bytes on disk are not those that came.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// Larger than results of this destination may be.
    #[error(
        "it has more bytes than results of this destination may have (results: instance_bytes_max:)"
    )]
    Large,
}

impl Refused {
    /// The word by which it is counted and logged.
    pub fn code(&self) -> &'static str {
        match self {
            Refused::Take(TakeError::Size) | Refused::Large => "too-large",
            Refused::Take(_) => Code::Malformed.name(),
            Refused::Refusal(refusal) => refusal.code(),
            Refused::Damaged(_) => Code::Damaged.name(),
        }
    }
}

/// A result that is looked at, by what whoever wants it back calls it.
pub struct Piece<T> {
    /// Its entry, or its file.
    pub of: T,
    /// Its data set.
    pub source: Source,
}

/// Which results of one study can be taken: what refers to one that is refused is refused, too.
pub fn settle<T>(
    way: &Reidentifier<'_>,
    earlier: &Earlier,
    mut pieces: Vec<Piece<T>>,
    refuse: &mut impl FnMut(T, Refused),
) -> (Vec<Piece<T>>, Companions) {
    loop {
        let (before, mut companions) = (pieces.len(), Companions::after(earlier.clone()));
        let mut together = Vec::new();
        for piece in pieces {
            let joined = taken(&piece).and_then(|object| Ok(object.join(&mut companions)?));
            match joined {
                Ok(()) => together.push(piece),
                Err(why) => refuse(piece.of, why),
            }
        }
        pieces = Vec::new();
        for piece in together {
            match reidentified(way, &piece, &companions) {
                Ok(_) => pieces.push(piece),
                Err(why) => refuse(piece.of, why),
            }
        }
        if pieces.len() == before {
            return (pieces, companions);
        }
    }
}

/// One of those that can be taken, re-identified.
///
/// # Errors
/// [`Refused`], if it is not what it was.
pub fn reidentified<T>(
    way: &Reidentifier<'_>,
    piece: &Piece<T>,
    companions: &Companions,
) -> Result<Object<Reidentified>, Refused> {
    Ok(taken(piece)?.reidentify(way, companions)?)
}

fn taken<T>(piece: &Piece<T>) -> Result<Object<Returned>, Refused> {
    Ok(Object::<Returned>::take(piece.source.clone())?)
}

/// What a look at an entry has shown.
struct Looked {
    /// Its name, and those of others that are the same byte for byte.
    ids: Vec<String>,
    calling: Calling,
    content: String,
    /// When it came, in ms since 1970.
    received_ms: u64,
}

/// What of one study can be taken.
struct Study {
    rows: Rows,
    earlier: Earlier,
    pieces: Vec<Piece<Looked>>,
    companions: Companions,
    homes: BTreeSet<String>,
}

impl Returner<'_> {
    /// Judges a batch, and drafts what the PACSs get of it.
    ///
    /// # Errors
    /// What keeps it from being judged now: it waits.
    pub fn judge(&self, batch: &str) -> Result<(), Box<dyn std::error::Error>> {
        let (mut verdicts, mut studies) = (Verdicts::default(), Vec::new());
        for (study, pieces) in self.look(batch, &mut verdicts)? {
            studies.extend(self.study(&study, pieces, &mut verdicts)?);
        }
        for (code, instances) in verdicts.refused_by_code() {
            self.note("refused", code, instances)?;
        }
        let instances = studies.iter().map(|study| study.pieces.len() as u64).sum();
        if instances > 0 {
            // The log has it before a file is there.
            let receipt = self.note("reidentified", "", instances)?;
            self.write(batch, &studies, &receipt)?;
        }
        Ok(self.tray.judge(batch, &verdicts)?)
    }

    /// Every entry by its study.
    fn look(
        &self,
        batch: &str,
        verdicts: &mut Verdicts,
    ) -> io::Result<BTreeMap<String, Vec<Piece<Looked>>>> {
        let directory = self.tray.batch(batch);
        let mut studies: BTreeMap<String, Vec<Piece<Looked>>> = BTreeMap::new();
        for id in entry_ids(&directory)? {
            match self.look_at(&directory.join(&id), id.clone()) {
                Ok((study, piece)) => studies.entry(study).or_default().push(piece),
                Err(why) => verdicts.refuse(id, why.code(), why.to_string()),
            }
        }
        Ok(studies)
    }

    fn look_at(
        &self,
        path: &std::path::Path,
        id: String,
    ) -> Result<(String, Piece<Looked>), Refused> {
        let entry = entry::Entry::open(path)?;
        entry.check()?;
        let source = entry.source();
        if source.length() > self.terms.instance_bytes_max {
            return Err(Refused::Large);
        }
        let (study, calling) = Object::<Returned>::take(source.clone())?.calling()?;
        let is_as_said = calling.sop_class == entry.head.sop_class;
        if !is_as_said || !self.terms.sop_classes.contains(&calling.sop_class) {
            return Err(Refusal::Class.into());
        }
        let content = self.uids.content_tag(&entry.digest);
        let received_ms = entry.head.received_ms;
        Ok((study, Piece { of: Looked { ids: vec![id], calling, content, received_ms }, source }))
    }

    /// What of one study can be taken; `None`: nothing.
    fn study(
        &self,
        study: &str,
        pieces: Vec<Piece<Looked>>,
        verdicts: &mut Verdicts,
    ) -> Result<Option<Study>, Box<dyn std::error::Error>> {
        let known = self.crosswalk.released(study)?;
        let (rows, homes) = match known.ok_or(Refusal::UnknownStudy).and_then(|it| self.place(it)) {
            Ok(place) => place,
            Err(refusal) => {
                pieces.into_iter().for_each(|piece| refuse(verdicts, piece.of, &refusal.into()));
                return Ok(None);
            }
        };
        let mut earlier = read_earlier(&self.tray, &self.uids.study_tag(study))?;
        let pieces = self.distinct(study, pieces, &earlier, verdicts);
        let mut refuse = |looked: Looked, why: Refused| refuse(verdicts, looked, &why);
        let way = Reidentifier::new(&rows, &self.terms.destination, self.uids, self.today);
        let (pieces, companions) = settle(&way, &earlier, pieces, &mut refuse);
        for Piece { of: Looked { ids, calling, content, .. }, .. } in &pieces {
            verdicts.taken.extend(ids.iter().cloned());
            earlier.add(self.uids, study, calling, content.clone());
        }
        if pieces.is_empty() {
            return Ok(None);
        }
        Ok(Some(Study { rows, earlier, pieces, companions, homes }))
    }

    /// Whether a study is recent enough, and where its results belong.
    fn place(&self, (rows, released): (Rows, Day)) -> Result<(Rows, BTreeSet<String>), Refusal> {
        if released.after(self.terms.days) < self.today {
            return Err(Refusal::Stale);
        }
        let of_callers = rows.callers.iter().filter_map(|caller| self.terms.homes.get(caller));
        let homes: BTreeSet<String> = match &self.terms.home {
            Some(home) => BTreeSet::from([home.clone()]),
            None => of_callers.cloned().collect(),
        };
        if homes.is_empty() { Err(Refusal::Homeless) } else { Ok((rows, homes)) }
    }

    /// Each once that came twice, byte for byte; none of those that are called the same and are not.
    fn distinct(
        &self,
        study: &str,
        pieces: Vec<Piece<Looked>>,
        earlier: &Earlier,
        verdicts: &mut Verdicts,
    ) -> Vec<Piece<Looked>> {
        let mut called: BTreeMap<String, BTreeMap<String, Piece<Looked>>> = BTreeMap::new();
        for piece in pieces {
            let contents = called.entry(piece.of.calling.instance.clone()).or_default();
            match contents.entry(piece.of.content.clone()) {
                Entry::Vacant(place) => drop(place.insert(piece)),
                Entry::Occupied(mut same) => same.get_mut().of.ids.extend(piece.of.ids),
            }
        }
        let mut distinct = Vec::new();
        for contents in called.into_values() {
            let is_one = contents.len() == 1;
            for piece in contents.into_values() {
                let Looked { calling, content, .. } = &piece.of;
                let same = match is_one {
                    true => earlier.require_same(self.uids, study, calling, content),
                    false => Err(Refusal::Repeated),
                };
                match same {
                    Ok(()) => distinct.push(piece),
                    Err(refusal) => refuse(verdicts, piece.of, &refusal.into()),
                }
            }
        }
        distinct
    }

    /// Drafts for each PACS what it gets, and remembers what came back.
    fn write(&self, batch: &str, studies: &[Study], receipt: &Receipt) -> io::Result<()> {
        let changed = |_| io::Error::other("a result was changed while it was read");
        let homes: BTreeSet<&String> = studies.iter().flat_map(|study| &study.homes).collect();
        for home in homes {
            let folder = self.tray.drafts(batch).join(home);
            disk::make_dir(&folder)?;
            let mut manifest = Manifest::begin(home, receipt);
            for study in studies.iter().filter(|study| study.homes.contains(home)) {
                let destination = &self.terms.destination;
                let way = Reidentifier::new(&study.rows, destination, self.uids, self.today);
                for piece in &study.pieces {
                    let object = reidentified(&way, piece, &study.companions).map_err(changed)?;
                    let file = format!("{}.dcm", piece.of.ids.first().map_or("", String::as_str));
                    manifest.put(&object, &folder, file, self.seal)?;
                    manifest.last_result_ms =
                        manifest.last_result_ms.max(Some(piece.of.received_ms));
                }
            }
            homebox::close(&folder, &manifest)?;
        }
        for Study { rows, earlier, .. } in studies {
            let text = serde_json::to_vec(earlier)?;
            disk::write_whole(&self.tray.earlier().join(self.uids.study_tag(&rows.study)), &text)?;
        }
        Ok(())
    }

    fn note(
        &self,
        change: &str,
        code: &str,
        instances: u64,
    ) -> Result<Receipt, crate::audit::Error> {
        self.log.append(event(self.terms, change, code, instances, ""))
    }
}

fn refuse(verdicts: &mut Verdicts, looked: Looked, why: &Refused) {
    let all = looked.ids.into_iter();
    all.for_each(|id| verdicts.refuse(id, why.code(), why.to_string()));
}

/// What is written down of results that came by themselves.
pub fn event(terms: &Terms, change: &str, code: &str, instances: u64, pacs: &str) -> Event {
    Event::Result {
        change: change.to_owned(),
        code: code.to_owned(),
        destination: terms.destination.clone(),
        project: terms.project.clone(),
        instances,
        by: String::new(),
        pacs: pacs.to_owned(),
        took_ms: None,
    }
}

/// What came back of a study before.
///
/// # Errors
/// What the system says; `InvalidData` if it is not what was written.
pub fn read_earlier(tray: &Tray<'_>, study_tag: &str) -> io::Result<Earlier> {
    let mut text = Vec::new();
    match disk::open(&tray.earlier().join(study_tag)) {
        Ok(file) => file.take(EARLIER_BYTES_MAX).read_to_end(&mut text)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Earlier::default()),
        Err(error) => return Err(error),
    };
    Ok(serde_json::from_slice(&text)?)
}
