//! Nothing is scrubbed for a destination that the gate was not asked about.
use efface::custody::gate::Grant;

fn main() {
    let _ = Grant { destination: "lab".into(), plan: [0; 32] };
    //~ error[E0451]: fields `destination` and `plan` of struct `Grant` are private
}
