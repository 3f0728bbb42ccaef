//! Connections of browsers: so many at a time, each for so long; under TLS or, on loopback, in plain.

use super::guard::{From, Look};
use super::line::Line;
use super::router;
use axum::Extension;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use std::io;
use std::net::{IpAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// Connections at a time. More wait to be accepted.
pub const CONNECTIONS_MAX: usize = 128;
/// For a handshake, and for the head of a request.
const HEAD: Duration = Duration::from_secs(10);
/// For all that is asked over one connection.
const LIFE: Duration = Duration::from_secs(120);

/// Where browsers call.
pub struct Door {
    runtime: Runtime,
    listener: tokio::net::TcpListener,
    tls: Option<TlsAcceptor>,
}

impl Door {
    /// Opens it at a socket. What the runtime needs of the system it gets here, before the process is confined.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(listener: TcpListener, tls: Option<Arc<ServerConfig>>) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let _inside = runtime.enter();
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let tls = tls.map(TlsAcceptor::from);
        drop(_inside);
        Ok(Door { runtime, listener, tls })
    }

    /// Answers whoever calls, for as long as the process lives.
    ///
    /// # Errors
    /// The socket cannot be used any more.
    pub fn run(self, line: Arc<Line>, look: Look) -> io::Result<()> {
        let Door { runtime, listener, tls } = self;
        let (app, room) = (router(line, look), Arc::new(Semaphore::new(CONNECTIONS_MAX)));
        runtime.block_on(async {
            loop {
                let place = Arc::clone(&room).acquire_owned().await.map_err(io::Error::other)?;
                let (stream, from) = match listener.accept().await {
                    Ok(accepted) => accepted,
                    Err(error) => {
                        tracing::warn!(%error, "a browser could not be heard");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        continue;
                    }
                };
                let app = app.clone().layer(Extension(From(from.ip())));
                let tls = tls.clone();
                tokio::spawn(async move {
                    let _place = place;
                    let served = async {
                        match tls {
                            None => serve(stream, app).await,
                            Some(tls) => {
                                if let Ok(Ok(stream)) = timeout(HEAD, tls.accept(stream)).await {
                                    serve(stream, app).await;
                                }
                            }
                        }
                    };
                    // Who is too slow is cut off.
                    let _ = timeout(LIFE, served).await;
                });
            }
        })
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, app: axum::Router) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(64 << 10)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(app));
    // A browser that breaks off is no news.
    let _ = connection.await;
}

/// An address of a caller, also of an IPv4 one in IPv6 clothes.
impl From {
    pub(super) fn address(self) -> IpAddr {
        self.0.to_canonical()
    }
}
