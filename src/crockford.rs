//! Crockford's base 32: no I, L, O, U, so that what is written in it survives being read out on the phone and typed in.

use data_encoding::{Encoding, Specification};
use std::sync::LazyLock;

/// Writes capitals without padding; reads small letters, too, blanks between them, and what people take for 0 and 1.
pub static CROCKFORD: LazyLock<Encoding> = LazyLock::new(|| {
    let mut specification = Specification::new();
    specification.symbols.push_str("0123456789ABCDEFGHJKMNPQRSTVWXYZ");
    specification.translate.from.push_str("abcdefghjkmnpqrstvwxyzoOiIlL");
    specification.translate.to.push_str("ABCDEFGHJKMNPQRSTVWXYZ001111");
    specification.ignore.push_str(" \t\r\n");
    specification.encoding().unwrap_or_else(|_| unreachable!("32 symbols, all different"))
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_out_is_what_was_written() {
        assert_eq!(CROCKFORD.encode(b"efface!!"), "CNK6CRB3CMGJ2");
        assert_eq!(CROCKFORD.decode(b"cnk6 crb3 cmgj 2").unwrap(), b"efface!!");
        assert_eq!(CROCKFORD.decode(b"oO"), CROCKFORD.decode(b"00"));
        assert!(CROCKFORD.decode(b"UU").is_err());
    }
}
