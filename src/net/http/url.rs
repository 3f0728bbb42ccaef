//! Addresses as a person writes them: whole, and in plain only where nobody else can listen.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use ureq::http::Uri;

/// `https://host[:port][/path]`, or `http://` on loopback. Without query, fragment, name and password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Url {
    /// Without a slash at its end.
    text: String,
    is_tls: bool,
    host: String,
    port: u16,
}

/// A text that is no such address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoUrl {
    /// It has another form.
    #[error(
        "https://HOST[:PORT]/PATH, for example https://lab.example/dicom-web; without a name, a password, ? or #"
    )]
    Form,
    /// Whoever is on the way could read along, or answer instead.
    #[error(
        "plain http:// goes to this machine alone (127.0.0.1, [::1], localhost): write https://"
    )]
    Plain,
}

impl Url {
    /// Whether it is `https://`.
    pub fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// Name or address of the machine; IPv6 in brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// `host:port`.
    pub fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What lies below it.
    pub fn join(&self, path: &str) -> String {
        format!("{}/{path}", self.text)
    }
}

impl FromStr for Url {
    type Err = NoUrl;

    fn from_str(text: &str) -> Result<Self, NoUrl> {
        let uri: Uri = text.parse().map_err(|_| NoUrl::Form)?;
        let is_tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(NoUrl::Form),
        };
        let (host, port) = machine(&uri, text).ok_or(NoUrl::Form)?;
        if !is_tls && !is_loopback(&host) {
            return Err(NoUrl::Plain);
        }
        let port = port.unwrap_or(if is_tls { 443 } else { 80 });
        Ok(Url { text: text.trim_end_matches('/').to_owned(), is_tls, host, port })
    }
}

/// Host and port of an address with nothing in it that is not meant for a configuration.
fn machine(uri: &Uri, text: &str) -> Option<(String, Option<u16>)> {
    let authority = uri.authority()?.as_str();
    let is_plain = !authority.contains('@') && !text.contains(['?', '#']);
    let host = uri.host().filter(|host| is_plain && !host.is_empty())?;
    let port = match authority.strip_prefix(host)? {
        "" => None,
        rest => Some(rest.strip_prefix(':')?.parse().ok().filter(|port| *port > 0)?),
    };
    Some((host.to_owned(), port))
}

/// Whether a name or address is this machine's own.
pub fn is_loopback(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for Url {
    type Error = NoUrl;

    fn try_from(text: String) -> Result<Self, NoUrl> {
        text.parse()
    }
}

impl From<Url> for String {
    fn from(url: Url) -> Self {
        url.text
    }
}

/// `http://host:port` of a proxy that lets us through to a server (CONNECT, RFC 9110 9.3.6): TLS is end to end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Proxy {
    host: String,
    port: u16,
}

/// A text that names no proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "http://HOST:PORT, for example http://proxy.hospital.example:3128; without a name and a password"
)]
pub struct NoProxy;

impl Proxy {
    /// `host:port`.
    pub fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for Proxy {
    type Err = NoProxy;

    fn from_str(text: &str) -> Result<Self, NoProxy> {
        let uri: Uri = text.parse().map_err(|_| NoProxy)?;
        let is_one = uri.scheme_str() == Some("http") && matches!(uri.path(), "" | "/");
        match machine(&uri, text) {
            Some((host, Some(port))) if is_one => Ok(Proxy { host, port }),
            _ => Err(NoProxy),
        }
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}:{}", self.host, self.port)
    }
}

impl TryFrom<String> for Proxy {
    type Error = NoProxy;

    fn try_from(text: String) -> Result<Self, NoProxy> {
        text.parse()
    }
}

impl From<Proxy> for String {
    fn from(proxy: Proxy) -> Self {
        proxy.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_named_whole_and_in_plain_only_on_this_machine() {
        let url: Url = "https://lab.example/dicom-web/".parse().unwrap();
        assert_eq!(url.address(), "lab.example:443");
        assert_eq!(url.join("studies"), "https://lab.example/dicom-web/studies");
        let url: Url = "https://[2001:db8::7]:8443".parse().unwrap();
        assert_eq!((url.address().as_str(), url.is_tls()), ("[2001:db8::7]:8443", true));
        for here in ["http://127.0.0.1:80/a", "http://localhost/", "http://[::1]:8042/x"] {
            assert!(here.parse::<Url>().is_ok_and(|url| !url.is_tls()), "{here}");
        }
        for plain in ["http://lab.example/", "http://10.0.0.1", "http://127.0.0.1.example/"] {
            assert_eq!(plain.parse::<Url>(), Err(NoUrl::Plain), "{plain}");
        }
        for no in [
            "",
            "lab.example",
            "/a",
            "ftp://a/",
            "https://",
            "https://a@lab.example/",
            "https://a:b@c/",
            "https://lab.example/?q",
            "https://lab.example/#f",
            "https://lab.example:0/",
            "https://lab.example:99999/",
            "https://lab.example:/",
            "LAB@lab.example:104",
        ] {
            assert_eq!(no.parse::<Url>(), Err(NoUrl::Form), "{no}");
        }
    }

    #[test]
    fn a_proxy_has_a_port_and_nothing_else() {
        let proxy: Proxy = "http://proxy.example:3128".parse().unwrap();
        assert_eq!(proxy.address(), "proxy.example:3128");
        assert_eq!(proxy.to_string().parse::<Proxy>().unwrap(), proxy);
        for no in
            ["https://p:1", "http://p", "http://a:b@p:1", "http://p:1/path", "socks5://p:1", "p:1"]
        {
            assert_eq!(no.parse::<Proxy>(), Err(NoProxy), "{no}");
        }
    }
}
