//! What is for a PACS comes from a seal alone, and seals are for what the log has and was re-identified.
use efface::audit::Receipt;
use efface::custody::homebound::{Homebound, Manifest};
use efface::custody::object::Object;
use efface::custody::result::Returned;
use efface::key::Key;
use std::path::PathBuf;

fn make(path: PathBuf) -> Homebound {
    Homebound { path, home: String::new(), sop_class: String::new(), sop_instance: String::new(), transfer_syntax: String::new() }
    //~ error[E0451]: fields `path`, `home`, `sop_class`, `sop_instance` and `transfer_syntax` of struct `Homebound` are private
}

fn put(receipt: &Receipt, object: &Object<Returned>, key: &Key) {
    let _ = Manifest::begin("pacs", receipt).put(object, "folder".as_ref(), String::new(), key);
    //~ error[E0308]: mismatched types
}

fn main() {}
