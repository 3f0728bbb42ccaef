//! Whatever is cargo elsewhere does not travel to the outside.
use efface::net::scu::{Association, Cargo, Outside};
use std::io::{self, Read};

struct Result;

impl Cargo for Result {
    fn sop_class(&self) -> &str {
        ""
    }
    fn sop_instance(&self) -> &str {
        ""
    }
    fn transfer_syntax(&self) -> &str {
        ""
    }
    fn open(&self) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(io::empty()))
    }
}

fn send(association: &mut Association<Outside>) {
    let _ = association.c_store(&Result);
    //~ error[E0308]: mismatched types
}

fn main() {}
