//! The tree on disk, as tiles of 256 hashes (C2SP tlog-tiles).
//!
//! ```text
//! tile/0/000        hashes of records 0 to 255            tile/0/x001/234   of records 315904 to 316159
//! tile/1/000        roots of tiles 0 to 255 of level 0    tile/2/000        ...
//! ```
//! The last tile of a level grows in place: its first 32 * W bytes are what tlog-tiles calls the partial tile `.p/W`.
//! Tiles say which record was changed, and make proofs quick. They are a cache of the records: what is missing or wrong
//! is made again at the start, when the records have the root that was signed.

use super::tree::{self, Frontier, Hash};
use crate::disk;
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// Hashes in a tile.
const WIDTH: u64 = 256;
/// Levels of the tree between two levels of tiles.
const HEIGHT: u32 = 8;

/// Tiles that grow with a log.
pub struct Tiles {
    directory: PathBuf,
    /// What is not written yet: by level and number of the tile, the first position in it and the hashes.
    waiting: BTreeMap<(u32, u64), Vec<u8>>,
}

impl Tiles {
    /// Makes the tiles of these records right, whatever is there: how many were wrong, not only short.
    ///
    /// # Errors
    /// What the system says.
    pub fn settle(audit: &Path, leaves: &[Hash]) -> io::Result<(Self, u64)> {
        let directory = audit.join("tile");
        let (mut level, mut hashes, mut wrong) = (0, leaves.to_vec(), 0);
        while !hashes.is_empty() {
            for (number, tile) in (0..).zip(hashes.chunks(WIDTH as usize)) {
                let path = path(&directory, level, number);
                let bytes = tile.concat();
                let found = read(&path)?;
                if found != bytes {
                    wrong += u64::from(!bytes.starts_with(&found));
                    disk::make_dir(path.parent().unwrap_or(&directory))?;
                    disk::write_whole(&path, &bytes)?;
                }
            }
            // What is left beyond the last record would be taken for more records.
            let beyond = (hashes.len() as u64).div_ceil(WIDTH)..;
            let beyond = beyond.map(|number| path(&directory, level, number));
            for path in beyond.take_while(|path| path.exists()) {
                wrong += 1;
                disk::remove(&path)?;
            }
            level += 1;
            hashes = hashes.chunks_exact(WIDTH as usize).map(tree::root).collect();
        }
        for level in (level..).map(|level| directory.join(level.to_string())) {
            if !level.exists() {
                break;
            }
            wrong += 1;
            disk::remove(&level)?;
        }
        Ok((Tiles { directory, waiting: BTreeMap::new() }, wrong))
    }

    /// Adds a record to the tree, and to the tiles.
    pub fn push(&mut self, tree: &mut Frontier, leaf: Hash) {
        tree.push(leaf, |height, index, hash| {
            if height % HEIGHT == 0 {
                let tile = (height / HEIGHT, index / WIDTH);
                self.waiting.entry(tile).or_default().extend(hash);
            }
        });
    }

    /// Writes what was added. It is not synced: the next start makes again what a power cut took.
    ///
    /// # Errors
    /// What the system says.
    pub fn write(&mut self) -> io::Result<()> {
        for ((level, number), hashes) in std::mem::take(&mut self.waiting) {
            let path = path(&self.directory, level, number);
            if !path.exists() {
                disk::make_dir(path.parent().unwrap_or(&self.directory))?;
            }
            disk::append(&path)?.write_all(&hashes)?;
        }
        Ok(())
    }
}

/// The hashes of all records that the tiles know, as far as they go without a gap.
///
/// # Errors
/// What the system says.
pub fn leaves(audit: &Path) -> io::Result<Vec<Hash>> {
    let (directory, mut leaves) = (audit.join("tile"), Vec::new());
    for number in 0.. {
        let bytes = read(&path(&directory, 0, number))?;
        leaves.extend(bytes.as_chunks::<32>().0);
        if bytes.len() as u64 != 32 * WIDTH {
            break;
        }
    }
    Ok(leaves)
}

/// Whether the tiles above the lowest are those of these hashes; the name of the first that is not.
///
/// # Errors
/// What the system says.
pub fn wrong_above(audit: &Path, leaves: &[Hash]) -> io::Result<Option<PathBuf>> {
    let directory = audit.join("tile");
    let mut hashes: Vec<Hash> = leaves.chunks_exact(WIDTH as usize).map(tree::root).collect();
    for level in 1.. {
        for (number, tile) in (0..).zip(hashes.chunks(WIDTH as usize)) {
            let path = path(&directory, level, number);
            // A shorter one is what a crash leaves, a longer one what a running gateway has added since.
            let (is, should) = (read(&path)?, tile.concat());
            if is.iter().zip(&should).any(|(is, should)| is != should) {
                return Ok(Some(path));
            }
        }
        if hashes.is_empty() {
            break;
        }
        hashes = hashes.chunks_exact(WIDTH as usize).map(tree::root).collect();
    }
    Ok(None)
}

/// The tile below the audit directory in which the hash of a record stands.
pub fn of_record(seq: u64) -> PathBuf {
    path(Path::new("tile"), 0, seq / WIDTH)
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match disk::open(path) {
        Ok(file) => file.take(32 * WIDTH + 1).read_to_end(&mut bytes).map(|_| bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(bytes),
        Err(error) => Err(error),
    }
}

/// `tile/<level>/<number>`, the number in groups of three digits, all but the last led by an x.
fn path(directory: &Path, level: u32, number: u64) -> PathBuf {
    let mut groups = format!("{:03}", number % 1000);
    let mut rest = number / 1000;
    while rest > 0 {
        groups = format!("x{:03}/{groups}", rest % 1000);
        rest /= 1000;
    }
    directory.join(level.to_string()).join(groups)
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test owns its files")]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_standard() {
        let path = |level, number| path(Path::new("tile"), level, number).display().to_string();
        assert_eq!(path(0, 7), "tile/0/007");
        assert_eq!(path(1, 1_234_067), "tile/1/x001/x234/067");
    }

    #[test]
    fn tiles_that_grow_are_those_that_are_made_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let all: Vec<Hash> = (0..66_000_u32).map(|n| tree::leaf(&n.to_le_bytes())).collect();
        let (mut tiles, _) = Tiles::settle(folder.path(), &[]).unwrap();
        let mut tree = Frontier::default();
        for some in all.chunks(999) {
            some.iter().for_each(|leaf| tiles.push(&mut tree, *leaf));
            tiles.write().unwrap();
        }
        assert_eq!(leaves(folder.path()).unwrap(), all);
        assert_eq!(wrong_above(folder.path(), &all).unwrap(), None);
        let top = path(&folder.path().join("tile"), 2, 0);
        assert_eq!(read(&top).unwrap(), tree::root(&all[..65_536]));

        // What is short is completed, what is wrong is made again and counted.
        let one = path(&folder.path().join("tile"), 0, 3);
        std::fs::write(&one, &read(&one).unwrap()[..64]).unwrap();
        std::fs::write(&top, [1; 32]).unwrap();
        assert_eq!(wrong_above(folder.path(), &all).unwrap(), Some(top.clone()));
        assert_eq!(leaves(folder.path()).unwrap().len(), 3 * 256 + 2);
        let (_, wrong) = Tiles::settle(folder.path(), &all).unwrap();
        assert_eq!((wrong, leaves(folder.path()).unwrap() == all), (1, true));
        let (_, wrong) = Tiles::settle(folder.path(), &all[..512]).unwrap();
        assert_eq!(leaves(folder.path()).unwrap(), all[..512]);
        assert!(wrong > 0);
    }
}
