use std::collections::BTreeSet;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use picture::encode::PixelFormat;

use super::*;

#[derive(Clone, Copy)]
enum Step {
    Put,
    Begin,
    Finish,
    Take,
}

/// One captures, one encodes; buffers are known by their numbers.
#[derive(Default)]
struct Play {
    desk: Desk<(u8, u32), (u8, u32)>,
    loading: (u8, u32),
    encoding: (u8, u32),
    outcome: (u8, u32),
    taken: (u8, u32),
    busy: bool,
    put: u32,
    skipped: u32,
    took: Vec<u32>,
}

impl Play {
    fn new() -> Play {
        let mut play = Play::default();
        // Three buffers of each kind.
        (play.desk.job.0, play.loading.0, play.encoding.0) = (1, 2, 3);
        (play.desk.result.0, play.outcome.0, play.taken.0) = (4, 5, 6);
        play
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Put => {
                self.put += 1;
                self.loading.1 = self.put;
                self.skipped += u32::from(self.desk.put(&mut self.loading));
            }
            Step::Begin if !self.busy => {
                let newest = self.desk.job.1;
                self.busy = self.desk.begin(&mut self.encoding);
                if self.busy {
                    assert_eq!(self.encoding.1, newest);
                    assert_eq!(newest, self.put, "the latest wins");
                }
            }
            Step::Finish if self.busy => {
                self.outcome.1 = self.encoding.1;
                self.desk.finish(&mut self.outcome);
                self.busy = false;
            }
            Step::Take => {
                if self.desk.take(&mut self.taken) {
                    self.took.push(self.taken.1);
                }
            }
            Step::Begin | Step::Finish => {}
        }
        self.check();
    }

    fn check(&self) {
        let on_the_way = [self.desk.waiting, self.busy, self.desk.done];
        let on_the_way = on_the_way.into_iter().filter(|b| *b).count() as u32;
        let took = self.took.len() as u32;
        assert_eq!(self.put, self.skipped + took + on_the_way, "counts add up");
        assert!(self.took.is_sorted_by(|a, b| a < b), "in order");
        let buffers = [
            [self.desk.job.0, self.loading.0, self.encoding.0],
            [self.desk.result.0, self.outcome.0, self.taken.0],
        ];
        let buffers: BTreeSet<u8> = buffers.into_iter().flatten().collect();
        assert_eq!(buffers.len(), 6, "no buffer is in two hands");
    }
}

#[test]
fn every_order_of_nine_steps_keeps_order_counts_and_buffers() {
    const STEPS: [Step; 4] = [Step::Put, Step::Begin, Step::Finish, Step::Take];
    for order in 0..4usize.pow(9) {
        let mut play = Play::new();
        for i in 0..9 {
            play.step(STEPS[order >> (2 * i) & 3]);
        }
    }
}

#[test]
fn a_newer_frame_takes_the_place_of_the_one_that_waits() {
    let mut play = Play::new();
    for step in [Step::Put, Step::Begin, Step::Put, Step::Put, Step::Put] {
        play.step(step);
    }
    assert_eq!(play.skipped, 2);
    // Nothing begins before the result was taken.
    for step in [
        Step::Finish,
        Step::Begin,
        Step::Put,
        Step::Take,
        Step::Begin,
    ] {
        play.step(step);
    }
    assert_eq!((play.skipped, play.encoding.1), (3, 5));
    play.step(Step::Finish);
    play.step(Step::Take);
    assert_eq!(play.took, [1, 5]);
}

fn format() -> RawFormat {
    RawFormat::new(PixelFormat::Yuyv, 64, 48)
}

/// Waits, however long, until the thread has a result.
fn wait(encoder: &EncoderThread) {
    let mut fds = [PollFd::new(encoder.as_fd(), PollFlags::POLLIN)];
    while poll(&mut fds, PollTimeout::NONE) == Err(Errno::EINTR) {}
}

fn is_ready(encoder: &EncoderThread) -> bool {
    let mut fds = [PollFd::new(encoder.as_fd(), PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::ZERO) == Ok(1)
}

fn stamp(sequence: u64) -> Stamp {
    Stamp {
        captured_ns: sequence * 1000,
        sequence,
    }
}

#[test]
fn frames_come_out_as_jpegs_with_their_stamps() {
    let mut encoder = EncoderThread::start(80).unwrap();
    assert!(encoder.take().is_none() && !is_ready(&encoder));
    let raw = vec![128; format().frame_len().unwrap()];
    for sequence in 1..=20 {
        assert_eq!(encoder.submit(&raw, &format(), stamp(sequence)).unwrap(), 0);
        wait(&encoder);
        let (jpeg, got) = encoder.take().unwrap().unwrap();
        let info = picture::jpeg::check(jpeg).unwrap();
        assert_eq!((info.width, info.height), (64, 48));
        assert_eq!(got, stamp(sequence));
        assert!(encoder.take().is_none() && !is_ready(&encoder));
    }
}

#[test]
fn what_is_faster_than_the_encoder_is_skipped_and_the_counts_add_up() {
    const FRAMES: u64 = 500;
    let mut encoder = EncoderThread::start(80).unwrap();
    let raw = vec![100; format().frame_len().unwrap()];
    let (mut skipped, mut took) = (0, Vec::new());
    for sequence in 1..=FRAMES {
        skipped += encoder.submit(&raw, &format(), stamp(sequence)).unwrap();
        // A capture thread that is late as often as not.
        if sequence % 3 == 0
            && let Some(done) = encoder.take()
        {
            took.push(done.unwrap().1.sequence);
        }
    }
    assert_eq!(skipped + took.len() as u64 + encoder.pending(), FRAMES);
    while encoder.pending() > 0 {
        wait(&encoder);
        took.push(encoder.take().unwrap().unwrap().1.sequence);
    }
    assert!(took.is_sorted_by(|a, b| a < b));
    assert_eq!(took.last(), Some(&FRAMES), "the newest is never skipped");
    assert_eq!(skipped + took.len() as u64, FRAMES);
    assert!(!is_ready(&encoder));
}

#[test]
fn a_frame_that_is_cut_short_disturbs_nothing() {
    let mut encoder = EncoderThread::start(80).unwrap();
    let raw = vec![100; format().frame_len().unwrap()];
    let error = encoder.submit(&raw[1..], &format(), stamp(1)).unwrap_err();
    assert!(matches!(error, picture::Error::TooShort { .. }));
    assert_eq!(encoder.submit(&raw, &format(), stamp(2)).unwrap(), 0);
    wait(&encoder);
    assert_eq!(encoder.take().unwrap().unwrap().1, stamp(2));
}

#[test]
fn no_buffer_is_made_anew() {
    let mut encoder = EncoderThread::start(80).unwrap();
    let raw = vec![100; format().frame_len().unwrap()];
    let mut places = BTreeSet::new();
    for sequence in 1..=60 {
        encoder.submit(&raw, &format(), stamp(sequence)).unwrap();
        wait(&encoder);
        let (jpeg, _) = encoder.take().unwrap().unwrap();
        // The first ones grow.
        if sequence > 6 {
            places.insert(jpeg.as_ptr().addr());
        }
    }
    assert!(places.len() <= 3, "{places:?}");
}

#[test]
fn it_stops_with_a_frame_at_hand_and_one_waiting() {
    let mut encoder = EncoderThread::start(80).unwrap();
    let raw = vec![100; format().frame_len().unwrap()];
    for sequence in 1..=3 {
        encoder.submit(&raw, &format(), stamp(sequence)).unwrap();
    }
    drop(encoder);
    let error = EncoderThread::start(0).err().unwrap();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}
