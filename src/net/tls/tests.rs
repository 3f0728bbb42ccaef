use super::papers::certificates;
use super::*;
use authority::{Authority, Issued};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::WebPkiClientVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{
    RootCertStore, ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion,
};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use zeroize::Zeroizing;

#[path = "../../../tests/support/authority.rs"]
#[allow(missing_docs, dead_code, clippy::disallowed_methods)]
pub(crate) mod authority;

pub(crate) fn papers(ca: &Authority, own: &Issued) -> Papers {
    let (ca, certificate) = (ca.certificate.clone(), own.certificate.clone());
    Papers { ca, certificate, key: Zeroizing::new(own.key.clone()) }
}

/// Listens once, believing one CA, and reads to the end: what came, and how it ended.
pub(crate) fn server(believed: &Authority, own: &Issued) -> (u16, JoinHandle<Vec<u8>>) {
    server_of(&[&TLS13, &TLS12], believed, own)
}

fn server_of(
    versions: &[&'static SupportedProtocolVersion],
    believed: &Authority,
    own: &Issued,
) -> (u16, JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(certificates(&believed.certificate, "CA").unwrap().remove(0)).unwrap();
    let judge = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_client_cert_verifier(judge.build().unwrap())
        .with_single_cert(
            certificates(&own.certificate, "own").unwrap(),
            PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap(),
        )
        .unwrap();
    let serve = move || {
        let (stream, _) = listener.accept().unwrap();
        let connection = ServerConnection::new(Arc::new(config)).unwrap();
        let mut both = StreamOwned::new(connection, stream);
        let mut came = Vec::new();
        if both.read_to_end(&mut came).is_ok() {
            both.conn.send_close_notify();
            let _ = both.conn.write_tls(&mut both.sock);
        } else {
            // The alert is out. With bytes unread the system would send a reset behind it, which may overtake it.
            let _ = both.sock.shutdown(std::net::Shutdown::Write);
            let _ = std::io::copy(&mut both.sock, &mut std::io::sink());
        }
        came
    };
    (port, std::thread::spawn(serve))
}

fn dial(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    stream
}

/// Calls `server.test` and says something; how that went.
fn call(papers: &Papers, port: u16) -> Result<(), Error> {
    let client = Client::new(papers, "server.test")?;
    let mut channel = client.greet(dial(port), Duration::from_secs(5))?;
    let mut all = || {
        channel.write_all(b"hello")?;
        channel.flush()?;
        channel.say_goodbye()?;
        channel.read(&mut [0; 16])
    };
    match all() {
        Ok(0) => Ok(()),
        Ok(_) => panic!("nothing is said by the server"),
        Err(error) => Err(client.explain(&error)),
    }
}

#[test]
fn two_that_know_each_other_talk() {
    let ca = Authority::new("ca");
    for versions in [&[&TLS12][..], &[&TLS13][..], &[&TLS12, &TLS13][..]] {
        let (port, served) = server_of(versions, &ca, &ca.issue("server.test"));
        call(&papers(&ca, &ca.issue("client.test")), port).unwrap();
        assert_eq!(served.join().unwrap(), b"hello");
    }
}

#[test]
fn a_certificate_that_is_pinned_is_the_only_one() {
    let ca = Authority::new("ca");
    let (own, other) = (ca.issue("server.test"), ca.issue("server.test"));
    let digest = |one: &Issued| {
        Shown(certificates(&one.certificate, "own").unwrap().remove(0)).fingerprint()
    };
    let papers = papers(&ca, &ca.issue("client.test"));
    let greet = |pinned: Fingerprint, port: u16| {
        let trust = Trust { papers: papers.clone(), certificate: Some(pinned) };
        let client = Client::trusting(&trust, "server.test:1").unwrap();
        client.greet(dial(port), Duration::from_secs(5)).map(drop)
    };
    let (port, served) = server(&ca, &own);
    greet(digest(&own), port).unwrap();
    drop(served);
    let (port, served) = server(&ca, &own);
    let error = greet(digest(&other), port).unwrap_err().to_string();
    assert!(error.contains("pins") && error.contains(&digest(&own).to_string()), "{error}");
    assert_eq!(served.join().unwrap(), b"");
}

#[test]
fn certificates_are_known_by_digest_or_by_name() {
    let ca = Authority::new("ca");
    let shown = |name: &str| {
        let one = ca.issue(name).certificate;
        Shown(certificates(&one, "own").unwrap().remove(0))
    };
    let (pacs, ward) = (shown("pacs.test"), shown("*.ward.test"));
    let named = |name: &str| Known::ByName(name.to_owned());
    assert!(named("pacs.test").fits(&pacs) && named("PACS.test").fits(&pacs));
    assert!(!named("ct.test").fits(&pacs) && !named("test").fits(&pacs));
    assert!(named("ct.ward.test").fits(&ward) && !named("ward.test").fits(&ward));
    let digest = pacs.fingerprint();
    assert!(Known::ByFingerprint(digest).fits(&pacs) && !Known::ByFingerprint(digest).fits(&ward));
    let text = digest.to_string();
    assert_eq!(text.len(), 95);
    for same in [text.clone(), text.replace(':', ""), text.to_lowercase()] {
        assert_eq!(same.parse(), Ok(digest));
    }
    for none in ["", "00", &text[3..], &text.replacen('A', "G", 1).replacen('0', "x", 1)] {
        assert_eq!(none.parse::<Fingerprint>(), Err(NoFingerprint), "{none}");
    }
}

#[test]
fn it_is_known_until_when_a_certificate_is_valid() {
    let ca = Authority::new("ca");
    let until = |years| papers(&ca, &ca.issue_for_years("gate.test", years)).valid_until();
    assert_eq!(until((2020, 2021)), Some(1_609_459_200));
    assert_eq!(until((2020, 2120)), Some(4_733_510_400));
}

#[test]
fn whoever_cannot_prove_who_it_is_gets_nothing_and_it_is_said_what_to_do() {
    let (ca, other) = (Authority::new("ca"), Authority::new("other"));
    let ours = ca.issue("client.test");
    for (own, words) in [
        (ca.issue_for_years("server.test", (2020, 2021)), "Renew it there"),
        (ca.issue_for_years("server.test", (2110, 2120)), "Compare the clocks"),
        (ca.issue("elsewhere.test"), "Call it by a name"),
        (other.issue("server.test"), "of a CA that is not believed"),
    ] {
        let (port, served) = server(&ca, &own);
        let error = call(&papers(&ca, &ours), port).unwrap_err().to_string();
        assert!(error.contains(words) && error.contains("server.test"), "{error}");
        assert_eq!(served.join().unwrap(), b"", "{words}");
    }
}

#[test]
fn that_our_certificate_is_refused_is_heard() {
    let (ca, other) = (Authority::new("ca"), Authority::new("other"));
    for (ours, words) in [
        (other.issue("client.test"), "it does not know the CA"),
        (ca.issue_for_years("client.test", (2020, 2021)), "our certificate has expired"),
    ] {
        let (port, served) = server(&ca, &ca.issue("server.test"));
        let error = call(&papers(&ca, &ours), port).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
        assert_eq!(served.join().unwrap(), b"", "{words}");
    }
}

#[test]
fn whoever_speaks_no_tls_gets_nothing() {
    let ca = Authority::new("ca");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        let mut came = Vec::new();
        let _ = stream.read_to_end(&mut came);
        came
    });
    let error = call(&papers(&ca, &ca.issue("client.test")), port).unwrap_err().to_string();
    assert!(error.contains("not TLS"), "{error}");
    let came = answer.join().unwrap();
    assert!(!came.windows(5).any(|part| part == b"hello"));
}

#[test]
fn files_that_are_none_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let ca = Authority::new("ca");
    let (one, two) = (ca.issue("a.test"), ca.issue("b.test"));
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        crate::disk::write_whole(&path, text.as_bytes()).unwrap();
        path
    };
    let roots = file("ca", &ca.certificate);
    let (shown, key) = (file("one", &one.certificate), file("key", &one.key));
    assert!(Papers::read(&roots, &shown, &key).is_ok());
    let wrong = |ca: &Path, certificate: &Path, key: &Path| {
        Papers::read(ca, certificate, key).err().unwrap().to_string()
    };
    let none = folder.path().join("none");
    assert!(wrong(&none, &shown, &key).contains("none: "));
    assert!(wrong(&key, &shown, &key).contains("no certificate of a CA"));
    assert!(wrong(&roots, &key, &key).contains("no certificate in it"));
    assert!(wrong(&roots, &shown, &roots).contains("no private key"));
    assert!(wrong(&roots, &shown, &file("two", &two.key)).contains("made together"));
    assert!(matches!(Client::new(&papers(&ca, &one), "no name"), Err(Error::Name)));
    assert!(Client::new(&papers(&ca, &one), "[::1]").is_ok());
}
