//! `/state`: the status in µStreamer's shape (its `src/ustreamer/http/server.c`, version 6), for programs
//! that know that one, with all of ours beside it. Pure.
//!
//! Not here: what is counted (`worker::status`).

use std::collections::BTreeMap;

use serde::Serialize;
use worker::status::{Status, Worker};

#[derive(Serialize)]
struct State<'a> {
    ok: bool,
    result: Result<'a>,
}

#[derive(Serialize)]
struct Result<'a> {
    instance_id: &'a str,
    encoder: Encoder,
    source: Source,
    stream: Stream<'a>,
    seqcast: &'a Status,
}

#[derive(Serialize)]
struct Encoder {
    r#type: &'static str,
    quality: u8,
}

#[derive(Serialize)]
struct Source {
    resolution: Resolution,
    online: bool,
    desired_fps: u64,
    captured_fps: u64,
}

#[derive(Serialize)]
struct Resolution {
    width: u32,
    height: u32,
}

#[derive(Serialize)]
struct Stream<'a> {
    queued_fps: u64,
    clients: usize,
    clients_stat: BTreeMap<&'a str, Client<'a>>,
}

#[derive(Serialize)]
struct Client<'a> {
    fps: u64,
    extra_headers: bool,
    advance_headers: bool,
    dual_final_frames: bool,
    zero_data: bool,
    key: &'a str,
}

/// The status as µStreamer would say it, with `quality` of what is encoded here.
///
/// # Errors
/// Those of `serde_json`.
pub fn state(status: &Status, quality: u8) -> serde_json::Result<Vec<u8>> {
    let source = &status.source;
    let clients_stat: BTreeMap<_, _> = status.workers.iter().filter_map(client).collect();
    serde_json::to_vec(&State {
        ok: true,
        result: Result {
            instance_id: &status.name,
            encoder: Encoder {
                // Its names of "as the camera sent it" and "encoded by this program".
                r#type: match source.format.as_str() {
                    "MJPG" | "JPEG" => "HW",
                    _ => "CPU",
                },
                quality,
            },
            source: Source {
                resolution: Resolution {
                    width: source.width,
                    height: source.height,
                },
                online: source.state == "live",
                desired_fps: whole(source.fps_set),
                captured_fps: whole(source.fps_measured),
            },
            stream: Stream {
                queued_fps: whole(source.fps_measured),
                clients: clients_stat.len(),
                clients_stat,
            },
            seqcast: status,
        },
    })
}

fn client(worker: &Worker) -> Option<(&str, Client<'_>)> {
    let is_stream = worker.protocol.as_deref() != Some(crate::clip::PROTOCOL);
    let (id, wants) = worker.id.as_deref().zip(worker.wants)?;
    let client = Client {
        fps: whole(worker.fps),
        extra_headers: wants.extra_headers,
        advance_headers: wants.advance_headers,
        dual_final_frames: wants.dual_final_frames,
        zero_data: wants.zero_data,
        key: worker.key.as_deref().unwrap_or("0"),
    };
    is_stream.then_some((id, client))
}

/// µStreamer counts whole frames.
fn whole(fps: f64) -> u64 {
    fps.round() as u64
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::sample;
    use super::*;

    #[test]
    fn has_all_that_ustreamer_says_and_ours() {
        let status = sample::status();
        let mut said: Value = serde_json::from_slice(&state(&status, 80).unwrap()).unwrap();
        let ours = said["result"]["seqcast"].take();
        assert_eq!(ours, serde_json::to_value(&status).unwrap());
        // As version 6.62 prints it.
        let want = json!({"ok": true, "result": {
            "instance_id": "cam0",
            "encoder": {"type": "HW", "quality": 80},
            "source": {"resolution": {"width": 640, "height": 480},
                "online": true, "desired_fps": 30, "captured_fps": 30},
            "stream": {"queued_fps": 30, "clients": 2, "clients_stat": {
                "00000000000000ff": {"fps": 30, "extra_headers": true, "advance_headers": false,
                    "dual_final_frames": false, "zero_data": false, "key": "a\"b"},
                "0123456789abcdef": {"fps": 5, "extra_headers": false, "advance_headers": false,
                    "dual_final_frames": false, "zero_data": false, "key": "0"},
            }},
            "seqcast": null,
        }});
        assert_eq!(said, want);
    }

    #[test]
    fn its_order_is_ustreamers() {
        let said = String::from_utf8(state(&sample::status(), 80).unwrap()).unwrap();
        let names = [
            "ok",
            "result",
            "instance_id",
            "encoder",
            "source",
            "stream",
            "seqcast",
        ];
        let at = names.map(|name| said.find(&format!("\"{name}\":")).unwrap());
        assert!(at.is_sorted(), "{said}");
    }
}
