//! `/metrics`: the status in Prometheus' text format 0.0.4
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>). Pure.
//!
//! A series costs a scraper memory for as long as it keeps data, so none may be made up by who connects:
//! a viewer is labelled with the number of its place, of which there are no more than connections at
//! once, and what is counted there goes on over all that it has had. Address and key, which viewers choose,
//! are nowhere: `/status` has them.
//!
//! Not here: what is counted (`worker::status`).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Display, Write as _};

use worker::status::{Status, Worker};
use worker::{DropCause, Role, SkipCause, State};

use super::reply::Reply;

/// The format's media type.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The metrics as a reply; `memory` says how many bytes the process of a pid has to itself, where that can
/// be known.
pub fn metrics(status: &Status, memory: impl Fn(u32) -> Option<u64>) -> Reply {
    Reply::ok(CONTENT_TYPE, text(status, memory).into_bytes())
}

fn text(status: &Status, memory: impl Fn(u32) -> Option<u64>) -> String {
    let mut page = Page::default();
    instance(&mut page, status);
    source(&mut page, status);
    totals(&mut page, status);
    processes(&mut page, status, memory);
    viewers(&mut page, status);
    bridge(&mut page, status);
    page.0
}

fn instance(page: &mut Page, status: &Status) {
    page.gauge("build_info", "The program's version.")
        .add(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    page.gauge(
        "instance_info",
        "What the instance is called, and how viewers are divided among processes.",
    )
    .add(&[("name", &status.name), ("model", &status.model)], 1);
    page.gauge(
        "start_time_seconds",
        "When the instance started, Unix time.",
    )
    .value(status.supervisor.started);
    page.gauge("supervisor_alive", "Whether the supervisor lives.")
        .value(u8::from(status.supervisor.alive));
    page.gauge("seats", "Streams that there may be at once.")
        .value(status.seats);
    page.gauge("viewers", "Streams now.")
        .value(status.totals.viewers);
    page.counter(
        "viewers_refused_total",
        "Streams turned away, all seats being taken.",
    )
    .value(status.totals.refused);
}

fn source(page: &mut Page, status: &Status) {
    let source = &status.source;
    let size = format!("{}x{}", source.width, source.height);
    page.gauge("source_info", "What the source was granted.")
        .add(
            &[
                ("kind", &source.kind),
                ("detail", &source.detail),
                ("format", &source.format),
                ("size", &size),
            ],
            1,
        );
    page.gauge("source_live", "Whether pictures come.")
        .value(u8::from(source.state == "live"));
    let mut states = page.gauge("source_state", "1 for the state that the source is in.");
    for state in ["starting", "live", "no-signal", "ended", "resting"] {
        states.add(&[("state", state)], u8::from(source.state == state));
    }
    page.gauge(
        "source_frames_per_second",
        "Frames a second, over the last second or so.",
    )
    .value(source.fps_measured);
    page.counter("frames_captured_total", "Frames published in the ring.")
        .value(status.totals.frames_captured);
    page.counter("captured_bytes_total", "Bytes of those.")
        .value(status.totals.bytes_captured);
    let mut dropped = page.counter(
        "frames_dropped_total",
        "Captured frames that did not reach the ring, by cause.",
    );
    for cause in DropCause::ALL.map(DropCause::name) {
        dropped.add(&[("cause", cause)], of(&source.dropped, cause));
    }
    if let Some(age) = status.ring.newest_age_s {
        page.gauge(
            "newest_frame_age_seconds",
            "How long ago the newest frame was published.",
        )
        .value(age);
    }
    page.gauge("ring_size_bytes", "Shared memory for frames.")
        .value(status.ring.bytes);
    page.gauge("ring_held_seconds", "How much of the past the ring holds.")
        .value(status.ring.seconds_held);
    page.gauge("ring_frames", "Frames that the ring holds.")
        .value(
            status
                .ring
                .head
                .saturating_add(1)
                .saturating_sub(status.ring.oldest),
        );
}

fn totals(page: &mut Page, status: &Status) {
    let totals = &status.totals;
    page.counter(
        "frames_sent_total",
        "Frames sent whole, over all viewers that there were.",
    )
    .value(totals.frames_sent);
    page.counter("sent_bytes_total", "Bytes of those.")
        .value(totals.bytes_sent);
    let mut skipped = page.counter(
        "frames_skipped_total",
        "Frames that a viewer did not get, by cause.",
    );
    let of_viewers = SkipCause::ALL
        .iter()
        .filter(|cause| cause.is_of(Role::Sender));
    for cause in of_viewers.map(|cause| cause.name()) {
        skipped.add(&[("cause", cause)], of(&totals.skip_causes, cause));
    }
    page.counter(
        "frames_torn_total",
        "Frames overtaken on their way out; each closed its connection.",
    )
    .value(totals.torn);
}

fn processes(page: &mut Page, status: &Status, memory: impl Fn(u32) -> Option<u64>) {
    let roles = &status.totals.roles;
    let mut workers = page.gauge("workers", "Worker processes now.");
    for of in roles {
        workers.add(&[("role", of.role.name())], of.processes);
    }
    let mut restarts = page.counter("worker_restarts_total", "Unexpected deaths of workers.");
    for of in roles {
        restarts.add(&[("role", of.role.name())], of.restarts);
    }
    let mut cpu = page.counter(
        "cpu_seconds_total",
        "Processor time, by what processes are for; those that are gone included.",
    );
    cpu.add(&[("role", "supervisor")], status.supervisor.cpu_s);
    for of in roles {
        cpu.add(&[("role", of.role.name())], of.cpu_s);
    }
    let mut bytes = page.gauge("private_memory_bytes", "Memory that processes share with nobody by a file or shared memory; the ring is none of it.");
    let supervisor = [status.supervisor.pid].into();
    let pids = |role| status.workers.iter().filter(move |w| w.role == role);
    let of_role = |role| pids(role).map(|worker| worker.pid).collect::<BTreeSet<_>>();
    let workers = roles.iter().map(|of| (of.role.name(), of_role(of.role)));
    for (role, pids) in [("supervisor", supervisor)].into_iter().chain(workers) {
        let known: Vec<u64> = pids.into_iter().filter_map(&memory).collect();
        if !known.is_empty() {
            bytes.add(&[("role", role)], known.iter().sum::<u64>());
        }
    }
}

/// One series of each for each viewer that is there: others' places are silent.
fn viewers(page: &mut Page, status: &Status) {
    let seated = status.workers.iter();
    let viewers: Vec<(String, &Worker)> = seated
        .filter_map(|worker| Some((worker.place?.to_string(), worker)))
        .collect();
    let mut info = page.gauge(
        "viewer_info",
        "Who watches at a place, and by which protocol.",
    );
    for (place, viewer) in &viewers {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        info.add(
            &[
                ("viewer", place),
                ("protocol", &text(&viewer.protocol)),
                ("user", &text(&viewer.user)),
            ],
            1,
        );
    }
    let each = |mut family: Family<'_>, value: &dyn Fn(&Worker) -> Option<f64>| {
        for (place, viewer) in &viewers {
            if let Some(value) = value(viewer) {
                family.add(&[("viewer", place)], value);
            }
        }
    };
    each(
        page.counter("viewer_frames_sent_total", "Frames sent whole at a place."),
        &|viewer| Some(viewer.ever.frames as f64),
    );
    each(
        page.counter("viewer_sent_bytes_total", "Bytes of those."),
        &|viewer| Some(viewer.ever.bytes as f64),
    );
    each(
        page.counter(
            "viewer_stalled_seconds_total",
            "Time for which the viewer at a place took nothing.",
        ),
        &|viewer| Some(viewer.ever.stalled_s),
    );
    each(
        page.gauge(
            "viewer_frames_per_second",
            "Frames a second to the viewer, over the last second or so.",
        ),
        &|viewer| Some(viewer.fps),
    );
    each(
        page.gauge(
            "viewer_lag_frames",
            "Frames that the viewer is behind the newest.",
        ),
        &|viewer| Some(viewer.lag as f64),
    );
    each(
        page.gauge(
            "viewer_latency_seconds",
            "From a frame's capture to the viewer's socket, smoothed.",
        ),
        &|viewer| viewer.latency_ms.map(|ms| ms / 1000.0),
    );
    let mut skipped = page.counter(
        "viewer_frames_skipped_total",
        "Frames that the viewer at a place did not get, by cause.",
    );
    for (place, viewer) in &viewers {
        for (cause, count) in &viewer.ever.skip_causes {
            skipped.add(&[("viewer", place), ("cause", cause)], *count);
        }
    }
}

/// What goes to a broker, where frames are published to one. Over its restarts.
fn bridge(page: &mut Page, status: &Status) {
    if !status.totals.roles.iter().any(|of| of.role == Role::Bridge) {
        return;
    }
    let bridge = status.workers.iter().find(|it| it.role == Role::Bridge);
    page.gauge("bridge_up", "Whether the broker confirms frames.")
        .value(u8::from(
            bridge.is_some_and(|it| it.state == State::Serving),
        ));
    let Some(bridge) = bridge else {
        return; // between a death and the successor
    };
    page.counter(
        "bridge_frames_confirmed_total",
        "Frames that the broker has confirmed.",
    )
    .value(bridge.frames);
    page.counter("bridge_confirmed_bytes_total", "Bytes of those.")
        .value(bridge.bytes);
    let mut skipped = page.counter(
        "bridge_frames_skipped_total",
        "Frames that were not published, or not confirmed, by cause.",
    );
    for (cause, count) in &bridge.ever.skip_causes {
        skipped.add(&[("cause", cause)], *count);
    }
}

fn of(causes: &BTreeMap<&'static str, u64>, cause: &str) -> u64 {
    causes.get(cause).copied().unwrap_or(0)
}

/// The text so far.
#[derive(Default)]
struct Page(String);

impl Page {
    fn gauge(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, "gauge", help)
    }

    fn counter(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, "counter", help)
    }

    /// `help` is ours, and has neither backslash nor line feed.
    fn family(&mut self, name: &'static str, kind: &str, help: &str) -> Family<'_> {
        // Writing to a String cannot fail.
        let _ = write!(
            self.0,
            "# HELP seqcast_{name} {help}\n# TYPE seqcast_{name} {kind}\n"
        );
        Family { page: self, name }
    }
}

/// All series of one name.
struct Family<'a> {
    page: &'a mut Page,
    name: &'static str,
}

impl Family<'_> {
    fn value(&mut self, value: impl Display) {
        self.add(&[], value);
    }

    fn add(&mut self, labels: &[(&str, &str)], value: impl Display) {
        let out = &mut self.page.0;
        let _ = write!(out, "seqcast_{}", self.name);
        for (nth, (name, value)) in labels.iter().enumerate() {
            let before = if nth == 0 { '{' } else { ',' };
            let _ = write!(out, "{before}{name}=\"{}\"", escaped(value));
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(out, "{end} {value}");
    }
}

fn escaped(value: &str) -> String {
    let value = value.replace('\\', "\\\\");
    value.replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    fn said() -> String {
        text(&sample::status(), |pid| (pid != 5).then_some(1000))
    }

    #[test]
    fn names_labels_and_values() {
        let said = said();
        for line in [
            "seqcast_start_time_seconds 1000000",
            "seqcast_source_live 1",
            "seqcast_source_state{state=\"no-signal\"} 0",
            "seqcast_frames_captured_total 310",
            "seqcast_frames_dropped_total{cause=\"corrupt\"} 3",
            "seqcast_frames_dropped_total{cause=\"late\"} 0",
            "seqcast_frames_skipped_total{cause=\"slow\"} 7",
            "seqcast_ring_frames 300",
            "seqcast_worker_restarts_total{role=\"capture\"} 1",
            "seqcast_cpu_seconds_total{role=\"supervisor\"} 0.25",
            "seqcast_private_memory_bytes{role=\"sender\"} 2000",
            "seqcast_viewer_info{viewer=\"0\",protocol=\"http-stream\",user=\"anna\"} 1",
            "seqcast_viewer_info{viewer=\"2\",protocol=\"http-stream\",user=\"\"} 1",
            "seqcast_viewer_frames_sent_total{viewer=\"2\"} 250",
            "seqcast_viewer_frames_skipped_total{viewer=\"0\",cause=\"slow\"} 7",
            "seqcast_viewer_latency_seconds{viewer=\"0\"} 0.0015",
            "seqcast_source_info{kind=\"camera\",detail=\"A \\\"Cam\\\" \\\\ 1\\n2\",format=\"MJPG\",size=\"640x480\"} 1",
        ] {
            assert!(said.lines().any(|found| found == line), "{line}:\n{said}");
        }
        assert!(!said.contains("latency_seconds{viewer=\"2\"}"), "none yet");
    }

    #[test]
    fn a_bridge_where_there_is_one() {
        assert!(!said().contains("bridge"));
        let mut status = sample::status();
        status.workers[0].role = Role::Bridge;
        status.totals.roles[0].role = Role::Bridge;
        let said = text(&status, |_| None);
        for line in [
            "seqcast_bridge_up 1",
            "seqcast_bridge_frames_confirmed_total 200",
            "seqcast_bridge_frames_skipped_total{cause=\"slow\"} 7",
        ] {
            assert!(said.lines().any(|found| found == line), "{line}:\n{said}");
        }
    }

    #[test]
    fn nothing_that_viewers_choose_is_a_label() {
        let said = said();
        for chosen in ["5512", "a\\\"b", "00000000000000ff"] {
            assert!(!said.contains(chosen), "{chosen}:\n{said}");
        }
    }

    #[test]
    fn every_series_follows_its_help_and_type() {
        let said = said();
        let mut family = String::new();
        let mut seen = BTreeSet::new();
        for line in said.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                family = rest.split(' ').next().unwrap().to_owned();
                assert!(seen.insert(family.clone()), "{family} twice");
                assert!(rest.ends_with('.'), "{rest}");
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let is_total = family.ends_with("_total");
                let kind = if is_total { "counter" } else { "gauge" };
                assert_eq!(rest, format!("{family} {kind}"));
            } else {
                let name = line.split(['{', ' ']).next().unwrap();
                assert_eq!(name, family, "{line}");
                let value = line.rsplit(' ').next().unwrap();
                assert!(value.parse::<f64>().is_ok(), "{line}");
            }
        }
        assert!(said.ends_with('\n'));
    }
}
