//! The inbox as the listener sees it.

use crate::clock;
use crate::key::Key;
use crate::net::sink::{
    Inquiry, InstanceEntry, InstanceSink, NotReady, Peer, Promise, Refusal, StoreRequest,
};
use crate::net::status::Status;
use crate::spool::commitment::Request;
use crate::spool::entry::Head;
use crate::spool::entry_name;
use crate::spool::inbox::{Inbox, Reception, Refused};
use std::sync::Arc;
use std::sync::mpsc::Sender;

/// Writes what associations bring into the spool, and announces it.
pub struct Receiver {
    /// Where it writes.
    pub inbox: Arc<Inbox>,
    /// Gets the spool ids of what was committed.
    pub arrivals: Sender<String>,
    /// Tags instances.
    pub handles: Key,
    /// Answers those who ask what is stored.
    pub inquiries: Arc<dyn Inquiry>,
}

/// One instance on its way in.
pub struct Incoming {
    reception: Reception,
    arrivals: Sender<String>,
}

impl InstanceSink for Receiver {
    type Entry = Incoming;

    fn ready(&self) -> Result<(), NotReady> {
        self.inbox.ready().map_err(|refused| {
            tracing::warn!(%refused, "association refused");
            NotReady::Full
        })
    }

    fn begin(&self, request: &StoreRequest<'_>) -> Result<Incoming, Refusal> {
        let head = Head {
            calling_ae_title: request.peer.ae_title.as_str().to_owned(),
            called_ae_title: Some(request.called.as_str().to_owned()),
            sop_class: request.sop_class.as_str().to_owned(),
            transfer_syntax: request.transfer_syntax.as_str().to_owned(),
            received_ms: clock::ms(),
        };
        let id = entry_name(&self.handles, request.sop_instance.as_str()).map_err(Refused::Io);
        let reception = id.and_then(|id| self.inbox.receive_as(id, &head));
        let reception = reception.map_err(|refused| refusal(&refused))?;
        Ok(Incoming { reception, arrivals: self.arrivals.clone() })
    }

    fn commitment(&self, peer: &Peer, request: Request) -> Result<Box<dyn Promise>, Refusal> {
        self.inquiries.accept(peer, request)
    }
}

impl InstanceEntry for Incoming {
    fn write(&mut self, chunk: &[u8]) -> Result<(), Refusal> {
        self.reception.write(chunk).map_err(|refused| refusal(&refused))
    }

    fn commit(self) -> Result<(), Refusal> {
        let id = self.reception.commit().map_err(|refused| refusal(&refused))?;
        // The gatherer finds it by itself if it does not hear of it.
        let _ = self.arrivals.send(id);
        Ok(())
    }
}

/// PS3.4 B.2.3: whatever keeps an instance from being stored durably is "out of resources".
fn refusal(refused: &Refused) -> Refusal {
    tracing::warn!(%refused, "instance refused");
    let comment = match refused {
        Refused::NoRoom => "disk below its reserve",
        Refused::TooLarge => "instance too large",
        Refused::Io(_) => "spool cannot be written",
        Refused::Poisoned => "spool halted",
    };
    Refusal::because(Status::OUT_OF_RESOURCES, comment)
}
