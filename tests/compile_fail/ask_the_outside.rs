//! Questions about studies name them by the hospital's UIDs: nobody outside is asked, or told to send.
use efface::net::scu::{Association, Outside};

fn ask(association: &mut Association<Outside>) {
    let _ = association.c_find(&[], &mut |_| Ok(()));
    //~ error[E0599]: no method named `c_find` found
}

fn fetch(association: &mut Association<Outside>, to: &efface::id::AeTitle) {
    let _ = association.c_move(to, &[]);
    //~ error[E0599]: no method named `c_move` found
}

fn main() {}
