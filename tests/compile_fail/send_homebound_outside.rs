//! What is for a PACS does not travel to the outside, nor a parcel to a PACS.
use efface::custody::homebound::Homebound;
use efface::custody::parcel::Parcel;
use efface::net::scu::{Association, Inside, Outside};

fn out(association: &mut Association<Outside>, object: &Homebound) {
    let _ = association.c_store(object);
    //~ error[E0308]: mismatched types
}

fn home(association: &mut Association<Inside>, parcel: &Parcel) {
    let _ = association.c_store(parcel);
    //~ error[E0308]: mismatched types
}

fn main() {}
