//! One record of the log, one release.
use efface::audit::Receipt;
use efface::custody::gate::Grant;
use efface::key::Key;
use efface::custody::parcel::Manifest;

fn twice(grant: &Grant, receipt: Receipt, key: &Key) {
    let _ = Manifest::seal(Vec::new(), grant, receipt, key);
    let _ = Manifest::seal(Vec::new(), grant, receipt, key);
    //~ error[E0382]: use of moved value: `receipt`
}

fn main() {}
