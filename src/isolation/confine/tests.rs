//! Each attempt is made in a process of its own: confinement can't be undone.
#![allow(clippy::disallowed_methods)] // it tries what no other code may

use super::*;
use crate::isolation::ending::Ending;
use std::fs;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::sync::OnceLock;

/// In the environment of the confined process: what it is to try, and where.
const TRY: &str = "EFFACE_TEST_TRY";
const FOLDER: &str = "EFFACE_TEST_FOLDER";
const MEMORY_BYTES: u64 = 512 << 20;

type Attempt = fn(&Path) -> io::Result<()>;

/// What must go.
const ALLOWED: [(&str, Attempt); 7] = [
    ("write and read its own", |f| {
        fs::write(f.join("work/own/a"), b"x").and(fs::read(f.join("work/own/a"))).map(drop)
    }),
    ("move its own on", |f| fs::rename(f.join("work/own"), f.join("held/own"))),
    ("put aside a second name", |f| fs::hard_link(f.join("work/own/entry"), f.join("aside/entry"))),
    ("put aside a new file", |f| fs::write(f.join("aside/reason"), b"x")),
    ("write in the book", |f| {
        fs::write(f.join("book/a"), b"x").and(fs::read(f.join("book/a"))).map(drop)
    }),
    ("look through what it may look at", |f| {
        let listed = fs::read_dir(f.join("looked-at"))?.count();
        fs::read(f.join("looked-at/there"))?;
        if listed == 1 { Ok(()) } else { Err(io::ErrorKind::NotFound.into()) }
    }),
    ("start a thread", |_| {
        std::thread::Builder::new().spawn(|| ())?.join().map_err(|_| io::ErrorKind::Other.into())
    }),
];

/// What must not.
const FORBIDDEN: [(&str, Attempt); 15] = [
    ("connect", |f| connect(f, "port")),
    ("listen", |_| TcpListener::bind("127.0.0.1:0").map(drop)),
    ("ask a name server", |_| UdpSocket::bind("127.0.0.1:0").map(drop)),
    ("reach a local daemon", |f| UnixStream::connect(f.join("socket")).map(drop)),
    ("read a file of the system", |_| fs::read("/etc/passwd").map(drop)),
    ("read what it inherited of the process", |_| fs::read("/proc/self/environ").map(drop)),
    ("list the root", |_| fs::read_dir("/").map(drop)),
    ("read another study", |f| fs::read(f.join("work/other/entry")).map(drop)),
    ("delete another study", |f| fs::remove_file(f.join("work/other/entry"))),
    ("write into another study", |f| fs::write(f.join("work/other/more"), b"x")),
    ("read what was put aside", |f| fs::read(f.join("aside/there")).map(drop)),
    ("change what it may look at", |f| fs::write(f.join("looked-at/there"), b"y")),
    ("remove what it may look at", |f| fs::remove_file(f.join("looked-at/there"))),
    ("run a program", |_| Command::new("/bin/true").status().map(drop)),
    ("raise a limit", |_| limit(&Bounds::default())),
];

/// What a sender may do besides, and what not.
const TO_ITS_PORT: &str = "connect to its port";
const FORBIDDEN_TO_A_SENDER: [(&str, Attempt); 4] = [
    ("connect to another port", |f| connect(f, "other-port")),
    ("be connected to", |_| TcpListener::bind("127.0.0.1:0").map(drop)),
    ("use a local socket", |f| UnixStream::connect(f.join("socket")).map(drop)),
    ("run a program as a sender", |_| Command::new("/bin/true").status().map(drop)),
];

/// What a receiver may do besides, and what not.
const ALLOWED_TO_A_RECEIVER: [(&str, Attempt); 2] = [
    ("accept a caller", |_| DOOR.get().ok_or(io::ErrorKind::NotFound)?.accept().map(drop)),
    ("deliver", |f| fs::rename(f.join("work/own/entry"), f.join("inbox/entry"))),
];
const FORBIDDEN_TO_A_RECEIVER: [(&str, Attempt); 4] = [
    ("connect as a receiver", |f| connect(f, "port")),
    ("listen elsewhere", |_| TcpListener::bind("127.0.0.1:0").map(drop)),
    ("read what was delivered", |f| fs::read(f.join("inbox/there")).map(drop)),
    ("delete what was delivered", |f| fs::remove_file(f.join("inbox/there"))),
];
/// A socket that was bound before, and somebody who calls.
static DOOR: OnceLock<TcpListener> = OnceLock::new();

fn connect(folder: &Path, port: &str) -> io::Result<()> {
    TcpStream::connect(fs::read_to_string(folder.join("work/own").join(port))?).map(drop)
}

fn attempts() -> impl Iterator<Item = (&'static str, Attempt)> {
    let others = FORBIDDEN_TO_A_SENDER.into_iter().chain(ALLOWED_TO_A_RECEIVER);
    let others = others.chain(FORBIDDEN_TO_A_RECEIVER);
    ALLOWED.into_iter().chain(FORBIDDEN).chain(others).chain([
        (TO_ITS_PORT, (|f| connect(f, "port")) as Attempt),
        ("use more memory than it may", |_| hold(MEMORY_BYTES)),
        ("use some memory", |_| hold(MEMORY_BYTES / 4)),
        ("recurse without end", |_| Err(io::Error::other(format!("{}", descend(1))))),
    ])
}

fn hold(bytes: u64) -> io::Result<()> {
    std::hint::black_box(vec![1_u8; bytes as usize]);
    Ok(())
}

#[allow(unconditional_recursion)]
fn descend(depth: u64) -> u64 {
    std::hint::black_box([depth; 64]);
    descend(depth + 1) + 1
}

/// Runs in the process that is confined: exit code 0 if the attempt went well, 3 if it didn't.
#[test]
#[ignore = "a part of the others, which run it in a process of its own"]
fn inside() {
    let Ok(what) = std::env::var(TRY) else { return };
    let folder = PathBuf::from(std::env::var_os(FOLDER).unwrap());
    let rights = [
        (Rights::Own, folder.join("work/own")),
        (Rights::Shelf, folder.join("work")),
        (Rights::Shelf, folder.join("held")),
        (Rights::PutAside, folder.join("aside")),
        (Rights::Book, folder.join("book")),
        (Rights::Deliver, folder.join("inbox")),
        (Rights::Look, folder.join("looked-at")),
    ];
    let bounds = Bounds { memory_bytes: MEMORY_BYTES, ..Bounds::default() };
    let is_sender = std::iter::once(TO_ITS_PORT)
        .chain(FORBIDDEN_TO_A_SENDER.map(|(name, _)| name))
        .any(|name| name == what);
    let port = fs::read_to_string(folder.join("work/own/port")).unwrap();
    let port = port.rsplit(':').next().unwrap().parse().unwrap();
    let mut of_receivers = ALLOWED_TO_A_RECEIVER.iter().chain(&FORBIDDEN_TO_A_RECEIVER);
    let reach = match of_receivers.any(|(name, _)| *name == what) {
        true => Reach::Callers,
        false if is_sender => Reach::port(port),
        false => Reach::Nobody,
    };
    let door = DOOR.get_or_init(|| TcpListener::bind("127.0.0.1:0").unwrap());
    let _caller = TcpStream::connect(door.local_addr().unwrap()).unwrap();
    confine(&rights, reach, &bounds, Strictness::Strict).unwrap();
    let (_, attempt) = attempts().find(|(name, _)| *name == what).unwrap();
    std::process::exit(if attempt(&folder).is_ok() { 0 } else { 3 });
}

/// `None` where the kernel can't confine.
fn attempt(what: &str) -> Option<ExitStatus> {
    let folder = tempfile::tempdir().unwrap();
    for directory in ["work/own", "work/other", "held", "aside", "book", "inbox", "looked-at"] {
        fs::create_dir_all(folder.path().join(directory)).unwrap();
    }
    for file in
        ["work/own/entry", "work/other/entry", "aside/there", "inbox/there", "looked-at/there"]
    {
        fs::write(folder.path().join(file), b"x").unwrap();
    }
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    for (listener, name) in listeners.iter().zip(["port", "other-port"]) {
        let address = listener.local_addr().unwrap().to_string();
        fs::write(folder.path().join("work/own").join(name), address).unwrap();
    }
    let _daemon = std::os::unix::net::UnixListener::bind(folder.path().join("socket")).unwrap();
    let run = |what: &str| {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "isolation::confine::tests::inside", "--ignored"])
            .env(TRY, what)
            .env(FOLDER, folder.path())
            .output()
            .unwrap()
            .status
    };
    // 101: the test in it failed before it tried anything.
    if run("start a thread").code() == Some(101) {
        println!("SKIPPED: this kernel cannot confine a process");
        return None;
    }
    Some(run(what))
}

#[test]
fn a_worker_can_do_its_work() {
    for (what, _) in ALLOWED {
        let Some(status) = attempt(what) else { return };
        assert_eq!(status.code(), Some(0), "{what}");
    }
}

#[test]
fn a_worker_can_reach_nobody_and_nothing_but_its_study() {
    for (what, _) in FORBIDDEN {
        let Some(status) = attempt(what) else { return };
        assert_eq!(status.code(), Some(3), "a worker could {what}");
    }
}

#[test]
fn a_sender_can_reach_its_port_and_nothing_else() {
    let Some(status) = attempt(TO_ITS_PORT) else { return };
    assert_eq!(status.code(), Some(0));
    for (what, _) in FORBIDDEN_TO_A_SENDER {
        let Some(status) = attempt(what) else { return };
        assert_eq!(status.code(), Some(3), "a sender could {what}");
    }
}

#[test]
fn a_receiver_can_be_called_and_deliver_and_nothing_else() {
    for (what, _) in ALLOWED_TO_A_RECEIVER {
        let Some(status) = attempt(what) else { return };
        assert_eq!(status.code(), Some(0), "{what}");
    }
    for (what, _) in FORBIDDEN_TO_A_RECEIVER {
        let Some(status) = attempt(what) else { return };
        assert_eq!(status.code(), Some(3), "a receiver could {what}");
    }
}

#[test]
fn memory_and_stack_end_the_worker_and_are_named() {
    let Some(within) = attempt("use some memory") else { return };
    assert_eq!(within.code(), Some(0));
    for what in ["use more memory than it may", "recurse without end"] {
        let Some(status) = attempt(what) else { return };
        match Ending::without_a_word(status) {
            Ending::Crashed(how) => assert!(how.contains("memory"), "{what}: {how}"),
            _ => panic!("{what}: {status}"),
        }
    }
}
