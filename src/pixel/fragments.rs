//! Encapsulated pixels (PS3.5 A.4): which fragments make which frame, and nothing besides.

use super::Error;
use std::io::{Read, Seek, SeekFrom, Write};

const ITEM: [u8; 4] = [0xfe, 0xff, 0x00, 0xe0];
const DELIMITER: [u8; 8] = [0xfe, 0xff, 0xdd, 0xe0, 0, 0, 0, 0];

/// More fragments than any image has frames.
const MOST: usize = 1 << 20;

/// Where the frames are.
#[derive(Debug)]
pub struct Index {
    /// Whether the source had a Basic Offset Table with entries.
    pub has_offsets: bool,
    /// Whether that table names the starts of the frames, if it has entries.
    agrees: bool,
    fragments: Vec<Fragment>,
    /// The first fragment of each frame, and one past the last.
    starts: Vec<usize>,
}

#[derive(Clone, Copy, Debug)]
struct Fragment {
    offset: u64,
    length: u32,
}

impl Index {
    /// Walks the items of a value of `length` bytes that starts at `start` in the source.
    ///
    /// # Errors
    /// [`Error::Fragments`] when the items don't make exactly these frames; [`Error::Io`].
    pub fn read(
        source: &mut (impl Read + Seek),
        start: u64,
        length: u64,
        frames: u32,
    ) -> Result<Self, Error> {
        let (mut table, mut fragments): (Option<Vec<u32>>, Vec<Fragment>) = (None, Vec::new());
        let end = start + length;
        let mut at = start;
        loop {
            if at + 8 > end {
                return Err(Error::Fragments("they end before their delimiter"));
            }
            let mut head = [0; 8];
            source.seek(SeekFrom::Start(at))?;
            source.read_exact(&mut head)?;
            at += 8;
            if head == DELIMITER {
                break;
            }
            let item = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
            if head[..4] != ITEM || u64::from(item) > end - at {
                return Err(Error::Fragments("an item is not one"));
            }
            match &table {
                None => table = Some(read_table(source, item)?),
                Some(_) if item == 0 => return Err(Error::Fragments("a fragment is empty")),
                Some(_) if fragments.len() == MOST => {
                    return Err(Error::Fragments("there are too many"));
                }
                Some(_) => fragments.push(Fragment { offset: at, length: item }),
            }
            at += u64::from(item);
        }
        let table = table.ok_or(Error::Fragments("there is no Basic Offset Table"))?;
        let starts = group(&fragments, &table, frames as usize)?;
        let mut index = Index { has_offsets: !table.is_empty(), agrees: true, fragments, starts };
        let table = table.iter().map(|&entry| u64::from(entry));
        index.agrees = !index.has_offsets || index.is_told_by(table);
        Ok(index)
    }

    /// Whether all readers see the same frames in the same order: tables are needed by nobody here,
    /// but others follow them. `extended` are the offsets of the Extended Offset Table (7FE0,0001).
    pub fn is_certain(&self, extended: Option<&[u64]>) -> bool {
        let extended = extended.is_none_or(|table| self.is_told_by(table.iter().copied()));
        self.frames() == 1 || self.agrees && extended
    }

    /// Whether offsets are those of the frames, from the first fragment on (PS3.5 A.4).
    fn is_told_by(&self, table: impl Iterator<Item = u64>) -> bool {
        let base = self.fragments.first().map_or(0, |first| first.offset);
        let firsts = self.starts[..self.starts.len() - 1].iter();
        firsts.map(|&first| self.fragments[first].offset - base).eq(table)
    }

    /// Number of frames.
    pub fn frames(&self) -> u32 {
        (self.starts.len() - 1) as u32
    }

    /// The bytes of frame `index`, counted from 0.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn frame(&self, source: &mut (impl Read + Seek), index: u32) -> Result<Vec<u8>, Error> {
        let own = self.starts[index as usize]..self.starts[index as usize + 1];
        let mut bytes = Vec::new();
        for fragment in &self.fragments[own] {
            source.seek(SeekFrom::Start(fragment.offset))?;
            let read = source.by_ref().take(u64::from(fragment.length)).read_to_end(&mut bytes)?;
            if read as u64 != u64::from(fragment.length) {
                return Err(Error::Io(std::io::ErrorKind::UnexpectedEof.into()));
            }
        }
        Ok(bytes)
    }
}

fn read_table(source: &mut impl Read, length: u32) -> Result<Vec<u32>, Error> {
    let mut bytes = Vec::new();
    source.by_ref().take(u64::from(length)).read_to_end(&mut bytes)?;
    if bytes.len() != length as usize || bytes.len() % 4 != 0 || bytes.len() / 4 > MOST {
        return Err(Error::Fragments("the Basic Offset Table is damaged"));
    }
    let entry = |b: &[u8]| u32::from_le_bytes([b[0], b[1], b[2], b[3]]);
    Ok(bytes.chunks_exact(4).map(entry).collect())
}

/// The first fragment of each frame, and one past the last.
///
/// One fragment for each frame, or all for the only frame, need no table. Else it decides, and has
/// to name the starts of fragments in ascending order, from the first on.
fn group(fragments: &[Fragment], table: &[u32], frames: usize) -> Result<Vec<usize>, Error> {
    let count = fragments.len();
    if count < frames {
        return Err(Error::Fragments("there are fewer than frames"));
    }
    if count == frames {
        return Ok((0..=count).collect());
    }
    if frames == 1 && table.len() <= 1 {
        return Ok(vec![0, count]);
    }
    let base = fragments[0].offset;
    let start = |entry: &u32| {
        fragments.binary_search_by_key(&(base + u64::from(*entry)), |fragment| fragment.offset).ok()
    };
    let starts: Option<Vec<usize>> = table.iter().map(start).collect();
    let mut starts = starts.unwrap_or_default();
    let legal = starts.len() == frames
        && starts.first() == Some(&0)
        && starts.windows(2).all(|pair| pair[0] < pair[1]);
    if !legal {
        return Err(Error::Fragments("there are more than frames and no table that says why"));
    }
    starts.push(count);
    Ok(starts)
}

/// Writes the Basic Offset Table for frames of these lengths, one fragment each: empty when it is
/// not wanted, or when an offset would not fit 32 bits.
///
/// # Errors
/// When the writer fails.
pub fn write_table(out: &mut impl Write, lengths: &[u32], wanted: bool) -> std::io::Result<()> {
    let mut at = 0_u64;
    let entries: Result<Vec<[u8; 4]>, _> = lengths
        .iter()
        .map(|length| {
            let entry = u32::try_from(at).map(u32::to_le_bytes);
            at += 8 + u64::from(*length);
            entry
        })
        .collect();
    let table = entries.ok().filter(|_| wanted).unwrap_or_default().concat();
    write_fragment(out, &table)
}

/// Writes one item.
///
/// # Errors
/// When the writer fails or the fragment is too long.
pub fn write_fragment(out: &mut impl Write, bytes: &[u8]) -> std::io::Result<()> {
    let length = u32::try_from(bytes.len()).map_err(std::io::Error::other)?;
    out.write_all(&ITEM)?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(bytes)
}

/// Writes the sequence delimitation item.
///
/// # Errors
/// When the writer fails.
pub fn write_end(out: &mut impl Write) -> std::io::Result<()> {
    out.write_all(&DELIMITER)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn value(table: &[u32], fragments: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        write_fragment(&mut out, &table.iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<_>>())
            .unwrap();
        fragments.iter().for_each(|f| write_fragment(&mut out, f).unwrap());
        write_end(&mut out).unwrap();
        out
    }

    fn frames(value: &[u8], frames: u32) -> Result<Vec<Vec<u8>>, Error> {
        let mut source = Cursor::new(value);
        let index = Index::read(&mut source, 0, value.len() as u64, frames)?;
        (0..index.frames()).map(|n| index.frame(&mut source, n)).collect()
    }

    #[test]
    fn fragments_are_grouped() {
        let three: [&[u8]; 3] = [b"ab", b"cd", b"ef"];
        assert_eq!(frames(&value(&[], &three), 3).unwrap(), [b"ab", b"cd", b"ef"]);
        // Offsets that nobody needs are not believed, and not copied.
        assert_eq!(frames(&value(&[7, 9, 11], &three), 3).unwrap().len(), 3);
        assert_eq!(frames(&value(&[0], &three), 1).unwrap(), [b"abcdef"]);
        assert_eq!(frames(&value(&[0, 20], &three), 2).unwrap(), [&b"abcd"[..], b"ef"]);
    }

    #[test]
    fn fragments_that_no_frame_needs_are_refused() {
        let three: [&[u8]; 3] = [b"ab", b"cd", b"ef"];
        for (table, count) in [(&[][..], 2), (&[0, 11], 2), (&[10, 20], 2), (&[0, 0], 2), (&[], 4)]
        {
            assert!(matches!(frames(&value(table, &three), count), Err(Error::Fragments(_))));
        }
        let whole = value(&[], &three);
        for cut in 0..whole.len() {
            assert!(frames(&whole[..cut], 3).is_err());
        }
        assert!(frames(&value(&[], &[b"ab", b""]), 2).is_err());
    }

    #[test]
    fn tables_that_name_other_starts_are_seen() {
        let three: [&[u8]; 3] = [b"ab", b"cd", b"ef"];
        let certain = |table: &[u32], frames, extended: Option<&[u64]>| {
            let value = value(table, &three);
            let index = Index::read(&mut Cursor::new(&value), 0, value.len() as u64, frames);
            index.unwrap().is_certain(extended)
        };
        assert!(certain(&[], 3, None) && certain(&[0, 10, 20], 3, Some(&[0, 10, 20])));
        assert!(certain(&[0, 20], 2, None) && certain(&[7], 1, Some(&[9])));
        // The same starts in another order are other frames to those who follow the table.
        assert!(!certain(&[0, 20, 10], 3, None) && !certain(&[], 3, Some(&[10, 0, 20])));
        assert!(!certain(&[0, 10], 3, None) && !certain(&[], 3, Some(&[0, 10])));
    }

    #[test]
    fn the_table_counts_from_the_first_fragment() {
        let mut out = Vec::new();
        write_table(&mut out, &[2, 4, 6], true).unwrap();
        assert_eq!(out[8..], [0, 10, 22].map(u32::to_le_bytes).concat());
        let mut empty = Vec::new();
        write_table(&mut empty, &[u32::MAX - 1, 2], false).unwrap();
        let mut too_far = Vec::new();
        write_table(&mut too_far, &[u32::MAX - 1, 2], true).unwrap();
        assert_eq!((empty.len(), empty == too_far), (8, true));
    }
}
