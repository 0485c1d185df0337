//! The page in a real Chromium: a live picture and what tells that it is one, the past, files,
//! numbers that live, a slider that sets, and what a kill looks like.
//!
//! Not here: the bytes that it is made of (`http`).

mod common;

use std::io::{BufRead, BufReader, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use common::http::get;
use common::webdriver::Browser;
use common::{Instance, Watch, signal, unique, wait_for};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

/// Pages that are open at once. Each has a host name of its own, since a browser opens at most
/// six connections to one, and a stream is one.
const PAGES: usize = 8;

fn start(more: &[&str]) -> Instance {
    let instance = Instance::start(&[&["--source", "test"], more].concat());
    instance.wait_live();
    instance
}

/// The page of a small live picture.
fn open(more: &[&str]) -> (Instance, Browser) {
    let instance = start(&[&["--size", "320x240"], more].concat());
    let browser = Browser::start(1280, 900);
    browser.go(&instance.url("/"));
    wait_badge(&browser, "LIVE");
    (instance, browser)
}

/// What the picture shows now, as a number; 0 while it shows nothing.
const PICTURE: &str = "(() => {
    const picture = document.querySelector('#picture');
    if (picture.width < 2) return 0;
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [picture.width, picture.height];
    const context = canvas.getContext('2d');
    context.drawImage(picture, 0, 0);
    const {data} = context.getImageData(0, 0, canvas.width, canvas.height);
    return data.reduce((sum, byte) => (sum * 31 + byte) >>> 0, 7) || 1;
})()";

/// How many seconds ago what the picture shows was captured; both clocks are this machine's.
const AGE: &str = "Date.now() / 1000 - shown.time";

/// Waits until the picture has changed a few times.
fn assert_moving(browser: &Browser) {
    let mut last = browser.wait("a picture", PICTURE);
    for _ in 0..3 {
        last = wait_for("another picture", || {
            let now = browser.wait("a picture", PICTURE);
            (now != last).then_some(now)
        });
    }
}

/// Waits until the badge begins with it.
fn wait_badge(browser: &Browser, word: &str) {
    let begins = format!("document.querySelector('#badge').textContent.startsWith('{word}')");
    browser.wait(word, &begins);
}

/// The sender that serves the page, as its table shows: the number in its row.
fn own_sender(browser: &Browser) -> u32 {
    let pid = "document.querySelector('tr.you i').textContent";
    let pid = browser.wait("the page's own viewer in the table", pid);
    pid.as_str().unwrap().parse().unwrap()
}

fn press(browser: &Browser, key: &str) {
    browser.run(&format!(
        "document.body.dispatchEvent(new KeyboardEvent('keydown', {{key: '{key}', bubbles: true}}))"
    ));
}

fn number(browser: &Browser, expression: &str) -> f64 {
    browser.wait(expression, expression).as_f64().unwrap()
}

#[test]
#[ignore = "needs Chromium: tests/run"]
fn the_page_is_live() {
    let instance = start(&["--size", "640x360", "--clients", "2"]);
    let browser = Browser::start(1280, 900);
    browser.go(&instance.url("/"));
    assert_moving(&browser);
    wait_badge(&browser, "LIVE");
    let size = browser.run("return [picture.width, picture.height]");
    assert_eq!(size, json!([640, 360]));

    // The table: which of the viewers is this page, and again every second.
    let own = own_sender(&browser);
    let served = instance.serving();
    assert_eq!(served, [own]);
    let marked = browser.run("return document.querySelectorAll('tr.you mark').length");
    assert_eq!(marked, 1);
    browser.wait(
        "all processes",
        "document.querySelector('#model').textContent.startsWith('7 processes: ')",
    );
    let sent = "document.querySelector('tr.you td:nth-child(5)').textContent";
    let first = browser.wait("a count", sent);
    browser.wait("a refreshed count", &format!("{sent} != {first} && {sent}"));

    // Its sender is killed: the picture comes back by itself, and the page tells.
    signal(own, Signal::SIGKILL);
    browser.wait(
        "the restart among the processes",
        "document.querySelector('#workers').textContent.includes('1 restart')",
    );
    let next = wait_for("another sender", || {
        Some(own_sender(&browser)).filter(|&pid| pid != own)
    });
    assert!(instance.serving().contains(&next));
    assert_moving(&browser);

    // All that it ever asked for was here.
    let asked = browser.requested();
    assert!(asked.len() > 3, "{asked:?}");
    let here = instance.url("/");
    for url in asked {
        let is_here = url.starts_with(&here) || url.starts_with("data:");
        assert!(is_here, "{url} is elsewhere");
    }
}

#[test]
#[ignore = "needs Chromium: tests/run"]
fn a_killed_sender_costs_less_than_a_second() {
    let (_instance, browser) = open(&[]);
    // The longest time between two pictures on the screen.
    browser.run(
        "const draw = canvas.transferFromImageBitmap;
        window.longest = window.drawn = 0;
        let last = performance.now();
        canvas.transferFromImageBitmap = function (bitmap) {
            const now = performance.now();
            [longest, last, drawn] = [Math.max(longest, now - last), now, drawn + 1];
            return draw.call(this, bitmap);
        }",
    );
    let mut own = own_sender(&browser);
    for _ in 0..3 {
        browser.run("drawn = 0");
        signal(own, Signal::SIGKILL);
        own = wait_for("another sender", || {
            Some(own_sender(&browser)).filter(|&pid| pid != own)
        });
        // So the next kill is again of a stream that has run for a while.
        browser.wait("pictures", "drawn > 60");
    }
    let longest = number(&browser, "longest");
    println!("three kills: never longer than {longest:.0} ms without a new picture");
    assert!(longest < 1000.0, "{longest} ms");
}

#[test]
#[ignore = "needs Chromium: tests/run"]
fn a_frozen_picture_does_not_look_live() {
    let (instance, browser) = open(&["--clients", "3"]);
    let stale = "document.querySelector('#stage').matches('.stale')";
    assert_eq!(browser.run(&format!("return {stale}")), false);

    // Its sender stands still: it is connected, and nothing comes.
    let own = own_sender(&browser);
    signal(own, Signal::SIGSTOP);
    wait_badge(&browser, "FROZEN");
    browser.wait("a picture that is seen to be old", stale);
    let title = browser.run("return document.title");
    assert!(title.as_str().unwrap().starts_with("FROZEN"), "{title}");
    // It does not wait for ever.
    wait_badge(&browser, "LIVE");
    wait_for("another sender", || {
        Some(own_sender(&browser)).filter(|&pid| pid != own)
    });
    assert_eq!(browser.run(&format!("return {stale}")), false);
    signal(own, Signal::SIGCONT);

    // The capture process stands still: senders go on, and say so.
    signal(instance.capture(), Signal::SIGSTOP);
    wait_badge(&browser, "NO SIGNAL");
    // It is found hung, and succeeded.
    wait_badge(&browser, "LIVE");
    assert_moving(&browser);

    // Nobody answers any more.
    drop(instance);
    wait_badge(&browser, "NO ANSWER");
}

#[test]
#[ignore = "needs Chromium: tests/run"]
fn no_camera_is_said_with_the_reason() {
    let instance = Instance::start(&["--source", "/dev/video-none"]);
    let browser = Browser::start(1280, 900);
    browser.go(&instance.url("/"));
    wait_badge(&browser, "NO CAMERA");
    let reason = "document.querySelector('#reason').textContent.includes('/dev/video-none')";
    browser.wait("the reason", reason);
}

#[test]
#[ignore = "needs Chromium: tests/run"]
fn a_slider_into_the_past_and_back() {
    let (instance, browser) = open(&["--ring", "48M"]);
    let slide = |to: f64| {
        browser.run(&format!(
            "time.value = {to};
            for (const type of ['input', 'change']) time.dispatchEvent(new Event(type))"
        ));
    };
    browser.wait("five seconds", "!time.disabled && time.min < -5");
    slide(-4.0);
    wait_badge(&browser, "PAST \u{2212}4.");
    assert_moving(&browser);
    let age = number(&browser, AGE);
    assert!((3.5..6.0).contains(&age), "{age} s");
    instance.wait_until("one viewer", |s| s["totals"]["viewers"] == 1);

    // Further back by a key, and live by a button.
    press(&browser, "ArrowLeft");
    wait_badge(&browser, "PAST \u{2212}5.");
    browser.run("document.querySelector('#live').click()");
    wait_badge(&browser, "LIVE");
    browser.wait("a picture of now", &format!("{AGE} < 1"));

    // A pause gives the place back, keeps its picture, and goes on from there.
    press(&browser, " ");
    wait_badge(&browser, "PAUSED");
    let paused = number(&browser, "shown.time");
    instance.wait_until("no viewer", |s| s["totals"]["viewers"] == 0);
    browser.wait("two seconds", &format!("{AGE} > 2"));
    assert_eq!(number(&browser, "shown.time"), paused);
    press(&browser, " ");
    wait_badge(&browser, "PAST");
    let next = number(&browser, &format!("shown.time > {paused} && shown.time"));
    assert!(next - paused < 2.0, "{} s are left out", next - paused);
    press(&browser, "l");
    wait_badge(&browser, "LIVE");
}

#[test]
#[ignore = "needs Chromium: tests/run"]
fn the_chart_has_the_last_minutes() {
    let instance = start(&["--size", "320x240"]);
    instance.wait_until("some seconds", |s| {
        s["supervisor"]["uptime_s"].as_f64() > Some(4.0)
    });
    let browser = Browser::start(1280, 900);
    browser.go(&instance.url("/"));
    let points =
        |id: &str| format!("document.querySelector('{id}').getAttribute('d').split('L').length");
    // Those from before it was opened, and one more a second.
    browser.wait("the history", &format!("{} > 2", points("#fps")));
    let first = number(&browser, &points("#size"));
    browser.wait("more", &format!("{} > {first} + 2", points("#size")));
    let label = browser.run("return document.querySelector('#chart').ariaLabel");
    assert!(label.as_str().unwrap().contains("no restarts"), "{label}");
    signal(instance.capture(), Signal::SIGKILL);
    browser.wait(
        "a mark for the restart",
        "document.querySelector('path.mark').getAttribute('d')",
    );
}

/// The file that a page saves there, once it is whole.
fn saved(dir: &Path, ending: &str) -> Vec<u8> {
    wait_for(ending, || {
        let files = std::fs::read_dir(dir).unwrap().map(Result::unwrap);
        let file = files.map(|f| f.path()).find(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            name.ends_with(ending)
        })?;
        Some(std::fs::read(file).unwrap()).filter(|bytes| !bytes.is_empty())
    })
}

#[test]
#[ignore = "needs Chromium: tests/run"]
fn buttons_give_files() {
    let (_instance, browser) = open(&["--ring", "4M"]);
    let dir = tempfile::tempdir().unwrap();
    let to = json!({"behavior": "allow", "downloadPath": dir.path()});
    browser.devtools("Browser.setDownloadBehavior", to);
    browser.run("document.querySelector('#snapshot').click()");
    picture::jpeg::check(&saved(dir.path(), ".jpg")).unwrap();

    // Of a minute the ring holds less, and the page says so.
    browser.wait("a ring that has turned", "status.ring.oldest > 1");
    browser.run(
        "document.querySelector('#length').value = 60;
        document.querySelector('#clip').click()",
    );
    let clip = saved(dir.path(), ".avi");
    assert_eq!((&clip[..4], &clip[8..12]), (&b"RIFF"[..], &b"AVI "[..]));
    browser.wait(
        "a word about it",
        "document.querySelector('#said').textContent.includes('--ring')",
    );
}

/// Hands on what comes for `/cam/…` as `/…`, one request a connection.
fn under_a_path(to: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap().to_string();
    let to = to.to_owned();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (Ok(client), to) = (client, to.clone()) else {
                continue;
            };
            std::thread::spawn(move || hand_on(client, &to));
        }
    });
    at
}

fn hand_on(mut client: TcpStream, to: &str) -> std::io::Result<()> {
    let mut from = BufReader::new(client.try_clone()?);
    let mut line = String::new();
    from.read_line(&mut line)?;
    let mut server = TcpStream::connect(to)?;
    server.write_all(line.replacen(" /cam/", " /", 1).as_bytes())?;
    let mut back = server.try_clone()?;
    let there = client.try_clone()?;
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut back, &mut client);
        let _ = client.shutdown(Shutdown::Both);
    });
    let _ = std::io::copy(&mut from, &mut server);
    let _ = server.shutdown(Shutdown::Both);
    there.shutdown(Shutdown::Both)
}

#[test]
#[ignore = "needs Chromium: tests/run"]
fn under_a_path_and_lines_to_copy() {
    let instance = start(&["--size", "320x240"]);
    let base = format!("http://{}/cam/", under_a_path(instance.address()));
    let browser = Browser::start(1280, 900);
    browser.go(&base);
    wait_badge(&browser, "LIVE");
    assert_moving(&browser);
    own_sender(&browser);
    let lines =
        browser.run("return [...document.querySelectorAll('#lines code')].map(e => e.textContent)");
    let lines: Vec<_> = lines
        .as_array()
        .unwrap()
        .iter()
        .map(|l| l.as_str().unwrap())
        .collect();
    for begins in ["ffplay ", "vlc ", "cv2.VideoCapture(", "http://"] {
        let line = lines.iter().find(|line| line.starts_with(begins));
        let line = line.unwrap_or_else(|| panic!("no {begins} in {lines:?}"));
        assert!(line.contains(&format!("{base}stream")), "{line}");
    }
    for url in browser.requested() {
        let is_here = url.starts_with(&base) || url.starts_with("data:");
        assert!(is_here, "{url} is not under the path");
    }
}

#[test]
#[ignore = "needs Chromium: tests/run"]
fn a_phone_need_not_scroll_sideways() {
    let (_instance, browser) = open(&[]);
    own_sender(&browser);
    for width in [320, 390, 768] {
        let screen = json!({"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": true});
        browser.devtools("Emulation.setDeviceMetricsOverride", screen);
        browser.run("for (const it of document.querySelectorAll('details')) it.open = true");
        let fits =
            format!("innerWidth == {width} && document.documentElement.scrollWidth == {width}");
        browser.wait(&format!("all within {width} pixels"), &fits);
    }
}

#[test]
#[ignore = "needs Chromium: tests/run"]
fn one_short_request_a_second_and_none_while_hidden() {
    let (_instance, browser) = open(&[]);
    let short = "performance.getEntriesByType('resource').filter(e => !e.name.includes('/stream'))";
    browser.wait("eight seconds", "performance.now() > 8000");
    let [asked, seconds] = ["length", "at(-1).startTime / 1000"]
        .map(|what| number(&browser, &format!("{short}.{what}")));
    println!("{asked} short requests in {seconds:.1} s");
    assert!(
        asked > 3.0 && asked <= seconds + 2.0,
        "{asked} in {seconds} s"
    );

    let hide = |hidden: bool| {
        browser.run(&format!(
            "Object.defineProperty(document, 'hidden', {{value: {hidden}, configurable: true}});
            document.dispatchEvent(new Event('visibilitychange'));
            window.since = performance.now()"
        ));
    };
    hide(true);
    browser.wait("three seconds", "performance.now() > since + 3000");
    let hidden = browser.run(&format!(
        "return {short}.filter(e => e.startTime > since).length"
    ));
    assert_eq!(hidden, 0);
    hide(false);
    browser.wait(
        "a request",
        &format!("{short}.some(e => e.startTime >= since - 100)"),
    );
    wait_badge(&browser, "LIVE");
}

#[test]
#[ignore = "needs Chromium: tests/run"]
fn a_slider_sets_its_control() {
    let instance = start(&["--size", "320x240"]);
    let browser = Browser::start(1280, 900);
    browser.go(&instance.url("/"));
    browser.wait(
        "the controls",
        "!document.querySelector('#controls').hidden",
    );
    browser.run("document.querySelector('#controls').open = true");
    let slider = "document.querySelector('#list input[type=range][name=compression_quality]')";
    browser.wait("its slider", &format!("{slider}.value == '80'"));
    browser.run(&format!(
        "const it = {slider};
        it.value = 5;
        for (const type of ['input', 'change']) it.dispatchEvent(new Event(type))"
    ));
    wait_for("its value", || {
        let reply = get(instance.address(), "/controls");
        let list: Value = serde_json::from_slice(&reply.body).unwrap();
        (list["controls"][0]["value"] == 5).then_some(())
    });
    let shown = format!("{slider}.parentNode.querySelector('output').textContent == '5'");
    browser.wait("it beside the slider", &shown);
    let why = "document.querySelector('#why').textContent == ''";
    browser.wait("no complaint", why);
}

#[test]
#[ignore = "needs Chromium: tests/run"]
fn a_full_house_of_pages_and_the_status_answers() {
    let clients = PAGES.to_string();
    let instance = start(&["--size", "640x360", "--clients", &clients]);
    let port = instance.address().rsplit_once(':').unwrap().1.to_owned();
    let page = |n: usize| format!("http://page{n}.localhost:{port}/");
    let browser = Browser::start(1280, 900);
    for n in 0..PAGES {
        match n {
            0 => browser.go(&page(n)),
            _ => browser.go_in_new_tab(&page(n)),
        }
        // One that is covered by the next before it has begun does not begin.
        instance.wait_until("a viewer a page", |s| s["totals"]["viewers"] == n + 1);
    }
    let mut slowest = Duration::ZERO;
    for _ in 0..50 {
        let began = Instant::now();
        assert_eq!(get(instance.address(), "/status").code, 200);
        slowest = slowest.max(began.elapsed());
    }
    println!("{PAGES} pages open: the slowest of 50 /status took {slowest:?}");
    assert_moving(&browser);

    // One page too many is told so, and gets its picture when a place is free.
    browser.go_in_new_tab(&page(PAGES));
    let note = "document.querySelector('#note').textContent.includes('All places are taken')";
    browser.wait("a word to the page that has no place", note);
    instance.wait_until("no more viewers", |s| s["totals"]["viewers"] == PAGES);
}

/// Takes the picture in the README: `SEQCAST_SCREENSHOT=$PWD/docs/page.png cargo test -p supervisor
/// --test browser -- --ignored a_screenshot`.
#[test]
#[ignore = "needs Chromium: tests/run"]
fn a_screenshot() {
    let file = std::env::var_os("SEQCAST_SCREENSHOT");
    let name = match file {
        Some(_) => "cam0".into(), // as a person sees it who starts it
        None => unique("screenshot"),
    };
    let args = ["--source", "test", "--clients", "3"];
    let instance = Instance::start_named(&name, &args, Stdio::null());
    instance.wait_live();
    let others = Watch::start(&instance.url("/stream"), 2, 600.0, &[]);
    let browser = Browser::start(1280, 1800);
    browser.go(&instance.url("/"));
    assert_moving(&browser);
    own_sender(&browser);
    // What the house is for: a death that no viewer noticed.
    signal(instance.capture(), Signal::SIGKILL);
    instance.wait_until("the restart", |s| s["totals"]["restarts"] == 1);
    let died = "[...document.querySelectorAll('#workers li')].some(it => /^capture.*1 restart/.test(it.textContent))";
    browser.wait("it among the processes", died);
    let marked = "document.querySelector('#restarts').textContent == '1 restart'";
    browser.wait("it in the chart", marked);
    let sent = |s: &Value| s["totals"]["frames_sent"].as_u64().unwrap();
    let before = sent(&instance.status());
    // For a person, some of the chart.
    let much = if file.is_some() { 3600 } else { 300 };
    instance.wait_until("much sent since", |s| sent(s) > before + much);
    assert_moving(&browser);
    let png = browser.screenshot();
    assert!(png.starts_with(b"\x89PNG\r\n"), "{} bytes", png.len());
    if let Some(file) = file {
        std::fs::write(file, &png).unwrap();
    }
    others.interrupt();
}
