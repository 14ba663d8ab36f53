//! A real browser, driven by the Chrome DevTools Protocol (<https://chromedevtools.github.io/devtools-protocol/>) over a
//! pipe: no port, no driver, no library.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use epitaph_testkit::skip::skipped;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::folder;

/// How long an answer of the browser may take, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);

/// The shell gives the browser its pipe as descriptors 3 and 4.
const START: &str = r#"exec chromium --headless --remote-debugging-pipe --no-sandbox --disable-gpu --disable-quic \
    --no-first-run --disable-background-networking --disable-component-update --disable-sync --user-data-dir="$0" \
    3<&0 4>&1 </dev/null >/dev/null 2>&1"#;

/// A browser with one tab. It ends when this is dropped.
pub(super) struct Browser {
    child: Child,
    to: ChildStdin,
    from: Receiver<Value>,
    next: u64,
    tab: String,
    /// What the tab told without being asked, as far as it was read.
    events: Vec<Value>,
    _profile: TempDir,
}

impl Browser {
    /// Starts one; says so and returns `None` where there is none.
    pub(super) fn start_or_skip() -> Option<Browser> {
        if Command::new("chromium").arg("--version").output().is_err() {
            skipped("chromium is not installed (make setup installs it)");
            return None;
        }
        let profile = folder();
        let mut child = Command::new("sh")
            .args(["-c", START])
            .arg(profile.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let to = child.stdin.take().unwrap();
        let mut answers = BufReader::new(child.stdout.take().unwrap());
        let (sender, from) = channel();
        std::thread::spawn(move || {
            let mut message = Vec::new();
            // Each message ends with a zero byte.
            while answers.read_until(0, &mut message).is_ok_and(|read| read > 1) {
                let value = serde_json::from_slice(&message[..message.len() - 1]).unwrap();
                if sender.send(value).is_err() {
                    break;
                }
                message.clear();
            }
        });
        let mut browser =
            Browser { child, to, from, next: 0, tab: String::new(), events: Vec::new(), _profile: profile };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attached =
            browser.call("Target.attachToTarget", json!({ "targetId": target["targetId"], "flatten": true }));
        attached["sessionId"].as_str().unwrap().clone_into(&mut browser.tab);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        Some(browser)
    }

    /// Calls a method and returns its result.
    pub(super) fn call(&mut self, method: &str, params: Value) -> Value {
        self.next += 1;
        let id = self.next;
        let mut message = json!({ "id": id, "method": method });
        message["params"] = params;
        if !self.tab.is_empty() {
            message["sessionId"] = json!(self.tab);
        }
        let mut bytes = serde_json::to_vec(&message).unwrap();
        bytes.push(0);
        self.to.write_all(&bytes).unwrap();
        let answer = self.wait_for(|message| message["id"] == id);
        assert!(answer["error"].is_null(), "{method}: {answer}");
        answer["result"].clone()
    }

    /// Waits for a message; keeps the others.
    fn wait_for(&mut self, is_it: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let message = self.from.recv_timeout(left).expect("the browser answers in time");
            if is_it(&message) {
                return message;
            }
            self.events.push(message);
        }
    }

    /// Opens a file, at a place in it if that isn't empty, and waits until it is there as a whole.
    pub(super) fn open(&mut self, file: &Path, place: &str) {
        // From another page, so that another place in the same file is loaded anew.
        for url in ["about:blank".to_owned(), format!("file://{}{place}", file.display())] {
            self.events.retain(|event| event["method"] != "Page.loadEventFired");
            self.call("Page.navigate", json!({ "url": url }));
            let loaded = |event: &Value| event["method"] == "Page.loadEventFired";
            if !self.events.iter().any(loaded) {
                self.wait_for(loaded);
            }
        }
    }

    /// Returns what a script's expression gives in the tab.
    pub(super) fn ask(&mut self, expression: &str) -> Value {
        let params = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let result = self.call("Runtime.evaluate", params);
        assert!(result["exceptionDetails"].is_null(), "{expression}: {result}");
        result["result"]["value"].clone()
    }

    /// Waits until an expression is true.
    #[track_caller]
    pub(super) fn until(&mut self, expression: &str) {
        let end = Instant::now() + Duration::from_secs(20);
        while self.ask(expression) != true {
            assert!(Instant::now() < end, "never true: {expression}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Types keys: characters, or `Escape`.
    pub(super) fn press(&mut self, keys: &[&str]) {
        for key in keys {
            let mut down = json!({ "type": "keyDown", "key": key });
            if key.chars().count() == 1 {
                down["text"] = json!(key);
            }
            self.call("Input.dispatchKeyEvent", down);
            self.call("Input.dispatchKeyEvent", json!({ "type": "keyUp", "key": key }));
        }
    }

    /// Clicks where an element is.
    pub(super) fn click(&mut self, selector: &str) {
        let place = self.ask(&format!(
            "(() => {{ const it = document.querySelector({}); it.scrollIntoView({{ block: 'center' }}); \
             const box = it.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; }})()",
            json!(selector)
        ));
        for kind in ["mousePressed", "mouseReleased"] {
            let params =
                json!({ "type": kind, "x": place[0], "y": place[1], "button": "left", "clickCount": 1 });
            self.call("Input.dispatchMouseEvent", params);
        }
    }

    /// Sets whether pages may run scripts, as a sandbox forbids.
    pub(super) fn allow_scripts(&mut self, allowed: bool) {
        self.call("Emulation.setScriptExecutionDisabled", json!({ "value": !allowed }));
    }

    /// Sets the width of the window and what the system prefers: `light` or `dark`.
    pub(super) fn look(&mut self, width: u32, colours: &str) {
        let metrics = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", metrics);
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": colours }] });
        self.call("Emulation.setEmulatedMedia", features);
    }

    /// Returns what no page may cause: messages on the console, exceptions, and requests for anything but files of ours.
    pub(super) fn complaints(&mut self) -> Vec<String> {
        // Whatever it caused before this is answered has been told.
        self.ask("1");
        let complaint = |event: &Value| match event["method"].as_str()? {
            "Runtime.consoleAPICalled" | "Runtime.exceptionThrown" | "Log.entryAdded" => {
                Some(event.to_string())
            }
            "Network.requestWillBeSent" => {
                let url = event["params"]["request"]["url"].as_str()?;
                let is_ours = ["file:", "data:", "about:"].iter().any(|scheme| url.starts_with(scheme));
                (!is_ours).then(|| url.to_owned())
            }
            _ => None,
        };
        self.events.drain(..).filter_map(|event| complaint(&event)).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
