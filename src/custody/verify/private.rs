//! Private blocks (PS3.5 7.8.1) and which of their elements are safe (PS3.15 E.3.10).

use std::collections::HashSet;
use std::sync::LazyLock;

use super::walk::Tag;

/// Creator, group and low byte of the elements of Table E.3.10-1.
static SAFE: LazyLock<HashSet<(&str, u16, u8)>> = LazyLock::new(|| {
    let rows = include_str!("../../standard/safe_private.tsv").lines();
    rows.filter(|row| !row.starts_with('#')).filter_map(safe_row).collect()
});

static SAFE_CREATORS: LazyLock<HashSet<&str>> =
    LazyLock::new(|| SAFE.iter().map(|(creator, ..)| *creator).collect());

/// Creator, group (hex), low byte (hex), VR, name.
fn safe_row(row: &'static str) -> Option<(&'static str, u16, u8)> {
    let mut cells = row.split('\t');
    let (creator, group, low) = (cells.next()?, cells.next()?, cells.next()?);
    Some((creator, u16::from_str_radix(group, 16).ok()?, u8::from_str_radix(low, 16).ok()?))
}

/// Whether the standard calls this element of a block of this creator safe.
pub(super) fn is_safe(tag: Tag, creator: &str) -> bool {
    SAFE.contains(&(creator, tag.group(), tag.0 as u8))
}

/// Whether the standard calls any element of this creator safe.
pub(super) fn has_safe(creator: &str) -> bool {
    SAFE_CREATORS.contains(creator)
}

/// The blocks that are reserved in the data set being walked and in those around it.
#[derive(Default)]
pub(super) struct Blocks(Vec<Block>);

struct Block {
    /// How deep its data set lies.
    depth: usize,
    creator: Tag,
    name: String,
    /// Whether an element of it was met.
    used: bool,
}

impl Blocks {
    /// A creator element reserves a block in the data set at this depth.
    pub(super) fn reserve(&mut self, depth: usize, creator: Tag, name: &str) {
        self.0.push(Block { depth, creator, name: name.to_owned(), used: false });
    }

    /// The creator of a private element. A block is reserved for its own data set only.
    pub(super) fn creator_of(&self, depth: usize, tag: Tag) -> Option<&str> {
        let block = self.0.iter().find(|block| block.holds(depth, tag));
        block.map(|block| block.name.as_str())
    }

    /// An element of a block is there.
    pub(super) fn note_use(&mut self, depth: usize, tag: Tag) {
        self.0.iter_mut().filter(|block| block.holds(depth, tag)).for_each(|b| b.used = true);
    }

    /// Forgets the blocks of data sets deeper than this; gives back a creator without elements.
    pub(super) fn leave(&mut self, depth: usize) -> Option<Tag> {
        let gone = self.0.extract_if(.., |block| block.depth > depth);
        gone.filter(|block| !block.used).map(|block| block.creator).last()
    }
}

impl Block {
    fn holds(&self, depth: usize, tag: Tag) -> bool {
        let number = self.creator.0 & 0xFF;
        self.depth == depth
            && self.creator.group() == tag.group()
            && !tag.is_creator()
            && tag.0 >> 8 & 0xFF == number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A row passed over would hold clean objects back.
    #[test]
    fn every_row_is_read() {
        let rows =
            include_str!("../../standard/safe_private.tsv").lines().filter(|r| !r.starts_with('#'));
        assert_eq!((rows.count(), SAFE.len()), (479, 479));
    }

    #[test]
    fn safe_by_creator_group_and_low_byte() {
        assert!(is_safe(Tag(0x00E1_1021), "ELSCINT1") && is_safe(Tag(0x00E1_7F21), "ELSCINT1"));
        assert!(!is_safe(Tag(0x00E1_1022), "ELSCINT1"));
        assert!(!is_safe(Tag(0x00E3_1021), "ELSCINT1"));
        assert!(!is_safe(Tag(0x00E1_1021), "ELSCINT2") && !has_safe("ELSCINT2"));
    }

    #[test]
    fn a_block_is_of_its_own_data_set() {
        let mut blocks = Blocks::default();
        blocks.reserve(1, Tag(0x00E1_0010), "OUTER");
        blocks.reserve(3, Tag(0x00E1_0010), "INNER");
        let element = Tag(0x00E1_1021);
        assert_eq!(blocks.creator_of(1, element), Some("OUTER"));
        assert_eq!(blocks.creator_of(3, element), Some("INNER"));
        assert_eq!(blocks.creator_of(5, element), None);
        assert_eq!(blocks.creator_of(1, Tag(0x00E1_1121)), None);
        assert_eq!(blocks.creator_of(1, Tag(0x00E3_1021)), None);
        assert_eq!(blocks.creator_of(1, Tag(0x00E1_0010)), None);
        blocks.note_use(1, element);
        assert_eq!(blocks.leave(2), Some(Tag(0x00E1_0010)));
        assert_eq!(blocks.leave(0), None);
    }
}
