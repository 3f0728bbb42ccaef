//! `attendants:`, users of their own for whoever receives and sends, and a unit of its own for workers.
//!
//! ```yaml
//! attendants:
//!   receiver: { user: efface-in, socket: /run/efface/receiver }
//!   sender: { user: efface-out, socket: /run/efface/sender }
//!   workers: { socket: /run/efface/worker }      # of the gateway's own user
//! ```

use super::Settling;
use crate::isolation::{Attendant, Attendants, User};
use serde::Deserialize;
use serde_yaml::Spanned;
use std::path::PathBuf;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAttendants {
    receiver: RawAttendant,
    sender: RawAttendant,
    workers: Option<RawWorkers>,
}

/// They are the gateway's own user.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWorkers {
    socket: Spanned<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAttendant {
    user: Spanned<String>,
    socket: Spanned<PathBuf>,
}

impl Settling<'_> {
    /// Two users, or they would have each other's files.
    pub(super) fn attendants(&mut self, raw: &RawAttendants) -> Option<Attendants> {
        let (receiver, sender) = (self.attendant(&raw.receiver)?, self.attendant(&raw.sender)?);
        if receiver.user.uid == sender.user.uid || receiver.user.gid == sender.user.gid {
            let what = "the receiver's user and group, again: whoever sends must not be able to open the inbox";
            self.notes.at(&raw.sender.user, what);
        }
        if receiver.socket == sender.socket {
            self.notes.at(&raw.sender.socket, "the receiver's socket: each needs one of its own");
        }
        let workers = raw.workers.as_ref().map(|raw| self.socket(&raw.socket));
        if let (Some(socket), Some(raw)) = (&workers, &raw.workers)
            && [&receiver.socket, &sender.socket].contains(&socket)
        {
            self.notes.at(&raw.socket, "another's socket: each needs one of its own");
        }
        Some(Attendants { receiver, sender, workers })
    }

    fn attendant(&mut self, raw: &RawAttendant) -> Option<Attendant> {
        let user = User::named(&raw.user.value);
        if let Err(why) = &user {
            self.notes.at(&raw.user, why.to_string());
        }
        let socket = self.socket(&raw.socket);
        Some(Attendant { user: user.ok()?, socket })
    }

    fn socket(&mut self, raw: &Spanned<PathBuf>) -> PathBuf {
        if !raw.value.is_absolute() {
            self.notes.at(raw, "a path from the root, for example /run/efface/receiver");
        }
        raw.value.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::super::tests::{GOOD, mistakes};
    use std::path::Path;

    #[test]
    fn attendants_are_two_users_that_there_are() {
        let with = |receiver: &str, sender: &str| {
            let of =
                |what, user| format!("  {what}: {{ user: {user}, socket: /run/efface/{what} }}\n");
            format!("{GOOD}attendants:\n{}{}", of("receiver", receiver), of("sender", sender))
        };
        let settings = parse(Path::new("efface.yaml"), &with("daemon", "bin")).unwrap();
        let attendants = settings.attendants.unwrap();
        assert_eq!(attendants.receiver.socket, Path::new("/run/efface/receiver"));
        assert_ne!(attendants.receiver.user, attendants.sender.user);
        assert!(mistakes(&with("daemon", "daemon")).contains("must not be able to open the inbox"));
        assert!(mistakes(&with("root", "bin")).contains("root may do everything"));
        assert!(mistakes(&with("nobody-of-this-name", "bin")).contains("adduser"));
        let relative = with("daemon", "bin").replace("/run/efface/sender", "sender");
        assert!(mistakes(&relative).contains("a path from the root"));
        let one = with("daemon", "bin").replace("efface/sender", "efface/receiver");
        assert!(mistakes(&one).contains("one of its own"));
        assert_eq!(attendants.workers, None);
        let workers =
            |socket| format!("{}  workers: {{ socket: {socket} }}\n", with("daemon", "bin"));
        let settings = parse(Path::new("efface.yaml"), &workers("/run/efface/worker")).unwrap();
        let socket = settings.attendants.unwrap().workers;
        assert_eq!(socket.as_deref(), Some(Path::new("/run/efface/worker")));
        assert!(mistakes(&workers("/run/efface/sender")).contains("one of its own"));
        assert!(mistakes(&workers("worker")).contains("a path from the root"));
    }
}
