//! A hospital in which people are named who must agree to what one alone may not do.

use super::dcmtk::free_port;
use super::gateway::{Gateway, Site, efface, ends, printed, program};

const PEOPLE: [&str; 3] = ["anna", "bert", "carl"];

/// A site with three approvers: anna, bert and carl.
pub struct House {
    pub site: Site,
    /// Of the gateway, the outside and the metrics.
    pub ports: [u16; 3],
    /// What the configuration says of people.
    pub lines: String,
}

impl House {
    pub fn new() -> Self {
        House::of(Site::leaving_faces())
    }

    pub fn of(site: Site) -> Self {
        let keys = PEOPLE.map(|name| {
            let out = site.at(name);
            let made = efface(&["approval", "key", "--name", name, "--out", &out]);
            assert!(made.status.success(), "{}", printed(&made));
            format!("  - {}", String::from_utf8(made.stdout).unwrap())
        });
        let lines = format!("approvers:\n{}", keys.concat());
        let ports = [free_port(), free_port(), free_port()];
        let house = House { site, ports, lines };
        house.configure(&house.lines);
        house
    }

    pub fn configure(&self, lines: &str) {
        self.site.configure(self.ports, lines);
    }

    pub fn start(&self) -> Gateway {
        let mut command = program();
        command.args(["serve", "--config", &self.site.at("efface.yaml")]);
        Gateway::start(command, self.ports[2])
    }

    /// Starts and stops.
    pub fn runs(&self) {
        assert!(self.start().terminate().success());
    }

    /// A command that takes `--config`.
    #[track_caller]
    pub fn at_site(&self, arguments: &[&str], code: i32) -> String {
        ends(&[arguments, &["--config", &self.site.at("efface.yaml")]].concat(), code)
    }

    #[track_caller]
    pub fn sign(&self, file: &str, who: &str, code: i32) -> String {
        let (file, key) = (self.site.at(file), self.site.at(who));
        ends(&["approval", "sign", &file, "--key", &key, "--yes"], code)
    }

    pub fn log(&self) -> String {
        self.site.ask(&["audit", "show", "-n", "0"])
    }

    pub fn at_site_check(&self) -> String {
        ends(&["config", "check", &self.site.at("efface.yaml")], 0)
    }
}
