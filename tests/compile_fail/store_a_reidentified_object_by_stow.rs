//! What is of a patient again does not leave by STOW-RS either, nor does a file that is no parcel.
use efface::custody::object::Object;
use efface::custody::result::Reidentified;
use efface::net::stow::Stow;
use std::fs::File;

fn send(stow: &Stow, objects: &[Object<Reidentified>], files: &[File]) {
    let _ = stow.store(objects);
    //~ error[E0308]: mismatched types
    let _ = stow.store(files);
    //~ error[E0308]: mismatched types
}

fn main() {}
