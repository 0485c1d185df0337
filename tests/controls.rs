//! Controls from the command line and over HTTP to the source and back, at the example of the test
//! picture, which has one: the JPEG quality. Cameras' own are proven in `v4l2-vm`.

mod common;

use common::http::{Reply, exchange, get, request};
use common::{Instance, MODELS, Watch, assert_clean, run, signal, wait_for};
use nix::sys::signal::Signal::{SIGCONT, SIGKILL, SIGSTOP};
use serde_json::Value;

const QUALITY: &str = "compression_quality";

fn post(instance: &Instance, headers: &str, body: &str) -> Reply {
    let address = instance.address();
    exchange(
        address,
        format!(
            "POST /controls HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\n{headers}\r\n{body}",
            body.len()
        ),
    )
}

fn form(instance: &Instance, body: &str) -> Reply {
    let headers = "Content-Type: application/x-www-form-urlencoded\r\n";
    post(instance, headers, body)
}

fn json(reply: &Reply) -> Value {
    assert_eq!(reply.code, 200, "{}", reply.text());
    assert_eq!(reply.header("Content-Type"), Some("application/json"));
    serde_json::from_slice(&reply.body).unwrap()
}

fn list(instance: &Instance) -> Value {
    json(&get(instance.address(), "/controls"))
}

fn quality(list: &Value) -> Option<i64> {
    let controls = list["controls"].as_array().unwrap();
    let control = controls.iter().find(|control| control["name"] == QUALITY)?;
    control["value"].as_i64()
}

fn wait_quality(instance: &Instance, value: i64) {
    wait_for("the controls", || {
        (quality(&list(instance)) == Some(value)).then_some(())
    });
}

/// The length of the newest frame.
fn frame_len(instance: &Instance) -> usize {
    get(instance.address(), "/snapshot").body.len()
}

#[test]
fn are_set_over_http_while_viewers_watch() {
    for model in MODELS {
        let args = ["--source", "test", "--size", "320x240", "--quality", "80"];
        let instance = Instance::start(&[&args, model].concat());
        instance.wait_live();
        let watch = Watch::start(&instance.url("/stream"), 3, 600.0, &[]);
        wait_quality(&instance, 80);
        let fine = frame_len(&instance);
        let all = list(&instance);
        assert_eq!(all["writable"], true, "{all}");
        let control = &all["controls"][0];
        assert_eq!(control["kind"], "integer", "{all}");
        assert_eq!((&control["min"], &control["max"]), (&1.into(), &100.into()));
        let set = json(&form(&instance, "compression_quality=5"));
        assert_eq!(quality(&set), Some(5), "{set}");
        assert!(frame_len(&instance) < fine * 3 / 4, "it is no smaller");
        let typed = "Content-Type: application/json\r\n";
        let set = json(&post(&instance, typed, "{\"compression_quality\": 90}"));
        assert_eq!(quality(&set), Some(90));
        assert_eq!(quality(&list(&instance)), Some(90));
        assert_clean(watch);
        assert_eq!(instance.stop().0.code(), Some(0));
    }
}

#[test]
fn what_it_does_not_take_is_refused_with_its_range() {
    let instance = Instance::start(&["--source", "test"]);
    wait_quality(&instance, 80);
    for (body, code, said) in [
        ("compression_quality=101", 422, "takes 1 to 100, not 101"),
        ("compression_quality=0", 422, "takes 1 to 100, not 0"),
        ("brightness=1", 422, "there are: compression_quality"),
        (
            "compression_quality=5&brightness=1",
            422,
            "no control brightness",
        ),
        ("compression_quality=x", 400, "no whole number"),
        ("compression_quality", 400, "no whole number"),
        ("", 400, "Name 1 to 32"),
    ] {
        let reply = form(&instance, body);
        assert_eq!(reply.code, code, "{body}: {}", reply.text());
        assert!(reply.text().contains(said), "{body}: {}", reply.text());
    }
    assert_eq!(post(&instance, "", "compression_quality=5").code, 415);
    assert_eq!(quality(&list(&instance)), Some(80), "all or nothing");
}

#[test]
fn pages_of_other_origins_and_proxies_cannot() {
    let instance = Instance::start(&["--source", "test"]);
    wait_quality(&instance, 80);
    let here = format!("Origin: http://{}\r\n", instance.address());
    for (headers, code) in [
        ("Origin: http://evil.example\r\n", 403),
        ("Origin: null\r\n", 403),
        ("Sec-Fetch-Site: cross-site\r\n", 403),
        ("Referer: http://evil.example/\r\n", 403),
        ("X-Forwarded-For: 192.0.2.1\r\n", 403),
        ("Via: 1.1 proxy\r\n", 403),
        (&here, 200),
        ("Sec-Fetch-Site: same-origin\r\n", 200),
    ] {
        let headers = format!("{headers}Content-Type: application/x-www-form-urlencoded\r\n");
        let reply = post(&instance, &headers, "compression_quality=70");
        assert_eq!(reply.code, code, "{headers}: {}", reply.text());
    }
}

#[test]
fn read_only_and_beyond_loopback_nobody_can() {
    for (args, said) in [
        (&["--read-only"][..], "--read-only"),
        (&["--http", "0.0.0.0:0"], "no password"),
    ] {
        let instance = Instance::start(&[&["--source", "test"], args].concat());
        wait_quality(&instance, 80);
        let all = list(&instance);
        assert_eq!(all["writable"], false, "{all}");
        assert!(all["reason"].as_str().unwrap().contains(said), "{all}");
        let reply = form(&instance, "compression_quality=5");
        assert_eq!(reply.code, 403);
        assert!(reply.text().contains(said), "{}", reply.text());
        assert_eq!(quality(&list(&instance)), Some(80));
    }
}

#[test]
fn a_request_whose_body_has_two_lengths_is_refused() {
    let instance = Instance::start(&["--source", "test"]);
    for headers in ["Content-Length: 1\r\n", "Transfer-Encoding: chunked\r\n"] {
        assert_eq!(post(&instance, headers, "a=1").code, 400, "{headers}");
    }
    let address = instance.address();
    assert_eq!(
        exchange(address, request("POST", address, "/controls")).code,
        411
    );
    for (method, path, allow) in [
        ("POST", "/status", "GET, HEAD, OPTIONS"),
        ("PUT", "/controls", "GET, HEAD, OPTIONS, POST"),
    ] {
        let reply = exchange(address, request(method, address, path));
        assert_eq!((reply.code, reply.header("Allow")), (405, Some(allow)));
    }
    assert_eq!(form(&instance, &"x".repeat(4097)).code, 413);
}

#[test]
fn from_the_command_line_at_each_opening_and_what_was_set_since_lasts() {
    let set = "compression_quality=30";
    let instance = Instance::start(&["--source", "test", "--control", set]);
    wait_quality(&instance, 30);
    assert!(instance.status()["source"]["controls_refused"].is_null());
    signal(instance.capture(), SIGKILL);
    instance.wait_until("a successor", |s| s["totals"]["restarts"] == 1);
    wait_quality(&instance, 30);
    json(&form(&instance, "compression_quality=40"));
    signal(instance.capture(), SIGKILL);
    instance.wait_until("another", |s| s["totals"]["restarts"] == 2);
    wait_quality(&instance, 40);
}

#[test]
fn what_cannot_be_set_at_the_start_is_said_and_the_picture_comes() {
    let args = [
        "--control",
        "brightness=5",
        "--control",
        "compression_quality=101",
    ];
    let instance = Instance::start(&[&["--source", "test"][..], &args].concat());
    instance.wait_live();
    let status = instance.wait_until("the refusal", |s| {
        !s["source"]["controls_refused"].is_null()
    });
    let said = status["source"]["controls_refused"].as_str().unwrap();
    assert!(said.contains("no control brightness"), "{said}");
    assert!(said.contains("takes 1 to 100, not 101"), "{said}");
    instance.wait_log("control not set: there is no control brightness");
    for bad in ["brightness", "Brightness=1", "brightness=high", "=1"] {
        let (code, _, error) = run(&["--source", "test", "--control", bad]);
        assert_eq!(code, 2, "{bad}: {error}");
    }
}

#[test]
fn without_an_open_source_there_is_a_conflict_and_a_capture_process_that_is_stopped_is_busy() {
    let camera = Instance::start(&["--source", "/dev/video-none"]);
    assert_eq!(list(&camera)["controls"], Value::Array(vec![]));
    let reply = form(&camera, "brightness=1");
    assert_eq!(reply.code, 409, "{}", reply.text());

    let instance = Instance::start(&["--source", "test", "--stall", "30"]);
    wait_quality(&instance, 80);
    let capture = instance.capture();
    signal(capture, SIGSTOP);
    let reply = form(&instance, "compression_quality=5");
    assert_eq!(reply.code, 503, "{}", reply.text());
    // What there is to see is still to be seen.
    assert_eq!(quality(&list(&instance)), Some(80));
    signal(capture, SIGCONT);
    wait_quality(&instance, 5);
    signal(capture, SIGKILL);
    instance.wait_until("a successor", |s| s["totals"]["restarts"] == 1);
    wait_quality(&instance, 5);
}

#[test]
fn of_a_source_at_rest_there_are_none() {
    let instance = Instance::start(&["--source", "test", "--on-demand", "1"]);
    instance.wait_until("its rest", |s| s["source"]["state"] == "resting");
    let reply = form(&instance, "compression_quality=5");
    assert_eq!(reply.code, 409);
    assert!(reply.text().contains("resting"), "{}", reply.text());
}
