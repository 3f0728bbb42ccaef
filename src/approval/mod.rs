//! What one person alone may not do: it needs the signatures of two, who are named in the configuration.
//!
//! ```text
//! efface objection lift ... --ask FILE         a request: what, for which log, a nonce, until when
//! efface approval sign FILE --key KEY          twice, by two people, each with a key of his own
//! efface objection lift ... --approval FILE    the gateway checks it, writes it to the log, and it is done
//! ```
//! An approval is for one thing at one gateway, once, and not for long. What is in force (who approves, where data may go,
//! under which profiles and keys) is kept in the state directory and known to the log: a start with anything looser needs
//! an approval, too. Where nobody is named, one person does everything, and the log says so.

mod office;
mod policy;

pub use office::{Known, NotTaken, Office, approvals};
pub use policy::{Change, Destination, InForce, Kept, Policy};

#[cfg(test)]
pub use policy::tests::policy as policy_of;

use crate::audit::Event;
use crate::clock;
use crate::note::{self, Kind, Note, Signed, Signer, Verifier};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io;
use std::time::Duration;

/// People who must agree.
pub const NEEDED: usize = 2;
/// How long a request may be agreed to and used.
const VALID: Duration = Duration::from_secs(72 * 3600);
/// The first line of a request.
const MAGIC: &str = "efface approval 1";

/// What two people must agree on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "operation", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Operation {
    /// Objections are lifted.
    LiftObjection {
        /// By what they are spoken of.
        reference: String,
        /// Those of one scope; `None`: all.
        scope: Option<String>,
    },
    /// What a stage had its doubts about leaves, because people have looked at it.
    Release {
        /// Name in quarantine: the batch, a dot, the code.
        name: String,
        /// For which destination.
        destination: String,
        /// How many instances.
        instances: u64,
        /// Why they may leave.
        because: String,
    },
    /// What is in force is changed.
    Change {
        /// Digest of what was in force.
        from: String,
        /// Digest of what is to be.
        to: String,
        /// What of it needs two people, in words.
        changes: Vec<String>,
    },
    /// Somebody is to be told who a pseudonym is.
    Reidentify {
        /// The project.
        project: String,
        /// The pseudonymous Study Instance UID.
        study: String,
        /// Why.
        because: String,
    },
    /// All that the pseudonyms of a project stand for is taken out, in the clear.
    Export {
        /// The project.
        project: String,
    },
    /// The root key is parted among people, or gets a new generation.
    Key {
        /// `split` or `rotate`.
        ceremony: String,
        /// Its fingerprint.
        fingerprint: String,
    },
}

impl Operation {
    /// Its name in the log.
    pub fn name(&self) -> &'static str {
        match self {
            Operation::LiftObjection { .. } => "lift-objection",
            Operation::Release { .. } => "release",
            Operation::Change { .. } => "change",
            Operation::Reidentify { .. } => "reidentify",
            Operation::Export { .. } => "export",
            Operation::Key { .. } => "key",
        }
    }

    /// What a person signs, line by line.
    pub fn in_words(&self) -> Vec<String> {
        match self {
            Operation::LiftObjection { reference, scope } => vec![format!(
                "lift the objection {reference} {}: data of this patient may leave again",
                scope.as_ref().map_or_else(|| "to everything".to_owned(), |s| format!("to {s}"))
            )],
            Operation::Release { name, destination, instances, because } => vec![
                format!(
                    "let {instances} instances leave for {destination} that are in quarantine as {name}"
                ),
                "I have looked at each of them; faces and text in their pixels leave as they are"
                    .to_owned(),
                format!("because: {because}"),
            ],
            Operation::Change { changes, .. } => changes.clone(),
            Operation::Reidentify { project, study, because } => vec![
                format!("tell who the patient of study {study} in project {project} is"),
                format!("because: {because}"),
            ],
            Operation::Export { project } => {
                vec![format!(
                    "write who all patients of project {project} are to a file, in the clear"
                )]
            }
            Operation::Key { ceremony, fingerprint } => {
                vec![format!("{ceremony} the root key {fingerprint}")]
            }
        }
    }

    /// Whether it is done at all where nobody is named who could agree.
    pub fn always_needs_two(&self) -> bool {
        matches!(self, Operation::Reidentify { .. } | Operation::Release { .. })
    }
}

/// What people are asked to agree on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What.
    pub operation: Operation,
    /// At which gateway: the name of its log.
    pub log: String,
    /// Makes it one that is used once.
    pub nonce: String,
    /// Until when, RFC 3339.
    pub until: String,
}

impl Request {
    /// Asks, for the gateway with this log.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn new(operation: Operation, log: &str) -> io::Result<Self> {
        let mut nonce = [0; 16];
        getrandom::fill(&mut nonce).map_err(io::Error::from)?;
        let until = humantime::format_rfc3339_millis(clock::now() + VALID).to_string();
        Ok(Request { operation, log: log.to_owned(), nonce: HEXLOWER.encode(&nonce), until })
    }

    /// The text that is signed.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn to_text(&self) -> io::Result<String> {
        let Request { operation, log, nonce, until } = self;
        let operation = serde_json::to_string(operation)?;
        Ok(format!("{MAGIC}\n{operation}\nlog {log}\nnonce {nonce}\nuntil {until}\n"))
    }

    /// Reads a request, with the signatures that it has; who signed is not looked at.
    ///
    /// # Errors
    /// [`Error::Form`].
    pub fn read(note: &str) -> Result<Self, Error> {
        Request::parse(Note::parse(note).map_or(note, |note| note.text)).ok_or(Error::Form)
    }

    /// A request, or one that others have signed, with the signature of one more. `None`: that one has signed it already.
    ///
    /// # Errors
    /// [`Error::Form`].
    pub fn sign(note: &str, signer: &Signer) -> Result<Option<String>, Error> {
        let own = Request::read(note)?.to_text().map_err(|_| Error::Form)?;
        let is_signed =
            Note::parse(note).is_some_and(|n| n.is_signed_by(signer.verifier()) == Signed::Yes);
        let rest = note.strip_prefix(&own).map(|rest| rest.trim_start_matches('\n'));
        let signed = || format!("{own}\n{}{}", rest.unwrap_or_default(), signer.line(&own));
        Ok((!is_signed).then(signed))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.trim_end_matches('\n').lines();
        if lines.next()? != MAGIC {
            return None;
        }
        let operation = serde_json::from_str(lines.next()?).ok()?;
        let mut field = |name: &str| Some(lines.next()?.strip_prefix(name)?.to_owned());
        let (log, nonce, until) = (field("log ")?, field("nonce ")?, field("until ")?);
        let request = Request { operation, log, nonce, until };
        // What is signed is this, byte for byte, and nothing besides.
        let is_it = lines.next().is_none()
            && request.to_text().is_ok_and(|own| own.trim_end() == text.trim_end());
        is_it.then_some(request)
    }
}

/// Why something is not agreed to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It does not read.
    #[error("this is no request for approval, or it was changed. Ask again, with --ask FILE")]
    Form,
    /// It is about something else.
    #[error("it was asked for something else: {0}. Ask again, with --ask FILE")]
    Another(String),
    /// It was asked at another gateway.
    #[error("it was asked at another gateway, {0}")]
    Elsewhere(String),
    /// It is too old.
    #[error("it could be used until {0}. Ask again, with --ask FILE")]
    Late(String),
    /// Too few have signed.
    #[error(
        "{needed} different people must sign it: {have}. Let them run: efface approval sign FILE --key KEY",
        needed = NEEDED,
        have = signed(.0)
    )]
    TooFew(Vec<String>),
    /// A signature that does not hold.
    #[error("the signature of {0} does not hold: the request was changed after it. Ask again")]
    Forged(String),
    /// It was used before.
    #[error("it was used before. Ask again, with --ask FILE")]
    Used,
    /// Nobody is named who could agree.
    #[error(
        "nobody is named who could agree to it: name two people under approvers: in the configuration"
    )]
    Nobody,
}

fn signed(names: &[String]) -> String {
    match names {
        [] => "nobody of those who may has".to_owned(),
        names => format!("only {} has", names.join(", ")),
    }
}

/// That two people agree. Only [`Approvers::check`] makes one.
#[derive(Debug)]
pub struct Approved {
    request: Request,
    by: Vec<String>,
    digest: [u8; 32],
}

impl Approved {
    /// What they agree on.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// Who.
    pub fn by(&self) -> &[String] {
        &self.by
    }

    /// Its record.
    pub fn event(&self) -> Event {
        Event::Approved {
            operation: self.request.operation.name().to_owned(),
            what: self.request.operation.in_words(),
            agreed: self.by.clone(),
            nonce: self.request.nonce.clone(),
            digest: HEXLOWER.encode(&self.digest),
        }
    }
}

/// Who may agree. In records their keys, as they stand in the configuration: what would be no two people does not read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Approvers(Vec<Verifier>);

impl TryFrom<Vec<String>> for Approvers {
    type Error = String;

    fn try_from(texts: Vec<String>) -> Result<Self, String> {
        let keys = texts.iter().map(|text| text.parse()).collect::<Result<_, _>>();
        Approvers::new(keys.map_err(|error: note::BadKey| error.to_string())?)
    }
}

impl From<Approvers> for Vec<String> {
    fn from(approvers: Approvers) -> Self {
        approvers.to_texts()
    }
}

impl Approvers {
    /// These; in words, what is wrong with them. Two names with one key would be one person.
    ///
    /// # Errors
    /// In words.
    pub fn new(keys: Vec<Verifier>) -> Result<Self, String> {
        for (n, key) in keys.iter().enumerate() {
            if key.kind() != Kind::Text {
                return Err(format!("{}: this is the key of a witness", key.name()));
            }
            let before = &keys[..n];
            if let Some(same) = before.iter().find(|k| k.name() == key.name() || k.is_same_key(key))
            {
                return Err(format!("{} and {} are one person", same.name(), key.name()));
            }
        }
        match keys.len() {
            n if n > 0 && n < NEEDED => Err(format!("name at least {NEEDED} people, or nobody")),
            _ => Ok(Approvers(keys)),
        }
    }

    /// Whether nobody is named.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether two of them must agree to an operation. Where nobody is named, one person does it, or nobody can.
    ///
    /// # Errors
    /// [`Error::Nobody`].
    pub fn must_agree_to(&self, operation: &Operation) -> Result<bool, Error> {
        if self.is_empty() && operation.always_needs_two() {
            return Err(Error::Nobody);
        }
        Ok(!self.is_empty())
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(Verifier::name)
    }

    /// Their keys, as they stand in the configuration.
    pub fn to_texts(&self) -> Vec<String> {
        self.0.iter().map(ToString::to_string).collect()
    }

    /// Whether the person with this key, as it stands in the configuration, is one of them.
    pub fn has(&self, person: &str) -> bool {
        self.0.iter().any(|known| known.to_string() == person)
    }

    /// Who of them has signed a note.
    pub fn who_signed(&self, note: &str) -> Vec<String> {
        let Some(note) = Note::parse(note) else { return Vec::new() };
        let signed = self.0.iter().filter(|person| note.is_signed_by(person) == Signed::Yes);
        signed.map(|person| person.name().to_owned()).collect()
    }

    /// Whether a note is the agreement of two of them on an operation at the gateway with this log, now. Whether it was
    /// used before, the log knows.
    ///
    /// # Errors
    /// [`Error`].
    pub fn check(&self, note: &str, operation: &Operation, log: &str) -> Result<Approved, Error> {
        if self.is_empty() {
            return Err(Error::Nobody);
        }
        let read = Note::parse(note);
        let request = Request::read(note)?;
        if request.operation != *operation {
            return Err(Error::Another(request.operation.in_words().join("; ")));
        }
        if request.log != log {
            return Err(Error::Elsewhere(request.log));
        }
        let until = humantime::parse_rfc3339(&request.until).map_err(|_| Error::Form)?;
        let now = clock::now();
        // One that is valid for longer than any that is asked for was not asked for here.
        if until < now || until > now + VALID {
            return Err(Error::Late(request.until));
        }
        let Some(read) = read else { return Err(Error::TooFew(Vec::new())) };
        let mut by = Vec::new();
        for person in &self.0 {
            match read.is_signed_by(person) {
                Signed::Yes => by.push(person.name().to_owned()),
                Signed::Forged => return Err(Error::Forged(person.name().to_owned())),
                Signed::No => {}
            }
        }
        if by.len() < NEEDED {
            return Err(Error::TooFew(by));
        }
        let digest = Sha256::digest(read.text).into();
        Ok(Approved { request, by, digest })
    }
}

#[cfg(test)]
#[allow(missing_docs)] // a test says what it is by its name
pub mod tests {
    use super::*;
    use ed25519_dalek::SigningKey;

    pub fn person(name: &str, key: u8) -> Signer {
        Signer::new(name, Kind::Text, SigningKey::from_bytes(&[key; 32]))
    }

    pub fn people() -> Approvers {
        let keys =
            [("anna", 1), ("bert", 2), ("carl", 3)].map(|(n, k)| person(n, k).verifier().clone());
        Approvers::new(keys.to_vec()).unwrap()
    }

    pub fn lift(reference: &str) -> Operation {
        Operation::LiftObjection { reference: reference.to_owned(), scope: None }
    }

    /// A request with the signatures of these.
    pub fn signed_by(request: &Request, who: &[Signer]) -> String {
        let text = request.to_text().unwrap();
        let lines: String = who.iter().map(|who| who.line(&text)).collect();
        format!("{text}\n{lines}")
    }

    #[test]
    fn two_different_people_or_nothing() {
        let request = Request::new(lift("r1"), "efface/1").unwrap();
        let check =
            |who: &[Signer]| people().check(&signed_by(&request, who), &lift("r1"), "efface/1");
        let both = check(&[person("anna", 1), person("carl", 3)]).unwrap();
        assert_eq!(
            (both.by(), both.request()),
            (&["anna".to_owned(), "carl".to_owned()][..], &request)
        );
        let anna = || person("anna", 1);
        for few in [vec![anna()], vec![anna(), anna()], vec![anna(), person("dora", 4)]] {
            assert_eq!(check(&few).unwrap_err(), Error::TooFew(vec!["anna".to_owned()]));
        }
        // Anna under another name, and somebody else under hers, are not among them.
        let posing = [person("bert", 1), person("anna", 9)];
        assert_eq!(check(&posing).unwrap_err(), Error::TooFew(Vec::new()));
        let text = request.to_text().unwrap();
        assert_eq!(
            people().check(&text, &lift("r1"), "efface/1").unwrap_err(),
            Error::TooFew(vec![])
        );
    }

    #[test]
    fn an_approval_is_for_one_thing_at_one_place_and_not_for_long() {
        let both = [person("anna", 1), person("bert", 2)];
        let request = Request::new(lift("r1"), "efface/1").unwrap();
        let note = signed_by(&request, &both);
        let refused =
            |operation: &Operation, log: &str| people().check(&note, operation, log).unwrap_err();
        assert!(matches!(refused(&lift("r2"), "efface/1"), Error::Another(_)));
        assert!(matches!(refused(&lift("r1"), "efface/2"), Error::Elsewhere(_)));
        let scoped = Operation::LiftObjection { reference: "r1".into(), scope: Some("all".into()) };
        assert!(matches!(refused(&scoped, "efface/1"), Error::Another(_)));
        for until in ["2020-01-01T00:00:00.000Z", "2999-01-01T00:00:00.000Z"] {
            let late = Request { until: until.to_owned(), ..request.clone() };
            let late = signed_by(&late, &both);
            assert!(matches!(people().check(&late, &lift("r1"), "efface/1"), Err(Error::Late(_))));
        }
        assert_eq!(
            Approvers::default().check(&note, &lift("r1"), "efface/1").unwrap_err(),
            Error::Nobody
        );
    }

    #[test]
    fn every_changed_byte_is_seen() {
        let request = Request::new(lift("r1"), "efface/1").unwrap();
        let note = signed_by(&request, &[person("anna", 1), person("bert", 2)]);
        for at in 0..note.len() {
            let mut changed = note.clone().into_bytes();
            changed[at] ^= 1;
            let changed = String::from_utf8_lossy(&changed);
            assert!(
                people().check(&changed, &lift("r1"), "efface/1").is_err(),
                "byte {at}: {changed}"
            );
        }
    }

    #[test]
    fn each_signs_once_and_who_has_is_known() {
        let request = Request::new(lift("r1"), "efface/1").unwrap();
        let text = request.to_text().unwrap();
        let (anna, bert) = (person("anna", 1), person("bert", 2));
        let one = Request::sign(&text, &anna).unwrap().unwrap();
        assert_eq!(Request::sign(&one, &anna).unwrap(), None);
        let two = Request::sign(&one, &bert).unwrap().unwrap();
        assert_eq!(two, signed_by(&request, &[anna, bert]));
        assert_eq!(people().who_signed(&one), ["anna"]);
        assert_eq!(people().who_signed(&two), ["anna", "bert"]);
        assert!(people().who_signed(&text).is_empty());
    }

    #[test]
    fn one_person_is_not_two() {
        let key = |name, key| person(name, key).verifier().clone();
        let wrong = |keys: Vec<Verifier>| Approvers::new(keys).unwrap_err();
        assert!(wrong(vec![key("anna", 1), key("bert", 1)]).contains("one person"));
        assert!(wrong(vec![key("anna", 1), key("anna", 2)]).contains("one person"));
        assert!(wrong(vec![key("anna", 1)]).contains("at least 2"));
        let witness = Signer::new("w", Kind::Seen, SigningKey::from_bytes(&[5; 32]));
        assert!(wrong(vec![key("anna", 1), witness.verifier().clone()]).contains("witness"));
        assert!(Approvers::new(Vec::new()).unwrap().is_empty());
    }
}
