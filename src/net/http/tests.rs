//! A small server, and a proxy, for tests of what asks them.

use super::*;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Request line and fields, each in lower case.
    pub head: String,
    pub body: Vec<u8>,
}

impl Asked {
    pub fn field(&self, name: &str) -> Option<&str> {
        let begin = format!("{name}:");
        self.head.lines().find_map(|line| line.strip_prefix(&begin)).map(str::trim)
    }
}

/// What is answered, as it goes over the wire.
pub(crate) struct Reply {
    pub text: String,
    /// Before the body has come.
    pub at_once: bool,
}

impl Reply {
    pub fn of(status: u16, fields: &str, body: &str) -> Self {
        let length = body.len();
        let text = format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n{fields}\r\n{body}");
        Reply { text, at_once: false }
    }
}

/// A server on loopback that answers as a test says.
pub(crate) struct Server {
    pub port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
    connections: Arc<AtomicUsize>,
}

impl Server {
    /// `answer` is asked with the head first, and where it does not answer at once, again with the body. `None`: the
    /// connection is closed.
    pub fn start(answer: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (asked, connections) = (Arc::default(), Arc::new(AtomicUsize::new(0)));
        let server = Server { port, asked: Arc::clone(&asked), connections: connections.clone() };
        let answer = Arc::new(answer);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                connections.fetch_add(1, Ordering::SeqCst);
                let (answer, asked) = (Arc::clone(&answer), Arc::clone(&asked));
                std::thread::spawn(move || serve(stream, &*answer, &asked));
            }
        });
        server
    }

    pub fn url(&self) -> Url {
        format!("http://127.0.0.1:{}/dicom-web", self.port).parse().unwrap()
    }

    /// Everything that was asked.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

fn serve(
    stream: TcpStream,
    answer: &dyn Fn(&Asked) -> Option<Reply>,
    all: &Mutex<Vec<Asked>>,
) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).ok()? == 0 {
                return None;
            }
        }
        let mut asked = Asked { head: head.to_lowercase(), body: Vec::new() };
        let reply = answer(&asked);
        let at_once = reply.as_ref().is_none_or(|reply| reply.at_once);
        if !at_once {
            if asked.field("expect").is_some() {
                (&stream).write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
            }
            let length = asked.field("content-length").map_or(0, |n| n.parse().unwrap());
            asked.body = vec![0; length];
            reader.read_exact(&mut asked.body).ok()?;
        }
        let reply = if at_once { reply } else { answer(&asked) };
        all.lock().unwrap().push(asked);
        (&stream).write_all(reply?.text.as_bytes()).ok()?;
        if at_once {
            return None;
        }
    }
}

/// A proxy that lets through to one port, or says no.
fn proxy(to: u16, status: &'static str) -> (Proxy, Arc<Mutex<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://127.0.0.1:{}", listener.local_addr().unwrap().port());
    let said: Arc<Mutex<String>> = Arc::default();
    let told = Arc::clone(&said);
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(reader.read_line(&mut head).unwrap() > 0);
        }
        told.lock().unwrap().push_str(&head);
        (&stream).write_all(format!("HTTP/1.1 {status}\r\nVia: x\r\n\r\n").as_bytes()).unwrap();
        let Ok(beyond) = TcpStream::connect(("127.0.0.1", to)) else { return };
        let mut back = (beyond.try_clone().unwrap(), stream.try_clone().unwrap());
        std::thread::spawn(move || std::io::copy(&mut back.0, &mut back.1));
        let _ = std::io::copy(&mut reader, &mut &beyond);
    });
    (address.parse().unwrap(), said)
}

const PATIENCE: Patience = Patience {
    connect: Duration::from_secs(5),
    idle: Duration::from_secs(5),
    message: Duration::from_secs(5),
};

fn get(url: &Url, proxy: Option<&Proxy>) -> Result<u16, ureq::Error> {
    let agent = agent(url, proxy, None, 1, PATIENCE).unwrap();
    agent.get(url.join("a")).call().map(|answer| answer.status().as_u16())
}

fn lost(error: ureq::Error) -> Lost {
    match error {
        ureq::Error::Other(other) => *other.downcast::<Lost>().unwrap(),
        other => panic!("{other}"),
    }
}

#[test]
fn a_server_is_reached_through_the_proxy_that_is_named_and_no_other() {
    let server = Server::start(|_| Some(Reply::of(204, "", "")));
    assert_eq!(get(&server.url(), None).unwrap(), 204);
    let (proxy_to, said) = proxy(server.port, "200 Connection established");
    // Through a proxy the name is the proxy's to resolve.
    let url = format!("http://localhost:{}/x", server.port).parse().unwrap();
    assert_eq!(get(&url, Some(&proxy_to)).unwrap(), 204);
    let begin = format!("CONNECT localhost:{} HTTP/1.1\r\n", server.port);
    assert!(said.lock().unwrap().starts_with(&begin));
    assert_eq!(server.asked().len(), 2);
    let (no, _) = proxy(server.port, "407 Proxy Authentication Required");
    assert_eq!(
        lost(get(&server.url(), Some(&no)).unwrap_err()),
        Lost::Proxy("HTTP 407".to_owned())
    );
    assert_eq!(server.asked().len(), 2, "it was not let through");
    let (odd, _) = proxy(server.port, "ok");
    assert!(matches!(lost(get(&server.url(), Some(&odd)).unwrap_err()), Lost::Proxy(_)));
}

#[test]
fn nobody_there_is_said_as_what_it_is() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{nobody}/").parse().unwrap();
    let refused = Lost::Unreachable(std::io::ErrorKind::ConnectionRefused);
    assert_eq!(lost(get(&url, None).unwrap_err()), refused);
}
