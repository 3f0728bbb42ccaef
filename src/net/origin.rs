//! Results by STOW-RS (PS3.18 10.5): an origin server that stores, and does nothing else.
//!
//! One request a connection, under TLS; whose results it brings, the certificate says, because HTTP has no AE title. Nothing
//! of a data set is looked at here: what is needed to keep it stands in its File Meta Information (PS3.10 7.1), and whether
//! that is true is for whoever judges it. A part is as durable as an instance of C-STORE before it is in the answer.
//!
//! Absent on purpose: searching, retrieving, deleting, `/studies/{study}`, XML, bulk data, keeping connections.

mod answer;
mod multipart;
mod request;

use super::access::{self, Caller, Returns};
use super::line::Line;
use super::listener::{ListenerCounters, Seat, count};
use super::sink::{InstanceEntry, InstanceSink, Peer, Refusal, StoreRequest};
use super::status::Status;
use super::tls::Server;
use crate::dicom::part10::{self, TRANSFER_SYNTAXES};
use crate::id::{AeTitle, Uid};
use answer::{Answer, Outcome};
use multipart::Multipart;
use request::{Head, Input};
use std::io::{self, ErrorKind, Read};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Connections at a time; one more is closed.
pub const CONNECTIONS_MAX: usize = 16;
/// Instances of one request.
const PARTS_MAX: usize = 10_000;
/// Time for one request, in all.
const REQUEST: Duration = Duration::from_secs(3600);
/// How often it is looked whether this is to stop.
const ACCEPT_TICK: Duration = Duration::from_millis(100);
/// What is read past behind an answer, so that the answer is not lost in a reset.
const READ_PAST: u64 = 1 << 20;
/// And for how long.
const GOODBYE: Duration = Duration::from_secs(2);

/// What an origin server needs to know.
#[derive(Clone)]
pub struct OriginOptions {
    /// Address and port.
    pub listen: SocketAddr,
    /// Who may return what; of those without a certificate nobody is let in here.
    pub callers: Vec<Caller>,
    /// The AE title under which results are kept as having come to us.
    pub ae_title: AeTitle,
    /// Its certificate, and whom it believes.
    pub tls: Arc<Server>,
    /// Seconds for handshake and head of a request.
    pub artim_s: u64,
    /// Seconds without a byte after which a connection ends.
    pub idle_s: u64,
    /// Seconds that requests which run get to finish at a stop.
    pub drain_s: u64,
}

/// A bound origin server. It accepts from [`Origin::run`] on.
pub struct Origin<S: InstanceSink> {
    socket: TcpListener,
    door: Arc<Door<S>>,
}

/// What all connections share.
struct Door<S> {
    options: OriginOptions,
    sink: Arc<S>,
    counters: Arc<ListenerCounters>,
}

impl<S: InstanceSink> Origin<S> {
    /// Binds the address.
    ///
    /// # Errors
    /// What the system says.
    pub fn bind(
        options: OriginOptions,
        sink: Arc<S>,
        counters: Arc<ListenerCounters>,
    ) -> io::Result<Self> {
        let socket = TcpListener::bind(options.listen)?;
        // A blocking accept doesn't see the stop flag; on Linux it honours SO_RCVTIMEO.
        socket2::SockRef::from(&socket).set_read_timeout(Some(ACCEPT_TICK))?;
        Ok(Origin { socket, door: Arc::new(Door { options, sink, counters }) })
    }

    /// Serves until `stop` is set; requests that run then get `drain_s`.
    pub fn run(self, stop: &AtomicBool) {
        let running = Arc::new(AtomicUsize::new(0));
        tracing::info!(address = %self.door.options.listen, "results are taken by STOW-RS");
        while !stop.load(Ordering::SeqCst) {
            match self.socket.accept() {
                Ok((stream, from)) => self.receive(stream, from.ip().to_canonical(), &running),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Err(e) => {
                    tracing::error!(kind = %e.kind(), "can't accept connections");
                    thread::sleep(ACCEPT_TICK);
                }
            }
        }
        drop(self.socket);
        let until = Instant::now() + Duration::from_secs(self.door.options.drain_s);
        while running.load(Ordering::Acquire) > 0 && Instant::now() < until {
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Gives a connection its thread, or closes it where there is none to spare.
    fn receive(&self, stream: TcpStream, from: IpAddr, running: &Arc<AtomicUsize>) {
        let Some(seat) = Seat::take(Arc::clone(running), CONNECTIONS_MAX) else {
            count(&self.door.counters.turned_away);
            return;
        };
        let door = Arc::clone(&self.door);
        let spawned = thread::Builder::new().name("stow".to_owned()).spawn(move || {
            let _seat = seat;
            let served = catch_unwind(AssertUnwindSafe(|| door.serve(stream, from)));
            match served {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    count(&door.counters.lost);
                    tracing::warn!(%from, kind = %error.kind(), "a connection with results was lost");
                }
                Err(_) => {
                    count(&door.counters.panics);
                    tracing::error!("a request ended in a panic; nothing unacknowledged was kept");
                }
            }
        });
        if spawned.is_err() {
            count(&self.door.counters.turned_away);
        }
    }
}

impl<S: InstanceSink> Door<S> {
    /// One request, one answer.
    fn serve(&self, stream: TcpStream, from: IpAddr) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut line = self.options.tls.answer(stream)?;
        let idle = Duration::from_secs(self.options.idle_s);
        let artim = Duration::from_secs(self.options.artim_s);
        let mut input = Input::on(&mut line, idle, artim);
        let answer = match Head::read(&mut input) {
            Ok(Ok(head)) => self.answer(&mut input, &head, from)?,
            Ok(Err(answer)) => answer,
            Err(error) => {
                if let Some(why) = input.trouble() {
                    tracing::warn!(%from, why, "no TLS with whoever returns results");
                }
                return Err(error);
            }
        };
        input.write(&answer.encode())?;
        input.end(READ_PAST, GOODBYE);
        Ok(())
    }

    /// Who is it, may it, and is there room? Only then a byte of the body is asked for.
    fn answer(&self, input: &mut Input<'_>, head: &Head, from: IpAddr) -> io::Result<Answer> {
        let callers = &self.options.callers;
        let shown = input.shown();
        let Some(caller) = access::returning(callers, from, shown.as_ref()) else {
            let shows = shown.map(|shown| shown.fingerprint().to_string()).unwrap_or_default();
            tracing::warn!(%from, shows, "a certificate of nobody who returns results. If it is the right one, name it under results:");
            return Ok(Answer::FORBIDDEN);
        };
        let boundary = match head.boundary() {
            Ok(boundary) => boundary,
            Err(answer) => return Ok(answer),
        };
        if self.sink.ready().is_err() {
            return Ok(Answer::UNAVAILABLE);
        }
        count(&self.counters.accepted);
        input.has_time(REQUEST);
        if head.expects_continue {
            input.write(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let body = head.body(input);
        let mut parts = Multipart::new(body, &boundary);
        let mut outcomes = Vec::new();
        loop {
            match parts.next_part() {
                Ok(true) if outcomes.len() == PARTS_MAX => return Ok(Answer::TOO_MANY),
                Ok(true) => outcomes.push(self.store(&mut parts, caller, from)?),
                Ok(false) => break,
                // Those that were stored are; the other side sends all of it again.
                Err(error) if error.kind() == ErrorKind::InvalidData => {
                    return Ok(Answer::MALFORMED);
                }
                Err(error) => return Err(error),
            }
        }
        let stored = outcomes.iter().filter(|outcome| outcome.is_stored()).count();
        tracing::info!(caller = %caller.ae_title, stored, of = outcomes.len(), "results came by STOW-RS");
        Ok(Answer::about(&outcomes))
    }

    /// One part. An error is of the connection: then nobody hears an answer.
    fn store(
        &self,
        part: &mut Multipart<impl Read>,
        caller: &Caller,
        from: IpAddr,
    ) -> io::Result<Outcome> {
        let named = match part10::read_instance(part) {
            Ok(named) => named,
            // A connection that broke is noticed when the next part is looked for.
            Err(_) => return Ok(Outcome::Unreadable),
        };
        let uid = |text: &str| text.parse::<Uid>().ok();
        let uids = (uid(&named.sop_class), uid(&named.sop_instance), uid(&named.transfer_syntax));
        let (Some(class), Some(instance), Some(syntax)) = uids else {
            return Ok(Outcome::Unreadable);
        };
        let kept = self.keep(part, caller, from, [&class, &instance, &syntax])?;
        if let Err(refusal) = kept {
            tracing::warn!(caller = %caller.ae_title, status = %refusal.status, "a result was refused");
        }
        let failure = kept.err().map(|refusal| refusal.status.code());
        Ok(Outcome::Named { class, instance, failure })
    }

    fn keep(
        &self,
        part: &mut Multipart<impl Read>,
        caller: &Caller,
        from: IpAddr,
        [sop_class, sop_instance, transfer_syntax]: [&Uid; 3],
    ) -> io::Result<Result<(), Refusal>> {
        let Some(Returns { destination, sop_classes, .. }) = &caller.returns else {
            return Ok(Err(Refusal::new(Status::NOT_AUTHORIZED)));
        };
        let is_taken = sop_classes.contains(sop_class.as_str())
            && TRANSFER_SYNTAXES.contains(&transfer_syntax.as_str());
        if !is_taken {
            return Ok(Err(Refusal::new(Status::SOP_CLASS_NOT_SUPPORTED)));
        }
        let peer = Peer { ae_title: caller.ae_title.clone(), address: from };
        let request = StoreRequest {
            peer: &peer,
            called: &self.options.ae_title,
            sop_class,
            sop_instance,
            transfer_syntax,
            result_of: Some(destination),
        };
        let mut entry = match self.sink.begin(&request) {
            Ok(entry) => entry,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let (mut chunk, mut bytes) = (vec![0; 1 << 16], 0u64);
        loop {
            match part.read(&mut chunk)? {
                0 => break,
                n => {
                    if let Err(refusal) = entry.write(&chunk[..n]) {
                        return Ok(Err(refusal));
                    }
                    bytes += n as u64;
                }
            }
        }
        if bytes == 0 {
            return Ok(Err(Refusal::because(Status::CANNOT_UNDERSTAND, "empty data set")));
        }
        let committed = entry.commit();
        if committed.is_ok() {
            count(&self.counters.stored);
            self.counters.stored_bytes.fetch_add(bytes, Ordering::Relaxed);
        }
        Ok(committed)
    }
}

/// The parts of the request that comes on a line, and whether all of them came; `None` for what is no request.
pub(super) fn parts_of(line: &mut dyn Line) -> Option<(Vec<Vec<u8>>, bool)> {
    let mut input = Input::on(line, REQUEST, REQUEST);
    let head = Head::read(&mut input).ok()?.ok()?;
    let boundary = head.boundary().ok()?;
    let mut multipart = Multipart::new(head.body(&mut input), &boundary);
    let mut parts = Vec::new();
    loop {
        match multipart.next_part() {
            Ok(true) => {}
            ended => return Some((parts, matches!(ended, Ok(false)))),
        }
        let mut part = Vec::new();
        let whole = multipart.read_to_end(&mut part);
        parts.push(part);
        if whole.is_err() {
            return Some((parts, false));
        }
    }
}

/// Ends our side, so that the answer arrives whole.
fn hang_up(line: &mut dyn Line) {
    // Whoever is gone needs no end.
    let _ = line.shutdown(Shutdown::Write);
}
