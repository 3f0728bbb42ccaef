//! An identified object has no form in which it could be logged.
use efface::custody::object::{Identified, Object};

fn log(object: &Object<Identified>) {
    println!("{object:?}");
    //~ error[E0277]: `Object<Identified>` doesn't implement `Debug`
}

fn main() {}
