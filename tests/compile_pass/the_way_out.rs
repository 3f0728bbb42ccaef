//! The one way out: scrub with a grant, draft, verify, seal with a receipt, open the seal, send.
use efface::audit::Receipt;
use efface::custody::gate::Grant;
use efface::key::Key;
use efface::custody::object::{Identified, Object, Wanted};
use efface::custody::parcel::{Manifest, Parcel};
use efface::custody::verify::Watch;
use efface::deid::{Engine, FaceStatement};
use efface::net::scu::{Association, Outside};
use efface::net::stow::Stow;
use std::path::Path;

fn leave(
    object: Object<Identified>,
    (grant, engine, watch): (&Grant, &Engine<'_>, &Watch),
    (receipt, key): (Receipt, &Key),
    (association, stow): (&mut Association<Outside>, &Stow),
) {
    let scrubbed = object.scrub(grant, engine, FaceStatement::Silent, Wanted::Own);
    let Ok(scrubbed) = scrubbed else { return };
    let Ok(draft) = scrubbed.draft(Path::new("draft.dcm")) else { return };
    let Ok(clean) = draft.verify(watch) else { return };
    let manifest = Manifest::seal(vec![clean], grant, receipt, key);
    let parcel: Result<Parcel, _> = manifest.open(Path::new("."), &manifest.rows[0], key);
    if let Ok(parcel) = parcel {
        let _ = association.c_store(&parcel);
        let _ = stow.store(&[parcel]);
    }
}

fn main() {
    let _ = leave;
}
