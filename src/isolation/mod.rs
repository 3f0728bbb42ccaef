//! What peers and data sets can do to their readers, they do to processes that have little to lose.
//!
//! ```text
//! gateway                                   worker, one for each study: efface work
//!   Warden::process(batch)   -- task ----->   confine, then Worker::process(batch)     warden.rs, worker.rs
//!     log, counts            <- events ----
//!                            -- receipts ->
//!
//!                                           sender, one for each destination: efface send
//!   Courier::run             -- orders --->   confine, then Sender::run                courier.rs, sender.rs
//!     log, marks, originals  <- words -----
//!
//!                                           receiver: efface receive
//!   Porter::run              -- orders --->   bind, confine, then Listener::run        porter.rs, receiver.rs
//!     arrivals, commitments  <- notes -----
//!
//!                                           shipper: efface ship
//!   Dispatcher::run          -- orders --->   confine, then Shipper::run               dispatcher.rs, shipper.rs
//!     metrics                <- words -----
//!
//!                                           returner, one for each batch of results: efface return
//!   Keeper::process(batch)   -- task ----->   confine, then Returner::judge(batch)     keeper.rs, returner.rs
//!     log, quarantine        <- events ----
//!
//!                                           deliverer, one for each PACS: efface deliver
//!   Carrier::run             -- orders --->   confine, then Deliverer::run             carrier.rs, deliverer.rs
//!     log, marks             <- words -----
//!
//!                                           inquirer, one for each PACS that is asked: efface inquire
//!   Clerk::run               -- questions ->  confine, then Asker::reply               clerk.rs, inquirer.rs
//!     open studies           <- answers ---
//!
//!                                           looker, one for each picture that a person asks for: efface look
//!   look(wanted)             -- orders --->   confine, then draw                       looker.rs, look.rs
//!     log, the picture       <- pixels ----
//!
//! console: efface console                   pages: efface pages
//!   Usher::run              -- orders --->    bind, confine, then web::Door::run         usher.rs, pages.rs
//!     accounts, decisions   <- questions -
//! ```
//! A returner reads what came from outside: it has its batch, drafts, one project of the crosswalk to read, no root key and
//! no network. A deliverer has the homebox of its PACS and one TCP port.
//! A receiver has the socket on which it listens, and an inbox into which it can put but not look. A worker has its
//! study and no network. A sender has the parcels of its destination and one TCP port; it has neither originals nor the
//! root key; to a DICOMweb server it may need a second port, of whoever gives it tokens. A shipper can read the log, move its
//! cursor, and reach the one TCP port of the audit record repository. An inquirer reaches the one TCP port of its
//! PACS and has no file at all. The pages of the console have the socket on which they listen, and no file; their parent is not the gateway, but `efface console`. A looker has the files of one picture to read, and no key; its parent is whoever asks. None can run programs, look into the other, or outlive its parent. Receivers and senders can be users of
//! their own, too (`attendant.rs`), for whom the kernel has no file of the other, whatever becomes of their confinement.
//!
//! A command that tries a profile on a batch confines itself to that batch and its drafts before it reads a byte of it (`trial.rs`).
//!
//! Certificates and their keys are read by the gateway alone and handed over by the pipes, to whoever needs them, and again
//! when they were renewed (`cabinet.rs`); so are tokens and secrets (`purse.rs`).
//!
//! What this does not keep apart: a worker makes pseudonyms and seals parcels, so it has keys. A decoder that is taken
//! over could seal what was not verified; it could neither send it nor read another study.

mod attendant;
mod cabinet;
mod carrier;
mod child;
mod clerk;
mod confine;
mod courier;
mod deliverer;
mod dispatcher;
mod ending;
mod home;
mod inquirer;
mod keeper;
mod looker;
mod pages;
mod porter;
mod purse;
mod receiver;
mod returner;
mod sender;
mod shipper;
mod syscalls;
mod task;
mod trial;
mod user;
mod usher;
mod warden;
mod worker;

pub(crate) use attendant::{AllCalls, Calls};
pub use attendant::{Attendant, Attendants, Attended, attend};
pub use cabinet::Cabinet;
pub use carrier::Carrier;
pub use child::THIS_PROGRAM;
pub use clerk::Clerk;
pub use confine::{Bounds, Error, Strictness, keep_memory_private};
pub use courier::Courier;
pub use deliverer::{DeliverOrders, deliver};
pub use dispatcher::{Dispatcher, Reporting};
pub use inquirer::{InquireOrders, inquire};
pub use keeper::Keeper;
pub use looker::{be_looker, look};
pub use pages::{PageOrders, pages};
pub use porter::{AtTheDoor, Closed, Porter};
pub use purse::Purse;
pub use receiver::{ReceiveOrders, receive};
pub use returner::{ReturnOrders, take_back};
pub use sender::{Place, SendOrders, send};
pub use shipper::{ShipOrders, ship};
pub use task::{Orders, RouteOrders, StandingOrders};
pub use trial::confine_trial;
pub use user::{NoUser, User};
pub use usher::Usher;
pub use warden::Warden;
pub use worker::{probe, work};

/// The commands that are such processes; hidden, for the gateway alone.
pub const WORKER: &str = "work";
/// See [`WORKER`].
pub const RECEIVER: &str = "receive";
/// See [`WORKER`].
pub const SENDER: &str = "send";
/// See [`WORKER`].
pub const SHIPPER: &str = "ship";
/// See [`WORKER`].
pub const RETURNER: &str = "return";
/// See [`WORKER`].
pub const DELIVERER: &str = "deliver";
/// See [`WORKER`].
pub const INQUIRER: &str = "inquire";
/// See [`WORKER`]; for whoever asks for a picture.
pub const LOOKER: &str = "look";
/// See [`WORKER`]; of the console.
pub const PAGES: &str = "pages";
