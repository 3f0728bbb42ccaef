//! Who somebody is, by the word of the hospital's identity provider: OpenID Connect Core 1.0, the code flow with PKCE
//! (RFC 7636).
//!
//! The browser brings a code, and nothing else; who it is for, we ask the provider's token endpoint, over TLS that believes one
//! CA and with our own secret. An ID token that comes that way need not be signed to be believed (Core 3.1.3.7, 6); one that a browser
//! brings is not looked at.

use super::http::{self, Patience, Url, form};
use super::tls;
use crate::clock;
use data_encoding::{BASE64, BASE64URL_NOPAD};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::io::Read;
use std::time::Duration;
use ureq::Agent;
use ureq::http::header;
use zeroize::Zeroizing;

/// Somebody waits in front of a browser.
const PATIENCE: Patience = Patience {
    connect: Duration::from_secs(5),
    idle: Duration::from_secs(5),
    message: Duration::from_secs(10),
};
/// Bytes of the longest answer that is read.
const BYTES_MAX: u64 = 256 << 10;

/// Why nobody is known by the provider's word. None says anything of a token or a code.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be asked.
    #[error(
        "the identity provider at {0} does not answer. Check that it runs, issuer: and ca: under oidc:"
    )]
    Silent(String),
    /// It answers something else.
    #[error("the identity provider: {0}")]
    NotSo(&'static str),
    /// Its certificates.
    #[error(transparent)]
    Tls(#[from] tls::Error),
    /// No randomness.
    #[error("the system: {0}")]
    Io(#[from] std::io::Error),
}

/// The provider, and what we are there.
pub struct Provider {
    /// Its issuer identifier.
    pub issuer: Url,
    /// Our name there.
    pub client_id: String,
    /// Our secret.
    pub secret: Zeroizing<String>,
    /// Where it sends the browser back to, as it knows it.
    pub returns: Url,
    /// Which claim is the name of an account.
    pub claim: String,
    /// Whom TLS believes; `None`: plain, on loopback.
    pub trust: Option<tls::Trust>,
}

/// What was begun, for whoever comes back.
pub struct Begun {
    /// Where the browser is sent.
    pub url: String,
    /// By what it is known when it comes back.
    pub state: String,
    nonce: String,
    verifier: Zeroizing<String>,
    token_endpoint: Url,
}

/// OpenID Connect Discovery 1.0, 3.
#[derive(Deserialize)]
struct Discovered {
    issuer: String,
    authorization_endpoint: Url,
    token_endpoint: Url,
}

impl Provider {
    /// Where to send a browser.
    ///
    /// # Errors
    /// [`Error`].
    pub fn begin(&self) -> Result<Begun, Error> {
        let agent = self.agent(&self.issuer)?;
        let text =
            self.read(agent.get(self.issuer.join(".well-known/openid-configuration")).call())?;
        let found: Discovered = serde_json::from_slice(&text)
            .map_err(|_| Error::NotSo("there is no OpenID configuration under issuer:"))?;
        if found.issuer.trim_end_matches('/') != self.issuer.to_string() {
            return Err(Error::NotSo("it calls itself otherwise: correct issuer:"));
        }
        let (state, nonce, verifier) = (random()?, random()?, Zeroizing::new(random()?));
        let challenge = BASE64URL_NOPAD.encode(&Sha256::digest(verifier.as_bytes()));
        let returns = self.returns.to_string();
        let asked = [
            ("response_type", "code"),
            ("scope", "openid profile"),
            ("client_id", &self.client_id),
            ("redirect_uri", &returns),
            ("state", &state),
            ("nonce", &nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        let asked = asked.map(|(name, value)| format!("{name}={}", form(value).as_str()));
        let url = format!("{}?{}", found.authorization_endpoint, asked.join("&"));
        Ok(Begun { url, state, nonce, verifier, token_endpoint: found.token_endpoint })
    }

    /// Whose the code is that a browser came back with: the name in the claim.
    ///
    /// # Errors
    /// [`Error`]: nobody's, by what the provider says.
    pub fn end(&self, begun: &Begun, code: &str) -> Result<String, Error> {
        let agent = self.agent(&begun.token_endpoint)?;
        let name = Zeroizing::new([form(&self.client_id).as_str(), &form(&self.secret)].join(":"));
        let name = Zeroizing::new(format!("Basic {}", BASE64.encode(name.as_bytes())));
        let asked = Zeroizing::new(format!(
            "grant_type=authorization_code&code={}&redirect_uri={}&code_verifier={}",
            form(code).as_str(),
            form(&self.returns.to_string()).as_str(),
            begun.verifier.as_str()
        ));
        let answer = agent
            .post(begun.token_endpoint.to_string())
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ACCEPT, "application/json")
            .header(header::AUTHORIZATION, name.as_str())
            .send(asked.as_str());
        let text = self.read(answer)?;
        let answer: Value = serde_json::from_slice(&text).map_err(|_| Error::NotSo(NO_TOKEN))?;
        let token = answer["id_token"].as_str().ok_or(Error::NotSo(NO_TOKEN))?;
        self.whose(token, &begun.nonce, clock::ms() / 1000).map_err(Error::NotSo)
    }

    /// OpenID Connect Core 3.1.3.7.
    fn whose(&self, token: &str, nonce: &str, now_s: u64) -> Result<String, &'static str> {
        let payload = token.split('.').nth(1).ok_or(NO_TOKEN)?;
        let payload = BASE64URL_NOPAD.decode(payload.trim_end_matches('=').as_bytes());
        let claims =
            payload.ok().and_then(|payload| serde_json::from_slice::<Value>(&payload).ok());
        let claims = claims.ok_or(NO_TOKEN)?;
        let issuer = claims["iss"].as_str().unwrap_or_default();
        if issuer.trim_end_matches('/') != self.issuer.to_string() {
            return Err("the token is of another issuer");
        }
        let is_ours = match &claims["aud"] {
            Value::String(one) => *one == self.client_id,
            // With several somebody else could have asked for it.
            Value::Array(all) => all.len() == 1 && all[0] == self.client_id.as_str(),
            _ => false,
        };
        if !is_ours {
            return Err("the token is for another client");
        }
        if claims["exp"].as_u64().is_none_or(|until| until <= now_s) {
            return Err("the token has expired: compare the clocks");
        }
        if claims["nonce"].as_str() != Some(nonce) {
            return Err("the token answers another question");
        }
        let name = claims[self.claim.as_str()].as_str().filter(|name| !name.is_empty());
        name.map(str::to_owned).ok_or("the token has no such claim: correct claim: under oidc:")
    }

    fn agent(&self, to: &Url) -> Result<Agent, Error> {
        if to.is_tls() && self.trust.is_none() {
            return Err(Error::NotSo("it is at https://: give ca: under oidc:"));
        }
        Ok(http::agent(to, None, self.trust.as_ref(), 1, PATIENCE)?)
    }

    fn read(
        &self,
        answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let silent = || Error::Silent(self.issuer.host().to_owned());
        let answer = answer.map_err(|_| silent())?;
        match answer.status().as_u16() {
            200 => {}
            400 | 401 | 403 => {
                return Err(Error::NotSo(
                    "it does not take the code, or does not know us: check client_id: and client_secret_file:, and sign in again",
                ));
            }
            _ => return Err(silent()),
        }
        let mut text = Zeroizing::new(Vec::new());
        let read = answer.into_body().into_reader().take(BYTES_MAX).read_to_end(&mut text);
        read.map(|_| text).map_err(|_| silent())
    }
}

const NO_TOKEN: &str = "its answer has no ID token: check that the client may use the code flow";

fn random() -> std::io::Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(std::io::Error::from)?;
    Ok(BASE64URL_NOPAD.encode(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::http::tests::{Asked, Reply, Server};
    use serde_json::json;

    fn provider(issuer: &str) -> Provider {
        Provider {
            issuer: issuer.parse().unwrap(),
            client_id: "efface".to_owned(),
            secret: Zeroizing::new("s3cret&".to_owned()),
            returns: "http://127.0.0.1:1/sign-in/oidc/back".parse().unwrap(),
            claim: "preferred_username".to_owned(),
            trust: None,
        }
    }

    fn token(claims: &Value) -> String {
        format!("e30.{}.c2ln", BASE64URL_NOPAD.encode(claims.to_string().as_bytes()))
    }

    #[test]
    fn a_token_is_believed_word_by_word_or_not_at_all() {
        let own = provider("http://127.0.0.1:7/realm");
        let good = json!({ "iss": "http://127.0.0.1:7/realm", "aud": "efface", "exp": 100, "nonce": "n", "preferred_username": "anna" });
        assert_eq!(own.whose(&token(&good), "n", 99).unwrap(), "anna");
        let with = |name: &str, value: Value| {
            let mut claims = good.clone();
            claims[name] = value;
            own.whose(&token(&claims), "n", 99)
        };
        assert_eq!(with("aud", json!(["efface"])).unwrap(), "anna");
        for (name, value) in [
            ("iss", json!("http://127.0.0.1:8/realm")),
            ("iss", Value::Null),
            ("aud", json!("other")),
            ("aud", json!(["efface", "other"])),
            ("exp", json!(99)),
            ("exp", json!("100")),
            ("nonce", json!("m")),
            ("nonce", Value::Null),
            ("preferred_username", json!("")),
            ("preferred_username", json!(7)),
        ] {
            assert!(with(name, value.clone()).is_err(), "{name} {value}");
        }
        for none in ["", "a.b", "e30", "e30.e30.x.y"] {
            assert!(own.whose(none, "n", 99).is_err(), "{none}");
        }
    }

    #[test]
    fn a_code_is_exchanged_for_a_name_with_our_secret_and_the_verifier_of_the_challenge() {
        let nonce = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
        let known = std::sync::Arc::clone(&nonce);
        let server = Server::start(move |asked: &Asked| {
            let base = format!("http://{}", asked.field("host")?);
            let body = if asked.head.starts_with("get /.well-known/openid-configuration ") {
                json!({ "issuer": base, "authorization_endpoint": format!("{base}/authorize"), "token_endpoint": format!("{base}/token") })
            } else {
                let claims = json!({ "iss": base, "aud": "efface", "exp": 1_u64 << 40, "nonce": *known.lock().unwrap(), "preferred_username": "anna" });
                json!({ "access_token": "x", "token_type": "Bearer", "id_token": token(&claims) })
            };
            Some(Reply::of(200, "Content-Type: application/json\r\n", &body.to_string()))
        });
        let own = provider(&format!("http://127.0.0.1:{}", server.port));
        let begun = own.begin().unwrap();
        assert!(begun.url.contains("/authorize?response_type=code"), "{}", begun.url);
        assert!(begun.url.contains(&format!("state={}", begun.state)));
        assert!(own.end(&begun, "c0de").is_err(), "the nonce is another one");
        *nonce.lock().unwrap() = begun.nonce.clone();
        assert_eq!(own.end(&begun, "c0de&x").unwrap(), "anna");
        let asked = server.asked();
        let last = asked.last().unwrap();
        let body = String::from_utf8(last.body.clone()).unwrap();
        assert!(body.contains("code=c0de%26x"), "{body}");
        let (_, verifier) = body.split_once("code_verifier=").unwrap();
        let challenge = BASE64URL_NOPAD.encode(&Sha256::digest(verifier.as_bytes()));
        assert!(begun.url.contains(&format!("code_challenge={challenge}")));
        let secret = format!("Basic {}", BASE64.encode(b"efface:s3cret%26")).to_lowercase();
        assert_eq!(last.field("authorization"), Some(secret.as_str()));
    }
}
