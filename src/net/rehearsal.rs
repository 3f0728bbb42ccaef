//! The doors without a network: what a peer would send on one connection, played to its end.
//!
//! Tests and fuzzers see by it what any sequence of bytes makes of an association or of a request, in no time and
//! always the same.

use super::acceptor::Acceptor;
use super::line::Script;
use super::listener::ListenerOptions;
use super::origin;
use super::sink::InstanceSink;
use super::upper::{Stop, Upper};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// Plays `sent` as all that a peer on loopback sends, cut into TCP segments of `segment` bytes, and
/// returns what it hears.
pub fn play<S: InstanceSink>(
    options: &Arc<ListenerOptions>,
    sink: &Arc<S>,
    sent: &[u8],
    segment: usize,
) -> Vec<u8> {
    let stop = Stop::new(Arc::new(AtomicBool::new(false)), Duration::ZERO);
    let acceptor = Acceptor {
        options: Arc::clone(options),
        sink: Arc::clone(sink),
        counters: Arc::default(),
        stop: Arc::new(stop),
        from: IpAddr::V4(Ipv4Addr::LOCALHOST),
    };
    let script = Script::new(sent, segment);
    let heard = script.heard();
    let idle = Duration::from_secs(options.artim_s);
    let mut upper =
        Upper::on(script, options.pdu_bytes_max, idle, Some(Arc::clone(&acceptor.stop)));
    acceptor.run(&mut upper);
    drop(upper);
    let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
    std::mem::take(&mut *heard)
}

/// The parts that a STOW-RS request (PS3.18 10.5) brings, sent in pieces of `segment` bytes, and whether they all came;
/// `None` for what is no request that stores.
pub fn parts(sent: &[u8], segment: usize) -> Option<(Vec<Vec<u8>>, bool)> {
    origin::parts_of(&mut Script::new(sent, segment))
}
