//! The loop, fed by a scripted source, on a ring and a board of its own.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread;

use shm_ring::{Reader, Ring};
use worker::message::Order;
use worker::{Board, CAPTURE_CELL, Instance, status};

use super::*;
use crate::config::Asked;
use crate::formats::Served;

/// What a scripted source does when asked.
enum Step {
    Frame(Vec<u8>),
    Lost(DropCause, u64),
    NoPicture(&'static str),
    Fail(SourceError),
}

struct Script {
    granted: Granted,
    steps: VecDeque<Step>,
    jpeg: Vec<u8>,
    /// What is still in it when it is dropped.
    unfinished: u64,
}

impl Source for Script {
    fn granted(&self) -> &Granted {
        &self.granted
    }

    fn next(&mut self, next_id: u64, timeout: Duration) -> Result<Event<'_>, SourceError> {
        match self.steps.pop_front() {
            Some(Step::Frame(jpeg)) => {
                self.jpeg = jpeg;
                Ok(Event::Frame(Grab {
                    image: Image::Jpeg(&self.jpeg),
                    captured_ns: 77,
                    sequence: next_id,
                    relays: 0,
                }))
            }
            Some(Step::Lost(cause, n)) => Ok(Event::Dropped(cause, n)),
            Some(Step::NoPicture(why)) => Ok(Event::NoSignal(why.to_owned())),
            Some(Step::Fail(e)) => Err(e),
            None => {
                thread::sleep(timeout);
                Ok(Event::Idle)
            }
        }
    }

    fn unfinished(&mut self) -> Vec<(DropCause, u64)> {
        vec![(DropCause::Late, self.unfinished)]
    }
}

fn script(steps: impl Into<VecDeque<Step>>) -> Box<dyn Source> {
    Box::new(scripted(steps))
}

fn scripted(steps: impl Into<VecDeque<Step>>) -> Script {
    Script {
        granted: Granted {
            kind: "test",
            detail: "script".to_owned(),
            width: 0,
            height: 0,
            format: "MJPG".to_owned(),
            fps: 30.0,
        },
        steps: steps.into(),
        jpeg: Vec::new(),
        unfinished: 0,
    }
}

fn jpeg(width: u32) -> Vec<u8> {
    let mut jpeg = Vec::new();
    let mut picture = picture::TestPicture::new(width, 48, 30, 80).unwrap();
    picture.render(1, 0, &mut jpeg);
    jpeg
}

fn no_signal(why: &str) -> SourceError {
    SourceError::no_signal(why)
}

/// `--drop-same` of all tests; only one has two pictures in a row that are the same.
const DROP_SAME: u32 = 2;

fn config(form: Form) -> Config {
    let asked = Asked {
        width: 64,
        height: 48,
        fps: 30,
        quality: 80,
        format: (form == Form::Bgr24).then_some(Served::BGR24),
        allow_truncated: false,
    };
    let mut cfg = Config::new("test", asked).unwrap();
    cfg.drop_same = DROP_SAME;
    cfg
}

/// Runs the loop on what `open` gives, until `enough` is seen of ring and status, or it ends.
fn run(
    test: &str,
    open: Open<'_>,
    enough: impl Fn(&Reader, &status::Status) -> bool,
) -> (i32, Reader, status::Status) {
    run_as(Form::Jpeg, test, open, enough)
}

/// The same for a ring of frames in this form.
fn run_as(
    form: Form,
    test: &str,
    open: Open<'_>,
    enough: impl Fn(&Reader, &status::Status) -> bool,
) -> (i32, Reader, status::Status) {
    let (_supervisor, channel) = worker::channel::pair().unwrap();
    run_on(&channel, form, test, open, enough)
}

/// The same with a line to a supervisor.
fn run_on(
    channel: &Channel,
    form: Form,
    test: &str,
    open: Open<'_>,
    enough: impl Fn(&Reader, &status::Status) -> bool,
) -> (i32, Reader, status::Status) {
    let name = format!("capture-{test}-{}", std::process::id());
    let instance = Instance::new(&name).unwrap();
    let board = Board::create(&instance, 1, 1, 1).unwrap();
    let cell = board.cell(CAPTURE_CELL);
    cell.begin(worker::Role::Capture);
    let ring = Ring::create(&name, 1 << 20).unwrap();
    let reader = ring.reader().unwrap();
    let status = || status::collect(&instance, &board, &reader, false);
    let deadline = Instant::now() + Duration::from_secs(60);
    let stopping = || {
        assert!(Instant::now() < deadline, "{:?}", reader.signal());
        enough(&reader, &status())
    };
    let line = Line::new(channel, false, Vec::new());
    let cfg = config(form);
    let code = Capture::new(ring.writer().unwrap(), cell, line, &cfg).run(open, &stopping);
    let status = status();
    (code, reader, status)
}

#[test]
fn publishes_what_is_whole_and_counts_the_rest() {
    let mut steps = Some(vec![
        Step::Frame(jpeg(64)),
        Step::Frame(b"no jpeg".to_vec()),
        Step::Lost(DropCause::Driver, 3),
        Step::Lost(DropCause::Late, 2),
        Step::Frame(jpeg(96)),
    ]);
    let mut open = || Ok(script(steps.take().unwrap()));
    let (code, reader, status) = run("publishes", &mut open, |ring, _| ring.bounds().head == 2);
    assert_eq!(code, exit::OK);
    let frame = reader.frame(2).unwrap();
    let meta = frame.info().meta;
    assert_eq!((meta.format, meta.width, meta.height), (*b"MJPG", 96, 48));
    assert_eq!((meta.captured_ns, meta.sequence), (77, 2));
    assert_eq!(frame.info().len, jpeg(96).len());
    assert_eq!(reader.signal().signal, Signal::Live);
    assert_eq!(status.totals.frames_captured, 2);
    assert_eq!(status.source.dropped["corrupt"], 1);
    assert_eq!(status.source.dropped["driver"], 3);
    assert_eq!(status.source.dropped["late"], 2);
    assert_eq!(
        (status.source.kind.as_str(), status.source.width),
        ("test", 96)
    );
    assert_eq!(status.workers[0].state, State::Serving);
}

#[test]
fn decodes_where_the_ring_is_to_hold_raw_frames() {
    let mut damaged = jpeg(64);
    // A header that claims more pixels than are decoded.
    let at = damaged.windows(2).position(|two| two == [0xff, 0xc0]);
    damaged[at.unwrap() + 5..][..4].fill(0xff);
    let mut steps = Some(vec![
        Step::Frame(b"no jpeg".to_vec()),
        Step::Frame(damaged),
        Step::Frame(jpeg(96)),
    ]);
    let mut open = || Ok(script(steps.take().unwrap()));
    let (code, reader, status) = run_as(Form::Bgr24, "decodes", &mut open, |ring, _| {
        ring.bounds().head == 1
    });
    assert_eq!(code, exit::OK);
    let (mut found, mut decoded) = (Vec::new(), Vec::new());
    let info = reader.read(1, &mut found).unwrap();
    let meta = info.meta;
    assert_eq!((meta.format, meta.width, meta.height), (*b"BGR3", 96, 48));
    picture::decode_bgr(&jpeg(96), &mut decoded).unwrap();
    assert_eq!(found, decoded);
    assert_eq!(status.source.dropped["corrupt"], 2);
    assert_eq!(status.source.format, "MJPG", "what the source delivers");
    assert_eq!(status.ring.format.as_deref(), Some("BGR3"));
}

#[test]
fn says_why_there_is_no_signal_and_opens_again_every_second() {
    let mut tries = 0;
    let begin = Instant::now();
    let mut open = || {
        tries += 1;
        match tries {
            1 => Err(no_signal("busy")),
            2 => Ok(script([
                Step::Frame(jpeg(64)),
                Step::Fail(no_signal("gone")),
            ])),
            _ => Ok(script([Step::Frame(jpeg(64))])),
        }
    };
    let seen = Mutex::new(Vec::new());
    let (code, reader, _) = run("retries", &mut open, |ring, status| {
        let now = (ring.signal().signal, ring.signal().reason);
        let mut seen = seen.lock().unwrap();
        if seen.last() != Some(&now) {
            seen.push(now);
        }
        assert_ne!(status.workers[0].state, State::Idle);
        ring.bounds().head == 2 && ring.signal().signal == Signal::Live
    });
    assert_eq!((code, reader.bounds().head), (exit::OK, 2));
    assert!(begin.elapsed() >= RETRY * 2);
    let state = |signal, reason: &str| (signal, reason.to_owned());
    assert_eq!(
        seen.into_inner().unwrap(),
        [
            state(Signal::Starting, ""),
            state(Signal::NoSignal, "busy"),
            state(Signal::Live, ""),
            state(Signal::NoSignal, "gone"),
            state(Signal::Live, ""),
        ]
    );
}

#[test]
fn what_changes_before_its_first_frame_has_no_signal_and_waits() {
    let mut tries = 0;
    let begin = Instant::now();
    let mut open = || {
        tries += 1;
        let changed = SourceError::Changed("it flaps".to_owned());
        Ok(script(match tries {
            1 => [Step::Fail(changed)],
            _ => [Step::Frame(jpeg(64))],
        }))
    };
    let flapped = AtomicU32::new(0);
    let (_, reader, _) = run("flaps", &mut open, |ring, _| {
        let state = ring.signal();
        if (state.signal, state.reason.as_str()) == (Signal::NoSignal, "it flaps") {
            flapped.store(1, Relaxed);
        }
        state.signal == Signal::Live
    });
    assert!(begin.elapsed() >= RETRY);
    assert_eq!((reader.bounds().head, flapped.into_inner()), (1, 1));
}

#[test]
fn to_open_is_to_start_also_after_an_outage() {
    let name = format!("capture-opening-{}", std::process::id());
    let instance = Instance::new(&name).unwrap();
    let board = Board::create(&instance, 1, 1, 1).unwrap();
    let cell = board.cell(CAPTURE_CELL);
    cell.begin(worker::Role::Capture);
    cell.set_state(State::Serving);
    let ring = Ring::create(&name, 1 << 20).unwrap();
    let reader = ring.reader().unwrap();
    let (_supervisor, channel) = worker::channel::pair().unwrap();
    let line = Line::new(&channel, false, Vec::new());
    let cfg = config(Form::Jpeg);
    let mut capture = Capture::new(ring.writer().unwrap(), cell, line, &cfg);
    let opened = Mutex::new(Vec::new());
    let mut open = || {
        opened.lock().unwrap().push(cell.state());
        assert_ne!(reader.signal().since_ns, 0);
        match opened.lock().unwrap().len() {
            1 => Err(no_signal("busy")),
            _ => Ok(script([])),
        }
    };
    let stopping = || {
        assert_eq!(cell.state(), State::Serving);
        opened.lock().unwrap().len() == 2
    };
    capture.run(&mut open, &stopping);
    assert_eq!(opened.into_inner().unwrap(), [State::Starting; 2]);
}

#[test]
fn what_has_changed_is_opened_anew_at_once_and_nobody_sees_no_signal() {
    let mut tries = 0;
    let mut open = || {
        tries += 1;
        let changed = SourceError::Changed("another size comes in".to_owned());
        Ok(script(match tries {
            1 => vec![Step::Frame(jpeg(64)), Step::Fail(changed)],
            _ => vec![Step::Frame(jpeg(96))],
        }))
    };
    let (code, reader, status) = run("changes", &mut open, |ring, _| {
        assert_ne!(ring.signal().signal, Signal::NoSignal);
        ring.bounds().head == 2
    });
    assert_eq!((code, reader.bounds().head), (exit::OK, 2));
    assert_eq!(status.source.width, 96);
    assert!(status.source.dropped.is_empty(), "{status:?}");
}

#[test]
fn a_source_without_a_picture_stays_open_and_goes_on() {
    let mut opened = 0;
    let mut open = || {
        opened += 1;
        Ok(script([
            Step::Frame(jpeg(64)),
            Step::NoPicture("unplugged there"),
            Step::NoPicture("unplugged there"),
            Step::Frame(jpeg(96)),
        ]))
    };
    let seen = Mutex::new(Vec::new());
    let (_, _, _) = run("no-picture", &mut open, |ring, _| {
        let now = (ring.bounds().head, ring.signal().reason);
        let mut seen = seen.lock().unwrap();
        if seen.last() != Some(&now) {
            seen.push(now);
        }
        ring.bounds().head == 2 && ring.signal().signal == Signal::Live
    });
    let seen = seen.into_inner().unwrap();
    assert!(
        seen.contains(&(1, "unplugged there".to_owned())),
        "{seen:?}"
    );
    assert_eq!(opened, 1);
}

#[test]
fn the_same_picture_again_is_left_out_so_often() {
    let mut steps = Some(
        vec![64; 5]
            .into_iter()
            .chain([96])
            .map(|width| Step::Frame(jpeg(width))),
    );
    let mut open = || Ok(script(steps.take().unwrap().collect::<Vec<_>>()));
    let (_, reader, status) = run("same", &mut open, |ring, _| {
        let head = ring.bounds().head;
        head > 0
            && ring
                .frame(head)
                .is_ok_and(|frame| frame.info().meta.width == 96)
    });
    // Passed: 1, 4 and 6, or more on a machine that stood still for half a second.
    let passed = reader.bounds().head;
    assert!(passed >= 3, "{passed}");
    let same = status.source.dropped.get("same").copied().unwrap_or(0);
    assert_eq!(passed + same, 6);
    assert_eq!(reader.signal().signal, Signal::Live);
}

#[test]
fn shows_that_the_input_ended_for_a_while_and_then_says_so_by_its_code() {
    let over = || Step::Fail(SourceError::Ended("it ended".to_owned()));
    let mut open = || Ok(script([Step::Frame(jpeg(64)), over()]));
    let begin = Instant::now();
    let (code, reader, _) = run("ends", &mut open, |_, _| false);
    assert_eq!(code, exit::INPUT_ENDED);
    assert!(begin.elapsed() >= FAREWELL);
    let state = reader.signal();
    assert_eq!(
        (state.signal, state.reason.as_str()),
        (Signal::Ended, "it ended")
    );
}

#[test]
fn a_frame_that_the_ring_cannot_take_says_which_ring_would() {
    // Padded with comments, which are part of the picture.
    let mut large = jpeg(64);
    for _ in 0..5 {
        let mut comment = vec![0xff, 0xfe, 0xff, 0xff];
        comment.resize(2 + 0xffff, 0);
        large.splice(2..2, comment);
    }
    let frames: Vec<Step> = (0..8).map(|_| Step::Frame(large.clone())).collect();
    let mut frames = Some(frames);
    let mut open = || Ok(script(frames.take().unwrap()));
    let (_, reader, status) = run("large", &mut open, |ring, _| {
        ring.signal().signal == Signal::NoSignal
    });
    let reason = reader.signal().reason;
    assert!(reason.contains("every frame is dropped"), "{reason}");
    assert!(reason.contains("--ring 2M"), "{reason}");
    assert_eq!(status.source.dropped["too-large"], 8);
    assert!(!status.source.dropped.contains_key("same"), "{status:?}");
}

#[test]
fn a_source_that_says_nothing_has_no_signal() {
    let mut open = || Ok(script([]));
    let (_, reader, _) = run("silent", &mut open, |ring, _| {
        ring.signal().signal == Signal::NoSignal
    });
    assert_eq!(reader.signal().reason, "no frame comes from script");
}

#[test]
fn rests_with_the_source_closed_and_wakes_as_told() {
    let (supervisor, channel) = worker::channel::pair().unwrap();
    let opened = AtomicU32::new(0);
    let mut open = || {
        opened.fetch_add(1, Relaxed);
        let mut source = scripted([Step::Frame(jpeg(64))]);
        source.unfinished = 2;
        Ok(Box::new(source) as Box<dyn Source>)
    };
    let step = AtomicU32::new(0);
    let (code, reader, status) =
        run_on(&channel, Form::Jpeg, "rests", &mut open, |ring, status| {
            match (step.load(Relaxed), ring.signal().signal) {
                (0, Signal::Live) => supervisor.send(&Order::Rest).unwrap(),
                (1, Signal::Resting) if status.workers[0].state == State::Idle => {
                    assert_eq!(status.source.state, "resting");
                    assert_eq!(ring.bounds().head, 1);
                    supervisor.send(&Order::Wake).unwrap();
                }
                (2, Signal::Live) => return true,
                _ => return false,
            }
            step.fetch_add(1, Relaxed);
            false
        });
    assert_eq!((code, reader.bounds().head), (exit::OK, 2));
    assert_eq!(opened.into_inner(), 2);
    assert_eq!(status.source.dropped["late"], 2 + 2, "what was left in it");
}
