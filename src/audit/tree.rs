//! The Merkle tree over the records (RFC 6962 2.1). Pure: hashes in, hashes out.

use sha2::{Digest, Sha256};

/// SHA-256.
pub type Hash = [u8; 32];

/// Leaves from which on the two halves of a tree are hashed at the same time.
const PARALLEL: usize = 4096;

/// The hash of a record: the bytes of its line, without the newline.
pub fn leaf(record: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(record).finalize().into()
}

fn node(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// The root of a tree of these leaves (RFC 6962 2.1, MTH).
pub fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Sha256::digest([]).into(),
        [one] => *one,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            let (left, right) = if leaves.len() >= PARALLEL {
                rayon::join(|| root(left), || root(right))
            } else {
                (root(left), root(right))
            };
            node(&left, &right)
        }
    }
}

/// The hashes that lead from a leaf to the root, the deepest first (RFC 6962 2.1.1, PATH). `index` is below the
/// number of leaves.
pub fn inclusion(leaves: &[Hash], index: usize) -> Vec<Hash> {
    if leaves.len() <= 1 {
        return Vec::new();
    }
    let at = split(leaves.len());
    let (left, right) = leaves.split_at(at);
    let (mut path, sibling) = if index < at {
        (inclusion(left, index), root(right))
    } else {
        (inclusion(right, index - at), root(left))
    };
    path.push(sibling);
    path
}

/// What proves that a tree of these leaves begins with the first `old` of them (RFC 6962 2.1.2, PROOF). `old` is from 1 to
/// the number of leaves.
pub fn consistency(leaves: &[Hash], old: usize) -> Vec<Hash> {
    subproof(leaves, old, true)
}

/// `is_known`: whether the first `old` leaves are all of the tree whose root the other side has.
fn subproof(leaves: &[Hash], old: usize, is_known: bool) -> Vec<Hash> {
    if old == leaves.len() {
        return if is_known { Vec::new() } else { vec![root(leaves)] };
    }
    let at = split(leaves.len());
    let (left, right) = leaves.split_at(at);
    let (mut proof, other) = if old <= at {
        (subproof(left, old, is_known), root(right))
    } else {
        (subproof(right, old - at, false), root(left))
    };
    proof.push(other);
    proof
}

/// Whether a tree of `new` leaves with the one root begins with the `old` leaves of the other (RFC 9162 2.1.4.2).
pub fn is_consistent(old: (u64, Hash), new: (u64, Hash), proof: &[Hash]) -> bool {
    match (old.0, new.0) {
        (0, _) => proof.is_empty(),
        (a, b) if a == b => proof.is_empty() && old.1 == new.1,
        (a, b) if a > b => false,
        (a, b) => roots_by_proof(a, old.1, b, proof) == Some((old.1, new.1)),
    }
}

/// The two roots that a proof leads to; `old < new`.
fn roots_by_proof(old: u64, known: Hash, new: u64, proof: &[Hash]) -> Option<(Hash, Hash)> {
    // A tree of a power of two leaves is a node of the larger one: the proof leaves it out.
    let (first, rest) = match old.is_power_of_two() {
        true => (&known, proof),
        false => proof.split_first()?,
    };
    let (mut f, mut s) = (old - 1, new - 1);
    while f & 1 == 1 {
        (f, s) = (f >> 1, s >> 1);
    }
    let (mut before, mut after) = (*first, *first);
    for hash in rest {
        if s == 0 {
            return None;
        }
        if f & 1 == 1 || f == s {
            (before, after) = (node(hash, &before), node(hash, &after));
            while f & 1 == 0 && f != 0 {
                (f, s) = (f >> 1, s >> 1);
            }
        } else {
            after = node(&after, hash);
        }
        (f, s) = (f >> 1, s >> 1);
    }
    (s == 0).then_some((before, after))
}

/// The largest power of two below a number that is greater than one.
fn split(n: usize) -> usize {
    1 << (n - 1).ilog2()
}

/// The right edge of a tree that grows: the roots of its perfect subtrees, the largest first.
#[derive(Clone, Default)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

impl Frontier {
    /// The number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf. `made` hears of every node that is now final: its height, its position among those of that height,
    /// its hash.
    pub fn push(&mut self, leaf: Hash, mut made: impl FnMut(u32, u64, Hash)) {
        let (mut hash, index) = (leaf, self.size);
        made(0, index, hash);
        for height in 1..=index.trailing_ones() {
            // There is a peak for every one-bit of the size.
            let Some(left) = self.peaks.pop() else { break };
            hash = node(&left, &hash);
            made(height, index >> height, hash);
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// The root.
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev().copied();
        let last = peaks.next().unwrap_or_else(|| root(&[]));
        peaks.fold(last, |right, left| node(&left, &right))
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use data_encoding::HEXLOWER;

    /// The leaves of the test vectors of Certificate Transparency (certificate-transparency-go, merkletree).
    const LEAVES: [&str; 8] = [
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ];
    const ROOTS: [&str; 8] = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    /// The root that a path leads to, by the other algorithm: from the bits of the index (RFC 9162 2.1.3.2).
    pub fn root_by_path(leaf: Hash, index: u64, size: u64, path: &[Hash]) -> Option<Hash> {
        let (mut f, mut s, mut hash) = (index, size.checked_sub(1)?, leaf);
        for sibling in path {
            if s == 0 {
                return None;
            }
            if f & 1 == 1 || f == s {
                hash = node(sibling, &hash);
                while f & 1 == 0 && f != 0 {
                    (f, s) = (f >> 1, s >> 1);
                }
            } else {
                hash = node(&hash, sibling);
            }
            (f, s) = (f >> 1, s >> 1);
        }
        (s == 0).then_some(hash)
    }

    #[test]
    fn roots_are_those_of_certificate_transparency() {
        assert_eq!(
            HEXLOWER.encode(&root(&[])),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        let leaves = LEAVES.map(|text| leaf(&HEXLOWER.decode(text.as_bytes()).unwrap()));
        for (n, expected) in ROOTS.iter().enumerate() {
            assert_eq!(HEXLOWER.encode(&root(&leaves[..=n])), *expected);
        }
    }

    #[test]
    fn a_tree_begins_with_each_that_it_was_and_with_no_other() {
        let leaves: Vec<Hash> = (0..70_u32).map(|n| leaf(&n.to_le_bytes())).collect();
        for new in 1..=leaves.len() {
            for old in 1..=new {
                let is = (old as u64, root(&leaves[..old]));
                let to = (new as u64, root(&leaves[..new]));
                let proof = consistency(&leaves[..new], old);
                assert!(is_consistent(is, to, &proof), "{old} of {new}");
                let other = (is.0, leaf(b"other"));
                assert!(!is_consistent(other, to, &proof), "{old} of {new}");
                assert!(!is_consistent(is, (to.0, leaf(b"other")), &proof), "{old} of {new}");
                assert!(!is_consistent((to.0 + 1, is.1), to, &proof));
                for n in 0..proof.len() {
                    let mut wrong = proof.clone();
                    wrong[n][0] ^= 1;
                    assert!(!is_consistent(is, to, &wrong), "{old} of {new}, {n}");
                    wrong.remove(n);
                    assert!(!is_consistent(is, to, &wrong), "{old} of {new}, without {n}");
                }
            }
        }
    }

    #[test]
    fn frontier_paths_and_roots_agree() {
        let leaves: Vec<Hash> = (0..70_u32).map(|n| leaf(&n.to_le_bytes())).collect();
        let mut frontier = Frontier::default();
        for size in 0..leaves.len() {
            assert_eq!((frontier.size(), frontier.root()), (size as u64, root(&leaves[..size])));
            for index in 0..size {
                let path = inclusion(&leaves[..size], index);
                let found = root_by_path(leaves[index], index as u64, size as u64, &path);
                assert_eq!(found, Some(frontier.root()), "{index} of {size}");
                let wrong = root_by_path(leaves[index], (index as u64) ^ 1, size as u64, &path);
                assert!(size == 1 || wrong != Some(frontier.root()), "{index} of {size}");
            }
            let mut made = Vec::new();
            frontier.push(leaves[size], |height, index, hash| made.push((height, index, hash)));
            for (height, index, hash) in made {
                let first = (index << height) as usize;
                assert_eq!(hash, root(&leaves[first..first + (1 << height)]));
            }
        }
    }
}
