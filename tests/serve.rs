//! The main road: start, look, stop.

mod common;

use common::{Instance, Watch, left_in_shm};

#[test]
fn five_viewers_see_every_frame_and_a_stop_leaves_nothing() {
    let instance = Instance::start(&["--source", "test", "--size", "320x240"]);
    instance.wait_live();
    let (report, code) = Watch::start(&instance.url("/stream"), 5, 3.0, &[]).report();
    assert_eq!(code, 0, "{report}");
    for viewer in report["viewers"].as_array().unwrap() {
        assert!(viewer["frames"].as_u64().unwrap() > 30, "{viewer}");
        assert_eq!(viewer["lost"], 0, "{viewer}");
    }
    let name = instance.name.clone();
    let (status, output) = instance.stop();
    assert_eq!(status.code(), Some(0));
    assert!(output.contains("captured"), "{output}");
    assert_eq!(left_in_shm(&name), [""; 0]);
}
