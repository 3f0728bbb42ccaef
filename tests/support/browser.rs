//! A real browser: Debian's Chromium, driven over the wire protocol of WebDriver (W3C), and a plain client beside it.

use super::dcmtk::{Running, free_port, has};
use super::until_some;
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use ureq::Agent;

/// By what WebDriver calls an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Why there is no browser here.
pub fn missing() -> Option<&'static str> {
    [("chromium", "chromium"), ("chromedriver", "chromium-driver")]
        .into_iter()
        .find_map(|(program, package)| (!has(program)).then_some(package))
}

/// A browser with one window.
pub struct Browser {
    agent: Agent,
    session: String,
    /// Ended last: it ends the browser.
    _driver: Running,
}

/// A driver that is killed would leave its browser behind.
impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.agent.delete(&self.session).call();
    }
}

impl Browser {
    pub fn start(language: &str) -> Self {
        let port = free_port();
        let mut driver = Command::new("chromedriver");
        driver.arg(format!("--port={port}")).stdout(Stdio::null()).stderr(Stdio::null());
        let driver = Running(driver.spawn().expect("chromedriver"));
        let agent = Agent::new_with_config(
            Agent::config_builder()
                .http_status_as_error(false)
                .timeout_global(Some(Duration::from_secs(120)))
                .build(),
        );
        let url = format!("http://127.0.0.1:{port}/session");
        let options = json!({ "args": [
            "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu",
            "--window-size=1280,1000", "--hide-scrollbars", format!("--lang={language}"),
        ], "prefs": { "intl.accept_languages": language } });
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome", "acceptInsecureCerts": true,
            "goog:chromeOptions": options, "goog:loggingPrefs": { "browser": "ALL" },
        }}});
        let session = until_some("a browser has started", || {
            let answer = agent.post(&url).send(wanted.to_string()).ok()?;
            let answer: Value = serde_json::from_reader(answer.into_body().into_reader()).ok()?;
            answer["value"]["sessionId"].as_str().map(|id| format!("{url}/{id}"))
        });
        Browser { agent, session, _driver: driver }
    }

    #[track_caller]
    fn call(&self, path: &str, body: Option<Value>) -> Value {
        self.try_call(path, body).unwrap_or_else(|wrong| panic!("{path}: {wrong}"))
    }

    fn try_call(&self, path: &str, body: Option<Value>) -> Result<Value, Value> {
        let url = format!("{}/{path}", self.session);
        let answer = match body {
            Some(body) => self.agent.post(&url).send(body.to_string()),
            None => self.agent.get(&url).call(),
        };
        let answer = answer.expect("chromedriver answers");
        let is_good = answer.status().is_success();
        let text: Value = serde_json::from_reader(answer.into_body().into_reader()).unwrap();
        let value = text["value"].clone();
        if is_good { Ok(value) } else { Err(value) }
    }

    #[track_caller]
    pub fn go(&self, url: &str) {
        self.call("url", Some(json!({ "url": url })));
    }

    pub fn url(&self) -> String {
        self.call("url", None).as_str().unwrap().to_owned()
    }

    pub fn title(&self) -> String {
        self.call("title", None).as_str().unwrap().to_owned()
    }

    pub fn source(&self) -> String {
        self.call("source", None).as_str().unwrap().to_owned()
    }

    fn elements(&self, css: &str) -> Vec<String> {
        let wanted = json!({ "using": "css selector", "value": css });
        let found = self.call("elements", Some(wanted));
        found.as_array().unwrap().iter().map(|one| one[ELEMENT].as_str().unwrap().into()).collect()
    }

    /// The first element that there is, or comes.
    #[track_caller]
    fn element(&self, css: &str) -> String {
        until_some(&format!("{css} is there"), || self.elements(css).into_iter().next())
    }

    pub fn has(&self, css: &str) -> bool {
        !self.elements(css).is_empty()
    }

    #[track_caller]
    pub fn click(&self, css: &str) {
        let id = self.element(css);
        self.call(&format!("element/{id}/click"), Some(json!({})));
    }

    #[track_caller]
    pub fn fill(&self, css: &str, text: &str) {
        let id = self.element(css);
        self.call(&format!("element/{id}/clear"), Some(json!({})));
        self.call(&format!("element/{id}/value"), Some(json!({ "text": text })));
    }

    /// Keys, as a person without a mouse presses them, where the focus is.
    pub fn keys(&self, text: &str) {
        let presses: Vec<Value> = text
            .chars()
            .flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key })))
            .collect();
        let keys = json!({ "actions": [{ "type": "key", "id": "keys", "actions": presses }] });
        self.call("actions", Some(keys));
    }

    /// What is read there. A page that is just left takes its elements with it: then it is looked again.
    #[track_caller]
    pub fn text(&self, css: &str) -> String {
        until_some(&format!("{css} can be read"), || {
            let id = self.elements(css).into_iter().next()?;
            let text = self.try_call(&format!("element/{id}/text"), None).ok()?;
            text.as_str().map(str::to_owned)
        })
    }

    pub fn texts(&self, css: &str) -> Vec<String> {
        let text = |id: &String| {
            // One that has gone meanwhile reads as nothing.
            let text = self.try_call(&format!("element/{id}/text"), None).ok();
            text.and_then(|text| text.as_str().map(str::to_owned)).unwrap_or_default()
        };
        self.elements(css).iter().map(text).collect()
    }

    pub fn run(&self, script: &str) -> Value {
        self.call("execute/sync", Some(scripted(script)))
    }

    /// Marks the page that is there, for [`Browser::has_left`].
    pub fn mark(&self) {
        self.run("document.marked = true");
    }

    /// Whether another page is there than the one that was marked.
    pub fn has_left(&self) -> bool {
        let is_another = scripted("return document.marked === undefined");
        self.try_call("execute/sync", Some(is_another)).is_ok_and(|left| left == true)
    }

    /// What the browser itself complains of: blocked scripts, missing files.
    pub fn complaints(&self) -> Vec<String> {
        let log = self.call("se/log", Some(json!({ "type": "browser" })));
        let entries = log.as_array().unwrap().iter();
        entries.map(|entry| entry["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// The page as it looks, all of it.
    pub fn picture(&self, file: &Path) {
        let height = self.run("return document.documentElement.scrollHeight");
        let height = height.as_u64().unwrap_or(1000).clamp(600, 4000);
        self.call("window/rect", Some(json!({ "width": 1280, "height": height + 140 })));
        let png = self.call("screenshot", None);
        let png = data_encoding::BASE64.decode(png.as_str().unwrap().as_bytes()).unwrap();
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, png).unwrap();
        self.call("window/rect", Some(json!({ "width": 1280, "height": 1000 })));
    }
}

/// What a program gets that speaks HTTP and follows nothing.
pub struct Got {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub text: String,
}

impl Got {
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }

    /// The token of the forms of this page.
    pub fn csrf(&self) -> String {
        let (_, rest) = self.text.split_once("name=\"csrf\" value=\"").expect("a form");
        rest.split_once('"').unwrap().0.to_owned()
    }
}

/// Somebody at the console without a browser.
pub struct Caller {
    agent: Agent,
    pub base: String,
    pub cookie: String,
}

impl Caller {
    pub fn new(base: &str) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(Duration::from_secs(60)))
            .build();
        let agent = Agent::new_with_config(config);
        Caller { agent, base: base.to_owned(), cookie: String::new() }
    }

    /// Signs in, and keeps the cookie.
    pub fn sign_in(&mut self, name: &str, password: &str) -> Got {
        let got = self.post("/sign-in", &[("name", name), ("password", password)], &[]);
        if let Some((cookie, _)) = got.header("set-cookie").split_once(';') {
            self.cookie = cookie.to_owned();
        }
        got
    }

    pub fn get(&self, path: &str) -> Got {
        let call = self.agent.get(format!("{}{path}", self.base)).header("cookie", &self.cookie);
        self.got(call.call())
    }

    pub fn post(&self, path: &str, form: &[(&str, &str)], headers: &[(&str, &str)]) -> Got {
        let mut call =
            self.agent.post(format!("{}{path}", self.base)).header("cookie", &self.cookie);
        for (name, value) in headers {
            call = call.header(*name, *value);
        }
        self.got(call.send_form(form.iter().copied()))
    }

    fn got(&self, answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Got {
        let answer = answer.expect("the console answers");
        let status = answer.status().as_u16();
        let header = |(name, value): (&ureq::http::HeaderName, &ureq::http::HeaderValue)| {
            (name.to_string(), value.to_str().unwrap_or_default().to_owned())
        };
        let headers = answer.headers().iter().map(header).collect();
        let text = answer.into_body().read_to_string().unwrap_or_default();
        Got { status, headers, text }
    }
}

fn scripted(script: &str) -> Value {
    json!({ "script": script, "args": [] })
}
