use super::*;
use crate::custody::parcel::Parcel;
use crate::custody::parcel::tests::parcels;
use crate::fate::Fate;
use crate::net::http::tests::{Asked, Reply, Server as Peer};
use crate::net::status::Status;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

fn some(n: usize) -> (tempfile::TempDir, Vec<Parcel>) {
    let folder = tempfile::tempdir().unwrap();
    let contents: Vec<Vec<u8>> = (0..n).map(|n| format!("<<{n}>>").repeat(n + 1).into()).collect();
    let parcels = parcels(folder.path(), &contents);
    (folder, parcels)
}

fn server(peer: &Peer) -> Server {
    Server {
        name: "lab".to_owned(),
        url: peer.url(),
        proxy: None,
        connections: 1,
        connect_s: 5,
        response_s: 5,
        message_s: 5,
    }
}

fn stow(peer: &Peer) -> Stow {
    Stow::new(server(peer), None, None).unwrap()
}

/// The instances of a request, by the numbers in their contents.
fn sent(asked: &Asked) -> Vec<usize> {
    let text = String::from_utf8_lossy(&asked.body).into_owned();
    let mut numbers: Vec<usize> = text
        .split("<<")
        .skip(1)
        .map(|part| part.split(">>").next().unwrap().parse().unwrap())
        .collect();
    numbers.dedup();
    numbers
}

/// What a server says that has stored these, and has not stored others for a reason.
fn module(stored: &[usize], failed: &[(usize, u16)]) -> String {
    let item = |n: &usize, more: String| {
        format!(
            r#"{{"00081150":{{"vr":"UI","Value":["1.2.840.10008.5.1.4.1.1.2"]}},"00081155":{{"vr":"UI","Value":["2.25.{n}"]}}{more}}}"#
        )
    };
    let stored: Vec<String> = stored.iter().map(|n| item(n, String::new())).collect();
    let failed = failed
        .iter()
        .map(|(n, why)| item(n, format!(r#","00081197":{{"vr":"US","Value":[{why}]}}"#)));
    let failed: Vec<String> = failed.collect();
    format!(
        r#"{{"00081199":{{"vr":"SQ","Value":[{}]}},"00081198":{{"vr":"SQ","Value":[{}]}}}}"#,
        stored.join(","),
        failed.join(",")
    )
}

const IN_JSON: &str = "Content-Type: application/dicom+json\r\n";

fn said(status: u16, text: &str) -> Option<Reply> {
    Some(Reply::of(status, IN_JSON, text))
}

/// A server that has stored everything that came.
fn takes_all(asked: &Asked) -> Option<Reply> {
    said(200, &module(&sent(asked), &[]))
}

#[test]
fn parcels_leave_as_parts_of_one_request_and_connections_are_kept() {
    let peer = Peer::start(takes_all);
    let stow = stow(&peer);
    let (_folder, parcels) = some(5);
    for _ in 0..3 {
        assert!(stow.store(&parcels).iter().all(Result::is_ok));
    }
    assert_eq!((peer.asked().len(), peer.connections()), (3, 1));
    let asked = &peer.asked()[0];
    assert!(asked.head.starts_with("post /dicom-web/studies http/1.1\r\n"), "{}", asked.head);
    assert_eq!(asked.field("accept"), Some("application/dicom+json"));
    assert_eq!(asked.field("authorization"), None);
    assert_eq!(asked.field("transfer-encoding"), None, "its length is known");
    let form = asked.field("content-type").unwrap();
    let boundary =
        form.strip_prefix("multipart/related; type=\"application/dicom\"; boundary=").unwrap();
    let body = String::from_utf8(asked.body.clone()).unwrap();
    let parts: Vec<&str> = body.split(&format!("--{boundary}")).collect();
    assert_eq!((parts.len(), parts[0], parts[6]), (7, "", "--\r\n"));
    for (n, part) in parts[1..6].iter().enumerate() {
        let whole = format!("<<{n}>>").repeat(n + 1);
        let syntax = ["", "; transfer-syntax=1.2.840.10008.1.2.4.90"][n % 2];
        let head = format!("Content-Type: application/dicom{syntax}");
        assert_eq!(*part, format!("\r\n{head}\r\n\r\n{whole}\r\n"));
    }
    assert_ne!(
        peer.asked()[1].field("content-type"),
        Some(form),
        "a boundary of its own each time"
    );
    let knocked: Vec<bool> = peer.asked().iter().map(|a| a.field("expect").is_some()).collect();
    assert_eq!(knocked, [true, false, false], "once it is known that we are let in");
}

#[test]
fn each_instance_has_the_fate_that_the_answer_gives_it() {
    let peer =
        Peer::start(|_| said(202, &module(&[0, 3], &[(1, 0xA700), (2, 0x0122), (3, 0x0110)])));
    let (_folder, parcels) = some(5);
    let refused = |status: u16| {
        let (destination, status) = ("lab".to_owned(), Status::from_code(status));
        Err(Error::Refused { destination, status })
    };
    let not_named = Err(Error::NotNamed { destination: "lab".to_owned() });
    let done = stow(&peer).store(&parcels);
    assert_eq!(done, [Ok(()), refused(0xA700), refused(0x0122), refused(0x0110), not_named]);
    let fates: Vec<Fate> = done.iter().skip(1).map(|d| d.as_ref().unwrap_err().fate()).collect();
    assert_eq!(fates, [Fate::Retry, Fate::Quarantine, Fate::Quarantine, Fate::Retry]);
}

#[test]
fn a_server_that_refuses_what_names_its_transfer_syntax_gets_it_without() {
    let is_refused = |asked: &Asked| {
        String::from_utf8_lossy(&asked.body).contains("application/dicom; transfer-syntax=")
    };
    // As Orthanc's plugin 1.7 does; and as others may.
    for refusal in [|| said(200, "{}"), || Some(Reply::of(415, "", ""))] {
        let peer = Peer::start(move |asked| match is_refused(asked) {
            true => refusal(),
            false => takes_all(asked),
        });
        let stow = stow(&peer);
        let (_folder, parcels) = some(3);
        assert!(stow.store(&parcels).iter().all(Result::is_ok));
        assert!(stow.store(&parcels).iter().all(Result::is_ok));
        assert_eq!(peer.asked().len(), 3, "the second time it is known");
    }
}

#[test]
fn a_study_is_gone_when_the_server_has_deleted_it_or_finds_nothing_of_it() {
    let outcome = |delete: u16, search: (u16, &'static str)| {
        let peer = Peer::start(move |asked| match asked.head.starts_with("delete ") {
            true => Some(Reply::of(delete, "", "")),
            false => said(search.0, search.1),
        });
        let done = stow(&peer).delete("2.25.7");
        let first = &peer.asked()[0].head;
        assert!(first.starts_with("delete /dicom-web/studies/2.25.7 http/1.1"), "{first}");
        done
    };
    for delete in [200, 204] {
        assert_eq!(outcome(delete, (500, "")), Ok(()));
    }
    for nothing in [(200, "[]"), (204, "")] {
        assert_eq!(outcome(404, nothing), Ok(()));
    }
    // Found, not served, not there at all; not done yet; not done.
    for (delete, search) in [
        (404, (200, "[{}]")),
        (404, (404, "")),
        (410, (500, "")),
        (202, (200, "[]")),
        (405, (200, "[]")),
        (401, (200, "[]")),
        (409, (200, "[]")),
        (500, (200, "[]")),
    ] {
        assert!(outcome(delete, search).is_err(), "{delete} {search:?}");
    }
    assert!(stow(&Peer::start(takes_all)).delete("../series").is_err(), "no UID");
}

/// What becomes of two instances when a server answers so.
fn outcome(reply: impl Fn() -> Option<Reply> + Send + Sync + 'static) -> Error {
    let peer = Peer::start(move |_| reply());
    let (_folder, parcels) = some(2);
    let done = stow(&peer).store(&parcels);
    assert_eq!(done.len(), 2);
    done.into_iter().map(Result::unwrap_err).next_back().unwrap()
}

#[test]
fn every_answer_means_something() {
    let html = "Content-Type: text/html\r\n";
    for (status, fields, body, fate, words) in [
        (200, IN_JSON, "{}", Fate::Retry, "does not say that it has stored"),
        (200, IN_JSON, "", Fate::Retry, "cannot be read"),
        (200, IN_JSON, "{\"00081199\":7}", Fate::Retry, "cannot be read"),
        (200, html, "<p>please log in", Fate::Halt, "XML is not read"),
        (200, "Content-Type: application/dicom+xml\r\n", "<x/>", Fate::Halt, "XML is not read"),
        (204, "", "", Fate::Halt, "HTTP 204"),
        (301, "Location: https://other.test/a?secret=7\r\n", "", Fate::Halt, "to other.test, and"),
        (307, "Location: /elsewhere\r\n", "", Fate::Halt, "another path"),
        (400, "", "", Fate::Quarantine, "HTTP 400"),
        (401, "", "", Fate::Halt, "does not let us store"),
        (403, "", "", Fate::Halt, "does not let us store"),
        (404, "", "", Fate::Halt, "Correct its address"),
        (409, IN_JSON, "{}", Fate::Retry, "does not say that it has stored"),
        (413, "", "", Fate::Quarantine, "HTTP 413"),
        (415, "", "", Fate::Quarantine, "HTTP 415"),
        (429, "Retry-After: 7\r\n", "", Fate::Retry, "asks to wait"),
        (500, "", "", Fate::Retry, "it failed (HTTP 500)"),
        (501, "", "", Fate::Halt, "Correct its address"),
        (503, "", "", Fate::Retry, "asks to wait"),
    ] {
        let error = outcome(move || Some(Reply::of(status, fields, body)));
        assert!(error.fate() == fate && error.to_string().contains(words), "{status}: {error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    let wait = |text: &'static str| match outcome(move || Some(Reply::of(503, text, ""))) {
        Error::Busy { wait, .. } => wait,
        other => panic!("{other}"),
    };
    assert_eq!(wait("Retry-After: 7\r\n"), Some(Duration::from_secs(7)));
    assert_eq!(wait("Retry-After: Fri, 31 Dec 2100 23:59:59 GMT\r\n"), None);
    assert_eq!(wait(""), None);
    let not_http = outcome(|| Some(Reply { text: "SSH-2.0-x\r\n\r\n".to_owned(), at_once: true }));
    assert_eq!(not_http.fate(), Fate::Halt, "{not_http}");
    let closed = outcome(|| None);
    assert!(matches!(closed, Error::Ended { .. }), "{closed}");
    let long = "x".repeat(200 << 10);
    let text = format!("{{\"x\":\"{long}\"}}");
    let error = outcome(move || said(200, &text));
    assert!(matches!(error, Error::Unread { .. }), "{error}");
}

#[test]
fn what_is_too_much_is_sent_in_halves_and_the_next_ones_are_smaller() {
    let peer = Peer::start(|asked| match sent(asked).len() {
        0..=2 => takes_all(asked),
        _ => Some(Reply::of(413, "", "")),
    });
    let stow = stow(&peer);
    let (_folder, parcels) = some(9);
    assert!(stow.store(&parcels).iter().all(Result::is_ok));
    assert!(stow.load() <= 4, "{}", stow.load());
    let mut stored: Vec<usize> =
        peer.asked().iter().map(sent).filter(|sent| sent.len() <= 2).flatten().collect();
    stored.sort_unstable();
    assert_eq!(stored, (0..9).collect::<Vec<_>>(), "each once");
}

#[test]
fn one_that_is_too_much_by_itself_is_put_aside_and_the_others_are_stored() {
    let peer = Peer::start(|asked| match sent(asked).contains(&5) {
        true => Some(Reply::of(413, "", "")),
        false => takes_all(asked),
    });
    let (_folder, parcels) = some(9);
    let done = stow(&peer).store(&parcels);
    let failed: Vec<usize> = (0..9).filter(|n| done[*n].is_err()).collect();
    assert_eq!(failed, [5]);
    let error = done[5].as_ref().unwrap_err();
    assert!(error.fate() == Fate::Quarantine && error.is_of_one());
}

#[test]
fn whoever_hangs_up_gets_less_next_time_and_more_when_that_was_taken() {
    let broken = Arc::new(AtomicU32::new(2));
    let left = Arc::clone(&broken);
    let peer = Peer::start(move |asked| match left.load(Ordering::SeqCst) {
        0 => takes_all(asked),
        _ => {
            left.fetch_sub(1, Ordering::SeqCst);
            None
        }
    });
    let stow = stow(&peer);
    let (_folder, parcels) = some(PARCELS_MAX);
    assert!(stow.store(&parcels).iter().all(|one| matches!(one, Err(Error::Ended { .. }))));
    assert_eq!(stow.load(), PARCELS_MAX / 2);
    let _ = stow.store(&parcels[..stow.load()]);
    assert_eq!(stow.load(), PARCELS_MAX / 4);
    for more in [PARCELS_MAX / 2, PARCELS_MAX, PARCELS_MAX] {
        assert!(stow.store(&parcels[..stow.load()]).iter().all(Result::is_ok));
        assert_eq!(stow.load(), more);
    }
}

#[test]
fn a_server_that_says_nothing_is_not_waited_for_for_ever() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap()).parse().unwrap();
    let place = Server { url, message_s: 1, response_s: 1, ..server(&Peer::start(takes_all)) };
    let (_folder, parcels) = some(2);
    let done = Stow::new(place, None, None).unwrap().store(&parcels);
    let late = Error::Late { destination: "lab".to_owned() };
    assert_eq!(done, [Err(late.clone()), Err(late)]);
}

#[test]
fn a_bearer_token_is_shown_and_a_wrong_one_costs_no_byte_of_an_instance() {
    let peer = Peer::start(|asked| match asked.field("authorization") {
        Some("bearer right") => takes_all(asked),
        _ => Some(Reply { at_once: true, ..Reply::of(401, "", "") }),
    });
    let (_folder, parcels) = some(2);
    let known_by = |token: &str| {
        let auth = Auth::Bearer(Zeroizing::new(token.to_owned()));
        Stow::new(server(&peer), None, Some(auth)).unwrap().store(&parcels)
    };
    let done = known_by("wrong-secret");
    for one in &done {
        let error = one.as_ref().unwrap_err();
        assert!(matches!(error, Error::NotLetIn { status: 401, .. }), "{error}");
        assert!(!format!("{error}{error:?}").contains("wrong-secret"));
    }
    assert!(peer.asked().iter().all(|asked| asked.body.is_empty()));
    assert!(known_by("right").iter().all(Result::is_ok));
}

/// A server that gives tokens and takes the newest of them.
fn giver(is_taken: fn(u32) -> bool) -> (Peer, Arc<AtomicU32>) {
    let given = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&given);
    let peer = Peer::start(move |asked| {
        if asked.head.starts_with("post /token ") {
            // Asked twice, with the head and with the body.
            if !asked.body.is_empty() {
                count.fetch_add(1, Ordering::SeqCst);
            }
            let n = count.load(Ordering::SeqCst);
            let text =
                format!(r#"{{"access_token":"T{n}","token_type":"Bearer","expires_in":3600}}"#);
            return Some(Reply::of(200, "Content-Type: application/json\r\n", &text));
        }
        let n = count.load(Ordering::SeqCst);
        let is_right = asked.field("authorization") == Some(&format!("bearer t{n}"));
        if is_right && is_taken(n) { takes_all(asked) } else { Some(Reply::of(401, "", "")) }
    });
    (peer, given)
}

fn of_oauth2(peer: &Peer) -> Stow {
    let url = format!("http://127.0.0.1:{}/token", peer.port).parse().unwrap();
    let (client_id, scope) = ("efface".to_owned(), Some("store all".to_owned()));
    let secret = Zeroizing::new("s3cret: of/all".to_owned());
    let auth = Auth::OAuth2 { server: TokenServer { url, client_id, scope }, secret };
    Stow::new(server(peer), None, Some(auth)).unwrap()
}

#[test]
fn a_token_is_asked_for_once_and_once_more_when_it_is_not_taken() {
    let (peer, given) = giver(|_| true);
    let stow = of_oauth2(&peer);
    let (_folder, parcels) = some(2);
    for _ in 0..3 {
        assert!(stow.store(&parcels).iter().all(Result::is_ok));
    }
    assert_eq!(given.load(Ordering::SeqCst), 1);
    let asked = &peer.asked()[0];
    assert_eq!(asked.body, b"grant_type=client_credentials&scope=store+all");
    let basic = data_encoding::BASE64.encode(b"efface:s3cret%3A+of%2Fall").to_lowercase();
    assert_eq!(asked.field("authorization"), Some(format!("basic {basic}").as_str()));
    // Withdrawn: the server takes a newer one alone.
    given.store(7, Ordering::SeqCst);
    assert!(stow.store(&parcels).iter().all(Result::is_ok));
    assert_eq!(given.load(Ordering::SeqCst), 8);

    let (peer, given) = giver(|_| false);
    let done = of_oauth2(&peer).store(&parcels);
    assert!(done.iter().all(|one| matches!(one, Err(Error::NotLetIn { .. }))), "{done:?}");
    assert_eq!(given.load(Ordering::SeqCst), 2, "not for ever");
}

#[test]
fn without_a_token_nothing_is_sent() {
    let token = |token: &str, of: &str| {
        format!(r#"{{"access_token":"{token}","token_type":"{of}","expires_in":60}}"#)
    };
    for (status, text, fate) in [
        (401, "{\"error\":\"invalid_client\"}".to_owned(), Fate::Halt),
        (400, String::new(), Fate::Halt),
        (302, String::new(), Fate::Halt),
        (500, String::new(), Fate::Retry),
        (200, "{}".to_owned(), Fate::Halt),
        (200, token("T", "mac"), Fate::Halt),
        (200, token("two words", "Bearer"), Fate::Halt),
        (200, token("a\\r\\nX: y", "Bearer"), Fate::Halt),
    ] {
        let peer = Peer::start(move |_| Some(Reply::of(status, "", &text)));
        let (_folder, parcels) = some(2);
        let done = of_oauth2(&peer).store(&parcels);
        for one in done {
            let error = one.unwrap_err();
            assert!(matches!(error, Error::NoToken { .. }) && error.fate() == fate, "{error}");
            assert!(!format!("{error}{error:?}").contains("s3cret"), "{error}");
        }
        assert!(peer.asked().iter().all(|asked| asked.head.starts_with("post /token ")));
    }
}
