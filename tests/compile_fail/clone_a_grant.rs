//! The gate's word is given once.
use efface::custody::gate::Grant;

fn twice(grant: Grant) -> (Grant, Grant) {
    (grant.clone(), grant)
}

fn main() {}
