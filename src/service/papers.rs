//! Certificates of the gateway: which it keeps for whom, and what it says before they expire.

use crate::config::{DestinationSettings, Settings, Speaks, Web};
use crate::isolation::{Cabinet, Purse};
use crate::net::tls;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How often certificates that expire are warned of.
const WARN_EVERY: Duration = Duration::from_secs(24 * 3600);

/// What the listener shows, if it speaks TLS.
pub(super) fn of_listener(settings: &Settings) -> Result<Option<Arc<Cabinet>>, tls::Error> {
    let Some(tls) = settings.tls.as_ref().filter(|tls| !tls.plain_listener) else {
        return Ok(None);
    };
    Ok(Some(Arc::new(Cabinet::open("the listener".to_owned(), tls.files.clone())?)))
}

/// What is shown to each destination, if that is sent to under TLS.
pub(super) fn of_senders(settings: &Settings) -> Result<Vec<Option<Arc<Cabinet>>>, tls::Error> {
    let open = |to: &DestinationSettings| {
        let cabinet = to.tls.as_ref().map(|tls| {
            let of = format!("the sender to {}", to.name);
            Cabinet::open(of, tls.files.clone()).map(Arc::new)
        });
        cabinet.transpose()
    };
    settings.destinations.iter().map(open).collect()
}

/// By what we are known to a DICOMweb server, if it wants a token.
///
/// # Errors
/// In words.
pub(super) fn of_web(to: &DestinationSettings) -> Result<Option<Purse>, String> {
    let Speaks::Web(Web { pass: Some(pass), .. }) = &to.speaks else { return Ok(None) };
    Purse::open(format!("the sender to {}", to.name), pass.clone()).map(Some)
}

/// Warns of certificates that expire, at the start and once a day.
pub(super) fn look_at(papers: &[Arc<Cabinet>], stop: &AtomicBool) {
    let mut due = Instant::now();
    while !stop.load(Ordering::SeqCst) {
        if Instant::now() >= due {
            papers.iter().for_each(|papers| papers.warn());
            due += WARN_EVERY;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}
