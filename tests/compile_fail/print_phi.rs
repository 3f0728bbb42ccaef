//! An identifying value cannot be shown, compared or serialized by accident.
use efface::phi::Phi;

fn main() {
    let name = Phi::new(String::from("DOE^JANE"));
    println!("{name}");
    let _ = name == "DOE^JANE";
    let _ = serde_json::to_string(&name);
    let _: &str = &name;
}
