//! What is in the packages, and what they ask of a machine: both kinds have the same files, scripts that shells understand,
//! units that let no more than is written here, a list of what is built in that is true.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test fails by its panic and owns its files"
)]

mod support;

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Stdio};
use support::chroot::{Copy, ROOT, deb, rpm};
use support::dcmtk::has;
use support::gateway::{printed, program};

/// What a program prints, which must succeed.
#[track_caller]
fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(ROOT).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", printed(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn packaged(name: &str) -> String {
    std::fs::read_to_string(Path::new(ROOT).join("packaging").join(name)).unwrap()
}

// ------------------------------------------------------------------------------------------- what is built in

/// Name and version of crates whose sources the program names, where it says at which line it panicked.
fn crates_in(program: &Path) -> BTreeSet<(String, String)> {
    let bytes = std::fs::read(program).unwrap();
    let marker = b"/registry/src/";
    let crates = memchr::memmem::find_iter(&bytes, marker).filter_map(|at| {
        // A string ends where it ends, or in the middle of a path.
        let path = bytes[at + marker.len()..].split(|b| *b == b'/').nth(1)?;
        let path = path.split(|b| *b == 0).next()?;
        let name = std::str::from_utf8(path).ok()?;
        // md-5-0.11.0: a version has a dot after its first number.
        let is_version = |rest: &str| {
            let (number, _) = rest.split_once('.').unwrap_or_default();
            !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())
        };
        let dash = name.match_indices('-').find(|(at, _)| is_version(&name[at + 1..]));
        let (name, version) = name.split_at(dash?.0);
        Some((name.to_owned(), version[1..].to_owned()))
    });
    crates.collect()
}

/// Checksums of Cargo.lock, by name and version.
fn locked() -> BTreeMap<(String, String), String> {
    let lock = std::fs::read_to_string(Path::new(ROOT).join("Cargo.lock")).unwrap();
    let packages = lock.split("[[package]]").skip(1).filter_map(|text| {
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} = \"")))?;
            Some(line.trim_end_matches('"').to_owned())
        };
        Some(((field("name")?, field("version")?), field("checksum")?))
    });
    packages.collect()
}

#[test]
fn the_list_of_what_is_built_in_is_true() {
    if !has("python3") || !has("cargo") {
        skip!("python3 or cargo is not installed");
    }
    let bom: Value = serde_json::from_str(&said("packaging/sbom", &[])).unwrap();
    assert_eq!((&bom["bomFormat"], &bom["specVersion"]), (&"CycloneDX".into(), &"1.5".into()));
    let me = &bom["metadata"]["component"];
    assert_eq!(
        (&me["name"], &me["version"]),
        (&"efface".into(), &env!("CARGO_PKG_VERSION").into())
    );
    let (locked, mut refs) = (locked(), BTreeSet::from([me["bom-ref"].as_str().unwrap()]));
    let (mut built, mut linked) = (BTreeSet::new(), BTreeSet::new());
    for one in bom["components"].as_array().unwrap() {
        let text = |name: &str| one[name].as_str().unwrap().to_owned();
        let which = (text("name"), text("version"));
        assert_eq!(text("purl"), format!("pkg:cargo/{}@{}", which.0, which.1));
        assert_eq!(one["hashes"][0]["content"], locked[&which].as_str(), "{which:?}");
        assert!(!one["licenses"][0]["expression"].as_str().unwrap().contains('/'), "{which:?}");
        assert!(refs.insert(one["bom-ref"].as_str().unwrap()), "{which:?} twice");
        if text("scope") == "required" {
            linked.insert(which.clone());
        }
        built.insert(which);
    }
    // Nothing in the program is missing in the list: what is in it, it says itself.
    let inside = crates_in(Path::new(program().get_program()));
    assert!(inside.len() > 50, "{inside:?}");
    let missing: Vec<_> = inside.difference(&linked).collect();
    assert!(missing.is_empty(), "{missing:?}");
    // And nothing is in the list that only tests have.
    for test_only in ["criterion", "nifti", "rcgen", "proptest", "tempfile"] {
        assert!(locked.keys().any(|(name, _)| name == test_only));
        assert!(!built.iter().any(|(name, _)| name == test_only), "{test_only}");
    }
    assert!(built.iter().any(|(name, _)| name == "clap_derive"));
    assert!(!linked.iter().any(|(name, _)| name == "clap_derive"), "a macro is not linked");
    // Who needs whom: everything is reached, and nobody else is named.
    let mut reached = BTreeSet::new();
    for one in bom["dependencies"].as_array().unwrap() {
        assert!(refs.contains(one["ref"].as_str().unwrap()));
        reached.extend(one["dependsOn"].as_array().unwrap().iter().map(|to| to.as_str().unwrap()));
    }
    refs.remove(me["bom-ref"].as_str().unwrap());
    assert_eq!(reached, refs);
}

// ------------------------------------------------------------------------------------------------- both kinds

/// Files of the Debian package, with their modes.
fn files_of_deb(file: &str) -> BTreeMap<String, String> {
    let listed = said("dpkg-deb", &["--contents", file]);
    let lines = listed.lines().map(|line| {
        let (mode, rest) = line.split_once(' ').unwrap();
        assert!(rest.starts_with("root/root"), "{line}");
        (rest.split_once(" ./").unwrap().1.to_owned(), mode.to_owned())
    });
    lines.collect()
}

#[test]
fn both_kinds_of_packages_have_the_same_files_and_are_the_same_twice() {
    if !has("dpkg-deb") || !has("rpmbuild") {
        skip!("dpkg-deb or rpmbuild is not installed");
    }
    let folder = tempfile::tempdir().unwrap();
    for build in [deb, rpm] {
        let (one, two) = (build(folder.path()), build(&folder.path().join("again")));
        assert!(std::fs::read(one).unwrap() == std::fs::read(two).unwrap(), "other bytes");
    }
    let (deb, rpm) = (deb(folder.path()), rpm(folder.path()));
    let (deb, rpm) = (deb.to_str().unwrap(), rpm.to_str().unwrap());
    let of_deb = files_of_deb(deb);
    for (name, mode) in &of_deb {
        let wanted = match name.ends_with('/') || name.is_empty() {
            true => "drwxr-xr-x",
            false
                if name == "usr/bin/efface"
                    || name.ends_with(".py")
                    || name == "usr/share/efface/update" =>
            {
                "-rwxr-xr-x"
            }
            false => "-rw-r--r--",
        };
        assert_eq!(mode, wanted, "{name}");
    }
    let of_deb: BTreeSet<&str> = of_deb
        .keys()
        .map(String::as_str)
        .filter(|name| !name.is_empty() && !name.ends_with('/'))
        .collect();
    let listed = said("rpm", &["-qpl", rpm]);
    assert_eq!(listed.lines().map(|line| &line[1..]).collect::<BTreeSet<_>>(), of_deb);
    for needed in [
        "usr/bin/efface",
        "usr/lib/systemd/system/efface.service",
        "usr/lib/systemd/system/efface-console.service",
        "usr/lib/sysusers.d/efface.conf",
        "usr/lib/tmpfiles.d/efface.conf",
        "usr/share/doc/efface/sbom.cdx.json",
        "usr/share/doc/efface/docs/operator.md",
        "usr/share/man/man1/efface-serve.1.gz",
    ] {
        assert!(of_deb.contains(needed), "{needed}");
    }
    // The program's own needs and no more; nothing of Python.
    let needs = said("rpm", &["-qp", "--requires", rpm]);
    assert!(needs.contains("libc.so.6") && !needs.contains("python"), "{needs}");
}

/// Shells read the scripts, and nothing in them deletes.
#[track_caller]
fn is_a_script(name: &str, text: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("script");
    std::fs::write(&file, text).unwrap();
    for shell in ["bash", "sh"] {
        said(shell, &["-n", file.to_str().unwrap()]);
    }
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let code = text.lines().filter(|line| !line.trim_start().starts_with('#')).flat_map(words);
    for word in code {
        let deletes =
            ["rm", "rmdir", "unlink", "shred", "deluser", "userdel", "--remove", "--purge"];
        assert!(!deletes.contains(&word.as_str()), "{name}: {word}");
    }
}

#[test]
fn scripts_of_packages_are_scripts_and_delete_nothing() {
    for name in ["postinst", "prerm", "postrm"] {
        is_a_script(name, &packaged(&format!("deb/{name}")));
    }
    let spec = packaged("rpm/efface.spec");
    for section in ["%post", "%preun", "%postun"] {
        let after = spec.split(&format!("\n{section}\n")).nth(1).unwrap();
        is_a_script(section, after.split("\n%").next().unwrap());
    }
    for name in ["stage", "update", "build", "reproduce", "deb/build", "rpm/build"] {
        said("bash", &["-n", &format!("packaging/{name}")]);
    }
}

#[test]
fn an_rpm_makes_users_and_directories_and_its_removal_leaves_them() {
    if !has("rpmbuild") {
        skip!("rpmbuild is not installed");
    }
    let folder = tempfile::tempdir().unwrap();
    let rpm = rpm(folder.path());
    let Some(copy) = Copy::new() else {
        skip!("no copy of this system: it takes root and overlayfs");
    };
    std::fs::copy(&rpm, copy.file("/efface.rpm")).unwrap();
    // Debian's database of rpm knows no C library.
    let install = ["rpm", "--install", "--nodeps", "/efface.rpm"];
    assert!(copy.run("root", &install).contains("efface keys init"));
    copy.run("root", &["efface", "keys", "init", "--out", "/etc/efface/root.key"]);
    copy.run("root", &["chown", "efface:", "/etc/efface/root.key"]);
    let groups = copy.run("efface", &["id", "-nG"]);
    assert_eq!(
        groups.split_whitespace().collect::<BTreeSet<_>>(),
        ["efface", "efface-in", "efface-out"].into()
    );
    for (path, wanted) in [
        ("/var/lib/efface", "711 efface efface"),
        ("/etc/efface", "750 root efface"),
        ("/etc/efface/efface.yaml", "640 root efface"),
    ] {
        assert_eq!(copy.run("root", &["stat", "-c", "%a %U %G", path]).trim(), wanted, "{path}");
    }
    copy.run("efface", &["efface", "config", "check", "/etc/efface/efface.yaml"]);
    // What a person wrote stays, by an upgrade and by the removal.
    std::fs::write(copy.file("/etc/efface/efface.yaml"), "mine").unwrap();
    copy.run("root", &["rpm", "--upgrade", "--nodeps", "--force", "/efface.rpm"]);
    let said = copy.run("root", &["rpm", "--erase", "efface"]);
    assert!(said.contains("/var/lib/efface is left"), "{said}");
    assert!(!copy.file("/usr/bin/efface").exists());
    assert_eq!(std::fs::read_to_string(copy.file("/etc/efface/efface.yaml")).unwrap(), "mine");
    assert!(copy.file("/etc/efface/root.key").exists());
    copy.run("root", &["id", "efface"]);
}

// ----------------------------------------------------------------------------------------------------- update

/// Packages on a medium, in a copy of this system, and the key of their publisher.
struct Medium<'a>(&'a Copy);

impl Medium<'_> {
    /// The Debian package under another version, and its release, signed by a key.
    fn release(&self, deb: &Path, version: &str, key: &str) -> String {
        let architecture = said("dpkg", &["--print-architecture"]);
        let name = format!("/medium/{version}/efface_{version}_{}.deb", architecture.trim());
        let unpacked = tempfile::tempdir_in("/dev/shm").unwrap();
        let root = unpacked.path().to_str().unwrap();
        said("dpkg-deb", &["--raw-extract", deb.to_str().unwrap(), root]);
        let control = unpacked.path().join("DEBIAN/control");
        let text = std::fs::read_to_string(&control).unwrap();
        let own = format!("Version: {}", env!("CARGO_PKG_VERSION"));
        std::fs::write(&control, text.replace(&own, &format!("Version: {version}"))).unwrap();
        let file = self.0.file(&name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        said("dpkg-deb", &["--build", "-Znone", root, file.to_str().unwrap()]);
        let release = format!("/medium/{version}/efface-{version}.release");
        let sign = ["efface", "update", "sign", "--release", version, "--key", key, "-o", &release];
        self.0.run("root", &[&sign[..], &[&name]].concat());
        release
    }

    fn installed(&self) -> String {
        self.0.run("root", &["dpkg-query", "--show", "--showformat=${Version} ${Status}", "efface"])
    }

    /// What an update says that must not be installed, and is not.
    #[track_caller]
    fn is_refused(&self, arguments: &[&str]) -> String {
        let before = self.installed();
        let update = [&["/usr/share/efface/update"], arguments].concat();
        let output = self.0.command("root", &update).output().unwrap();
        assert!(!output.status.success(), "{arguments:?}: {}", printed(&output));
        assert_eq!(self.installed(), before, "{arguments:?}");
        printed(&output)
    }
}

#[test]
fn an_update_is_signed_no_older_and_there_is_a_way_back() {
    if !has("dpkg-deb") {
        skip!("dpkg is not installed: no Debian");
    }
    let folder = tempfile::tempdir().unwrap();
    let deb = deb(folder.path());
    let Some(copy) = Copy::new() else {
        skip!("no copy of this system: it takes root and overlayfs");
    };
    std::fs::copy(&deb, copy.file("/efface.deb")).unwrap();
    copy.run("root", &["dpkg", "--install", "/efface.deb"]);
    let update =
        |arguments: &[&str]| copy.run("root", &[&["/usr/share/efface/update"], arguments].concat());
    let key = |name: &str| {
        let file = format!("/{name}.key");
        let made =
            copy.run("root", &["efface", "approval", "key", "--name", "releases", "--out", &file]);
        let line = made.lines().find(|line| line.starts_with("releases+")).unwrap().to_owned();
        (file, line)
    };
    let ((ours, public), (theirs, _)) = (key("ours"), key("theirs"));
    std::fs::write(copy.file("/etc/efface/release.pub"), public).unwrap();
    std::fs::write(copy.file("/etc/efface/efface.yaml"), "mine").unwrap();
    let medium = Medium(&copy);

    // The first one once more, so that there is one to go back to; then the next.
    assert!(medium.is_refused(&["back"]).contains("no release is kept"));
    let now = env!("CARGO_PKG_VERSION");
    update(&["install", &medium.release(&deb, now, &ours)]);
    let next = medium.release(&deb, "77.0.1", &ours);
    // Whatever lies beside it under a name that only looks like one of its packages is not touched.
    let foreign = medium.release(&deb, "66.6.6", &theirs).replace("efface-66.6.6.release", "");
    let foreign = support::files(&copy.file(&foreign));
    let foreign = foreign.iter().find(|path| path.extension().unwrap() == "deb").unwrap();
    let lookalike =
        foreign.file_name().unwrap().to_str().unwrap().replace("efface_66.6.6", "e.face_77.0.1");
    std::fs::copy(foreign, copy.file(&format!("/medium/77.0.1/{lookalike}"))).unwrap();
    assert!(update(&["install", &next]).contains("signed by releases"));
    assert_eq!(medium.installed(), "77.0.1 install ok installed");

    // Another key, a changed byte of the package, of the release; an older one.
    let other = medium.release(&deb, "77.0.2", &theirs);
    assert!(medium.is_refused(&["install", &other]).contains("not signed by releases"));
    let changed = medium.release(&deb, "77.0.3", &ours);
    let package = std::fs::read_dir(copy.file("/medium/77.0.3")).unwrap().flatten();
    let package = package.map(|one| one.path()).find(|path| path.extension().unwrap() == "deb");
    let mut bytes = std::fs::read(package.as_ref().unwrap()).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(package.unwrap(), bytes).unwrap();
    assert!(medium.is_refused(&["install", &changed]).contains("OTHER BYTES"));
    let note = std::fs::read_to_string(copy.file(&next)).unwrap();
    std::fs::write(copy.file("/medium/77.0.1/new.release"), note.replace("77.0.1\n", "77.0.9\n"))
        .unwrap();
    assert!(
        medium.is_refused(&["install", "/medium/77.0.1/new.release"]).contains("does not hold")
    );
    let old = medium.release(&deb, "0.0.1", &ours);
    assert!(medium.is_refused(&["install", &old]).contains("it is older"));
    let verify = ["efface", "update", "verify", &old, "--key", "/etc/efface/release.pub", "--json"];
    let looked = copy.command("root", &verify).output().unwrap();
    let looked: Value = serde_json::from_slice(&looked.stdout).unwrap();
    assert_eq!((&looked["older"], &looked["good"]), (&true.into(), &false.into()));
    assert_eq!(looked["packages"][0]["found"], "as-released");
    assert!(
        copy.run("root", &[&verify[..6], &["--allow-older"]].concat()).contains("may be installed")
    );

    // Back, and nothing that a person wrote has changed.
    update(&["back"]);
    assert_eq!(medium.installed(), format!("{now} install ok installed"));
    assert!(medium.is_refused(&["back"]).contains("no release is kept"));
    assert_eq!(std::fs::read_to_string(copy.file("/etc/efface/efface.yaml")).unwrap(), "mine");
}

// ------------------------------------------------------------------------------------------------------ units

/// The most that a unit may be exposed, as systemd-analyze counts it (0 to 10).
const EXPOSED_AT_MOST: [(&str, f64); 5] = [
    ("efface", 1.5),
    ("efface-receiver", 1.4),
    ("efface-sender", 1.4),
    ("efface-console", 1.4),
    ("efface-worker", 0.3),
];

#[test]
fn no_unit_is_exposed_more_than_is_written_here() {
    let names = std::fs::read_dir(Path::new(ROOT).join("packaging")).unwrap().flatten();
    let names = names.map(|entry| entry.file_name().into_string().unwrap());
    let units: BTreeSet<String> = names.filter(|name| name.ends_with(".service")).collect();
    let listed = EXPOSED_AT_MOST.iter().map(|(unit, _)| format!("{unit}.service")).collect();
    assert_eq!(units, listed);
    if !has("systemd-analyze") {
        skip!("systemd-analyze is not installed");
    }
    for (unit, most) in EXPOSED_AT_MOST {
        let file = format!("packaging/{unit}.service");
        let said = said("systemd-analyze", &["security", "--offline=true", "--no-pager", &file]);
        let exposure = said.rsplit("exposure level for").next().unwrap();
        let exposure = exposure.split_whitespace().find_map(|word| word.parse::<f64>().ok());
        assert!(exposure.unwrap() <= most, "{unit}: {said}");
    }
}

/// Lines of a unit for a setting.
fn settings(unit: &str, name: &str) -> Vec<String> {
    let unit = packaged(&format!("{unit}.service"));
    let lines = unit.lines().filter_map(|line| line.strip_prefix(&format!("{name}=")));
    lines.map(str::to_owned).collect()
}

#[test]
fn units_share_no_user_that_should_be_another() {
    let user = |unit: &str| settings(unit, "User").pop().unwrap();
    for unit in ["efface", "efface-console", "efface-worker"] {
        assert_eq!(user(unit), "efface", "{unit}");
    }
    assert_eq!(
        (user("efface-receiver"), user("efface-sender")),
        ("efface-in".into(), "efface-out".into())
    );
    assert_eq!(settings("efface-worker", "PrivateNetwork"), ["yes"]);
    for (unit, _) in EXPOSED_AT_MOST {
        let families = settings(unit, "RestrictAddressFamilies");
        let wanted = if unit == "efface-worker" { "AF_UNIX" } else { "AF_INET AF_INET6 AF_UNIX" };
        assert_eq!(families, [wanted], "{unit}");
        assert_eq!(settings(unit, "CapabilityBoundingSet"), [""], "{unit}");
    }
    // Users of units are those that packages make.
    let made = packaged("efface.sysusers");
    for user in ["efface", "efface-in", "efface-out"] {
        let is_made = |line: &str| line.split_whitespace().take(2).eq(["u", user]);
        assert!(made.lines().any(is_made), "{user}");
    }
    // No rule for temporary files gives an age to anything: nothing of efface's goes by itself.
    for line in packaged("efface.tmpfiles").lines().filter(|line| !line.starts_with('#')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        assert!(["d", "C"].contains(&words[0]) && words[5] == "-", "{line}");
    }
}

// ------------------------------------------------------------------------------------------------------ image

/// Instructions of the recipe, a stage each.
fn stages() -> Vec<Vec<(String, String)>> {
    let recipe = packaged("oci/Containerfile").replace("\\\n", " ");
    let mut stages: Vec<Vec<(String, String)>> = Vec::new();
    for line in recipe.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (word, rest) = line.split_once(' ').unwrap();
        if word == "FROM" {
            stages.push(Vec::new());
        }
        stages.last_mut().unwrap().push((word.to_owned(), rest.to_owned()));
    }
    stages
}

#[test]
fn an_image_has_what_the_program_needs_and_no_root() {
    let stages = stages();
    let [_, last] = &stages[..] else { panic!("two stages: {stages:?}") };
    let of = |word: &str| {
        last.iter().filter(|(w, _)| w == word).map(|(_, r)| r.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(of("FROM"), ["gcr.io/distroless/cc-debian12:nonroot"]);
    assert_eq!(of("USER"), ["65532:65532"]);
    assert!(
        of("RUN").is_empty() && of("ADD").is_empty(),
        "there is no shell in it, and nothing is fetched"
    );
    assert!(of("COPY").iter().all(|from| from.starts_with("--from=build ")));
    assert_eq!(of("VOLUME"), [r#"["/var/lib/efface", "/etc/efface"]"#]);
    assert_eq!(of("ENTRYPOINT"), [r#"["/usr/bin/efface"]"#]);
    // What distroless cc has of libraries: libc6, libgcc-s1, libgomp1, libstdc++6, libssl3.
    let needs = said("ldd", &[program().get_program().to_str().unwrap()]);
    for line in needs.lines().filter(|line| !line.contains("linux-vdso")) {
        let name = line.split_whitespace().next().unwrap().rsplit('/').next().unwrap();
        let there = [
            "libc.so.6",
            "libm.so.6",
            "libgcc_s.so.1",
            "ld-linux-x86-64.so.2",
            "ld-linux-aarch64.so.1",
        ];
        assert!(there.contains(&name), "{line}");
    }
}

/// As the last stage: the program, its libraries, profiles, nothing else; root's, and the program is not root.
#[test]
fn the_program_works_where_there_is_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let place = |from: &str, to: &str| {
        let to = root.join(to.trim_start_matches('/'));
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(from, to).unwrap();
    };
    let efface = program().get_program().to_str().unwrap().to_owned();
    for line in said("ldd", &[&efface]).lines() {
        if let Some(library) = line.split_whitespace().find(|word| word.starts_with('/')) {
            place(library, library);
        }
    }
    place(&efface, "usr/bin/efface");
    for folder in ["etc/efface", "var/lib/efface", "proc"] {
        std::fs::create_dir_all(root.join(folder)).unwrap();
    }
    std::fs::copy(
        Path::new(ROOT).join("packaging/efface.yaml"),
        root.join("etc/efface/efface.yaml"),
    )
    .unwrap();
    let key = root.join("etc/efface/root.key");
    std::fs::write(&key, support::gateway::key_of_nobody()).unwrap();
    let owned = Command::new("chown").args(["65532:65532", key.to_str().unwrap()]).status();
    let private = Command::new("chmod").args(["600", key.to_str().unwrap()]).status();
    let open = Command::new("chmod").args(["755", root.to_str().unwrap()]).status();
    if [owned, private, open].into_iter().any(|done| !done.is_ok_and(|status| status.success())) {
        skip!("not root");
    }
    let inside = |arguments: &[&str]| {
        Command::new("chroot")
            .arg("--userspec=65532:65532")
            .arg("--groups=")
            .arg(root)
            .arg("/usr/bin/efface")
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    };
    let version = inside(&["--version"]);
    assert!(printed(&version).starts_with("efface "), "{}", printed(&version));
    let check = inside(&["config", "check", "/etc/efface/efface.yaml"]);
    assert!(
        check.status.success() && printed(&check).contains("sends to lab"),
        "{}",
        printed(&check)
    );
    // It can write nowhere but where volumes are.
    let made = inside(&["keys", "init", "--out", "/usr/share/root.key"]);
    assert_eq!(made.status.code(), Some(2), "{}", printed(&made));
}
