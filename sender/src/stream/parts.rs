//! Parts that are put together in private memory before a byte of them goes out: what goes before a
//! frame, frames that are copied or converted or left out, and placeholders.
//!
//! Not here: when, the socket, and frames that are lent from the ring (`stream`).

use std::time::Instant;

use shm_ring::{FrameInfo, MaybeTorn, Signal, SignalState};
use worker::{SkipCause, unix_ns};

use super::{Begun, Stream, copy_rest};
use crate::feed::Lull;
use crate::framing::{Form, Size};
use crate::http::multipart::{Clocks, Extra, FrameNumber, Part};

impl Stream<'_> {
    /// Puts a copy of all of a frame into `spill`.
    pub(super) fn send_copied(&mut self, frame: &MaybeTorn<'_>, size: Size) -> Begun {
        let info = *frame.info();
        self.write_header(&info, info.len, size);
        let whole = self.spill.refill();
        copy_rest(&self.header, frame, 0, whole);
        if !frame.is_intact() {
            self.spill.refill();
            return Err(SkipCause::Overwritten);
        }
        self.framing.end_picture(whole);
        Ok(info.len)
    }

    /// Puts all of a frame that has another form into `spill`.
    pub(super) fn send_converted(&mut self, info: &FrameInfo, form: Form, size: Size) -> Begun {
        let picture = self.conversions.picture(self.sender.ring, info.id, form)?;
        let len = picture.len();
        self.write_header(info, len, size);
        self.spill.refill().extend_from_slice(&self.header);
        self.spill.set_picture(picture);
        self.framing.end_picture(self.spill.more());
        Ok(len)
    }

    /// Puts into `spill` what goes around a frame.
    pub(super) fn send_nothing(&mut self, info: &FrameInfo, size: Size) -> Begun {
        self.write_header(info, 0, size);
        let around = self.spill.refill();
        around.extend_from_slice(&self.header);
        self.framing.end_picture(around);
        Ok(0)
    }

    /// Writes what goes before a frame that is sent as so many bytes.
    pub(super) fn write_header(&mut self, info: &FrameInfo, len: usize, size: Size) {
        let again = self.course.is_last(info.id);
        let skipped = if again { 0 } else { self.left_out };
        let part = Part {
            len,
            captured_ns: info.meta.captured_ns,
            frame: Some(FrameNumber {
                id: info.id,
                skipped,
                asked: self.course.asked_before(info.id, skipped),
                again,
            }),
            extra: self.extra(size, info.published_ns),
        };
        self.framing.header(&part, size, &mut self.header);
    }

    fn extra(&self, size: Size, published_ns: u64) -> Option<Extra> {
        self.framing.wants().extra_headers.then(|| Extra {
            size,
            fps: self.rate,
            published_ns,
            sent: Clocks::now(),
        })
    }

    pub(super) fn is_placeholder_due(&self, now: Instant) -> bool {
        self.course.lull() != Lull::Paced && self.placeholder.is_due(&self.signal(), now)
    }

    /// Of the picture that the viewer sees: an outage of the past says nothing of now.
    fn signal(&self) -> SignalState {
        match self.course.lull() {
            Lull::Outage => SignalState {
                signal: Signal::Live,
                reason: String::new(),
                since_ns: 0,
            },
            Lull::Live | Lull::Paced => self.sender.ring.signal(),
        }
    }

    /// Says that there is no picture; `spill` has it.
    pub(super) fn send_placeholder(&mut self, now: Instant) {
        let state = self.signal();
        let easel = &self.sender.easel;
        let Some(still) = self.placeholder.show(&state, easel, now) else {
            return;
        };
        let picture = match self.framing.form() {
            Form::Jpeg => Some(still.jpeg.clone()),
            Form::Bgr => self.conversions.still(&still),
        };
        let Some(picture) = picture else {
            return;
        };
        let zero_data = self.framing.wants().zero_data;
        let captured_ns = unix_ns();
        let part = Part {
            len: if zero_data { 0 } else { picture.len() },
            captured_ns,
            frame: None,
            extra: self.extra(still.size, captured_ns),
        };
        self.framing.header(&part, still.size, self.spill.refill());
        if !zero_data {
            self.spill.set_picture(picture);
        }
        self.framing.end_picture(self.spill.more());
    }
}
