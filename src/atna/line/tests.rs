use super::*;
use crate::net::tls::tests::authority::Authority;
use crate::net::tls::tests::{papers, server};
use std::net::TcpListener;
use std::thread::JoinHandle;

/// A plain collector, which does this with its one connection.
fn collector(
    what: impl FnOnce(TcpStream) -> Vec<u8> + Send + 'static,
) -> (Syslog, JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let served = std::thread::spawn(move || what(listener.accept().unwrap().0));
    (Syslog { address, papers: None }, served)
}

fn to_the_end(mut stream: TcpStream) -> Vec<u8> {
    let mut came = Vec::new();
    stream.read_to_end(&mut came).unwrap();
    came
}

#[test]
fn what_was_read_to_the_end_has_arrived() {
    let (plain, served) = collector(to_the_end);
    let mut line = plain.connect().unwrap();
    line.send(b"one").unwrap();
    line.look().unwrap();
    line.finish().unwrap();
    assert_eq!(served.join().unwrap(), b"one");

    let ca = Authority::new("ca");
    let (port, served) = server(&ca, &ca.issue("localhost"));
    let papers = Some(papers(&ca, &ca.issue("client.test")));
    let tls = Syslog { address: format!("localhost:{port}"), papers };
    let mut line = tls.connect().unwrap();
    line.send(b"one").unwrap();
    line.send(b"two").unwrap();
    line.look().unwrap();
    line.finish().unwrap();
    assert_eq!(served.join().unwrap(), b"onetwo");
}

#[test]
fn what_was_not_read_has_not() {
    // It goes with bytes unread: its system resets the connection.
    let (plain, served) = collector(|mut stream| {
        let mut one = [0];
        stream.read_exact(&mut one).unwrap();
        one.to_vec()
    });
    let mut line = plain.connect().unwrap();
    line.send(b"one").unwrap();
    served.join().unwrap();
    let broken = line.finish();
    assert!(matches!(broken, Err(Trouble::Broken(_))), "{broken:?}");

    // It ends before us, in order: what we send now goes nowhere.
    let (plain, served) = collector(|_| Vec::new());
    let mut line = plain.connect().unwrap();
    served.join().unwrap();
    let first = line.send(b"one");
    let broken = first.and_then(|()| line.finish());
    assert!(matches!(broken, Err(Trouble::Broken(_))), "{broken:?}");
}

#[test]
fn that_our_certificate_was_refused_is_told_and_nothing_counts() {
    let (ca, other) = (Authority::new("ca"), Authority::new("other"));
    let (port, served) = server(&ca, &ca.issue("localhost"));
    let papers = Some(papers(&ca, &other.issue("client.test")));
    let tls = Syslog { address: format!("localhost:{port}"), papers };
    let refused = tls.connect().and_then(|mut line| {
        line.send(b"one")?;
        line.finish()
    });
    let said = refused.unwrap_err().to_string();
    assert!(said.contains("does not know the CA"), "{said}");
    assert_eq!(served.join().unwrap(), b"");
}

#[test]
fn nobody_there_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let refused = Syslog { address, papers: None }.connect().err();
    assert!(matches!(refused, Some(Trouble::Unreachable { .. })), "{refused:?}");
}
