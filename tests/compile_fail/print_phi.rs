//! An identifying value cannot be shown, compared or lent out by accident.
use efface::phi::Phi;

fn main() {
    let name = Phi::new(String::from("DOE^JANE"));
    println!("{name}");
    let _ = name == Phi::new(String::from("ROE^RICHARD"));
    let _: &str = &name;
    let _ = name.clone();
}
