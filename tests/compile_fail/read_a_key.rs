//! A key authenticates, and that is all it can do.
use efface::key::Key;

fn leak(key: &Key) -> [u8; 32] {
    key.0
    //~ error[E0616]: field `0` of struct `efface::key::Key` is private
}

fn main() {}
