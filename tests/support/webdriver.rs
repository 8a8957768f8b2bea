//! A client of WebKitWebDriver (W3C WebDriver): looks into the app's pages and acts in them as people do.

use serde_json::{Value, json};
use stands::process::{Running, find_within, server, wait_for};
use std::{
    fs,
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

/// Nothing that a page does takes longer.
const PATIENCE: Duration = Duration::from_secs(20);
/// What is at the same place before and after this stays there.
const STILL: Duration = Duration::from_millis(250);

/// A program that shows pages, driven from outside. It ends with this guard.
#[derive(Debug)]
pub struct Driven {
    port: u16,
    session: String,
    _driver: Running,
}

impl Driven {
    /// Starts a driver in these surroundings, which starts the program.
    pub fn start(program: &Path, arguments: &[&str], log: &Path, dress: impl FnOnce(&mut Command)) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
        let port = free.local_addr().expect("a bound socket has an address").port();
        drop(free);
        let mut command = server("WebKitWebDriver");
        command.args([format!("--port={port}"), "--host=127.0.0.1".to_owned()]);
        dress(&mut command);
        let log = fs::File::create(log).expect("logs can be written");
        command.stdout(log.try_clone().expect("files can be shared")).stderr(log).stdin(Stdio::null());
        let driver = Running::start(&mut command);
        let mut driven = Self { port, session: String::new(), _driver: driver };
        wait_for("the driver", PATIENCE, || driven.ask("GET", "/status", &Value::Null).ok());
        let options = json!({ "binary": program, "args": arguments });
        let wish = json!({ "capabilities": { "alwaysMatch": { "webkitgtk:browserOptions": options } } });
        let begun =
            driven.ask("POST", "/session", &wish).expect("the program starts and lets itself be driven");
        let id = begun["sessionId"].as_str().expect("sessions have ids");
        driven.session = format!("/session/{id}");
        driven
    }

    /// What an expression of the page is worth; promises are waited for.
    #[track_caller]
    pub fn evaluate(&self, expression: &str) -> Value {
        let script = format!(
            "const done = arguments[arguments.length - 1];\
             Promise.resolve().then(async () => ({expression}))\
             .then((value) => done({{ value }}), (error) => done({{ error: error?.message ?? String(error) }}));"
        );
        let body = json!({ "script": script, "args": [] });
        let said = self.expect("POST", "/execute/async", &body);
        assert!(said["error"].is_null(), "{expression}: {}", said["error"]);
        said["value"].clone()
    }

    /// Waits until an expression of the page is worth something other than null and false.
    #[track_caller]
    pub fn until(&self, expression: &str) -> Value {
        let found = find_within(PATIENCE, || {
            let value = self.evaluate(expression);
            (!value.is_null() && value != false).then_some(value)
        });
        found.unwrap_or_else(|| {
            panic!("waited in vain for {expression}; the page says:\n{}", self.text("body"))
        })
    }

    /// Clicks on an element, once there is one that can be clicked on and that stays where it is: what still loads
    /// above it may move it.
    #[track_caller]
    pub fn click(&self, selector: &str) {
        let place = format!("JSON.stringify(document.querySelector(`{selector}`)?.getBoundingClientRect())");
        let clicked = find_within(PATIENCE, || {
            let before = self.evaluate(&place);
            thread::sleep(STILL);
            if before != self.evaluate(&place) {
                return None;
            }
            let element = self.find(selector)?;
            self.ask("POST", &format!("{}/element/{element}/click", self.session), &json!({})).ok()
        });
        assert!(
            clicked.is_some(),
            "nothing to click on at {selector}; the page says:\n{}",
            self.text("body")
        );
    }

    /// The words of an element, once it is there.
    #[track_caller]
    pub fn text(&self, selector: &str) -> String {
        let found = find_within(PATIENCE, || {
            let element = self.find(selector)?;
            self.ask("GET", &format!("{}/element/{element}/text", self.session), &Value::Null).ok()
        });
        found.unwrap_or_else(|| panic!("there is no {selector}")).as_str().unwrap_or_default().to_owned()
    }

    fn find(&self, selector: &str) -> Option<String> {
        let wish = json!({ "using": "css selector", "value": selector });
        let found = self.ask("POST", &format!("{}/element", self.session), &wish).ok()?;
        Some(found.as_object()?.values().next()?.as_str()?.to_owned())
    }

    #[track_caller]
    fn expect(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.ask(method, &format!("{}{path}", self.session), body);
        answer.unwrap_or_else(|error| panic!("{method} {path} {body}: {error}"))
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let answer = self.exchange(method, path, body).map_err(|error| error.to_string())?;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or("no HTTP")?;
        let value: Value = serde_json::from_str(body).map_err(|error| format!("{error}: {body}"))?;
        match head.split(' ').nth(1) {
            Some("200") => Ok(value["value"].clone()),
            _ => Err(value["value"].to_string()),
        }
    }

    fn exchange(&self, method: &str, path: &str, body: &Value) -> io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(2 * PATIENCE))?;
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }
}

impl Drop for Driven {
    fn drop(&mut self) {
        // It may have been killed on purpose.
        let _gone = self.ask("DELETE", &self.session, &Value::Null);
    }
}
