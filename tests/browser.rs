//! The page in a real Chromium: a live picture, a table that lives, a slider that sets, and what
//! a kill looks like.
//!
//! Not here: the bytes that it is made of (`http`).

mod common;

use std::process::Stdio;
use std::time::{Duration, Instant};

use common::http::get;
use common::webdriver::Browser;
use common::{Instance, Watch, signal, unique, wait_for};
use nix::sys::signal::Signal;
use serde_json::Value;

/// Pages that are open at once. Each has a host name of its own, since a browser opens at most
/// six connections to one, and a stream is one.
const PAGES: usize = 8;

fn start(more: &[&str]) -> Instance {
    let instance = Instance::start(&[&["--source", "test"], more].concat());
    instance.wait_live();
    instance
}

/// What the picture shows now, as a number; 0 while it shows nothing.
const PICTURE: &str = "(() => {
    const picture = document.querySelector('#picture');
    if (!picture.naturalWidth) return 0;
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [picture.naturalWidth, picture.naturalHeight];
    const context = canvas.getContext('2d');
    context.drawImage(picture, 0, 0);
    const {data} = context.getImageData(0, 0, canvas.width, canvas.height);
    return data.reduce((sum, byte) => (sum * 31 + byte) >>> 0, 7) || 1;
})()";

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

/// The sender that serves the page, as its table shows: the number in its first column.
fn own_sender(browser: &Browser) -> u32 {
    let pid = "document.querySelector('tr.you i').textContent";
    let pid = browser.wait("the page's own viewer in the table", pid);
    pid.as_str().unwrap().parse().unwrap()
}

#[test]
#[ignore = "needs Chromium: tests/run"]
fn the_page_is_live() {
    let instance = start(&["--size", "640x360", "--clients", "2"]);
    let browser = Browser::start(1280, 900);
    browser.go(&instance.url("/"));
    assert_moving(&browser);
    let size = browser.run("return [picture.naturalWidth, picture.naturalHeight]");
    assert_eq!(size, serde_json::json!([640, 360]));

    // The table: every process, which of them is this page's, and again every second.
    let own = own_sender(&browser);
    let served = instance.serving();
    assert_eq!(served, [own]);
    let marked = browser.run("return document.querySelectorAll('tr.you mark').length");
    assert_eq!(marked, 1);
    browser.wait(
        "all processes",
        "document.querySelectorAll('#workers tr').length == 2 + 1 + 4",
    );
    let sent = "document.querySelector('tr.you td:nth-child(5)').textContent";
    let first = browser.wait("a count", sent);
    browser.wait("a refreshed count", &format!("{sent} != {first} && {sent}"));

    // Its sender is killed: the picture comes back by itself, and the table tells.
    signal(own, Signal::SIGKILL);
    let restarted =
        "[...document.querySelectorAll('#workers td:last-child')].some(e => e.textContent == '1')";
    browser.wait("the restart in the table", restarted);
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
    browser.go(&page(0));
    for n in 1..PAGES {
        browser.go_in_new_tab(&page(n));
    }
    instance.wait_until("a viewer a page", |s| s["totals"]["viewers"] == PAGES);
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
    let others = Watch::start(&instance.url("/stream"), 2, 60.0, &[]);
    let browser = Browser::start(1280, 1400);
    browser.go(&instance.url("/"));
    assert_moving(&browser);
    own_sender(&browser);
    // What the house is for: a death that no viewer noticed.
    signal(instance.capture(), Signal::SIGKILL);
    instance.wait_until("the restart", |s| s["totals"]["restarts"] == 1);
    let rows = "[...document.querySelectorAll('#workers tr')]";
    let died = "r.cells[0].innerText.startsWith('capture') && r.cells[9].innerText == '1'";
    browser.wait("it in the table", &format!("{rows}.some(r => {died})"));
    let sent = |s: &Value| s["totals"]["frames_sent"].as_u64().unwrap();
    let before = sent(&instance.status());
    instance.wait_until("much sent since", |s| sent(s) > before + 300);
    assert_moving(&browser);
    let png = browser.screenshot();
    assert!(png.starts_with(b"\x89PNG\r\n"), "{} bytes", png.len());
    if let Some(file) = file {
        std::fs::write(file, &png).unwrap();
    }
    others.interrupt();
}
