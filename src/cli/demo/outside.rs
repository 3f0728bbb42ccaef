//! The outside server of the demo: a C-STORE SCP that writes what it gets as DICOM files.

use super::ANYWHERE;
use crate::cli::Problem;
use crate::dicom::part10::{self, TRANSFER_SYNTAXES};
use crate::disk;
use crate::net::access::Caller;
use crate::net::listener::{Listener, ListenerOptions};
use crate::net::sink::{InstanceEntry, InstanceSink, NotReady, Refusal, StoreRequest};
use crate::net::status::Status;
use crate::standard::sop_classes;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// The server's AE title.
pub const AE_TITLE: &str = "OUTSIDE";

/// A running server.
pub struct Server {
    address: SocketAddr,
    folder: PathBuf,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Server {
    /// Starts it; it accepts only efface.
    ///
    /// # Errors
    /// When it cannot listen or make its folder.
    pub fn start(folder: &Path) -> Result<Self, Problem> {
        disk::make_dir(folder)?;
        let uids = |texts: Vec<&str>| texts.into_iter().filter_map(|t| t.parse().ok()).collect();
        let options = ListenerOptions {
            listen: ANYWHERE,
            ae_title: AE_TITLE.parse()?,
            also_called: Vec::new(),
            tls: None,
            callers: vec![Caller {
                ae_title: "EFFACE".parse()?,
                sources: Vec::new(),
                certificate: None,
            }],
            sop_classes: uids(sop_classes().keys().copied().collect()),
            transfer_syntaxes: uids(TRANSFER_SYNTAXES.to_vec()),
            max_associations: 8,
            pdu_bytes_max: 131_072,
            dataset_bytes_max: 1 << 30,
            drain_bytes_max: 1 << 20,
            artim_s: 30,
            idle_s: 60,
            message_s: 60,
            drain_s: 1,
        };
        let listener = Listener::bind(options, Folder(folder.to_owned()))?;
        let (address, stop) = (listener.local_addr(), Arc::new(AtomicBool::new(false)));
        let stopping = Arc::clone(&stop);
        let thread = std::thread::spawn(move || listener.run(&stopping));
        Ok(Server { address, folder: folder.to_owned(), stop, thread })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it holds.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut names = disk::list(&self.folder).unwrap_or_default();
        names.retain(|name| name.ends_with(".dcm"));
        names.iter().map(|name| self.folder.join(name)).collect()
    }

    /// Ends it.
    pub fn stop(self) {
        self.stop.store(true, Ordering::SeqCst);
        // A server that panicked has nothing more to say either.
        let _ = self.thread.join();
    }
}

struct Folder(PathBuf);

struct Incoming {
    file: BufWriter<File>,
    part: PathBuf,
}

impl InstanceSink for Folder {
    type Entry = Incoming;

    fn ready(&self) -> Result<(), NotReady> {
        Ok(())
    }

    fn begin(&self, request: &StoreRequest<'_>) -> Result<Incoming, Refusal> {
        let out_of_resources = |_| Refusal::new(Status::OUT_OF_RESOURCES);
        let instance = request.sop_instance.as_str();
        let part = self.0.join(format!("{instance}.part"));
        let mut file = BufWriter::new(disk::create(&part).map_err(out_of_resources)?);
        let (class, syntax) = (request.sop_class.as_str(), request.transfer_syntax.as_str());
        part10::write_meta(&mut file, class, instance, syntax).map_err(out_of_resources)?;
        Ok(Incoming { file, part })
    }
}

impl InstanceEntry for Incoming {
    fn write(&mut self, chunk: &[u8]) -> Result<(), Refusal> {
        self.file.write_all(chunk).map_err(|_| Refusal::new(Status::OUT_OF_RESOURCES))
    }

    fn commit(mut self) -> Result<(), Refusal> {
        let done = self.file.flush();
        let done = done.and_then(|()| disk::rename(&self.part, &self.part.with_extension("dcm")));
        done.map_err(|_| Refusal::new(Status::OUT_OF_RESOURCES))
    }
}
