use super::*;
use proptest::prelude::*;

fn header(height: u64, width: u64, channels: u64) -> [u8; HEADER] {
    (height << 32 | width << 16 | channels).to_le_bytes()
}

fn stamped(id: u64, captured_ns: u64) -> Vec<u8> {
    [&MARK[..], &id.to_le_bytes(), &captured_ns.to_le_bytes()].concat()
}

/// Events, the result, the offset and the place.
type Outcome = (Vec<Event>, Result<(), ParseError>, u64, String);

/// Pushes the bytes cut at the given places (taken modulo the length).
fn parse_cut(bytes: &[u8], cuts: &[usize]) -> Outcome {
    let mut cuts: Vec<_> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    let mut parser = Parser::new();
    let mut events = Vec::new();
    let mut result = Ok(());
    for pair in cuts.windows(2) {
        result = parser.push(&bytes[pair[0]..pair[1]], &mut |event| events.push(event));
        if result.is_err() {
            break;
        }
    }
    (events, result, parser.offset(), parser.place())
}

fn parse(bytes: &[u8]) -> Outcome {
    parse_cut(bytes, &[])
}

#[test]
fn follows_frames_of_any_size() {
    let bytes = [
        &header(2, 4, 3)[..],
        &stamped(7, 99),
        &header(1, 1, 3),
        b"bgr",
        &header(1, 25, 1),
        &[0; 25],
        &header(2, 2, 3),
        b"12345",
    ]
    .concat();
    let (events, result, offset, place) = parse(&bytes);
    let frame = |number, offset, [height, width, channels]: [u16; 3], stamp| {
        let size = Size {
            height,
            width,
            channels,
        };
        Event::Frame(Frame {
            number,
            offset,
            size,
            stamp,
        })
    };
    let stamp = Stamp {
        id: 7,
        captured_ns: 99,
    };
    assert_eq!(
        events,
        [
            Event::Begin,
            frame(1, 0, [2, 4, 3], Some(stamp)),
            frame(2, 32, [1, 1, 3], None),
            frame(3, 43, [1, 25, 1], None),
        ]
    );
    assert_eq!((result, offset), (Ok(()), bytes.len() as u64));
    assert_eq!(place, "in frame 4, after 5 of 12 bytes");
}

#[test]
fn a_frame_does_not_inherit_the_coding_of_the_one_before() {
    let bytes = [
        &header(1, 24, 1)[..],
        &stamped(7, 99),
        &header(1, 8, 1),
        MARK,
        &header(1, 23, 1),
        &stamped(8, 99)[..23],
    ]
    .concat();
    let stamps: Vec<_> = parse(&bytes)
        .0
        .into_iter()
        .filter_map(|event| match event {
            Event::Frame(frame) => Some(frame.stamp.is_some()),
            Event::Begin => None,
        })
        .collect();
    assert_eq!(stamps, [true, false, false]);
}

#[test]
fn refuses_what_is_no_size() {
    for bad in [
        header(0, 160, 3),
        header(120, 0, 3),
        header(120, 160, 0),
        (1 << 48 | 120 << 32 | 160 << 16 | 3u64).to_le_bytes(),
        *b"HTTP/1.1",
    ] {
        let (events, result, offset, place) =
            parse(&[&header(1, 1, 1)[..], b"x", &bad, b"more"].concat());
        assert!(matches!(result, Err(ParseError::NoSize(_))), "{result:?}");
        assert_eq!((events.len(), offset, &*place), (2, 9, "at byte 9"));
    }
}

#[test]
fn the_largest_frame_is_64_mi_bytes() {
    assert!(Size::parse(header(1 << 12, 1 << 13, 2)).is_ok());
    for (height, width, channels) in [(4097, 1 << 13, 2), (65_535, 65_535, 65_535)] {
        let size = Size::parse(header(height, width, channels));
        assert!(matches!(size, Err(ParseError::TooLarge(_))), "{size:?}");
    }
    assert_eq!(
        ParseError::TooLarge(Size {
            height: 9000,
            width: 9001,
            channels: 3
        })
        .to_string(),
        "a frame of 9001x9000x3 bytes would be larger than 67108864"
    );
}

#[test]
fn nothing_more_is_taken_after_an_error() {
    let mut parser = Parser::new();
    assert!(parser.push(&[0; 8], &mut |_| panic!()).is_err());
    let good = [&header(1, 1, 1)[..], b"x"].concat();
    assert_eq!(parser.push(&good, &mut |_| panic!()), Ok(()));
    assert_eq!(parser.offset(), 0);
}

/// Frames, most of them good, and what follows them.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let frame = (0u64..4, 0u64..12, 1u64..4, any::<(bool, u64, u64)>());
    let frame = frame.prop_map(|(height, width, channels, (coded, id, ns))| {
        let mut pixels = vec![0x5a; (height * width * channels) as usize];
        if coded {
            fill(&mut pixels, &stamped(id, ns));
        }
        [&header(height, width, channels)[..], &pixels].concat()
    });
    let tail = prop::collection::vec(any::<u8>(), 0..20);
    (prop::collection::vec(frame, 0..6), tail)
        .prop_map(|(frames, tail)| [frames.concat(), tail].concat())
}

proptest! {
    #[test]
    fn cuts_change_nothing(bytes in stream(),
                           cuts in prop::collection::vec(any::<usize>(), 0..10)) {
        prop_assert_eq!(parse_cut(&bytes, &cuts), parse(&bytes));
    }

    #[test]
    fn what_was_coded_is_read(ids in prop::collection::vec(any::<(u64, u64)>(), 0..5)) {
        let bytes: Vec<_> = ids.iter()
            .flat_map(|&(id, ns)| [&header(4, 2, 3)[..], &stamped(id, ns)].concat())
            .collect();
        let read: Vec<_> = parse(&bytes).0.into_iter()
            .filter_map(|event| match event {
                Event::Frame(frame) => frame.stamp.map(|stamp| (stamp.id, stamp.captured_ns)),
                Event::Begin => None,
            })
            .collect();
        prop_assert_eq!(read, ids);
    }
}
