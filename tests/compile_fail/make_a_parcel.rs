//! A parcel is made by opening a seal, never by hand.
use efface::custody::parcel::Parcel;

fn main() {
    let _ = Parcel {
        path: "patient.dcm".into(),
        //~ error[E0451]: fields `path`, `destination`, `sop_class`, `sop_instance` and `transfer_syntax` of struct `Parcel` are private
        destination: "lab".into(),
        sop_class: String::new(),
        sop_instance: String::new(),
        transfer_syntax: String::new(),
    };
}
