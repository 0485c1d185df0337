//! A real Chromium, driven through chromedriver (W3C WebDriver, section numbers below).
//!
//! Not here: what is to be seen on a page.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::{Guard, http, is_alive, tool, wait_for};

/// One Chromium with a profile of its own, ended with its guard.
pub struct Browser {
    driver: String,
    session: String,
    /// Chromium itself.
    pid: u32,
    /// Ended after the browser: chromedriver takes its Chromium along only when asked.
    _guard: Guard,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts one whose window shows so many pixels.
    pub fn start(width: u32, height: u32) -> Browser {
        let profile = tempfile::tempdir().unwrap();
        let mut guard = Guard::spawn(
            Command::new(tool("chromedriver"))
                .arg("--port=0")
                .stdin(Stdio::null())
                .stdout(Stdio::piped()),
        );
        let said = BufReader::new(guard.0.stdout.take().unwrap()).lines();
        let port: u16 = said
            .map_while(Result::ok)
            .find_map(|line| {
                let (_, port) = line.split_once("started successfully on port ")?;
                port.trim_end_matches('.').parse().ok()
            })
            .expect("chromedriver's port");
        let mut browser = Browser {
            driver: format!("127.0.0.1:{port}"),
            session: String::new(),
            pid: 0,
            _guard: guard,
            _profile: profile,
        };
        let profile = browser._profile.path().display();
        let args = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            "--force-device-scale-factor=1",
            &format!("--window-size={width},{height}"),
            &format!("--user-data-dir={profile}"),
        ];
        // Section 9: a page with a stream never ends loading. The log shows every request.
        let capabilities = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "pageLoadStrategy": "none",
            "goog:chromeOptions": {"args": args, "binary": tool("chromium")},
            "goog:loggingPrefs": {"performance": "ALL"},
        }}});
        let made = browser.call("POST", "/session", Some(&capabilities));
        let id = made["sessionId"].as_str().unwrap();
        browser.session = format!("/session/{id}");
        let pid = made["capabilities"]["goog:processID"].as_u64();
        browser.pid = pid.unwrap() as u32;
        browser
    }

    /// Goes to a page (section 10.1).
    pub fn go(&self, url: &str) {
        self.post("/url", &json!({"url": url}));
    }

    /// Opens another tab and goes there (section 11.5).
    pub fn go_in_new_tab(&self, url: &str) {
        let tab = self.post("/window/new", &json!({"type": "tab"}));
        self.post("/window", &json!({"handle": tab["handle"]}));
        self.go(url);
    }

    /// What a function's body returns in the page (section 13.2.1); null where it threw, as it
    /// does while the page is not there yet.
    pub fn run(&self, script: &str) -> Value {
        let script = format!("try {{ {script} }} catch {{ return null }}");
        self.post("/execute/sync", &json!({"script": script, "args": []}))
    }

    /// Waits until an expression in the page is neither null, false, 0 nor empty.
    pub fn wait(&self, what: &str, expression: &str) -> Value {
        let script = format!("return ({expression}) || null");
        wait_for(what, || Some(self.run(&script)).filter(|v| !v.is_null()))
    }

    /// What the window shows of the page, as PNG, and no more than the page.
    pub fn screenshot(&self) -> Vec<u8> {
        let size = "const {width, height} = document.documentElement.getBoundingClientRect();
            return {x: 0, y: 0, width, height: Math.min(innerHeight, height), scale: 1}";
        // Since WebDriver takes the whole window.
        let shot = self.devtools("Page.captureScreenshot", json!({"clip": self.run(size)}));
        from_base64(shot["data"].as_str().unwrap())
    }

    /// The URLs that were asked for since the last call, by whatever part of any page but
    /// Chromium's own first one.
    pub fn requested(&self) -> Vec<String> {
        let log = self.post("/se/log", &json!({"type": "performance"}));
        let url = |entry: &Value| {
            let message: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
            let message = &message["message"];
            let is_request = message["method"] == "Network.requestWillBeSent";
            let url = message["params"]["request"]["url"].as_str()?;
            (is_request && !url.starts_with("chrome:")).then(|| url.to_owned())
        };
        log.as_array().unwrap().iter().filter_map(url).collect()
    }

    /// A command of the DevTools protocol, which chromedriver hands on.
    pub fn devtools(&self, command: &str, params: Value) -> Value {
        let body = json!({"cmd": command, "params": params});
        self.post("/goog/cdp/execute", &body)
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        self.call("POST", &format!("{}{path}", self.session), Some(body))
    }

    fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let (code, said) = self
            .ask(method, path, body)
            .unwrap_or_else(|e| panic!("{method} {path}: {e}"));
        assert_eq!(code, 200, "{method} {path}: {said}");
        said["value"].clone()
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> io::Result<(u16, Value)> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut socket = http::connect(&self.driver);
        write!(
            socket,
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.driver,
            body.len()
        )?;
        // chromedriver leaves its connections open, whatever it is asked.
        let mut socket = BufReader::new(socket);
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\r\n\r\n") {
            if socket.read_until(b'\n', &mut bytes)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let head = http::Reply::parse(&bytes);
        let length = head.header("content-length").unwrap().parse().unwrap();
        bytes.resize(length, 0);
        socket.read_exact(&mut bytes)?;
        Ok((head.code, serde_json::from_slice(&bytes)?))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if self.pid == 0 {
            return;
        }
        if self.ask("DELETE", &self.session, None).is_err() {
            super::signal(self.pid, Signal::SIGKILL);
        }
        // It writes to its profile to the last.
        wait_for("Chromium to end", || (!is_alive(self.pid)).then_some(()));
    }
}

/// RFC 4648 section 4, of what is known to be well-formed.
fn from_base64(text: &str) -> Vec<u8> {
    let value = |c: u8| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let mut bytes = Vec::new();
    for four in text.trim_end_matches('=').as_bytes().chunks(4) {
        let bits = four
            .iter()
            .fold(0, |bits, &c| bits << 6 | u32::from(value(c)));
        let bits = bits << (6 * (4 - four.len()));
        bytes.extend_from_slice(&bits.to_be_bytes()[1..four.len()]);
    }
    bytes
}
