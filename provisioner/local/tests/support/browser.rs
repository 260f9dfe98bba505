//! A real browser without a window, over the protocol that all browsers speak (<https://www.w3.org/TR/webdriver2/>).

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine;
use serde_json::{Value, json};

use super::until;

pub struct Browser {
    driver: Child,
    port: u16,
    session: String,
}

impl Browser {
    pub fn new() -> Browser {
        let driver = Command::new("chromedriver").arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut driver = driver.expect("`chromedriver`, which provisioner/setup.sh installs");
        let mut said = BufReader::new(driver.stdout.take().unwrap());
        let port = loop {
            let mut line = String::new();
            assert_ne!(said.read_line(&mut line).unwrap(), 0, "chromedriver did not start");
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                break port.trim().trim_end_matches('.').parse().unwrap();
            }
        };
        // The later output of the driver goes nowhere, and must not fill the pipe.
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        // A container's user is root. As root the browser runs only without its sandbox.
        let options = json!({ "args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"] });
        let wanted = json!({ "capabilities": { "alwaysMatch": { "goog:chromeOptions": options, "goog:loggingPrefs": { "browser": "ALL" } } } });
        let mut browser = Browser { driver, port, session: String::new() };
        let answer = browser.ask("POST", "/session", &wanted);
        browser.session = answer["sessionId"].as_str().expect("a session").to_owned();
        browser
    }

    pub fn open(&self, address: &str) {
        self.does("POST", "/url", &json!({ "url": address }));
    }

    /// The result of the script, which may be a promise.
    pub fn run(&self, script: &str) -> Value {
        self.does("POST", "/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Waits until the script's value is the wanted one.
    pub fn until(&self, what: &str, script: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        until(what, || Some(self.run(script)).filter(&wanted))
    }

    /// Waits until the text is somewhere in the element.
    pub fn until_text(&self, selector: &str, wanted: &str) -> String {
        let script =
            format!("return [...document.querySelectorAll({selector:?})].map((it) => it.innerText).join('\\n')");
        let what = format!("`{wanted}` in `{selector}`");
        let seen = self.until(&what, &script, |text| text.as_str().is_some_and(|text| text.contains(wanted)));
        seen.as_str().unwrap().to_owned()
    }

    /// Clicks as a user does: the element must be there, be seen, and not be covered.
    pub fn click(&self, selector: &str) {
        let found = until(selector, || {
            let found = self.does("POST", "/element", &json!({ "using": "css selector", "value": selector }));
            found.as_object()?.iter().find(|(key, _)| key.starts_with("element-")).map(|(_, id)| id.clone())
        });
        let answer = self.does("POST", &format!("/element/{}/click", found.as_str().unwrap()), &json!({}));
        assert_eq!(answer, Value::Null, "clicking {selector}");
    }

    pub fn type_into(&self, selector: &str, text: &str) {
        let found = self.does("POST", "/element", &json!({ "using": "css selector", "value": selector }));
        let id = found.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned();
        self.does("POST", &format!("/element/{id}/clear"), &json!({}));
        self.does("POST", &format!("/element/{id}/value"), &json!({ "text": text }));
    }

    pub fn look(&self, width: u32, height: u32, scheme: &str) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500 });
        self.chrome("Emulation.setDeviceMetricsOverride", &size);
        let scheme = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.chrome("Emulation.setEmulatedMedia", &scheme);
    }

    /// Takes a picture of the whole page.
    pub fn picture(&self, file: &Path) {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::thread::sleep(Duration::from_millis(300));
        let picture = self.chrome("Page.captureScreenshot", &json!({ "captureBeyondViewport": true }));
        let bytes = base64::engine::general_purpose::STANDARD.decode(picture["data"].as_str().unwrap()).unwrap();
        std::fs::write(file, bytes).unwrap();
    }

    /// The complaints of the browser: scripts that fail, loads that a policy forbids.
    pub fn complaints(&self) -> Vec<String> {
        let lines = self.does("POST", "/se/log", &json!({ "type": "browser" }));
        lines.as_array().unwrap().iter().map(|line| line["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    fn chrome(&self, command: &str, parameters: &Value) -> Value {
        self.does("POST", "/goog/cdp/execute", &json!({ "cmd": command, "params": parameters }))
    }

    fn does(&self, method: &str, path: &str, body: &Value) -> Value {
        self.ask(method, &format!("/session/{}{path}", self.session), body)
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let mut answer = http(self.port, method, path, &[("Content-Type", "application/json")], &body.to_string());
        let body = answer.split_off(answer.find("\r\n\r\n").unwrap() + 4);
        serde_json::from_str::<Value>(&body).unwrap_or_else(|error| panic!("{error}: {body}"))["value"].take()
    }
}

/// The browser is ended also if a test failed: a driver that is only killed leaves its browser behind.
impl Drop for Browser {
    fn drop(&mut self) {
        let _ = TcpStream::connect(("127.0.0.1", self.port)).and_then(|mut stream| {
            stream.set_read_timeout(Some(Duration::from_secs(10)))?;
            write!(stream, "DELETE /session/{} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n\r\n", self.session, self.port)?;
            stream.read(&mut [0; 16])
        });
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// Sends a request. Gives the head and body of the answer.
pub fn http(port: u16, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut request = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
    if !headers.iter().any(|(name, _)| *name == "Host") {
        request += &format!("Host: 127.0.0.1:{port}\r\n");
    }
    headers.iter().for_each(|(name, value)| request += &format!("{name}: {value}\r\n"));
    stream.write_all(format!("{request}\r\n{body}").as_bytes()).unwrap();
    // A server may keep the connection open. The length says where the answer ends.
    let mut reader = BufReader::new(stream);
    let (mut answer, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap() == 0 {
            return answer;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        answer += &line;
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    answer + &String::from_utf8_lossy(&body)
}
