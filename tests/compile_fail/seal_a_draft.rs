//! A draft that nobody has checked cannot be sealed.
use efface::audit::Receipt;
use efface::custody::gate::Grant;
use efface::key::Key;
use efface::custody::object::{Drafted, Object};
use efface::custody::parcel::Manifest;

fn seal(drafts: Vec<Object<Drafted>>, grant: &Grant, receipt: Receipt, key: &Key) -> Manifest {
    Manifest::seal(drafts, grant, receipt, key)
    //~ error[E0308]: mismatched types
}

fn main() {}
