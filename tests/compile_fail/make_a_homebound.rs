//! What is for a PACS is made by opening a seal, never by hand.
use efface::custody::homebound::Homebound;

fn main() {
    let _ = Homebound {
        path: "result.dcm".into(),
        //~ error[E0451]: fields `path`, `home`, `sop_class`, `sop_instance` and `transfer_syntax` of struct `efface::custody::homebound::Homebound` are private
        home: "pacs".into(),
        sop_class: String::new(),
        sop_instance: String::new(),
        transfer_syntax: String::new(),
    };
}
