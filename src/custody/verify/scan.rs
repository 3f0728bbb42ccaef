//! The search of every byte of a file as it passes, whatever the walker makes of it.

use sha2::{Digest, Sha256};
use std::ops::Range;

use super::Watch;
use super::allow::Leave;
use super::kind::{Kind, Kinds};
use super::walk::{LOOK_BACK, Sink};

/// Hits that wait for the walker to come to their place. Nobody needs more.
const HITS_MAX: usize = 1 << 16;

/// Something found in the raw bytes, before it is known where that is.
pub(super) struct Hit {
    pub(super) at: Range<u64>,
    pub(super) kinds: Kinds,
    /// It isn't a part of something longer.
    pub(super) alone: bool,
    /// It would mean something even among pixels.
    pub(super) in_pixels: bool,
}

/// The search of all bytes of the file as they pass, whatever the walker makes of them.
pub(super) struct Scan<'a> {
    watch: &'a Watch,
    /// What may stay anywhere isn't a hit.
    anywhere: Leave,
    digest: Sha256,
    hits: Vec<Hit>,
    /// There were more hits than are kept.
    pub(super) too_many: bool,
}

impl<'a> Scan<'a> {
    pub(super) fn new(watch: &'a Watch, anywhere: Leave) -> Self {
        Scan { watch, anywhere, digest: Sha256::new(), hits: Vec::new(), too_many: false }
    }

    /// The hits that begin before this offset.
    pub(super) fn take_before(&mut self, end: u64) -> impl Iterator<Item = Hit> {
        self.hits.extract_if(.., move |hit| hit.at.start < end)
    }

    /// SHA-256 of all bytes that were shown.
    pub(super) fn digest(self) -> [u8; 32] {
        self.digest.finalize().into()
    }
}

impl Sink for Scan<'_> {
    fn fresh(&mut self, window: &[u8], base: u64, fresh: usize, last: bool) {
        self.digest.update(&window[fresh..]);
        // What touches the window's end is cut, and found again with what follows.
        // What ended well before the fresh bytes was found already.
        let whole = |hit: &Range<usize>| {
            (last || hit.end + 2 < window.len())
                && (base == 0 && fresh == 0 || hit.end + 2 >= fresh)
        };
        let from = fresh.saturating_sub(LOOK_BACK);
        let (matcher, anywhere) = (&self.watch.matcher, self.anywhere);
        let place = |hit: &Range<usize>| base + hit.start as u64..base + hit.end as u64;
        let hits = &mut self.hits;
        matcher.long(window, from, |needle, hit| {
            if whole(&hit) && anywhere.residue(needle.kinds).is_some() {
                let alone = matcher.stands_alone(needle, window, &hit, false);
                let in_pixels = matcher.tells_in_pixels(needle, window, &hit);
                if alone || in_pixels {
                    hits.push(Hit { at: place(&hit), kinds: needle.kinds, alone, in_pixels });
                }
            }
        });
        let uid = Kinds::of(Kind::Uid);
        if anywhere.residue(uid).is_some() {
            self.watch.uids.find(window, from, |hit| {
                if whole(&hit) {
                    hits.push(Hit { at: place(&hit), kinds: uid, alone: true, in_pixels: true });
                }
            });
        }
        if hits.len() > HITS_MAX {
            hits.truncate(HITS_MAX);
            self.too_many = true;
        }
    }
}
