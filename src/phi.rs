//! Values that identify a person: usable, not showable.
//!
//! [`Phi`] wraps whatever was read from an identified data set. It has no `Display`, no
//! `Serialize` and no `Deref`, and its `Debug` prints only the type. The single way in is
//! [`Phi::expose`], which clippy bans (`clippy.toml`) outside the few files that may look.

use std::fmt;
use zeroize::Zeroize;

/// An identifying value, wiped from memory when dropped.
pub struct Phi<T: Zeroize>(T);

impl<T: Zeroize> Phi<T> {
    /// Puts a value under the seal.
    pub fn new(value: T) -> Self {
        Phi(value)
    }

    /// The value itself. Whoever calls this answers for where it goes.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> fmt::Debug for Phi<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<phi>")
    }
}

impl<T: Zeroize> Drop for Phi<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::Phi;

    #[test]
    fn debug_shows_nothing_of_the_value() {
        let name = Phi::new(String::from("DOE^JANE"));
        assert_eq!(format!("{name:?} {:#?}", Some(&name)), "<phi> Some(\n    <phi>,\n)");
    }
}
