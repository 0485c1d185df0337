//! The main road, in every model: start, look, stop.

mod common;
mod exact;

use common::http::Stream;
use common::{Instance, MODELS, Watch, left_in_shm, run, wait_for};
use exact::{Exact, SMALL, start};

#[test]
fn five_viewers_see_every_frame_and_a_stop_leaves_nothing() {
    for model in MODELS {
        let args = [&["--source", "test", "--size", "320x240"], model].concat();
        let instance = Instance::start(&args);
        instance.wait_live();
        let (report, code) = Watch::start(&instance.url("/stream"), 5, 3.0, &[]).report();
        assert_eq!(code, 0, "{model:?}: {report}");
        for viewer in report["viewers"].as_array().unwrap() {
            assert!(
                viewer["frames"].as_u64().unwrap() > 30,
                "{model:?}: {viewer}"
            );
            assert_eq!(viewer["lost"], 0, "{model:?}: {viewer}");
        }
        let name = instance.name.clone();
        let (status, output) = instance.stop();
        assert_eq!(status.code(), Some(0), "{model:?}");
        assert!(output.contains("captured"), "{output}");
        assert_eq!(left_in_shm(&name), [""; 0]);
    }
}

#[test]
fn every_byte_is_right_and_every_viewer_has_its_line() {
    for model in MODELS {
        let instance = start(SMALL, &[&["--lag", "100"], model].concat());
        let keys = ["a", "b", "c", "d"];
        let viewers = keys.map(|key| Exact::start(instance.address(), key, SMALL));
        for (key, viewer) in keys.iter().zip(&viewers) {
            wait_for("a second of frames", || {
                (viewer.account().frames > 30).then_some(())
            });
            let line = instance.viewer(key);
            assert_eq!(line["state"], "serving", "{model:?}: {line}");
            assert_eq!(line["protocol"], "http-stream", "{model:?}: {line}");
        }
        let seen: u64 = viewers.iter().map(|viewer| viewer.account().frames).sum();
        let status = instance.status();
        let of = |what: &str| status["totals"][what].as_u64().unwrap();
        // Each viewer may have one that is being counted.
        assert!(of("frames_sent") + 4 >= seen, "{model:?}: {status}");
        assert_eq!((of("viewers"), of("torn")), (4, 0), "{model:?}: {status}");
        for viewer in viewers {
            let account = viewer.leave();
            assert_eq!(account.faults, [""; 0], "{model:?}");
            assert_eq!((account.lost, account.ended), (0, None), "{model:?}");
        }
    }
}

#[test]
fn a_stop_ends_every_stream_in_good_order() {
    for model in MODELS {
        let instance = start(SMALL, model);
        let streams = [0; 3].map(|_| {
            let mut stream = Stream::open(instance.address(), "/stream");
            stream.next_part().unwrap();
            stream
        });
        let readers = streams
            .map(|mut stream| std::thread::spawn(move || while stream.next_part().is_some() {}));
        let (status, output) = instance.stop();
        assert_eq!(status.code(), Some(0), "{model:?}: {output}");
        for reader in readers {
            let ended = reader.join();
            assert!(ended.is_ok(), "{model:?}: cut off");
        }
        assert_eq!(output.matches("viewer    ").count(), 3, "{output}");
    }
}

#[test]
fn viewers_per_sender_is_for_processes() {
    for model in ["thread", "multiplex"] {
        let asked = ["--model", model, "--viewers-per-sender", "2"];
        let (code, out, said) = run(&asked);
        assert_eq!((code, out.as_str()), (2, ""), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains("--model process"), "{said}");
    }
}
