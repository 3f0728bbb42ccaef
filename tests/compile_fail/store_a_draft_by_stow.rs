//! STOW-RS takes parcels and nothing else: no draft, and nobody else's cargo.
use efface::custody::object::{Drafted, Object};
use efface::net::scu::Cargo;
use efface::net::stow::Stow;
use std::io::{self, Read};

struct Anything;

impl Cargo for Anything {
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

fn send(stow: &Stow, drafts: &[Object<Drafted>]) {
    let _ = stow.store(drafts);
    //~ error[E0308]: mismatched types
    let _ = stow.store(&[Anything]);
    //~ error[E0308]: mismatched types
}

fn main() {}
