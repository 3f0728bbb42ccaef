//! An identifying value cannot be shown, compared or lent out by accident.
use efface::phi::Phi;

fn main() {
    let name = Phi::new(String::from("DOE^JANE"));
    println!("{name}");
    //~ error[E0277]: `Phi<String>` doesn't implement `std::fmt::Display`
    let _ = name == Phi::new(String::from("ROE^RICHARD"));
    //~ error[E0369]: binary operation `==` cannot be applied to type `Phi<String>`
    let _: &str = &name;
    //~ error[E0308]: mismatched types
    let _ = name.clone();
    //~ error[E0599]: no method named `clone` found for struct `Phi<T>` in the current scope
}
