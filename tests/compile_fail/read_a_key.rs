//! A key authenticates, and that is all it can do.
use efface::key::Key;

fn leak(key: &Key) -> [u8; 32] {
    key.0
}

fn main() {}
