//! A capture process that never gets to work: tried ever more rarely, its end said, its viewers
//! kept, and back as soon as the cause is gone.

mod common;

use std::io::{Write as _, pipe};
use std::process::Stdio;
use std::time::{Duration, Instant};

use common::{Instance, Watch, signal, wait_for};
use nix::sys::signal::Signal::SIGKILL;

#[test]
fn a_capture_process_that_dies_at_once_is_tried_ever_more_rarely_and_recovers() {
    // Open, and silent: so no capture process publishes anything.
    let (stdin, mut feed) = pipe().unwrap();
    let instance = Instance::start_with(&["--source", "-"], Stdio::from(stdin));
    let watch = Watch::start(&instance.url("/stream?key=waiting"), 1, 600.0, &[]);
    let mut last = 0;
    let mut kill_next = || {
        last = wait_for("the next try", || {
            Some(instance.capture()).filter(|&pid| pid != last)
        });
        signal(last, SIGKILL);
        let killed = Instant::now();
        instance.wait_log(&format!(
            "capture (pid {last}) was killed by SIGKILL; next try"
        ));
        killed
    };
    let mut before = kill_next();
    for tenths in [1, 2, 4, 8, 16, 32] {
        let now = kill_next();
        let waited = now - before;
        assert!(waited >= Duration::from_millis(100 * tenths), "{waited:?}");
        before = now;
    }
    let log = instance.log();
    let said: Vec<_> = log
        .lines()
        .filter_map(|line| line.split_once("next try in ").map(|(_, delay)| delay))
        .collect();
    let delays = [
        "0.1 s", "0.2 s", "0.4 s", "0.8 s", "1.6 s", "3.2 s", "5.0 s",
    ];
    assert_eq!(said, delays, "{log}");
    let status = instance.status();
    assert_eq!(status["source"]["state"], "no-signal", "{status}");
    let reason = status["source"]["reason"].as_str().unwrap();
    assert!(reason.contains("killed by SIGKILL"), "{reason}");
    assert_eq!(status["totals"]["viewers"], 1, "{status}");
    assert_eq!(status["totals"]["restarts"], 7, "{status}");

    // The cause goes.
    let mut picture = picture::TestPicture::new(320, 240, 10, 80).unwrap();
    let feeder = std::thread::spawn(move || {
        let mut jpeg = Vec::new();
        // Until nobody reads any more.
        for id in 1.. {
            picture.render(id, id * 100_000_000, &mut jpeg);
            if feed.write_all(&jpeg).is_err() {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    instance.wait_live();
    let head = instance.viewer("waiting")["frames"].as_u64().unwrap();
    wait_for("frames", || {
        (instance.viewer("waiting")["frames"].as_u64() > Some(head + 5)).then_some(())
    });
    // At work again, so its next death is no failure to start.
    let capture = instance.capture();
    signal(capture, SIGKILL);
    instance.wait_log(&format!(
        "capture (pid {capture}) was killed by SIGKILL; a successor starts at once"
    ));
    instance.wait_live();
    watch.interrupt();
    let (report, code) = watch.report();
    assert_eq!(code, 0, "{report}");
    let viewer = &report["viewers"][0];
    assert!(viewer["unnumbered"].as_u64() > Some(5), "{report}");
    assert_eq!(viewer["lost"], 0, "{report}");
    assert_eq!(instance.stop().0.code(), Some(0));
    feeder.join().unwrap();
}
