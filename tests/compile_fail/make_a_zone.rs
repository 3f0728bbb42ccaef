//! There are two zones. A third could carry anything.
use efface::custody::parcel::Parcel;
use efface::net::scu::Zone;

enum Backdoor {}

impl Zone for Backdoor {
    type Cargo = Parcel;
}

fn main() {}
