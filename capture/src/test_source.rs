//! The test picture as a source: drawn here, so it never fails and never ends.
//!
//! Not here: what it looks like (`picture::TestPicture`).

use std::time::Duration;

use picture::TestPicture;
use worker::unix_ns;

use crate::config::Asked;
use crate::pace::Pacer;
use crate::source::{Event, Grab, Granted, Source, SourceError};

/// The test picture at its pace.
pub(crate) struct TestSource {
    granted: Granted,
    pacer: Pacer,
    picture: TestPicture,
    jpeg: Vec<u8>,
}

impl TestSource {
    /// Prepares what does not change from frame to frame. `detail` is for people.
    pub(crate) fn open(asked: &Asked, detail: &str) -> Result<TestSource, SourceError> {
        let picture = TestPicture::new(asked.width, asked.height, asked.fps, asked.quality)
            .map_err(|e| SourceError::NoSignal(format!("the test picture: {e}")))?;
        Ok(TestSource {
            granted: Granted {
                kind: "test",
                detail: detail.to_owned(),
                width: asked.width,
                height: asked.height,
                format: "MJPG".to_owned(),
                fps: asked.fps.into(),
            },
            pacer: Pacer::new(asked.fps),
            picture,
            jpeg: Vec::new(),
        })
    }
}

impl Source for TestSource {
    fn granted(&self) -> &Granted {
        &self.granted
    }

    fn next(&mut self, next_id: u64, timeout: Duration) -> Result<Event<'_>, SourceError> {
        if let Some(event) = self.pacer.wait(timeout) {
            return Ok(event);
        }
        let captured_ns = unix_ns();
        self.picture.render(next_id, captured_ns, &mut self.jpeg);
        Ok(Event::Frame(Grab {
            jpeg: &self.jpeg,
            captured_ns,
            sequence: next_id,
        }))
    }
}
