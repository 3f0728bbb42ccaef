//! The Debian package, installed into a copy of this system: the guide's way from the package to the first study that is
//! forwarded, an upgrade, a removal, a purge. What is not to be deleted is there afterwards.
//!
//! It takes root, overlayfs, dpkg and dcmtk; without them it says SKIPPED.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test fails by its panic and owns its files"
)]

mod support;

use std::io::Write;
use std::process::Stdio;
use support::browser::Caller;
use support::chroot::{Copy, deb};
use support::dcmtk::{self, Outside, Running, deliver, free_port};
use support::gateway::{HEAD, LEAVE_FACES};
use support::study::{patient, write_body_ct};
use support::until;

#[test]
fn a_package_leads_to_a_first_study_and_deletes_nothing_unasked() {
    if let Some(program) = dcmtk::missing() {
        skip!("{program} is not installed");
    }
    if !dcmtk::has("dpkg-deb") {
        skip!("dpkg is not installed: no Debian");
    }
    let folder = tempfile::tempdir().unwrap();
    let package = deb(folder.path());
    let Some(copy) = Copy::new() else {
        skip!("no copy of this system: it takes root and overlayfs");
    };
    std::fs::copy(&package, copy.file("/efface.deb")).unwrap();

    // As the guide says it.
    let said = copy.run("root", &["dpkg", "--install", "/efface.deb"]);
    assert!(said.contains("efface keys init"), "{said}");
    let key = ["efface", "keys", "init", "--out", "/etc/efface/root.key"];
    copy.run("root", &key);
    copy.run("root", &["chown", "efface:", "/etc/efface/root.key"]);
    let [listen, outside, metrics] = [free_port(), free_port(), free_port()];
    let sample = std::fs::read_to_string(copy.file("/etc/efface/efface.yaml")).unwrap();
    let mut edited = sample.clone();
    for (was, is) in [
        ("listen: 0.0.0.0:11112", format!("listen: 127.0.0.1:{listen}")),
        ("from: [10.20.0.0/16]", "from: [127.0.0.1]".to_owned()),
        ("LAB@192.0.2.7:104", format!("LAB@127.0.0.1:{outside}")),
        ("127.0.0.1:9104", format!("127.0.0.1:{metrics}")),
        ("quiet_period_s: 60", "quiet_period_s: 1".to_owned()),
        ("disk_reserve_bytes: 2147483648", "disk_reserve_bytes: 1000000".to_owned()),
        ("sandbox: strict", "sandbox: partial".to_owned()),
        ("profile: basic ", "profile: site.yaml ".to_owned()),
    ] {
        assert!(edited.contains(was), "the sample does not say {was}");
        edited = edited.replace(was, &is);
    }
    std::fs::write(copy.file("/etc/efface/efface.yaml"), &edited).unwrap();
    let profile = format!("{HEAD}{LEAVE_FACES}");
    std::fs::write(copy.file("/etc/efface/site.yaml"), profile).unwrap();
    let config = ["efface", "config", "check", "/etc/efface/efface.yaml"];
    assert!(copy.run("efface", &config).contains("sends to lab"));
    let lab = Outside::start_at(outside, &folder.path().join("sink"), &[]);
    let serve = ["efface", "serve", "--config", "/etc/efface/efface.yaml"];
    let mut command = copy.command("efface", &serve);
    let gateway = Running(command.stderr(Stdio::null()).spawn().unwrap());
    until("it listens", || std::net::TcpStream::connect(("127.0.0.1", listen)).is_ok());
    deliver(listen, &write_body_ct(&folder.path().join("pacs"), &patient(1), 1, 3));
    lab.wait_for(3);
    let status = ["efface", "status", "--state", "/var/lib/efface"];
    until("it is delivered", || copy.run("efface", &status).contains("3 delivered"));
    drop(gateway);

    // The console, as its unit starts it.
    let port = free_port();
    let file = "/etc/efface/console.yaml";
    let text = format!("{edited}console: {{ listen: 127.0.0.1:{port} }}\n");
    std::fs::write(copy.file(file), text).unwrap();
    let add = ["efface", "console", "user", "add", "anna", "--role", "operator", "--config", file];
    let mut adding = copy.command("efface", &add).stdin(Stdio::piped()).spawn().unwrap();
    writeln!(adding.stdin.take().unwrap(), "correct horse battery").unwrap();
    assert!(adding.wait().unwrap().success());
    let mut command = copy.command("efface", &["efface", "console", "--config", file]);
    let console = Running(command.stderr(Stdio::null()).spawn().unwrap());
    until("it listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    let mut anna = Caller::new(&format!("http://127.0.0.1:{port}"));
    assert_eq!(anna.sign_in("anna", "correct horse battery").status, 303);
    assert!(anna.get("/").text.contains("3</b> delivered"));
    drop(console);

    // Manual, completions, and units that systemd understands.
    for file in ["/usr/share/man/man1/efface-serve.1.gz", "/usr/share/efface/verify_receipt.py"] {
        assert!(copy.file(file).exists(), "{file}");
    }
    if dcmtk::has("systemd-analyze") {
        for unit in
            ["efface", "efface-receiver", "efface-sender", "efface-worker", "efface-console"]
        {
            let unit = format!("/lib/systemd/system/{unit}.service");
            let said = copy.run("root", &["systemd-analyze", "verify", "--man=no", &unit]);
            assert!(!said.contains("efface"), "{said}");
        }
    }

    // An upgrade asks nothing and changes nothing that a person wrote; removal and purge leave data and key.
    copy.run("root", &["dpkg", "--install", "/efface.deb"]);
    let kept = || std::fs::read_to_string(copy.file("/etc/efface/efface.yaml")).unwrap();
    assert_eq!(kept(), edited);
    copy.run("root", &["dpkg", "--remove", "efface"]);
    assert!(!copy.file("/usr/bin/efface").exists());
    let said = copy.run("root", &["dpkg", "--purge", "efface"]);
    assert!(said.contains("/var/lib/efface is left"), "{said}");
    assert_eq!(kept(), edited);
    for file in ["/etc/efface/root.key", "/var/lib/efface/audit/log"] {
        assert!(copy.file(file).exists(), "{file}");
    }
}
