//! What people decide in the console about what stays inside, and pictures for those who may look.

use super::keeper::{Keeper, Site, failed};
use super::question::{Deed, Outcome, Refusal};
use super::sessions::Session;
use crate::approval::{Operation, Request};
use crate::config::WrittenProfile;
use crate::decide::{self, Decided, No};
use crate::spool::quarantine::reason;
use crate::view::pictures::{self, Asked, Picture, What};
use crate::view::profile::written;
use crate::view::quarantine::{Whole, look_at};

impl Keeper {
    /// What is known of what is called so, or begins so.
    pub(super) fn held(&self, name: &str) -> Result<Vec<Whole>, Refusal> {
        let found = look_at(&self.site.spool, name).map_err(failed)?;
        if found.is_empty() { Err(Refusal::Unknown) } else { Ok(found) }
    }

    /// Has them tried again, once under another profile if one is named.
    pub(super) fn retry(&self, names: Vec<String>, under: Option<&str>) -> Vec<Deed> {
        let Site { root, spool, .. } = &self.site;
        each(names, |name| match under {
            None => decide::retry(spool, name),
            Some(under) => {
                let reason = reason(spool, name).map_err(|_| No::Unknown(name.to_owned()))?;
                let written = written(root, spool, &reason.destination, Some(under));
                let text = written.map_err(|error| No::Profile(error.to_string()))?.text;
                let other = WrittenProfile { file: under.to_owned(), text };
                decide::retry_under(spool, root, name, &other)
            }
        })
    }

    /// Rejects them.
    pub(super) fn reject(
        &self,
        session: &Session,
        names: Vec<String>,
        because: &str,
    ) -> Result<Vec<Deed>, Refusal> {
        decide::plain(because).map_err(refusal)?;
        let by = &session.account.name;
        Ok(each(names, |name| decide::reject(&self.site.spool, name, by, because)))
    }

    /// Has two people asked whether something may leave.
    pub(super) fn ask_release(
        &self,
        session: &Session,
        name: &str,
        because: &str,
    ) -> Result<Outcome, Refusal> {
        let operation = decide::release_needs(&self.site.spool, name, because).map_err(refusal)?;
        self.ask_or_do(session, &operation)
    }

    /// Lets it leave: they agree.
    pub(super) fn release(
        &self,
        operation: &Operation,
        agreed: Option<(&Request, &str)>,
    ) -> Result<String, Refusal> {
        let Site { root, spool, .. } = &self.site;
        let take = || {
            self.take(operation, agreed)?;
            Ok(Some(agreed.map(|(request, _)| request.nonce.clone()).unwrap_or_default()))
        };
        let decided = decide::release::<Refusal>(spool, root, operation, take)?;
        Ok(decided.map(|decided| decided.in_words()).unwrap_or_default())
    }

    /// Draws a picture, once it stands in the log who is shown it, and why.
    pub(super) fn picture(
        &self,
        session: &Session,
        name: String,
        what: What,
        because: String,
    ) -> Result<Picture, Refusal> {
        let Site { settings, root, spool, .. } = &self.site;
        let asked = Asked { name, what, by: session.account.name.clone(), because };
        pictures::look(spool, root, settings.sandbox, &asked).map_err(|error| match error {
            pictures::Error::No(no) => refusal(no),
            other => failed(other),
        })
    }
}

impl From<No> for Refusal {
    fn from(no: No) -> Self {
        refusal(no)
    }
}

fn refusal(no: No) -> Refusal {
    match no {
        No::Unknown(_) => Refusal::Unknown,
        No::Because => Refusal::NoReason,
        other => failed(other),
    }
}

fn each(names: Vec<String>, decide: impl Fn(&str) -> Result<Decided, No>) -> Vec<Deed> {
    let deed = |name: String| {
        let not = decide(&name).err().map(|no| no.to_string());
        Deed { name, not }
    };
    names.into_iter().map(deed).collect()
}
