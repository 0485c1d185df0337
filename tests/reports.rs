//! What is said of an instance beside its own status: `/state`, `/metrics`, `/healthz`, `/history`, what
//! mjpg-streamer's clients ask for, and the log as JSON.

mod common;

use std::collections::BTreeMap;
use std::process::Command;

use common::http::{Reply, Stream, exchange, get, request};
use common::{Instance, Watch, assert_clean, run, signal, wait_for};
use nix::sys::signal::Signal::{SIGCONT, SIGKILL, SIGSTOP};
use serde_json::Value;

const SMALL: [&str; 4] = ["--source", "test", "--size", "320x240"];
/// `V4L2_CID_JPEG_COMPRESSION_QUALITY`, the test picture's one control.
const QUALITY: u32 = 0x009d_0903;

fn json(reply: &Reply) -> Value {
    assert_eq!(reply.code, 200, "{}", reply.text());
    serde_json::from_slice(&reply.body).unwrap()
}

fn list(instance: &Instance, target: &str) -> Value {
    json(&get(instance.address(), target))
}

/// All series with their values.
fn metrics(instance: &Instance) -> BTreeMap<String, f64> {
    let reply = get(instance.address(), "/metrics");
    assert_eq!(reply.code, 200);
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    assert_eq!(reply.header("Content-Type"), Some(content_type));
    let samples = reply.text().lines().filter(|line| !line.starts_with('#'));
    samples
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            (series.to_owned(), value.parse().unwrap())
        })
        .collect()
}

#[test]
fn state_has_each_viewer_and_our_status() {
    let instance = Instance::start(&SMALL);
    instance.wait_live();
    let mut stream = Stream::open(instance.address(), "/stream?key=tab");
    stream.next_part().unwrap();
    let viewer = instance.viewer("tab");
    let said = wait_for("the viewer's rate", || {
        stream.next_part();
        let said = list(&instance, "/state");
        let clients = said["result"]["stream"]["clients_stat"].as_object()?;
        let fps = clients.values().next()?["fps"].as_u64()?;
        (fps > 0).then_some(said)
    });
    assert_eq!(said["ok"], true);
    let result = &said["result"];
    assert_eq!(result["source"]["online"], true);
    assert_eq!(result["source"]["resolution"]["width"], 320);
    assert_eq!(result["stream"]["clients"], 1);
    let client = &result["stream"]["clients_stat"][viewer["id"].as_str().unwrap()];
    assert_eq!(client["key"], "tab", "{said}");
    assert_eq!(client["zero_data"], false);
    assert_eq!(result["seqcast"]["name"], instance.name.as_str());
    assert_eq!(result["instance_id"], instance.name.as_str());
}

#[test]
fn metrics_do_not_fall_when_workers_die() {
    let instance = Instance::start(&SMALL);
    instance.wait_live();
    let watch = Watch::start(&instance.url("/stream"), 2, 600.0, &[]);
    let before = wait_for("two viewers with frames", || {
        let said = metrics(&instance);
        let watching = said["seqcast_viewers"] == 2.0;
        let sent = said["seqcast_frames_sent_total"] > 50.0;
        (watching && sent).then_some(said)
    });
    let of_viewers = |said: &BTreeMap<String, f64>| {
        let is_info = |series: &&String| series.starts_with("seqcast_viewer_info{");
        said.keys().filter(is_info).count()
    };
    assert_eq!(of_viewers(&before), 2);
    assert_eq!(before["seqcast_source_live"], 1.0);
    assert!(before["seqcast_private_memory_bytes{role=\"sender\"}"] > 0.0);
    watch.interrupt();
    watch.report();
    instance.wait_until("no viewers", |s| s["totals"]["viewers"] == 0);
    for worker in instance.status()["workers"].as_array().unwrap() {
        signal(common::pid(worker), SIGKILL);
    }
    let after = wait_for("frames after that", || {
        // One of those killed may answer no more.
        let restarts = instance.status()["totals"]["restarts"].as_u64()?;
        let live = instance.status()["source"]["state"] == "live";
        (restarts > 1 && live).then(|| metrics(&instance))
    });
    for (series, value) in &before {
        if series.contains("_total") && !series.contains("viewer=") {
            assert!(
                after[series] >= *value,
                "{series}: {} < {value}",
                after[series]
            );
        }
    }
    assert!(after["seqcast_worker_restarts_total{role=\"sender\"}"] > 0.0);
    assert_eq!(of_viewers(&after), 0);
}

#[test]
fn health_follows_the_frames() {
    let instance = Instance::start(&SMALL);
    instance.wait_live();
    let health = |query: &str| {
        let reply = get(instance.address(), &format!("/healthz{query}"));
        (reply.code, reply.text().to_owned())
    };
    assert_eq!(health(""), (200, "ok\n".into()));
    let (code, why) = health("?within=soon");
    assert_eq!(code, 400, "{why}");
    assert_eq!(
        list(&instance, "/status")["totals"]["viewers"],
        0,
        "no seat"
    );
    let capture = instance.capture();
    signal(capture, SIGSTOP);
    let why = wait_for("a sick source", || {
        let (code, why) = health("?within=0.5");
        (code == 503).then_some(why)
    });
    assert!(
        why.contains("No frame for") || why.contains("not live"),
        "{why}"
    );
    signal(capture, SIGCONT);
    wait_for("its recovery", || {
        (health("?within=1").0 == 200).then_some(())
    });
}

#[test]
fn at_rest_is_healthy() {
    let instance = Instance::start(&["--source", "test", "--on-demand", "1"]);
    instance.wait_until("a rest", |s| s["source"]["state"] == "resting");
    let reply = get(instance.address(), "/healthz?within=0.1");
    assert_eq!(
        (reply.code, reply.text()),
        (200, "ok, resting until somebody watches\n")
    );
}

#[test]
fn history_goes_on_over_a_death_of_capture() {
    let instance = Instance::start(&SMALL);
    instance.wait_live();
    let samples = || -> Vec<[u64; 4]> {
        let history = list(&instance, "/history");
        assert_eq!(history["interval_s"], 1);
        assert!(
            history["now"].as_u64() > Some(1_700_000_000)
                || history["samples"] == Value::Array(vec![])
        );
        serde_json::from_value(history["samples"].clone()).unwrap()
    };
    let watch = Watch::start(&instance.url("/stream"), 1, 600.0, &[]);
    wait_for("a second with frames and a viewer", || {
        let is_full = |&[frames, bytes, _, viewers]: &[u64; 4]| {
            frames > 0 && bytes > frames * 100 && viewers == 1
        };
        samples().iter().any(is_full).then_some(())
    });
    let before = samples().len();
    signal(instance.capture(), SIGKILL);
    wait_for("a second with a restart, and frames after it", || {
        let samples = samples();
        let restart = samples.iter().position(|sample| sample[2] == 1)?;
        let later = &samples[restart + 1..];
        (samples.len() > before && later.iter().any(|sample| sample[0] > 0)).then_some(())
    });
    watch.interrupt();
    watch.report();
}

#[test]
fn mjpg_streamers_clients_find_and_set_controls() {
    let instance = Instance::start(&SMALL);
    instance.wait_live();
    let control = || {
        let said = list(&instance, "/input.json");
        let controls = said["controls"].as_array().unwrap();
        controls.first().cloned()
    };
    let found = wait_for("the control", control);
    assert_eq!(found["id"], QUALITY.to_string(), "{found}");
    assert_eq!((&found["min"], &found["max"]), (&"1".into(), &"100".into()));
    let command = |rest: &str| {
        get(
            instance.address(),
            &format!("/?action=command&dest=0&plugin=0&id={QUALITY}&{rest}"),
        )
    };
    let reply = command("group=1&value=35");
    assert_eq!((reply.code, reply.text()), (200, &*format!("{QUALITY}: 0")));
    assert_eq!(control().unwrap()["value"], "35");
    for (rest, code) in [
        ("group=1&value=101", 422),
        ("group=3&value=5", 501),
        ("group=1", 400),
    ] {
        let reply = command(rest);
        assert_eq!(reply.code, code, "{rest}: {}", reply.text());
    }
    let unknown = get(instance.address(), "/?action=command&id=7&value=1");
    assert_eq!(unknown.code, 422, "{}", unknown.text());
    assert_eq!(control().unwrap()["value"], "35");
    let formats = &list(&instance, "/input.json")["formats"];
    assert_eq!(formats[0]["resolutions"]["0"], "320x240", "{formats}");
    let program = list(&instance, "/program.json");
    assert_eq!(program["outputs"][0]["args"], instance.address());
}

#[test]
fn commands_have_the_rules_of_controls() {
    let target = format!("/?action=command&id={QUALITY}&value=5");
    let instance = Instance::start(&SMALL);
    instance.wait_live();
    wait_for("the control", || {
        let controls = list(&instance, "/input.json")["controls"].take();
        (!controls.as_array().unwrap().is_empty()).then_some(())
    });
    let send = |headers: &str| {
        let address = instance.address();
        let head = format!("GET {target} HTTP/1.1\r\nHost: {address}\r\n{headers}\r\n");
        exchange(address, head).code
    };
    let browser = "User-Agent: Mozilla/5.0\r\n";
    for (headers, code) in [
        ("Sec-Fetch-Site: cross-site\r\n", 403),
        ("Referer: http://evil.example/\r\n", 403),
        ("X-Forwarded-For: 192.0.2.1\r\n", 403),
        (browser, 403),
        ("User-Agent: curl/8\r\n", 200),
        (&format!("{browser}Sec-Fetch-Site: same-origin\r\n"), 200),
        (
            &format!("{browser}Referer: http://{}/\r\n", instance.address()),
            200,
        ),
    ] {
        assert_eq!(send(headers), code, "{headers}");
    }
    let head = exchange(
        instance.address(),
        request("HEAD", instance.address(), &target),
    );
    assert_eq!(head.code, 405);
    let instance = Instance::start(&["--source", "test", "--read-only"]);
    assert_eq!(get(instance.address(), &target).code, 403);
}

#[test]
fn a_post_for_pictures_is_a_get() {
    let instance = Instance::start(&SMALL);
    instance.wait_live();
    let address = instance.address();
    let reply = exchange(address, request("POST", address, "/snapshot"));
    assert_eq!(
        (reply.code, reply.header("Content-Type")),
        (200, Some("image/jpeg"))
    );
    let stream = exchange(address, request("POST", address, "/status"));
    assert_eq!(stream.code, 405);
}

#[test]
fn the_log_is_objects_line_by_line() {
    let instance = Instance::start(&[&SMALL[..], &["--log-json", "--log", "debug"]].concat());
    instance.wait_live();
    let watch = Watch::start(&instance.url("/stream?key=one"), 1, 600.0, &[]);
    instance.viewer("one");
    assert_clean(watch);
    signal(instance.capture(), SIGKILL);
    instance.wait_log("was killed by");
    instance.wait_log("\"level\":\"WARN\"");
    let lines: Vec<Value> = instance
        .log()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
        .collect();
    assert!(lines.len() > 2);
    for line in lines {
        assert!(
            line["timestamp"].is_string() && line["level"].is_string(),
            "{line}"
        );
        assert!(line["message"].is_string(), "{line}");
    }
    let (code, _, said) = run(&[
        "--log-json",
        "--name",
        &instance.name,
        "--source",
        "test",
        "--http",
        "127.0.0.1:0",
    ]);
    assert_eq!(code, 4);
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["level"], "ERROR", "{said}");
}

#[test]
fn flags_of_others_are_answered_with_ours() {
    let (code, _, said) = run(&[
        "-d", "test", "-r", "640x480", "-f", "30", "-q", "80", "-s", "::",
    ]);
    assert_eq!(code, 2);
    assert!(
        said.contains("--http HOST:PORT") && said.lines().count() == 1,
        "{said}"
    );
}

/// With two viewers, and between two scrapes.
fn exposition(instance: &Instance) -> String {
    get(instance.address(), "/metrics").text().to_owned()
}

fn with_input(program: &std::path::Path, args: &[&str], input: &str) -> (bool, String) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), input).unwrap();
    let mut command = Command::new(program);
    let command = command
        .args(args)
        .stdin(std::fs::File::open(file.path()).unwrap());
    let out = command.output().unwrap();
    let said = [out.stdout, out.stderr].concat();
    (
        out.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

/// Counts what the client library for Python reads, which is strict where Prometheus itself forgives.
const PARSE: &str = "
import sys
from prometheus_client.parser import text_string_to_metric_families as families
found = list(families(sys.stdin.read()))
assert all(f.name.startswith('seqcast_') and f.documentation and f.type in ('counter', 'gauge') for f in found), found
series = [(s.name, tuple(sorted(s.labels.items()))) for f in found for s in f.samples]
assert len(series) == len(set(series)), series
print(len(found))
";

#[test]
#[ignore = "needs prometheus_client for Python: tests/run"]
fn the_python_client_reads_all_families() {
    let instance = Instance::start(&SMALL);
    instance.wait_live();
    let text = exposition(&instance);
    let (fine, said) = with_input(
        &common::python_with("prometheus_client"),
        &["-c", PARSE],
        &text,
    );
    assert!(fine, "{said}");
    let families = text
        .lines()
        .filter(|line| line.starts_with("# TYPE"))
        .count();
    assert_eq!(said.trim(), families.to_string());
}
