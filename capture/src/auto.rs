//! `--source auto`: the first camera there is, or else the test picture.
//!
//! Not here: what makes a node a camera ([`crate::camera`]).

use std::path::PathBuf;

use worker::Fault;

use crate::camera;
use crate::source::SourceError;

/// Remembers what was chosen first: a camera that was unplugged is waited for, and not followed
/// by a test picture that passes for it.
#[derive(Debug, Default)]
pub(crate) struct Auto {
    had_camera: bool,
}

impl Auto {
    /// Of a capture process whose predecessor had a camera, or not.
    pub(crate) fn new(had_camera: bool) -> Auto {
        Auto { had_camera }
    }

    /// The camera to open now; `None` stands for the test picture. Says so in the log.
    ///
    /// # Errors
    /// [`SourceError::NoSignal`] while the camera that there was is gone.
    pub(crate) fn choose(&mut self) -> Result<Option<PathBuf>, SourceError> {
        let choice = camera::choose(&camera::survey());
        if !self.had_camera {
            for (node, why) in &choice.passed_over {
                tracing::info!("auto: {} passed over: {why}", node.display());
            }
            match &choice.path {
                Some(node) => tracing::info!("auto: {} is the source", node.display()),
                None => tracing::info!(
                    "auto: no camera was found: showing the test picture; plug one in and start \
                     again, or name it with --source /dev/videoN"
                ),
            }
        }
        self.settle(choice.path)
    }

    fn settle(&mut self, camera: Option<PathBuf>) -> Result<Option<PathBuf>, SourceError> {
        self.had_camera |= camera.is_some();
        if self.had_camera && camera.is_none() {
            let gone = "the camera is gone and there is no other: plug it in again";
            return Err(SourceError::NoSignal(Fault::NoCamera, gone.to_owned()));
        }
        Ok(camera)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_any_camera_it_is_the_test_picture() {
        assert_eq!(Auto::default().settle(None), Ok(None));
    }

    #[test]
    fn a_camera_that_is_gone_is_waited_for_and_may_come_back_elsewhere() {
        let mut auto = Auto::default();
        let node = |n: u32| Some(PathBuf::from(format!("/dev/video{n}")));
        assert_eq!(auto.settle(node(0)), Ok(node(0)));
        assert!(matches!(
            auto.settle(None),
            Err(SourceError::NoSignal(Fault::NoCamera, _))
        ));
        assert_eq!(auto.settle(node(2)), Ok(node(2)));
    }
}
