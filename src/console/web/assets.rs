//! Styles, scripts and the mark: files of our own, in the program.

use super::App;
use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;

const STYLE: &str = include_str!("assets/style.css");
const SCRIPT: &str = include_str!("assets/console.js");
const EDITOR: &str = include_str!("assets/editor.js");
const MARK: &str = include_str!("assets/mark.svg");

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/style.css", get(|| file("text/css; charset=utf-8", STYLE)))
        .route("/console.js", get(|| file("text/javascript; charset=utf-8", SCRIPT)))
        .route("/editor.js", get(|| file("text/javascript; charset=utf-8", EDITOR)))
        .route("/mark.svg", get(|| file("image/svg+xml", MARK)))
}

async fn file(kind: &'static str, text: &'static str) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, kind)], text)
}
