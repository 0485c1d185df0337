//! An MJPEG stream in pieces: no panic, every byte accounted for, whatever the pieces.
#![no_main]

use libfuzzer_sys::fuzz_target;
use picture::split::{Split, Splitter};

const MAX_FRAME: usize = 1 << 16;

fn split(bytes: &[u8], piece: usize) -> (Vec<Vec<u8>>, usize) {
    let mut splitter = Splitter::new(MAX_FRAME);
    let (mut frames, mut accounted) = (Vec::new(), 0);
    for piece in bytes.chunks(piece) {
        let put = |room: &mut [u8]| {
            room.copy_from_slice(piece);
            Ok::<_, std::convert::Infallible>(piece.len())
        };
        splitter.fill(piece.len(), put).unwrap();
        while let Some(found) = splitter.next_frame() {
            match found {
                Split::Frame { bytes } => {
                    accounted += bytes;
                    frames.push(splitter.frame().to_vec());
                }
                Split::Garbage { bytes }
                | Split::Truncated { bytes }
                | Split::TooLong { bytes } => {
                    accounted += bytes;
                }
            }
        }
    }
    (frames, accounted + splitter.pending())
}

fuzz_target!(|input: (u8, Vec<u8>)| {
    let (piece, bytes) = input;
    let (whole, accounted) = split(&bytes, usize::MAX);
    assert_eq!(accounted, bytes.len());
    let (pieces, _) = split(&bytes, usize::from(piece) + 1);
    assert_eq!(whole, pieces);
});
