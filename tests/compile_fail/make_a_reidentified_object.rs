//! Only custody makes an object re-identified: by way of the crosswalk.
use efface::custody::object::Object;
use efface::custody::result::{Reidentified, Returned};

fn believe_the_result(result: Object<Returned>) -> Object<Reidentified> {
    Object(result.0)
    //~ error[E0616]: field `0` of struct `Object` is private
    //~ error[E0423]: cannot initialize a tuple struct which contains private fields
}

fn main() {}
