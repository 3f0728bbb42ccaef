//! What monitoring sees of the gateway: `/metrics` and `/healthz` on loopback.
//!
//! No label is derived from a patient; there is nothing to log in to and nothing to change.

use crate::atna;
use crate::clock::{self, Day};
use crate::custody::homebox::Homebox;
use crate::custody::outbox::Outbox;
use crate::disk;
use crate::erasure;
use crate::isolation::{Cabinet, Reporting};
use crate::meter::Meter;
use crate::net::listener::ListenerCounters;
use crate::objection::Watch;
use crate::pull::Why;
use crate::recall;
use crate::residency::Standing;
use crate::spool::results::Tray;
use crate::spool::{Place, Spool};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Router, http};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use std::borrow::Cow;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::oneshot;

/// What is shown.
pub struct Metrics {
    /// The state directory.
    pub spool: Arc<Spool>,
    /// Counts of the pipeline.
    pub meter: Arc<Meter>,
    /// Who objects.
    pub objections: Arc<Watch>,
    /// Counts of the listener.
    pub listener: Arc<ListenerCounters>,
    /// Names of the destinations, and whether they may be sent to.
    pub destinations: Vec<(String, Standing)>,
    /// How the reports to the audit record repository stand; `None`: there is none.
    pub reporting: Option<Arc<Reporting>>,
    /// Certificates that are shown.
    pub papers: Vec<Arc<Cabinet>>,
}

/// Serves until the sender of `stop` is dropped or used.
///
/// # Errors
/// When the socket cannot be served.
pub fn serve(shown: Metrics, listener: TcpListener, stop: oneshot::Receiver<()>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let app = Router::new()
            .route("/metrics", get(metrics))
            .route("/healthz", get(health))
            .with_state(Arc::new(shown));
        let stopped = async {
            // An error means that the sender is gone: that is a stop too.
            let _ = stop.await;
        };
        axum::serve(listener, app).with_graceful_shutdown(stopped).await
    })
}

/// Binds its socket.
///
/// # Errors
/// What the system says.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address)
}

async fn health(State(shown): State<Arc<Metrics>>) -> impl IntoResponse {
    if shown.spool.is_poisoned() {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "an fsync has failed: check the disk, then restart efface\n",
        )
    } else if !shown.spool.has_room_for(0) {
        (StatusCode::SERVICE_UNAVAILABLE, "the disk is below its reserve\n")
    } else if shown.objections.now().is_err() {
        let why = "the register of objections cannot be read: nothing leaves. See the log\n";
        (StatusCode::SERVICE_UNAVAILABLE, why)
    } else {
        (StatusCode::OK, "ok\n")
    }
}

async fn metrics(State(shown): State<Arc<Metrics>>) -> impl IntoResponse {
    let mut text = String::new();
    let encoded = registry(&shown).map(|registry| encode(&mut text, &registry));
    match encoded {
        Ok(Ok(())) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(http::header::CONTENT_TYPE, kind)], text).into_response()
        }
        _ => (StatusCode::INTERNAL_SERVER_ERROR, "the spool cannot be read\n").into_response(),
    }
}

type Label = Vec<(&'static str, String)>;

/// A registry with the values of this moment.
fn registry(shown: &Metrics) -> io::Result<Registry> {
    let mut registry = Registry::with_prefix("efface");
    let Metrics { spool, meter, listener, .. } = shown;
    for (name, help, value) in [
        (
            "associations_accepted",
            "Associations accepted",
            listener.accepted.load(Ordering::Relaxed),
        ),
        ("instances_stored", "Instances acknowledged", listener.stored.load(Ordering::Relaxed)),
        (
            "instances_stored_bytes",
            "Bytes acknowledged",
            listener.stored_bytes.load(Ordering::Relaxed),
        ),
        ("instances_gathered", "Instances gathered by study", meter.gathered.get()),
        ("instances_released", "Instances released, once per destination", meter.released.get()),
        ("instances_delivered", "Instances that a destination stored", meter.delivered.get()),
        ("instances_repeated", "Instances that came again unchanged", meter.repeated.get()),
        (
            "parcels_withdrawn",
            "Parcels taken back because their patient objects",
            meter.withdrawn.get(),
        ),
        ("batches_settled", "Batches taken to their end", meter.batches.get()),
        ("commitments", "Storage commitments asked for", meter.commitments.get()),
        (
            "commitments_reported",
            "Storage commitments that their requestor knows of",
            meter.commitments_reported.get(),
        ),
        ("pacs_questions", "Questions to PACSs about open studies", meter.asked.get()),
        ("pacs_questions_in_vain", "Those that brought no answer", meter.asked_in_vain.get()),
        (
            "instances_fetched",
            "Instances that came because a PACS was asked to send them",
            meter.fetched.get(),
        ),
        (
            "instances_fetched_in_vain",
            "Instances that a PACS could not send, by its own word",
            meter.fetched_in_vain.get(),
        ),
        ("fsync_failures", "Syncs that failed: look at the disk", disk::sync_failures()),
        ("send_retries", "Attempts to send that are repeated", meter.retries.get()),
    ] {
        let counter = Counter::<u64>::default();
        counter.inc_by(value);
        registry.register(name, help, counter);
    }
    let help = "Time that the disk takes to make a file or directory durable";
    registry.register_with_unit("fsync", help, Unit::Seconds, disk::sync_times());
    let quarantined = Family::<Label, Counter>::default();
    for (code, n) in meter.quarantined() {
        quarantined.get_or_create(&vec![("code", code.name().to_owned())]).inc_by(n);
    }
    registry.register("instances_quarantined", "Instances put aside, by code", quarantined);
    let returned = Family::<Label, Counter>::default();
    for (change, code, n) in meter.results.all() {
        let label = vec![("change", change), ("code", code)];
        returned.get_or_create(&label).inc_by(n);
    }
    let help = "Results of destinations, by what became of them and why";
    registry.register("results", help, returned);
    let closed = Family::<Label, Counter>::default();
    for (why, n) in [(Why::Complete, &meter.closed_complete), (Why::Quiet, &meter.closed_quiet)] {
        closed.get_or_create(&vec![("why", why.name().to_owned())]).inc_by(n.get());
    }
    let help = "Studies closed: complete by what their PACS says, or quiet";
    registry.register("studies_closed", help, closed);
    let rejected = Family::<Label, Counter>::default();
    for (rejection, n) in listener.rejected() {
        rejected.get_or_create(&vec![("reason", format!("{rejection:?}"))]).inc_by(n);
    }
    registry.register("associations_rejected", "Associations rejected, by reason", rejected);
    let gauge = |registry: &mut Registry, name: &str, help: &str, value: u64| {
        let gauge = Gauge::<i64>::default();
        gauge.set(as_gauge(value));
        registry.register(name, help, gauge);
    };
    let count = |place| disk::list(&spool.dir(place)).map(|names| names.len() as u64);
    let associations = listener.associations.load(Ordering::Relaxed);
    gauge(&mut registry, "associations", "Associations open now", associations as u64);
    for (name, help, place) in [
        ("studies_open", "Studies that are not quiet yet", Place::Studies),
        ("batches_in_work", "Batches that wait for a worker or have one", Place::Work),
        ("batches_held", "Batches on their way", Place::Held),
        ("quarantine_entries", "Groups of instances in quarantine", Place::Quarantine),
    ] {
        gauge(&mut registry, name, help, count(place)?);
    }
    let account = meter.account();
    let states = Family::<Label, Gauge>::default();
    for (state, n) in account.rows() {
        states.get_or_create(&vec![("state", state.replace(' ', "_"))]).set(as_gauge(n));
    }
    registry.register("instances", "Instances by state, of all that were acknowledged", states);
    let help = "Acknowledged, and not to be found: must be 0";
    gauge(&mut registry, "instances_lost", help, account.lost());
    let help = "Age of the oldest instance that was not delivered, in seconds";
    gauge(&mut registry, "oldest_undelivered_seconds", help, account.oldest_undelivered_s);
    gauge(&mut registry, "spool_poisoned", "1: an fsync has failed", spool.is_poisoned().into());
    let register = shown.objections.now();
    let in_force = register.as_ref().map_or(0, |register| register.in_force().count());
    gauge(&mut registry, "objections", "Objections in force", in_force as u64);
    let help = "1: the register of objections can be read; 0: nothing leaves";
    gauge(&mut registry, "objections_readable", help, register.is_ok().into());
    if let Some(left) = shown.papers.iter().filter_map(|papers| papers.valid_for()).min() {
        let help = "Seconds until the first of our certificates expires; 0: one has";
        gauge(&mut registry, "certificate_valid_seconds", help, left);
    }
    if let Some(reporting) = &shown.reporting {
        let (oldest, is_in_trouble) = reporting.now();
        let behind = atna::backlog(&spool.dir(Place::Atna), &spool.dir(Place::Audit));
        let behind = behind.map_err(io::Error::other)?.unwrap_or_default();
        let age = oldest.and_then(|stamp| clock::since(&stamp)).unwrap_or_default();
        let help = "Records of the log that the audit repository is not known to have";
        gauge(&mut registry, "audit_records_behind", help, behind);
        let help = "Age of the oldest of them, in seconds";
        gauge(&mut registry, "audit_behind_seconds", help, age.as_secs());
        let help = "1: the audit repository gets what it is owed; 0: something is wrong";
        gauge(&mut registry, "audit_reporting", help, (!is_in_trouble).into());
    }
    let requests = erasure::look(spool).unwrap_or_default();
    let (open, today) = (requests.iter().filter(|request| request.is_open()), Day::today());
    let overdue = requests.iter().filter(|request| request.is_overdue(today));
    let help = "Requests for erasure that no destination has acknowledged";
    gauge(&mut registry, "erasures_open", help, open.count() as u64);
    let help = "Of them those whose day is over";
    gauge(&mut registry, "erasures_overdue", help, overdue.count() as u64);
    let here = Family::<Label, Gauge>::default();
    for destination in Tray::all(spool)? {
        for (state, n) in Tray::of(spool, &destination).tally()?.rows() {
            let label = vec![("destination", destination.clone()), ("state", state.to_owned())];
            here.get_or_create(&label).set(as_gauge(n));
        }
    }
    registry.register("results_here", "Results of a destination by state", here);
    let homes = Family::<Label, Gauge>::default();
    for home in Homebox::all(spool)? {
        let homebox = Homebox::of(spool, &home);
        let refused = homebox.refused()?.iter().map(|(_, instances)| instances).sum();
        for (state, n) in [("waiting", homebox.waiting()?), ("refused", refused)] {
            let label = vec![("pacs", homebox.address()), ("state", state.to_owned())];
            homes.get_or_create(&label).set(as_gauge(n));
        }
    }
    registry.register("results_for_pacs", "Results re-identified for a PACS by state", homes);
    for (pacs, took) in meter.all_homeward() {
        let labels = [(Cow::Borrowed("pacs"), Cow::Owned(pacs))];
        let help = "From the last result of a batch until its PACS had them all";
        let of_it = registry.sub_registry_with_labels(labels.into_iter());
        of_it.register_with_unit("results_took", help, Unit::Seconds, took);
    }
    let recalls = recall::look(spool).unwrap_or_default();
    let (open, overdue) = (
        recalls.iter().filter(|recall| recall.is_open()),
        recalls.iter().filter(|recall| recall.is_overdue(today)),
    );
    let help = "Recalls that no destination has acknowledged";
    gauge(&mut registry, "recalls_open", help, open.count() as u64);
    let help = "Of them those whose day is over";
    gauge(&mut registry, "recalls_overdue", help, overdue.count() as u64);
    let waiting = Family::<Label, Gauge>::default();
    let blocked = Family::<Label, Gauge>::default();
    let days_left = Family::<Label, Gauge>::default();
    for (destination, standing) in &shown.destinations {
        let label = vec![("destination", destination.clone())];
        blocked.get_or_create(&label).set(standing.blocked().is_some().into());
        if let Some(days) = standing.days_left() {
            days_left.get_or_create(&label).set(days);
        }
        let batches = Outbox::of(spool, destination).waiting()?;
        let label = vec![("destination", destination.clone())];
        waiting.get_or_create(&label).set(as_gauge(batches as u64));
    }
    let sent = Family::<Label, Counter>::default();
    for (destination, outward) in meter.all_outward() {
        let label = vec![("destination", destination.clone())];
        sent.get_or_create(&label).inc_by(outward.bytes);
        let labels = [(Cow::Borrowed("destination"), Cow::Owned(destination))];
        let of_it = registry.sub_registry_with_labels(labels.into_iter());
        let help = "From the last image of a batch to the first byte that left of it";
        of_it.register_with_unit("waited", help, Unit::Seconds, outward.waited);
        let help = "From the first byte of a batch until all of it had arrived";
        of_it.register_with_unit("sending", help, Unit::Seconds, outward.took);
    }
    let help = "Bytes that left, with associations, TLS and attempts that failed";
    registry.register_with_unit("sent", help, Unit::Bytes, sent);
    registry.register("destination_blocked", "1: register or site policy forbid it", blocked);
    let help = "Days until the register blocks the destination; negative: since then";
    registry.register("destination_days_left", help, days_left);
    registry.register("outbox_batches", "Batches waiting to be sent", waiting);
    Ok(registry)
}

fn as_gauge(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
