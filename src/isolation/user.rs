//! A user of the system under whom nothing but one kind of process runs.

use std::io;

/// The accounts of this machine. Users of services are local; no directory service is asked.
const ACCOUNTS: &str = "/etc/passwd";

/// An account and its group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Its name.
    pub name: String,
    /// Its number.
    pub uid: u32,
    /// The number of its group.
    pub gid: u32,
}

/// Why a name is no such user.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum NoUser {
    /// The accounts of this machine cannot be read.
    #[error("{ACCOUNTS} cannot be read: {0:?}")]
    NoAccounts(io::ErrorKind),
    /// Not among them.
    #[error(
        "no user of this machine. Make one with: adduser --system --group --no-create-home NAME"
    )]
    Unknown,
    /// The one that may do everything.
    #[error("root may do everything: give a user that has nothing else to do")]
    Root,
}

impl User {
    /// Whoever runs this.
    pub fn myself() -> Self {
        let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
        User { name: "the user of the gateway".to_owned(), uid: uid.as_raw(), gid: gid.as_raw() }
    }

    /// Looks a user up.
    ///
    /// # Errors
    /// [`NoUser`].
    pub fn named(name: &str) -> Result<Self, NoUser> {
        let accounts =
            std::fs::read_to_string(ACCOUNTS).map_err(|error| NoUser::NoAccounts(error.kind()))?;
        User::of(&accounts, name)
    }

    /// `name:password:uid:gid:comment:home:shell`, passwd(5).
    fn of(accounts: &str, name: &str) -> Result<Self, NoUser> {
        let parts = |line: &str| line.split(':').map(str::to_owned).collect::<Vec<_>>();
        let line = accounts.lines().map(parts).find(|parts| parts[0] == name);
        let number = |n: usize| line.as_ref()?.get(n)?.parse::<u32>().ok();
        let (uid, gid) = number(2).zip(number(3)).ok_or(NoUser::Unknown)?;
        if uid == 0 {
            return Err(NoUser::Root);
        }
        Ok(User { name: name.to_owned(), uid, gid })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_their_whole_name() {
        let accounts = "root:x:0:0:root:/root:/bin/bash\nefface-in:x:990:980::/:/bin/false\n\
                        broken\nhalf:x:7\n";
        let found = User::of(accounts, "efface-in");
        assert_eq!(found, Ok(User { name: "efface-in".to_owned(), uid: 990, gid: 980 }));
        assert_eq!(User::of(accounts, "root"), Err(NoUser::Root));
        for unknown in ["efface", "", "broken", "half"] {
            assert_eq!(User::of(accounts, unknown), Err(NoUser::Unknown), "{unknown}");
        }
    }
}
