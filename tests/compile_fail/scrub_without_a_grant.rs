//! Nothing is scrubbed for a destination that the gate was not asked about.
use efface::custody::gate::Grant;

fn main() {
    let _ = Grant { destination: "lab".into(), plan: [0; 32], register: 0 };
    //~ error[E0451]: fields `destination`, `plan` and `register` of struct `Grant` are private
}
