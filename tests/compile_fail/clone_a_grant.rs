//! The gate's word is given once.
use efface::custody::gate::Grant;

fn twice(grant: Grant) -> (Grant, Grant) {
    (grant.clone(), grant)
    //~ error[E0599]: no method named `clone` found for struct `Grant` in the current scope
}

fn main() {}
