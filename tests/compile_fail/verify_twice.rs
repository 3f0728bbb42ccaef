//! A draft is used up by its verification: what was refused is not there to be sent after all.
use efface::custody::object::{Drafted, Object};
use efface::custody::verify::Watch;

fn ask_again(draft: Object<Drafted>, watch: &Watch) {
    let _ = draft.verify(watch);
    let _ = draft.verify(watch);
    //~ error[E0382]: use of moved value: `draft`
}

fn main() {}
