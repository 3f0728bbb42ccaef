//! How far the repository is: `atna/cursor`, written whole.
//!
//! ```text
//! efface cursor 1
//! efface/0f1e2d3c4b5a6978     the log
//! 1730                        records that were settled more than a minute before
//! 1742                        records that are settled
//! ```

use crate::audit;
use crate::disk;
use std::io;
use std::path::{Path, PathBuf};

const HEAD: &str = "efface cursor 1";

/// The file.
#[derive(Debug, PartialEq, Eq)]
pub struct Cursor {
    path: PathBuf,
    origin: String,
    /// So many records arrived, and had a while to be kept there: from here on all is sent again after a mishap.
    pub sure: u64,
    /// So many records arrived.
    pub settled: u64,
}

impl Cursor {
    /// Opens the one of a log, or begins at its first record. A cursor that does not read, or is of another log, is
    /// none: at worst everything is sent once more.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(directory: &Path, origin: &str) -> io::Result<Self> {
        let path = directory.join("cursor");
        let found = disk::read_text(&path)?;
        let (sure, settled) = match found.as_deref().map(|text| parse(text, origin)) {
            Some(Some(found)) => found,
            Some(None) => {
                tracing::warn!(file = %path.display(), "this is no cursor of this log: everything is sent again");
                (0, 0)
            }
            None => (0, 0),
        };
        let cursor = Cursor { path, origin: origin.to_owned(), sure, settled };
        cursor.write()?;
        Ok(cursor)
    }

    /// Moves it, durably.
    ///
    /// # Errors
    /// What the system says.
    pub fn move_to(&mut self, sure: u64, settled: u64) -> io::Result<()> {
        if (sure, settled) == (self.sure, self.settled) {
            return Ok(());
        }
        (self.sure, self.settled) = (sure, settled);
        self.write()
    }

    fn write(&self) -> io::Result<()> {
        let Cursor { origin, sure, settled, .. } = self;
        disk::write_whole(&self.path, format!("{HEAD}\n{origin}\n{sure}\n{settled}\n").as_bytes())
    }
}

fn parse(text: &str, origin: &str) -> Option<(u64, u64)> {
    let mut lines = text.strip_suffix('\n')?.split('\n');
    let is_of_this_log = lines.next() == Some(HEAD) && lines.next() == Some(origin);
    let (sure, settled) = (lines.next()?.parse().ok()?, lines.next()?.parse().ok()?);
    (is_of_this_log && sure <= settled && lines.next().is_none()).then_some((sure, settled))
}

/// Signed records that have not arrived; `None` where nothing is reported. For listing: nothing is verified.
///
/// # Errors
/// [`audit::Error`].
pub fn backlog(atna: &Path, audit: &Path) -> Result<Option<u64>, audit::Error> {
    let io = |error| audit::Error::Io { path: atna.to_owned(), error };
    let Some(text) = disk::read_text(&atna.join("cursor")).map_err(io)? else { return Ok(None) };
    let verifier = audit::key(audit)?;
    let newest = verifier.open(&audit::newest(audit)?);
    let newest = newest.map_err(|why| audit::Error::Checkpoint { path: audit.to_owned(), why })?;
    let (_, settled) = parse(&text, &newest.origin).unwrap_or_default();
    Ok(Some(newest.size.saturating_sub(settled)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_on_where_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let mut cursor = Cursor::open(folder.path(), "efface/1").unwrap();
        assert_eq!((cursor.sure, cursor.settled), (0, 0));
        cursor.move_to(3, 17).unwrap();
        assert_eq!(Cursor::open(folder.path(), "efface/1").unwrap(), cursor);
        let other = Cursor::open(folder.path(), "efface/2").unwrap();
        assert_eq!((other.sure, other.settled), (0, 0));
    }

    #[test]
    fn what_is_no_cursor_sends_everything_again() {
        let folder = tempfile::tempdir().unwrap();
        let whole = format!("{HEAD}\nefface/1\n3\n17\n");
        assert_eq!(parse(&whole, "efface/1"), Some((3, 17)));
        for wrong in [
            "",
            "efface cursor 2\nefface/1\n3\n17\n",
            "efface cursor 1\nefface/1\n18\n17\n",
            "efface cursor 1\nefface/1\n3\n17\n4\n",
            "efface cursor 1\nefface/1\n3\n1",
        ] {
            disk::write_whole(&folder.path().join("cursor"), wrong.as_bytes()).unwrap();
            let cursor = Cursor::open(folder.path(), "efface/1").unwrap();
            assert_eq!((cursor.sure, cursor.settled), (0, 0), "{wrong:?}");
        }
    }
}
