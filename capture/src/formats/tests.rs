//! Choices among what real devices offer, as `v4l2-ctl --list-formats-ext` prints it.

use super::*;

fn line(fourcc: &[u8; 4], width: u32, height: u32, fastest: f64) -> Offer {
    Offer {
        fourcc: *fourcc,
        sizes: Sizes::Discrete(width, height),
        fastest: Some(fastest),
    }
}

fn lines(fourcc: &[u8; 4], modes: &[(u32, u32, f64)]) -> Vec<Offer> {
    modes
        .iter()
        .map(|&(width, height, fps)| line(fourcc, width, height, fps))
        .collect()
}

/// Logitech HD Pro Webcam C920 (046d:082d), the sizes that matter: raw only as fast as USB 2 carries it.
fn c920() -> Vec<Offer> {
    let sizes = [(640, 480), (800, 600), (1280, 720), (1920, 1080)];
    let raw = sizes.into_iter().zip([30.0, 24.0, 10.0, 5.0]);
    let raw: Vec<_> = raw.map(|((w, h), fps)| (w, h, fps)).collect();
    let fast: Vec<_> = sizes.map(|(w, h)| (w, h, 30.0)).to_vec();
    [
        lines(b"YUYV", &raw),
        lines(b"H264", &fast),
        lines(b"MJPG", &fast),
    ]
    .concat()
}

/// HDMI grabber MacroSilicon MS2109 (534d:2109).
fn ms2109() -> Vec<Offer> {
    [
        lines(
            b"MJPG",
            &[(1920, 1080, 30.0), (1280, 720, 60.0), (640, 480, 60.0)],
        ),
        lines(
            b"YUYV",
            &[(1920, 1080, 5.0), (1280, 720, 10.0), (640, 480, 30.0)],
        ),
    ]
    .concat()
}

/// An ov5640 behind a CSI receiver: JPEG and raw formats alike, in the sensor's sizes.
fn ov5640() -> Vec<Offer> {
    let sizes = [
        (640, 480, 60.0),
        (1280, 720, 30.0),
        (1920, 1080, 30.0),
        (2592, 1944, 15.0),
    ];
    [
        lines(b"JPEG", &sizes),
        lines(b"UYVY", &sizes),
        lines(b"YUYV", &sizes),
        lines(b"RGBP", &sizes),
    ]
    .concat()
}

/// The Raspberry Pi's camera by its legacy driver (bm2835-v4l2): any even size, rates not told by size.
fn pi() -> Vec<Offer> {
    [
        b"YU12", b"YUYV", b"RGB3", b"JPEG", b"H264", b"MJPG", b"UYVY", b"NV12", b"BGR3",
    ]
    .map(|fourcc| Offer {
        fourcc: *fourcc,
        sizes: Sizes::Stepwise {
            min: (32, 32),
            max: (2592, 1944),
            step: (2, 2),
        },
        fastest: Some(90.0),
    })
    .to_vec()
}

/// The kernel's vivid as a webcam: many raw formats, no JPEG, slower the larger.
fn vivid() -> Vec<Offer> {
    let sizes = [
        (320, 180, 60.0),
        (640, 360, 50.0),
        (1280, 720, 30.0),
        (1920, 1080, 15.0),
        (3840, 2160, 5.0),
    ];
    [
        b"YUYV", b"UYVY", b"YVYU", b"422P", b"YU12", b"NV12", b"GREY", b"RGB3", b"BGR3",
    ]
    .iter()
    .flat_map(|fourcc| lines(fourcc, &sizes))
    .collect()
}

fn asked(format: &str, width: u32, height: u32, fps: u32) -> Wanted {
    let format = (format != "auto").then(|| format.parse().unwrap());
    Wanted {
        format,
        width,
        height,
        fps,
    }
}

#[track_caller]
fn chosen(offers: &[Offer], asked: Wanted, why: &str) {
    let choice = choose(offers, &asked).unwrap();
    assert_eq!(choice.to_string(), why);
}

#[test]
fn a_webcam_gives_mjpeg() {
    for (w, h) in [(640, 480), (1280, 720), (1920, 1080)] {
        let why = format!("MJPG {w}x{h} at 30 fps: as asked");
        chosen(&c920(), asked("auto", w, h, 30), &why);
    }
    chosen(
        &c920(),
        asked("auto", 1280, 720, 15),
        "MJPG 1280x720 at 15 fps: as asked",
    );
}

#[test]
fn what_a_camera_does_not_reach_is_said() {
    chosen(
        &c920(),
        asked("auto", 1920, 1080, 60),
        "MJPG 1920x1080 at 30 fps: it has no 60 fps in that size",
    );
    chosen(
        &ms2109(),
        asked("auto", 1920, 1080, 60),
        "MJPG 1920x1080 at 30 fps: it has no 60 fps in that size (it has in 1280x720)",
    );
    chosen(
        &c920(),
        asked("auto", 1024, 768, 30),
        "MJPG 1280x720 at 30 fps: it has no 1024x768, and this is the nearest",
    );
    chosen(
        &c920(),
        asked("auto", 3840, 2160, 60),
        "MJPG 1920x1080 at 30 fps: it has no 3840x2160, and this is the nearest; it has no 60 fps in \
         that size",
    );
}

#[test]
fn a_format_that_was_asked_is_taken_however_slow() {
    chosen(
        &c920(),
        asked("yuyv", 1280, 720, 30),
        "YUYV 1280x720 at 10 fps: it has no YUYV 30 fps in that size (it has in 640x480)",
    );
    chosen(
        &c920(),
        asked("YUYV", 640, 480, 30),
        "YUYV 640x480 at 30 fps: as asked",
    );
    chosen(
        &vivid(),
        asked("grey", 640, 360, 25),
        "GREY 640x360 at 25 fps: as asked",
    );
    chosen(
        &pi(),
        asked("bgr24", 640, 480, 30),
        "BGR24 640x480 at 30 fps: as asked",
    );
}

#[test]
fn without_mjpeg_it_is_jpeg_and_then_the_cheapest_to_encode() {
    chosen(
        &ov5640(),
        asked("auto", 1280, 720, 30),
        "JPEG 1280x720 at 30 fps: as asked",
    );
    chosen(
        &vivid(),
        asked("auto", 1280, 720, 30),
        "YU12 1280x720 at 30 fps: as asked; encoded here",
    );
    chosen(
        &vivid(),
        asked("auto", 1920, 1080, 30),
        "YU12 1920x1080 at 15 fps: it has no 30 fps in that size (it has in 1280x720); encoded here",
    );
    let packed: Vec<_> = ov5640()
        .into_iter()
        .filter(|o| o.fourcc != *b"JPEG")
        .collect();
    chosen(
        &packed,
        asked("auto", 640, 480, 60),
        "YUYV 640x480 at 60 fps: as asked; encoded here",
    );
}

#[test]
fn a_raw_format_that_reaches_more_goes_before_mjpeg() {
    let offers = [
        line(b"MJPG", 640, 480, 30.0),
        line(b"YUYV", 1280, 720, 30.0),
    ];
    chosen(
        &offers,
        asked("auto", 1280, 720, 30),
        "YUYV 1280x720 at 30 fps: as asked; encoded here, as MJPG is not as near",
    );
    let offers = [line(b"MJPG", 640, 480, 15.0), line(b"YUYV", 640, 480, 30.0)];
    let choice = choose(&offers, &asked("auto", 640, 480, 30)).unwrap();
    assert_eq!(choice.format, Served::Raw(PixelFormat::Yuyv));
    // Colours go before none.
    let offers = [line(b"GREY", 640, 480, 30.0), line(b"BGR3", 640, 480, 30.0)];
    let choice = choose(&offers, &asked("auto", 640, 480, 30)).unwrap();
    assert_eq!(choice.format, Served::Raw(PixelFormat::Bgr24));
}

#[test]
fn steps_give_the_nearest_size() {
    chosen(
        &pi(),
        asked("auto", 1270, 714, 30),
        "MJPG 1270x714 at 30 fps: as asked",
    );
    chosen(
        &pi(),
        asked("auto", 4056, 3040, 30),
        "MJPG 2592x1944 at 30 fps: it has no 4056x3040, and this is the nearest",
    );
    assert_eq!(nearest(100, 32, 200, 16), 96);
    assert_eq!(nearest(105, 32, 200, 16), 112);
    assert_eq!(nearest(500, 32, 205, 16), 192);
    assert_eq!(nearest(7, 32, 205, 16), 32);
    assert_eq!(nearest(77, 1, 8192, 0), 77, "continuous");
    assert_eq!(nearest(77, 100, 50, 3), 100, "a driver that is wrong");
    assert_eq!(nearest(u32::MAX, 0, u32::MAX, u32::MAX), u32::MAX);
}

#[test]
fn rates_that_are_nearly_right_or_unknown_are_taken() {
    let ntsc = [line(b"YUYV", 720, 480, 30000.0 / 1001.0)];
    chosen(
        &ntsc,
        asked("auto", 720, 480, 30),
        "YUYV 720x480 at 29.97 fps: as asked; encoded here",
    );
    let mut silent = line(b"MJPG", 640, 480, 0.0);
    silent.fastest = None;
    chosen(
        &[silent],
        asked("auto", 640, 480, 50),
        "MJPG 640x480 at 50 fps: as asked",
    );
}

#[test]
fn what_is_not_served_is_told() {
    let said = |offers: &[Offer], format| choose(offers, &asked(format, 640, 480, 30)).unwrap_err();
    assert_eq!(
        said(&c920(), "nv12"),
        "it offers no NV12, only YUYV, H264, MJPG: try --format auto"
    );
    assert_eq!(
        said(&[line(b"H264", 640, 480, 30.0)], "auto"),
        "it offers only H264, and served are MJPG, JPEG, YU12, NV12, YUYV, YVYU, UYVY, RGB24, BGR24, \
         GREY"
    );
    assert!(said(&[], "auto").starts_with("it offers no format at all"));
}

#[test]
fn names_are_read_as_people_write_them() {
    for (name, format) in [
        ("mjpeg", Served::Mjpg),
        ("MJPG", Served::Mjpg),
        ("jpeg", Served::Jpeg),
        ("yu12", Served::Raw(PixelFormat::Yu12)),
        ("rgb24", Served::Raw(PixelFormat::Rgb24)),
        ("BGR3", Served::Raw(PixelFormat::Bgr24)),
    ] {
        assert_eq!(name.parse(), Ok(format));
    }
    let error = "h264".parse::<Served>().unwrap_err();
    assert!(error.contains("auto, mjpeg, jpeg, yu12"), "{error}");
}
