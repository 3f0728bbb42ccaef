//! Only the verifier makes an object de-identified.
use efface::custody::object::{Deidentified, Drafted, Object};

fn skip_the_verifier(draft: Object<Drafted>) -> Object<Deidentified> {
    Object(draft.0)
    //~ error[E0616]: field `0` of struct `Object` is private
    //~ error[E0423]: cannot initialize a tuple struct which contains private fields
}

fn main() {}
