//! What came from outside is not put up for a PACS before it was re-identified.
use efface::audit::Receipt;
use efface::custody::homebound::Manifest;
use efface::custody::object::Object;
use efface::custody::result::Returned;
use efface::key::Key;

fn put(receipt: &Receipt, object: &Object<Returned>, key: &Key) {
    let _ = Manifest::begin("pacs", receipt).put(object, "folder".as_ref(), String::new(), key);
    //~ error[E0308]: mismatched types
}

fn main() {}
