//! The pages: what a browser asks for, as questions to the keeper, and the answers as HTML.
//!
//! | file | what |
//! |---|---|
//! | `door` | connections, so many and so long; TLS |
//! | `line` | the way to the keeper |
//! | `guard` | what every answer says to the browser; who asks, in which language |
//! | `page` | what every page has; what is wrong, as a page |
//! | `words`, `vocabulary`, `numbers` | what is written, in each language: on pages, of profiles; times and sizes |
//! | the others | a page, or a few that belong together: routes, words, template |
//!
//! Templates escape what they are given; there is no way around that in use here. Scripts and styles are files of our own,
//! nothing is fetched from elsewhere, and a page works without scripts.

mod assets;
mod audit;
mod door;
mod elsewhere;
mod flow;
mod guard;
mod line;
mod numbers;
mod page;
mod pictures;
mod profiles;
mod quarantine;
mod registers;
mod requests;
mod sign_in;
mod study;
mod vocabulary;
mod words;

pub use door::{CONNECTIONS_MAX, Door};
pub use guard::Look;
pub use line::Line;
pub use words::Language;

use axum::extract::DefaultBodyLimit;
use axum::{Router, middleware};
use std::sync::Arc;

/// Bytes of the largest form: a profile.
const FORM_BYTES_MAX: usize = 1 << 20;

/// What all routes have.
#[derive(Clone)]
struct App {
    line: Arc<Line>,
    look: Look,
    pictures: pictures::Shelf,
}

fn router(line: Arc<Line>, look: Look) -> Router {
    let app = App { line, look, pictures: pictures::Shelf::default() };
    Router::new()
        .merge(flow::routes())
        .merge(study::routes())
        .merge(audit::routes())
        .merge(quarantine::routes())
        .merge(registers::routes())
        .merge(profiles::routes())
        .merge(requests::routes())
        .merge(sign_in::routes())
        .merge(elsewhere::routes())
        .merge(assets::routes())
        .fallback(page::nowhere)
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
        .layer(middleware::from_fn(guard::answer_strictly))
        .with_state(app)
}
