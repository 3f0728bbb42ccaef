//! An association to the outside takes parcels and nothing else.
use efface::custody::object::{Drafted, Object};
use efface::net::scu::{Association, Outside};

fn send(association: &mut Association<Outside>, draft: &Object<Drafted>) {
    let _ = association.c_store(draft);
    //~ error[E0308]: mismatched types
}

fn main() {}
