//! Studies through `efface deid`, batch by batch, and what came of them.

use super::canary::Canary;
use super::days;
use super::generator::{Object, Study, study};
use super::profiles::{self, Sample};
use super::search::Search;
use crate::support::{files, gateway};
use efface::deid::pseudonym::Pseudonyms;
use efface::key::RootKey;
use efface::standard::Annex;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Studies of one call of the program.
const BATCH: u64 = 24;

/// What is to be done.
pub struct Settings {
    pub seed: u64,
    /// At least so many objects.
    pub objects: u64,
    /// Only this profile; `None`: two thirds under [`profiles::leave`], the others in turn.
    pub profile: Option<String>,
    /// Goes on after a leak.
    pub keep_going: bool,
    /// Where inputs and outputs of batches that leaked are left.
    pub keep: Option<PathBuf>,
    pub workers: usize,
    /// How the program is called.
    pub program: fn() -> Command,
}

/// What came of it.
#[derive(Default)]
pub struct Outcome {
    pub objects: u64,
    pub left: u64,
    /// Objects and those that left, by profile.
    pub profiles: BTreeMap<String, (u64, u64)>,
    /// Instances withheld, by code and reason.
    pub withheld: BTreeMap<(String, String), u64>,
    /// Planted; planted in objects that left.
    pub canaries: u64,
    pub canaries_left: u64,
    /// Found in the output where the profile lets them stay.
    pub stayed: u64,
    /// Objects that name the patient in an element that stays, and those of them that left.
    pub named_in_kept: (u64, u64),
    pub leaks: Vec<Leak>,
    /// What kept the forge from judging.
    pub problems: Vec<String>,
    pub time: Duration,
}

/// A canary that left.
#[derive(Clone, Debug)]
pub struct Leak {
    pub canary: String,
    pub place: String,
    /// The kind of output, where in it, and what stands around.
    pub found: String,
    pub study: u64,
    pub profile: String,
    /// Class and transfer syntax of the object.
    pub object: String,
}

impl Outcome {
    /// Upper 95 % confidence bound of a rate of which nothing was seen in `n` (1 - 0.05^(1/n); about 3/n).
    pub fn bound(n: u64) -> f64 {
        1.0 - 0.05_f64.powf(1.0 / n.max(1) as f64)
    }

    fn add(&mut self, other: Outcome) {
        self.objects += other.objects;
        self.left += other.left;
        self.canaries += other.canaries;
        self.canaries_left += other.canaries_left;
        self.stayed += other.stayed;
        self.named_in_kept.0 += other.named_in_kept.0;
        self.named_in_kept.1 += other.named_in_kept.1;
        for (name, (all, left)) in other.profiles {
            let known = self.profiles.entry(name).or_default();
            (known.0, known.1) = (known.0 + all, known.1 + left);
        }
        for (why, count) in other.withheld {
            *self.withheld.entry(why).or_default() += count;
        }
        self.leaks.extend(other.leaks);
        self.problems.extend(other.problems);
    }

    /// The share of objects that left, in per cent.
    pub fn share(&self, profile: &str) -> f64 {
        let (all, left) = self.profiles.get(profile).copied().unwrap_or_default();
        100.0 * left as f64 / all.max(1) as f64
    }

    pub fn report(&self, all_reasons: bool) -> String {
        let mut lines = vec![format!(
            "{} objects forged with {} canaries; {} left with {} of them; {:.1} s",
            self.objects,
            self.canaries,
            self.left,
            self.canaries_left,
            self.time.as_secs_f64()
        )];
        for (name, (all, left)) in &self.profiles {
            lines.push(format!(
                "  profile {name}: {left} of {all} left ({:.0} %)",
                self.share(name)
            ));
        }
        let mut codes: BTreeMap<&str, u64> = BTreeMap::new();
        self.withheld.iter().for_each(|((code, _), n)| *codes.entry(code).or_default() += n);
        lines.extend(codes.iter().map(|(code, n)| format!("  withheld: {code}: {n}")));
        if all_reasons {
            let reason =
                |((code, why), n): (&(String, String), &u64)| format!("    {n} {code}: {why}");
            lines.extend(self.withheld.iter().map(reason));
        }
        lines.push(format!("  {} canaries stayed where the profile lets them", self.stayed));
        lines.push(format!(
            "  {} of {} objects left that name the patient in an element that stays",
            self.named_in_kept.1, self.named_in_kept.0
        ));
        lines.push(format!("{} canaries leaked", self.leaks.len()));
        let mut places: BTreeMap<&str, (u64, &Leak)> = BTreeMap::new();
        self.leaks.iter().for_each(|leak| places.entry(&leak.place).or_insert((0, leak)).0 += 1);
        for (n, leak) in places.values().take(60) {
            lines.push(format!("  {n} x {}", leak.describe()));
        }
        lines.extend(self.problems.iter().take(20).map(|problem| format!("PROBLEM {problem}")));
        if self.leaks.is_empty() && self.problems.is_empty() {
            lines.push(format!(
                "95 % bound: an object that left leaks with p < {:.2e}, a canary in it with p < {:.2e}",
                Outcome::bound(self.left),
                Outcome::bound(self.canaries_left),
            ));
        }
        lines.join("\n")
    }
}

impl Leak {
    fn describe(&self) -> String {
        let Leak { canary, found, study, profile, object, .. } = self;
        format!("study {study}, profile {profile}, {object}: {canary}; found in {found}")
    }
}

/// Forges, runs and searches. `progress` hears of every batch.
pub fn run(settings: &Settings, progress: &(dyn Fn(&Outcome) + Sync)) -> Outcome {
    let begun = Instant::now();
    let (next, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let total = Mutex::new(Outcome::default());
    let bench = Bench::new(settings);
    std::thread::scope(|scope| {
        for _ in 0..settings.workers {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let some = bench.batch(next.fetch_add(1, Ordering::Relaxed));
                    let mut total = total.lock().expect("the outcome");
                    total.add(some);
                    total.time = begun.elapsed();
                    let failed = !total.leaks.is_empty() || !total.problems.is_empty();
                    if total.objects >= settings.objects || failed && !settings.keep_going {
                        stop.store(true, Ordering::Relaxed);
                    }
                    progress(&total);
                }
            });
        }
    });
    total.into_inner().expect("the outcome")
}

/// Key, profiles and a folder to work in.
pub struct Bench<'s> {
    settings: &'s Settings,
    folder: tempfile::TempDir,
    samples: Vec<(Sample, PathBuf)>,
    pseudonyms: Pseudonyms,
}

impl<'s> Bench<'s> {
    pub fn new(settings: &'s Settings) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let key = folder.path().join("root.key");
        let mut file = std::fs::OpenOptions::new();
        let file = file.write(true).create_new(true).mode(0o600).open(&key);
        file.and_then(|mut f| f.write_all(gateway::key_of_nobody().as_bytes())).expect("a key");
        let root = RootKey::read_file(&key).expect("a key");
        let samples = std::iter::once(profiles::leave()).chain(profiles::shipped());
        let samples = samples.enumerate().map(|(n, sample)| {
            let path = folder.path().join(format!("profile-{n}.yaml"));
            std::fs::write(&path, &sample.text).expect("a profile");
            (sample, path)
        });
        let wanted = |sample: &Sample| settings.profile.as_ref().is_none_or(|p| *p == sample.name);
        let samples: Vec<_> = samples.filter(|(sample, _)| wanted(sample)).collect();
        assert!(!samples.is_empty(), "there is no such profile");
        Bench { settings, folder, samples, pseudonyms: Pseudonyms::new(&root, "files") }
    }

    /// Two of three batches go under the first profile.
    fn sample(&self, batch: u64) -> &(Sample, PathBuf) {
        match (batch % 3, self.samples.len()) {
            (2, others @ 2..) => &self.samples[1 + (batch / 3) as usize % (others - 1)],
            _ => &self.samples[0],
        }
    }

    fn batch(&self, number: u64) -> Outcome {
        let numbers = number * BATCH..(number + 1) * BATCH;
        let studies: Vec<Study> = numbers.map(|n| study(self.settings.seed, n)).collect();
        let (sample, profile) = self.sample(number);
        let folder = self.folder.path().join(format!("batch-{number}"));
        write_studies(&folder.join("in"), &studies);
        let mut command = (self.settings.program)();
        command.arg("deid").arg(folder.join("in")).arg("--out").arg(folder.join("out"));
        command
            .arg("--profile")
            .arg(profile)
            .arg("--key-file")
            .arg(self.folder.path().join("root.key"))
            .arg("--crosswalk")
            .arg(self.folder.path().join("crosswalk"));
        command.env("RAYON_NUM_THREADS", "1").env("RUST_BACKTRACE", "1");
        let output = command.output().expect("efface runs");
        let printed = gateway::printed(&output);
        let out = folder.join("out");
        let mut outcome = self.judge(&studies, sample, &out, &printed);
        if !matches!(output.status.code(), Some(0 | 1)) {
            outcome.problems.push(format!("batch {number}: {}: {printed}", output.status));
        }
        if let (Some(keep), false) = (&self.settings.keep, outcome.leaks.is_empty()) {
            std::fs::create_dir_all(keep).expect("a folder");
            let copy = Command::new("cp").arg("-r").arg(&folder).arg(keep).status();
            assert!(copy.is_ok_and(|status| status.success()), "a batch could not be kept");
        }
        std::fs::remove_dir_all(&folder).expect("a folder of a batch");
        outcome
    }

    fn judge(&self, studies: &[Study], sample: &Sample, out: &Path, printed: &str) -> Outcome {
        let mut outcome = Outcome::default();
        let objects: Vec<(u64, &Object)> =
            studies.iter().flat_map(|s| s.objects.iter().map(|o| (s.number, o))).collect();
        let written = files(out);
        let stem = |path: &PathBuf| path.file_stem().map(|s| s.to_string_lossy().into_owned());
        let names: HashSet<String> = written.iter().filter_map(stem).collect();
        let mut studies_of: HashMap<String, u64> = HashMap::new();
        for (study, object) in &objects {
            let under = [self.pseudonyms.uid(&object.instance), object.instance.clone()];
            let left = under.iter().any(|name| names.contains(name));
            studies_of.extend(under.map(|name| (name, *study)));
            let planted = object.canaries.len() as u64;
            outcome.objects += 1;
            outcome.canaries += planted;
            outcome.named_in_kept.0 += u64::from(object.named_in_kept);
            if left {
                outcome.left += 1;
                outcome.canaries_left += planted;
                outcome.named_in_kept.1 += u64::from(object.named_in_kept);
            }
        }
        if sample.random {
            // The canaries of those that left are not counted: the bound is the weaker for it.
            outcome.left = written.len() as u64;
        }
        outcome.profiles.insert(sample.name.clone(), (outcome.objects, outcome.left));
        outcome.withheld = withheld(printed);
        let stays: u64 = outcome.withheld.values().sum();
        if outcome.left != written.len() as u64 || outcome.left + stays != outcome.objects {
            outcome.problems.push(format!(
                "studies {}..: {} objects, {} left, {} files, {stays} withheld\n{printed}",
                studies[0].number,
                outcome.objects,
                outcome.left,
                written.len()
            ));
        }
        let hunt = Hunt::new(&objects, sample);
        for path in &written {
            let below = path.strip_prefix(out).expect("a path below its folder");
            let study = stem(path).and_then(|name| studies_of.get(&name).copied());
            let days = study.map_or(Days::Any, Days::Of);
            hunt.search("a file's name", below.as_os_str().as_encoded_bytes(), days, &mut outcome);
            hunt.search("a file", &std::fs::read(path).expect("an output"), days, &mut outcome);
        }
        hunt.search("what was printed", printed.as_bytes(), Days::Any, &mut outcome);
        outcome
    }
}

/// Writes each object as a file of its own; the names say nothing.
pub fn write_studies(folder: &Path, studies: &[Study]) -> Vec<PathBuf> {
    std::fs::create_dir_all(folder).expect("a folder");
    let mut paths = Vec::new();
    for study in studies {
        for (n, object) in study.objects.iter().enumerate() {
            let path = folder.join(format!("{}-{n}.dcm", study.number));
            std::fs::write(&path, &object.file).expect("an object");
            paths.push(path);
        }
    }
    paths
}

/// Code, reason and number of what `efface deid` says was withheld.
fn withheld(printed: &str) -> BTreeMap<(String, String), u64> {
    let mut found = BTreeMap::new();
    let mut lines = printed.lines();
    while let Some(line) = lines.next() {
        let Some((code, rest)) = line.strip_prefix("withheld: ").and_then(|l| l.split_once(" ("))
        else {
            continue;
        };
        let count = rest.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0);
        let why = lines.next().unwrap_or_default().trim().to_owned();
        *found.entry((code.to_owned(), why)).or_default() += count;
    }
    found
}

/// A search of some outputs for the canaries of some objects under a profile.
pub struct Hunt<'a> {
    search: Search,
    canaries: Vec<(u64, &'a Object, &'a Canary)>,
    sample: &'a Sample,
}

impl<'a> Hunt<'a> {
    pub fn new(objects: &[(u64, &'a Object)], sample: &'a Sample) -> Self {
        let of = |(number, object): &(u64, &'a Object)| {
            let (number, object) = (*number, *object);
            object.canaries.iter().map(move |canary| (number, object, canary)).collect::<Vec<_>>()
        };
        let canaries: Vec<_> = objects.iter().flat_map(of).collect();
        let search = Search::new(canaries.iter().map(|(_, _, canary)| *canary));
        Hunt { search, canaries, sample }
    }

    /// Every canary in these bytes. One that may stay was planted where the profile lets it, by all
    /// who planted the same.
    pub fn search(&self, what: &str, bytes: &[u8], days: Days, outcome: &mut Outcome) {
        let mut places: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        let planted = self.shifted_days(days);
        let shifts = days::shifts(bytes, &planted);
        for (number, at) in self.search.find(bytes) {
            let (study, _, canary) = &self.canaries[number];
            let of_study = days == Days::Any || days == Days::Of(*study);
            let shifted = || days::is_explained(&canary.shown, &shifts, &planted);
            if canary.unique || of_study && !shifted() {
                places.entry(at).or_default().push(number);
            }
        }
        for (at, numbers) in places {
            let stays = |n: &usize| {
                let canary = &self.canaries[*n].2;
                canary.may_stay(self.sample.options) || self.sample.keeps(&canary.place)
            };
            let Some(first) = numbers.iter().find(|n| !stays(n)) else {
                outcome.stayed += 1;
                continue;
            };
            let (study, object, canary) = &self.canaries[*first];
            let places: BTreeSet<&str> =
                numbers.iter().map(|n| self.canaries[*n].2.place.as_str()).collect();
            let around = &bytes[at.saturating_sub(24)..(at + 40).min(bytes.len())];
            outcome.leaks.push(Leak {
                canary: canary.describe(),
                place: places.into_iter().collect::<Vec<_>>().join(" and "),
                found: format!("{what} at {at}: {}", around.escape_ascii()),
                study: *study,
                profile: self.sample.name.clone(),
                object: format!("{} in {:?}", object.class, object.syntax),
            });
        }
    }
}

impl Hunt<'_> {
    /// The days of a study, if the profile shifts them.
    fn shifted_days(&self, days: Days) -> Vec<&str> {
        let Days::Of(study) = days else { return Vec::new() };
        if !self.sample.options.has(Annex::RetainModifiedDates) {
            return Vec::new();
        }
        let own = self.canaries.iter().filter(|(number, _, c)| *number == study && !c.unique);
        own.map(|(_, _, canary)| canary.shown.as_str()).collect()
    }
}

/// Whose days are looked for: there are so few of them that two studies may have the same.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Days {
    Any,
    Of(u64),
    Nobodys,
}
