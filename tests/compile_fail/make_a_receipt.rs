//! A receipt comes from the audit log, after its fsync.
use efface::audit::Receipt;

fn main() {
    let _ = Receipt { seq: 1, hash: [0; 32] };
    //~ error[E0451]: fields `seq` and `hash` of struct `Receipt` are private
}
