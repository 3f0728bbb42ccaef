//! What a PACS is asked, and what it answers, between the gateway and the process that asks.

use crate::id::Uid;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;

/// A UID of the hospital's. It goes through the pipe, and cannot be shown.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Named(pub Uid);

impl Serialize for Named {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.as_str())
    }
}

impl<'de> Deserialize<'de> for Named {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Named).map_err(serde::de::Error::custom)
    }
}

/// SOP Instance UIDs by Series Instance UID.
pub type Instances = BTreeMap<Named, Vec<Named>>;

/// What is asked about one study.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Question {
    /// The answer has the same.
    pub number: u64,
    /// Study Instance UID.
    pub study: Named,
    /// What of it.
    pub about: About,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum About {
    /// How many instances it has.
    Count,
    /// Which.
    Names,
    /// That these are sent to us.
    Fetch(Instances),
}

/// What is answered.
#[derive(Debug, Serialize, Deserialize)]
pub struct Reply {
    /// Of the question.
    pub number: u64,
    /// What came of it.
    pub answer: Result<Answer, Trouble>,
}

/// What the PACS says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// So many instances; `None`: it does not say, or not the same of the study and of its series.
    Count(Option<usize>),
    /// These.
    Names(Instances),
    /// It has sent so many, and so many not.
    Fetched {
        /// Sub-operations that were completed, with a warning or without.
        sent: u64,
        /// Sub-operations that failed.
        failed: u64,
    },
}

/// Why there is no answer. The words for a person are logged where it was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trouble {
    /// Nobody talks to us, or not in time: it makes no sense to ask about another study now.
    Unreachable,
    /// It answered something that is not to be relied on, or that it won't.
    Doubtful,
    /// It does not know where to send: C-MOVE, 0xA801.
    DestinationUnknown,
    /// It declined to send.
    Declined,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uids_go_through_the_pipe_and_nowhere_else() {
        let names = |text: &str| Named(text.parse().unwrap());
        let about = About::Fetch(Instances::from([(names("1.2"), vec![names("1.2.3")])]));
        let question = Question { number: 7, study: names("1.9.88"), about };
        let mut line = Vec::new();
        crate::pipe::say(&mut line, &question).unwrap();
        let heard: Question = crate::pipe::hear(&mut &line[..]).unwrap().unwrap();
        assert_eq!((&heard.study, &heard.about), (&question.study, &question.about));
        assert!(!format!("{question:?}").contains("1."), "{question:?}");
        let no_uid = String::from_utf8(line).unwrap().replace("1.9.88", "../..");
        assert!(crate::pipe::hear::<Question>(&mut no_uid.as_bytes()).is_err());
    }
}
