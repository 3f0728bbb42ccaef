//! What the register says, and whom it refuses to whom.

use super::patient::Patient;
use crate::clock::Day;
use crate::spool::quarantine::Code;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::str::FromStr;

/// What somebody objects to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Scope {
    /// That anything leaves.
    All,
    /// A project of the configuration: one recipient and purpose.
    Project(String),
    /// A destination by its name in the configuration.
    Destination(String),
}

/// To whom, and for what, something is to leave.
#[derive(Clone, Copy, Debug)]
pub struct Recipient<'a> {
    /// The destination by its name in the configuration.
    pub destination: &'a str,
    /// Its project.
    pub project: &'a str,
}

/// An objection. It names nobody.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Objection {
    /// By what it is spoken of: a keyed hash, the same for all objections of one patient.
    pub reference: String,
    /// Hashes of the patient.
    pub patient: Patient,
    /// What it is about.
    pub scope: Scope,
    /// The day on which it came in.
    pub received: Day,
    /// Since when it is here, RFC 3339.
    pub added: String,
    /// The version of the register that had it first.
    pub added_in: u64,
    /// The day on which the patient got an answer.
    pub answered: Option<Day>,
    /// Since when it is no longer in force, RFC 3339.
    pub lifted: Option<String>,
    /// The version that no longer had it in force.
    pub lifted_in: Option<u64>,
}

/// Why nothing of a study leaves for a recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The patient objects.
    Objects,
    /// Nobody can say whether the patient is one of those who object.
    Unknown,
}

/// The register as it was read.
#[derive(Debug, Default)]
pub struct Register {
    version: u64,
    objections: Vec<Objection>,
    /// Places of objections in force, by the hash of a number.
    by_number: HashMap<String, Vec<usize>>,
}

impl Scope {
    /// Whether it is about this recipient.
    pub fn covers(&self, to: Recipient<'_>) -> bool {
        match self {
            Scope::All => true,
            Scope::Project(project) => project == to.project,
            Scope::Destination(destination) => destination == to.destination,
        }
    }

    /// That it is about one of these: an objection with a name mistyped would protect nobody.
    ///
    /// # Errors
    /// In words, with the names that there are.
    pub fn is_known_to<'a>(
        &self,
        all: impl IntoIterator<Item = Recipient<'a>>,
    ) -> Result<(), String> {
        let all: Vec<Recipient<'_>> = all.into_iter().collect();
        let (what, name): (_, fn(&Recipient<'a>) -> &'a str) = match self {
            Scope::All => return Ok(()),
            Scope::Project(_) => ("project", |to| to.project),
            Scope::Destination(_) => ("destination", |to| to.destination),
        };
        if all.iter().any(|to| self.covers(*to)) {
            return Ok(());
        }
        let there: BTreeSet<&str> = all.iter().map(name).collect();
        let there = there.into_iter().collect::<Vec<_>>().join(", ");
        let there = if there.is_empty() { "none" } else { &there };
        Err(format!("no {what} is called so; there is {there}"))
    }
}

impl Objection {
    /// Whether it was not lifted.
    pub fn is_in_force(&self) -> bool {
        self.lifted.is_none()
    }
}

impl Register {
    /// A register of these objections.
    pub(super) fn new(version: u64, objections: Vec<Objection>) -> Self {
        let mut by_number: HashMap<String, Vec<usize>> = HashMap::new();
        for (place, objection) in objections.iter().enumerate().filter(|(_, o)| o.is_in_force()) {
            for number in objection.patient.numbers() {
                by_number.entry(number.to_owned()).or_default().push(place);
            }
        }
        Register { version, objections, by_number }
    }

    /// How often it was changed; 0 as long as nobody has ever objected.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// All that it has, lifted ones too, in the order in which they came.
    pub fn objections(&self) -> &[Objection] {
        &self.objections
    }

    /// Those that were not lifted.
    pub fn in_force(&self) -> impl Iterator<Item = &Objection> {
        self.objections.iter().filter(|objection| objection.is_in_force())
    }

    /// Whether something of a patient may not leave for a recipient, and why.
    pub fn refuses(&self, patient: &Patient, to: Recipient<'_>) -> Option<Refusal> {
        let places = patient.numbers().filter_map(|number| self.by_number.get(number)).flatten();
        let mut same_number = places.map(|place| &self.objections[*place]);
        if same_number.any(|o| o.scope.covers(to) && o.patient.may_be(patient)) {
            return Some(Refusal::Objects);
        }
        let is_covered = || self.in_force().any(|objection| objection.scope.covers(to));
        (!patient.is_known() && is_covered()).then_some(Refusal::Unknown)
    }
}

impl Refusal {
    /// The code under which it stays inside.
    pub fn code(self) -> Code {
        match self {
            Refusal::Objects => Code::Objection,
            Refusal::Unknown => Code::NoPatientId,
        }
    }

    /// Why, in words.
    pub fn detail(self) -> &'static str {
        match self {
            Refusal::Objects => "the patient objects",
            Refusal::Unknown => {
                "no Patient ID (0010,0020): whether it is of a patient who objects cannot be known"
            }
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scope::All => f.write_str("all"),
            Scope::Project(name) => write!(f, "project:{name}"),
            Scope::Destination(name) => write!(f, "destination:{name}"),
        }
    }
}

impl FromStr for Scope {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            None if text == "all" => Ok(Scope::All),
            Some(("project", name)) if !name.is_empty() => Ok(Scope::Project(name.to_owned())),
            Some(("destination", name)) if !name.is_empty() => {
                Ok(Scope::Destination(name.to_owned()))
            }
            _ => Err("all, project:NAME or destination:NAME"),
        }
    }
}

impl TryFrom<String> for Scope {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> Self {
        scope.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Called;
    use super::*;
    use crate::key::{Key, Purpose, RootKey};

    fn key() -> Key {
        RootKey::of_patient(&[7; 32], "A1").derive("", Purpose::Objection)
    }

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    fn objection(number: &str, scope: Scope) -> Objection {
        let called = Called::said("", number);
        Objection {
            reference: called.reference(&key()),
            patient: called.hashed(&key()),
            scope,
            received: day("2026-01-31"),
            added: String::new(),
            added_in: 1,
            answered: None,
            lifted: None,
            lifted_in: None,
        }
    }

    const LAB: Recipient<'_> = Recipient { destination: "lab", project: "research" };
    const CLINIC: Recipient<'_> = Recipient { destination: "clinic", project: "care" };

    #[test]
    fn an_objection_is_about_what_it_says() {
        let patient = Called::said("", "1").hashed(&key());
        let other = Called::said("", "2").hashed(&key());
        for (scope, lab, clinic) in [
            (Scope::All, true, true),
            (Scope::Project("research".into()), true, false),
            (Scope::Destination("clinic".into()), false, true),
            (Scope::Project("clinic".into()), false, false),
        ] {
            let register = Register::new(1, vec![objection("1", scope)]);
            assert_eq!(register.refuses(&patient, LAB).is_some(), lab);
            assert_eq!(register.refuses(&patient, CLINIC).is_some(), clinic);
            assert_eq!(register.refuses(&other, LAB), None);
        }
    }

    #[test]
    fn one_that_was_lifted_refuses_nobody() {
        let mut lifted = objection("1", Scope::All);
        lifted.lifted = Some("2026-02-01T00:00:00.000Z".to_owned());
        let register = Register::new(2, vec![lifted]);
        for patient in [Called::said("", "1"), Called::default()] {
            assert_eq!(register.refuses(&patient.hashed(&key()), LAB), None);
        }
    }

    #[test]
    fn who_has_no_number_stays_where_somebody_objects_and_nowhere_else() {
        let nobody = Called::default().hashed(&key());
        assert_eq!(Register::default().refuses(&nobody, LAB), None);
        let lab = Scope::Destination("lab".into());
        let register = Register::new(1, vec![objection("1", lab)]);
        assert_eq!(register.refuses(&nobody, LAB), Some(Refusal::Unknown));
        assert_eq!(register.refuses(&nobody, CLINIC), None);
    }

    #[test]
    fn scopes_are_written_as_they_are_read() {
        for text in ["all", "project:lab", "destination:lab"] {
            assert_eq!(text.parse::<Scope>().unwrap().to_string(), text);
        }
        for text in ["", "All", "lab", "project:", "destination"] {
            assert!(text.parse::<Scope>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_scope_that_is_about_nobody_is_refused_with_the_names_that_there_are() {
        let known = |scope: &str| scope.parse::<Scope>().unwrap().is_known_to([LAB, CLINIC]);
        for right in ["all", "project:care", "destination:lab"] {
            assert_eq!(known(right), Ok(()), "{right}");
        }
        let refused = known("project:lab").unwrap_err();
        assert_eq!(refused, "no project is called so; there is care, research");
        let refused = known("destination:care").unwrap_err();
        assert_eq!(refused, "no destination is called so; there is clinic, lab");
        assert_eq!(Scope::All.is_known_to([]), Ok(()));
        assert!("project:x".parse::<Scope>().unwrap().is_known_to([]).is_err());
    }
}
