//! Whoever reads the log stands in it.

use super::Problem;
use crate::audit::Event;
use crate::desk;
use std::path::Path;

/// The accounts of this machine.
const ACCOUNTS: &str = "/etc/passwd";

/// Has it written to the log that somebody reads it, before it is read. A log without a gateway, such as a copy, is only
/// read: nobody has the key to add to it.
///
/// # Errors
/// A gateway runs and does not write it: then nothing is read.
pub(super) fn note(state: &Path, command: &str) -> Result<(), Problem> {
    let event = Event::AuditRead { command: command.to_owned(), by: who() };
    if desk::ask(state, &event)?.is_none() {
        eprintln!("no gateway runs there: the log does not say that it was read");
    }
    Ok(())
}

/// Who called the command, by the name on this machine; who became root for it, by his own.
pub(super) fn who() -> String {
    let uid = rustix::process::getuid();
    let sudo = std::env::var("SUDO_USER").ok().filter(|_| uid.is_root());
    let accounts = std::fs::read_to_string(ACCOUNTS).unwrap_or_default();
    sudo.filter(|name| is_name(name)).unwrap_or_else(|| named(&accounts, uid.as_raw()))
}

/// `name:password:uid:...`, passwd(5).
fn named(accounts: &str, uid: u32) -> String {
    let number = uid.to_string();
    let mut lines = accounts.lines().map(|line| line.split(':'));
    let name = lines.find_map(|mut parts| {
        let name = parts.next()?;
        (parts.nth(1)? == number && is_name(name)).then_some(name)
    });
    name.map_or_else(|| format!("user {number}"), str::to_owned)
}

fn is_name(name: &str) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    !name.is_empty() && name.len() <= 32 && name.bytes().all(legal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_called_as_the_machine_calls_them() {
        let accounts = "root:x:0:0::/root:/bin/sh\nanna:x:1000:1000::/:/bin/sh\nx y:x:7:7::/:/\n";
        assert_eq!(named(accounts, 1000), "anna");
        assert_eq!(named(accounts, 1001), "user 1001");
        assert_eq!(named(accounts, 7), "user 7");
        assert!(!who().is_empty());
    }
}
