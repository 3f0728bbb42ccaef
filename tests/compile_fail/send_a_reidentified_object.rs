//! What is of a patient again can neither be sealed for the outside nor sent there.
use efface::audit::Receipt;
use efface::custody::gate::Grant;
use efface::custody::object::Object;
use efface::custody::parcel::Manifest;
use efface::custody::result::Reidentified;
use efface::key::Key;
use efface::net::scu::{Association, Outside};

fn seal(objects: Vec<Object<Reidentified>>, grant: &Grant, receipt: Receipt, key: &Key) -> Manifest {
    Manifest::seal(objects, grant, receipt, key)
    //~ error[E0308]: mismatched types
}

fn send(association: &mut Association<Outside>, object: &Object<Reidentified>) {
    let _ = association.c_store(object);
    //~ error[E0308]: mismatched types
}

fn verify(object: Object<Reidentified>) {
    let _ = object.draft("file".as_ref());
    //~ error[E0599]: no method named `draft` found
}

fn main() {}
