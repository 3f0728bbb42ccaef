//! The hospital's identity provider.

use super::*;

/// An identity provider that knows everybody by the name that it is started with.
fn provider(name: &'static str) -> u16 {
    use std::io::{BufRead, BufReader, Read};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut nonce = String::new();
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let (mut head, mut length) = (String::new(), 0);
            while head.is_empty() || !head.ends_with("\r\n\r\n") {
                let mut line = String::new();
                if stream.read_line(&mut line).unwrap() == 0 {
                    break;
                }
                let lower = line.to_ascii_lowercase();
                if let Some(n) = lower.strip_prefix("content-length:") {
                    length = n.trim().parse().unwrap();
                }
                head += &line;
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).unwrap();
            let base = format!("http://127.0.0.1:{port}");
            let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
            let of = |key: &str| {
                let found = path.split(['?', '&']).find_map(|pair| pair.strip_prefix(key));
                found.unwrap_or_default().replace("%3A", ":").replace("%2F", "/")
            };
            let (status, fields, text) = if path.starts_with("/.well-known") {
                let text = serde_json::json!({ "issuer": base, "authorization_endpoint": format!("{base}/authorize"), "token_endpoint": format!("{base}/token") });
                ("200 OK", String::new(), text.to_string())
            } else if path.starts_with("/authorize") {
                nonce = of("nonce=");
                let to = format!("{}?code=c0de&state={}", of("redirect_uri="), of("state="));
                ("302 Found", format!("Location: {to}\r\n"), String::new())
            } else {
                let claims = serde_json::json!({ "iss": base, "aud": "efface", "exp": 1_u64 << 40, "nonce": nonce, "preferred_username": name });
                let claims = data_encoding::BASE64URL_NOPAD.encode(claims.to_string().as_bytes());
                let text = serde_json::json!({ "token_type": "Bearer", "id_token": format!("e30.{claims}.c2ln") });
                ("200 OK", String::new(), text.to_string())
            };
            let answer = format!(
                "HTTP/1.1 {status}\r\n{fields}Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
                text.len()
            );
            let _ = stream.get_mut().write_all(answer.as_bytes());
        }
    });
    port
}

#[test]
fn the_hospitals_identity_provider_says_who_somebody_is_and_the_account_what_he_may() {
    skip_without_a_browser!();
    let mut house = House::new();
    house.add("anna", &["operator"]);
    std::fs::write(house.site.path("oidc.secret"), "s3cret\n").unwrap();
    let known = provider("anna");
    let oidc = |house: &mut House, port: u16| {
        house.oidc = format!(
            ", oidc: {{ issuer: \"http://127.0.0.1:{port}\", client_id: efface, client_secret_file: {}, returns: \"{}\" }}",
            house.site.at("oidc.secret"),
            house.at("/sign-in/oidc/back")
        );
        house.configure(1);
    };
    oidc(&mut house, known);
    let console = house.watch();
    let browser = Browser::start("en");
    browser.go(&house.at("/"));
    browser.click("#elsewhere");
    until("signed in", || browser.title() == "Flow · efface");
    assert_eq!(browser.text(".who a"), "anna");
    // Whoever did not go there from here does not come back as somebody.
    let stranger = Caller::new(&house.at(""));
    assert_eq!(stranger.get("/sign-in/oidc/back?state=x&code=c0de").status, 403);
    drop(console);
    oidc(&mut house, provider("mallory"));
    let _console = house.watch();
    browser.go(&house.at("/sign-in"));
    browser.click("#elsewhere");
    until("refused", || browser.has("[role=alert]"));
    assert!(browser.text("[role=alert]").contains("wrong"), "there is no account of that name");
}
