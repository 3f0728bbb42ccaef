//! Nothing is scrubbed for a destination that the gate was not asked about.
use efface::custody::gate::Grant;

fn main() {
    let _ = Grant { destination: "lab".into(), plan: [0; 32], register: 0, ground: Default::default() };
    //~ error[E0451]: fields `destination`, `plan`, `register` and `ground` of struct `Grant` are private
}
