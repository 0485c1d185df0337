//! Viewers that others wrote, as they are: each is given the stream's address as its own manual
//! says, and has to get pictures out of it. Beside each a viewer of ours that may not lose a frame.
//!
//! Not here: the page in a browser (`browser`), which of them a kill cuts off (`kill_kinds`), and
//! clients that mean harm (`hostile_http`).

mod common;
#[path = "exact/mod.rs"]
mod exact;

use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use common::http::Reply;
use common::webdriver::Browser;
use common::{Guard, Instance, drain, python_with, signal, tool, wait_for};
use exact::{Exact, Judge, Parts, SMALL};
use nix::sys::signal::Signal;
use picture::jpeg;

/// An instance and a viewer beside the one that is tested.
struct Stage {
    instance: Instance,
    other: Exact,
}

impl Stage {
    fn new() -> Stage {
        // A lag that only starvation reaches.
        let instance = exact::start(SMALL, &["--lag", "100"]);
        let other = Exact::start(instance.address(), "other", SMALL);
        instance.viewer("other");
        Stage { instance, other }
    }

    fn stream(&self) -> String {
        self.instance.url("/stream")
    }

    fn snapshot(&self) -> String {
        self.instance.url("/snapshot")
    }

    /// The other viewer has seen nothing of it.
    fn end(self) {
        let account = self.other.leave();
        assert_eq!(account.faults, [""; 0]);
        assert_eq!((account.lost, &account.ended), (0, &None), "{account:?}");
        assert_eq!(self.instance.status()["totals"]["restarts"], 0);
    }
}

/// Runs a program to its end, which must be a good one.
fn run(command: &mut Command) -> Output {
    let mut guard = Guard::spawn(
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped()),
    );
    // Both pipes at once: a program that fills one of them would wait for ever.
    let mut errors = guard.0.stderr.take();
    let stderr = std::thread::spawn(move || drain(&mut errors).into_bytes());
    let mut stdout = Vec::new();
    let mut out = guard.0.stdout.take().unwrap();
    out.read_to_end(&mut stdout).unwrap();
    let status = guard.wait(&format!("{command:?} to end"));
    let stderr = stderr.join().unwrap();
    let said = String::from_utf8_lossy(&stderr);
    assert!(status.success(), "{command:?}: {status}: {said}");
    Output {
        status,
        stdout,
        stderr,
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap().trim()
}

#[test]
#[ignore = "needs curl: tests/run"]
fn curl() {
    let stage = Stage::new();
    let curl = || {
        let mut command = Command::new(tool("curl"));
        command.args(["--silent", "--show-error", "--fail", "--max-time", "60"]);
        command
    };

    // Byte for byte, until it is stopped.
    let mut streaming = Guard::spawn(
        curl()
            .args(["--no-buffer", "--include", &stage.stream()])
            .stdout(Stdio::piped()),
    );
    let mut parts = Parts::begin(streaming.0.stdout.take().unwrap()).unwrap();
    let mut judge = Judge::new(SMALL);
    for _ in 0..90 {
        judge.part(&parts.next().unwrap());
    }
    assert_eq!(judge.account.faults, [""; 0]);
    assert_eq!((judge.account.frames, judge.account.lost), (90, 0));
    drop(streaming);

    let whole = run(curl().args(["--include", &stage.snapshot()]));
    let whole = Reply::parse(&whole.stdout);
    assert_eq!(whole.header("content-type"), Some("image/jpeg"));
    let info = jpeg::check(&whole.body).unwrap();
    assert_eq!((info.width, info.height), (320, 240));

    for (url, kind) in [
        (stage.stream(), "multipart/x-mixed-replace"),
        (stage.snapshot(), "image/jpeg"),
    ] {
        let head = Reply::parse(&run(curl().args(["--head", &url])).stdout);
        assert_eq!((head.code, head.body.len()), (200, 0), "{url}");
        assert!(head.header("content-type").unwrap().starts_with(kind));
    }
    // Several at once: one connection cannot serve two, and curl opens another.
    let twice = run(curl().args([&stage.snapshot(), &stage.snapshot()]));
    let begins = twice.stdout.windows(2).filter(|two| two == b"\xff\xd8");
    assert_eq!(begins.count(), 2);
    stage.end();
}

#[test]
#[ignore = "needs wget: tests/run"]
fn wget() {
    let stage = Stage::new();
    let wget = || {
        let mut command = Command::new(tool("wget"));
        command.args(["--tries=1", "--timeout=60"]);
        command
    };
    for url in [stage.stream(), stage.snapshot()] {
        let said = run(wget().args(["--spider", &url])).stderr;
        assert!(text(&said).contains("Remote file exists."), "{url}");
    }
    let picture = run(wget().args(["--quiet", "--output-document=-", &stage.snapshot()])).stdout;
    jpeg::check(&picture).unwrap();
    stage.end();
}

#[test]
#[ignore = "needs ffmpeg: tests/run"]
fn ffprobe_and_ffmpeg() {
    let stage = Stage::new();
    let entries = "stream=codec_name,width,height";
    let probe = run(Command::new(tool("ffprobe"))
        .args(["-v", "error", "-show_entries", entries, "-of", "csv=p=0"])
        .arg(stage.stream()));
    assert_eq!(text(&probe.stdout), "mjpeg,320,240");
    assert_eq!(text(&probe.stderr), "");

    // A hash for each decoded frame: no two pictures are the same.
    let decoded = run(Command::new(tool("ffmpeg"))
        .args(["-v", "error", "-i", &stage.stream(), "-frames:v", "300"])
        .args(["-fps_mode", "passthrough", "-f", "framemd5", "-"]));
    assert_eq!(text(&decoded.stderr), "");
    let hashes = text(&decoded.stdout).lines();
    let mut hashes: Vec<_> = hashes
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.rsplit(',').next().unwrap().trim())
        .collect();
    assert_eq!(hashes.len(), 300);
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), 300);
    stage.end();
}

/// What Frigate's `preset-http-mjpeg-generic` and `preset-http-jpeg-generic` start for the role
/// `detect` (docs/clients.md).
#[test]
#[ignore = "needs ffmpeg: tests/run"]
fn ffmpeg_as_frigate_starts_it() {
    let stage = Stage::new();
    let jpeg = "-r 5 -stream_loop -1 -f image2 -avoid_negative_ts make_zero -fflags nobuffer \
        -flags low_delay -strict experimental -fflags +genpts+discardcorrupt \
        -use_wallclock_as_timestamps 1";
    let mjpeg = "-avoid_negative_ts make_zero -fflags nobuffer -flags low_delay \
        -strict experimental -fflags +genpts+discardcorrupt -use_wallclock_as_timestamps 1";
    let detect = "-r 5 -vf fps=5,scale=160:120 -threads 2 -f rawvideo -pix_fmt yuv420p pipe:";
    for (input, url) in [(mjpeg, stage.stream()), (jpeg, stage.snapshot())] {
        let mut ffmpeg = Guard::spawn(
            Command::new(tool("ffmpeg"))
                .args(["-hide_banner", "-loglevel", "error", "-threads", "2"])
                .args(input.split_ascii_whitespace())
                .args(["-i", &url])
                .args(detect.split(' '))
                .stdin(Stdio::null())
                .stdout(Stdio::piped()),
        );
        let mut frames = vec![0; 20 * 160 * 120 * 3 / 2];
        let out = ffmpeg.0.stdout.as_mut().unwrap();
        out.read_exact(&mut frames).unwrap();
    }
    stage.end();
}

#[test]
#[ignore = "needs gstreamer1.0-tools and gstreamer1.0-plugins-good: tests/run"]
fn gstreamer() {
    const FRAMES: usize = 100;
    let stage = Stage::new();
    let file = stage.instance.dir.path().join("decoded");
    let pipeline = format!(
        "souphttpsrc location={} ! multipartdemux ! jpegdec ! identity eos-after={} ! filesink location={}",
        stage.stream(),
        FRAMES + 1, // the one at which it ends is not passed on
        file.display()
    );
    run(Command::new(tool("gst-launch-1.0"))
        .arg("-q")
        .args(pipeline.split(' ')));
    let (width, height) = SMALL.size;
    let frame = width as usize * height as usize * 3 / 2;
    assert_eq!(std::fs::read(file).unwrap().len(), FRAMES * frame);
    stage.end();
}

/// Its filter `scene` writes what was decoded and would be shown.
#[test]
#[ignore = "needs VLC: tests/run"]
fn vlc() {
    let stage = Stage::new();
    let scenes = tempfile::tempdir().unwrap();
    // VLC refuses to run as root.
    let nobody = nix::unistd::geteuid().is_root();
    let mut command = match nobody {
        true => {
            std::os::unix::fs::chown(scenes.path(), Some(65534), Some(65534)).unwrap();
            let mut command = Command::new(tool("setpriv"));
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]);
            command.arg(tool("vlc"));
            command
        }
        false => Command::new(tool("vlc")),
    };
    let mut vlc = Guard::spawn(
        command
            .args(["--intf=dummy", "--quiet", "--no-audio", "--vout=dummy"])
            .args(["--video-filter=scene", "--scene-format=png"])
            .args(["--scene-ratio=1", "--scene-prefix=f"])
            .arg(format!("--scene-path={}", scenes.path().display()))
            .arg(stage.stream())
            .env("HOME", scenes.path())
            .current_dir(scenes.path())
            .stdin(Stdio::null()),
    );
    let is_png = |path: &Path| path.extension().is_some_and(|e| e == "png");
    wait_for("90 pictures in VLC", || {
        assert!(vlc.is_running());
        let files = std::fs::read_dir(scenes.path()).unwrap();
        let shown = files.filter(|file| is_png(&file.as_ref().unwrap().path()));
        (shown.count() >= 90).then_some(())
    });
    signal(vlc.pid(), Signal::SIGTERM);
    let _ = vlc.wait("VLC to end");
    stage.end();
}

/// A program of `tests/clients` that prints nothing but a line, which is shown.
fn python_client(module: &str, more: &[&str]) {
    let stage = Stage::new();
    let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/clients");
    let done = run(Command::new(python_with(module))
        .arg(programs.join(format!("{module}_viewer.py")))
        .args([stage.instance.url("")])
        .args(more)
        .env("PYTHONDONTWRITEBYTECODE", "1"));
    println!("{}", text(&done.stdout));
    assert_eq!(text(&done.stderr), "");
    stage.end();
}

#[test]
#[ignore = "needs Python with OpenCV: tests/run"]
fn opencv() {
    python_client("cv2", &[]);
}

#[test]
#[ignore = "needs Python with requests: tests/run"]
fn requests() {
    python_client("requests", &[]);
}

/// As Home Assistant's integrations `mjpeg` and `generic` ask (docs/clients.md).
#[test]
#[ignore = "needs Python with aiohttp: tests/run"]
fn aiohttp() {
    python_client("aiohttp", &[]);
}

/// The address itself, as a bookmark or an `<img>` of OctoPrint's has it.
#[test]
#[ignore = "needs Chromium: tests/run"]
fn chromium_shows_the_bare_stream() {
    let stage = Stage::new();
    let browser = Browser::start(640, 480);
    browser.go(&stage.instance.url("/?action=stream&1700000000"));
    let shown = browser.wait(
        "the picture",
        "document.images[0].naturalWidth + 'x' + document.images[0].naturalHeight",
    );
    assert_eq!(shown, "320x240");
    // Each look at the window is another picture.
    let first = browser.screenshot();
    wait_for("another picture", || {
        (browser.screenshot() != first).then_some(())
    });
    drop(browser);
    stage.end();
}

/// Mainsail and Fluidd read the stream by script: Mainsail waits for the byte *behind* a picture of
/// the length that was said, Fluidd for the next boundary, which it takes from the content type.
#[test]
#[ignore = "needs Chromium: tests/run"]
fn scripts_that_take_the_stream_apart() {
    let stage = Stage::new();
    let browser = Browser::start(640, 480);
    // A page of the same origin, as behind Mainsail's own proxy; the status loads no picture.
    browser.go(&stage.instance.url("/status"));
    browser.wait("the page", "document.readyState == 'complete'");
    browser.run(
        "window.by_length = window.by_boundary = 0;
        const latin = new TextDecoder('latin1');
        const follow = async (query, take) => {
            const reply = await fetch('/stream?' + query, {mode: 'cors'});
            const type = reply.headers.get('content-type');
            const boundary = '--' + type.match(/boundary=([^;]+)/)[1];
            let text = '';
            for (const reader = reply.body.getReader();;) {
                const {done, value} = await reader.read();
                if (done) break;
                text = take(text + latin.decode(value), boundary);
            }
        };
        const shows = async (text, count) => {
            const bytes = Uint8Array.from(text, c => c.charCodeAt(0));
            const bitmap = await createImageBitmap(new Blob([bytes], {type: 'image/jpeg'}));
            if (bitmap.width == 320) window[count]++;
        };
        follow('timestamp=1700000000000', text => {
            for (;;) {
                const begin = text.indexOf('\\xff\\xd8');
                const length = text.slice(0, begin).match(/content-length: *(\\d+)/i);
                if (begin < 0 || !length || text.length <= begin + +length[1]) return text;
                shows(text.slice(begin, begin + +length[1]), 'by_length');
                text = text.slice(begin + +length[1]);
            }
        });
        follow('cacheBust=1700000000000', (text, boundary) => {
            for (;;) {
                const begin = text.indexOf(boundary);
                const end = text.indexOf(boundary, begin + boundary.length);
                if (begin < 0 || end < 0) return text;
                const picture = text.indexOf('\\r\\n\\r\\n', begin);
                if (picture < end) shows(text.slice(picture + 4, end), 'by_boundary');
                text = text.slice(end);
            }
        });",
    );
    for count in ["by_length", "by_boundary"] {
        browser.wait("60 pictures", &format!("window.{count} >= 60"));
    }
    drop(browser);
    stage.end();
}

/// Ten requests a second, one connection each, as Mainsail's and Fluidd's "adaptive" cameras make
/// them, beside OctoPrint's timelapse: every one is answered with a newer picture.
#[test]
#[ignore = "needs curl: tests/run"]
fn snapshots_ten_times_a_second() {
    let stage = Stage::new();
    let mut last = 0;
    for n in 0..50 {
        let url = stage
            .instance
            .url(&format!("/?action=snapshot&bypassCache={n}"));
        let reply = run(Command::new(tool("curl")).args(["-s", "-f", "-i", "-m", "10", &url]));
        let reply = Reply::parse(&reply.stdout);
        jpeg::check(&reply.body).unwrap();
        let id: u64 = reply.header("x-seqcast-frame").unwrap().parse().unwrap();
        assert!(id > last, "{id} after {last}");
        last = id;
        std::thread::sleep(Duration::from_millis(50));
    }
    stage.end();
}
