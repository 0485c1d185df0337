//! MJPEG from a pipe: `ffmpeg … -f mjpeg - | seqcast --source -`.
//!
//! Whoever writes the pipe sets the pace, up to `--fps`, and ends it: a live stream goes through as
//! it comes, and a file poured in (`cat`, or `ffmpeg` without `-re`) is held back. A capture process
//! that takes over from one that died in mid-frame finds the next frame's beginning
//! (`picture::split`). Not here: files.

use std::os::fd::AsFd;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::read;
use picture::split::{Split, Splitter};
use worker::{DropCause, unix_ns};

use crate::config::MAX_FRAME;
use crate::mjpeg::{PIECE, lost};
use crate::pace::Limit;
use crate::source::{Event, Grab, Granted, Image, Source, SourceError};

/// The reading end of a pipe. Standard input, but for tests.
pub(crate) struct Pipe<F> {
    granted: Granted,
    fd: F,
    splitter: Splitter,
    limit: Limit,
    /// Whether it was said that the stream is held back.
    said: bool,
    /// A frame was found and not yet lent.
    waiting: bool,
    /// Whether anything was found yet.
    begun: bool,
    sequence: u64,
}

impl<F: AsFd> Pipe<F> {
    /// Reads at most about `fps` frames a second from `fd`, which may block: it is polled first.
    pub(crate) fn new(fd: F, fps: u32) -> Pipe<F> {
        Pipe {
            granted: Granted {
                kind: "stdin",
                detail: "standard input".to_owned(),
                width: 0,
                height: 0,
                format: "MJPG".to_owned(),
                fps: 0.0,
            },
            fd,
            splitter: Splitter::new(MAX_FRAME),
            limit: Limit::new(fps),
            said: false,
            waiting: false,
            begun: false,
            sequence: 0,
        }
    }

    /// Finds the next frame, or says what was found instead by the deadline.
    fn find(&mut self, deadline: Instant) -> Result<Option<Event<'static>>, SourceError> {
        loop {
            match self.splitter.next_frame() {
                Some(Split::Frame { .. }) => {
                    self.waiting = true;
                    self.begun = true;
                    return Ok(None);
                }
                Some(other) => {
                    // Before the first frame: the rest of the one that a predecessor died in.
                    let cause = match lost(other) {
                        None if !self.begun => Some(DropCause::Corrupt),
                        cause => cause,
                    };
                    self.begun = true;
                    if let Some(cause) = cause {
                        return Ok(Some(Event::Dropped(cause, 1)));
                    }
                    continue;
                }
                None => {}
            }
            let rest = deadline.saturating_duration_since(Instant::now());
            match self.fill(rest) {
                Ok(Some(0)) if self.splitter.pending() > 0 => {
                    // A frame that broke off with the stream.
                    self.splitter.restart();
                    return Ok(Some(Event::Dropped(DropCause::Corrupt, 1)));
                }
                Ok(Some(0)) => return Err(ended("standard input ended")),
                Ok(Some(_)) => {}
                Ok(None) => return Ok(Some(Event::Idle)),
                Err(e) => return Err(ended(&format!("standard input failed: {e}"))),
            }
            if rest.is_zero() {
                return Ok(Some(Event::Idle));
            }
        }
    }

    /// Waits for bytes: how many came, 0 at the end, `None` if none came in time.
    fn fill(&mut self, timeout: Duration) -> Result<Option<usize>, Errno> {
        let mut fds = [PollFd::new(self.fd.as_fd(), PollFlags::POLLIN)];
        let timeout = PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX);
        let got = match poll(&mut fds, timeout) {
            Ok(0) => return Ok(None),
            Ok(_) => self.splitter.fill(PIECE, |room| read(&self.fd, room)),
            Err(e) => Err(e),
        };
        match got {
            Ok(n) => Ok(Some(n)),
            Err(Errno::EINTR | Errno::EAGAIN) => Ok(None),
            Err(e) => Err(e),
        }
    }
}

impl<F: AsFd> Source for Pipe<F> {
    fn granted(&self) -> &Granted {
        &self.granted
    }

    fn next(&mut self, _next_id: u64, timeout: Duration) -> Result<Event<'_>, SourceError> {
        let deadline = Instant::now() + timeout;
        if !self.waiting
            && let Some(event) = self.find(deadline)?
        {
            return Ok(event);
        }
        while let Err(early) = self.limit.admit(Instant::now()) {
            if !self.said {
                self.said = true;
                tracing::info!("standard input comes faster than --fps and is held back to it");
            }
            let rest = deadline.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                return Ok(Event::Idle);
            }
            thread::sleep(early.min(rest));
        }
        self.waiting = false;
        self.sequence += 1;
        Ok(Event::Frame(Grab {
            image: Image::Jpeg(self.splitter.frame()),
            captured_ns: unix_ns(),
            sequence: self.sequence,
            relays: 0,
        }))
    }
}

fn ended(why: &str) -> SourceError {
    SourceError::Ended(why.to_owned())
}

#[cfg(test)]
mod tests {
    use std::io::{PipeReader, PipeWriter, Write, pipe};

    use super::*;

    /// A pipe with these bytes in it.
    fn holding(bytes: &[u8]) -> (Pipe<PipeReader>, PipeWriter) {
        let (reader, mut writer) = pipe().unwrap();
        writer.write_all(bytes).unwrap();
        (Pipe::new(reader, 30), writer)
    }

    fn jpeg() -> Vec<u8> {
        let mut jpeg = Vec::new();
        let mut picture = picture::TestPicture::new(64, 48, 30, 80).unwrap();
        picture.render(1, 0, &mut jpeg);
        jpeg
    }

    /// What comes next, in a word, the quiet in between left out.
    fn next(pipe: &mut Pipe<PipeReader>) -> String {
        loop {
            match pipe.next(1, Duration::from_secs(60)) {
                Ok(Event::Idle) => {}
                Ok(Event::Frame(grab)) => {
                    let Image::Jpeg(jpeg) = grab.image else {
                        panic!("{grab:?}");
                    };
                    return format!("frame of {}", jpeg.len());
                }
                Ok(Event::Dropped(cause, n)) => return format!("{n} {}", cause.name()),
                Ok(Event::NoSignal(why)) => return why,
                Err(e) => return e.to_string(),
            }
        }
    }

    #[test]
    fn a_successor_begins_with_the_next_frame_and_counts_the_broken_one() {
        let jpeg = jpeg();
        let (mut pipe, _writer) = holding(&[&jpeg[100..], &jpeg, &jpeg].concat());
        assert_eq!(next(&mut pipe), "1 corrupt");
        assert_eq!(next(&mut pipe), format!("frame of {}", jpeg.len()));
        assert_eq!(next(&mut pipe), format!("frame of {}", jpeg.len()));
    }

    #[test]
    fn what_lies_between_frames_is_not_a_lost_frame() {
        let jpeg = jpeg();
        let header = b"--boundary\r\nContent-Type: image/jpeg\r\n\r\n";
        let (mut pipe, _writer) = holding(&[&jpeg[..], header, &jpeg].concat());
        assert_eq!(next(&mut pipe), format!("frame of {}", jpeg.len()));
        assert_eq!(next(&mut pipe), format!("frame of {}", jpeg.len()));
    }

    #[test]
    fn a_frame_that_breaks_off_with_the_stream_is_counted_before_the_end() {
        let jpeg = jpeg();
        let (mut pipe, writer) = holding(&[&jpeg, &jpeg[..jpeg.len() / 2]].concat());
        drop(writer);
        assert_eq!(next(&mut pipe), format!("frame of {}", jpeg.len()));
        assert_eq!(next(&mut pipe), "1 corrupt");
        assert_eq!(next(&mut pipe), "standard input ended");
        assert_eq!(next(&mut pipe), "standard input ended");
    }

    #[test]
    fn an_empty_pipe_is_idle_and_a_half_frame_is_too() {
        let jpeg = jpeg();
        let (mut pipe, mut writer) = holding(b"");
        let soon = Duration::from_millis(5);
        assert!(matches!(pipe.next(1, soon), Ok(Event::Idle)));
        writer.write_all(&jpeg[..50]).unwrap();
        assert!(matches!(pipe.next(1, soon), Ok(Event::Idle)));
        writer.write_all(&jpeg[50..]).unwrap();
        assert_eq!(next(&mut pipe), format!("frame of {}", jpeg.len()));
    }

    #[test]
    fn what_is_poured_in_is_held_to_the_rate() {
        const FRAMES: u32 = 25;
        let jpeg = jpeg();
        let (mut pipe, mut writer) = holding(&jpeg);
        let rest = jpeg.repeat(FRAMES as usize);
        let feeder = thread::spawn(move || writer.write_all(&rest).unwrap());
        let begin = Instant::now();
        for _ in 0..=FRAMES {
            assert_eq!(next(&mut pipe), format!("frame of {}", jpeg.len()));
        }
        // At 30 fps, with half a second's worth and 2 % let through.
        assert!(begin.elapsed() >= Duration::from_millis(250));
        feeder.join().unwrap();
    }
}
