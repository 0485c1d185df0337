use super::*;

const MS: u64 = 1_000_000;
/// Frames are captured from here on, Unix nanoseconds.
const EPOCH: u64 = 1_700_000_000_000_000_000;

fn at_ms(ms: u64) -> Arrival {
    Arrival {
        mono_ns: ms * MS,
        unix_ns: EPOCH + ms * MS,
    }
}

fn tally() -> Tally {
    Tally::new(at_ms(0))
}

/// One part with these headers beside the type, complete at `ms`.
fn part(tally: &mut Tally, headers: &[(&str, &str)], body: &[u8], ms: u64) -> Option<u64> {
    let mut headers: Vec<_> = headers
        .iter()
        .map(|&(name, value)| httparse::Header {
            name,
            value: value.as_bytes(),
        })
        .collect();
    if !headers.iter().any(|header| header.name == "Content-Type") {
        headers.push(httparse::Header {
            name: "Content-Type",
            value: b"image/jpeg",
        });
    }
    let event = Event::Part {
        number: 1,
        offset: 99,
        length: body.len() as u64,
        headers: &headers,
    };
    assert_eq!(tally.event(event, at_ms(ms)), None);
    for piece in body.chunks(3) {
        assert_eq!(tally.event(Event::Body(piece), at_ms(ms)), None);
    }
    tally.event(Event::PartEnd, at_ms(ms))
}

const JPEG: &[u8] = b"\xff\xd8 picture \xff\xd9";

fn stamp(ms: u64) -> String {
    let ns = EPOCH + ms * MS;
    format!("{}.{:06}", ns / 1_000_000_000, ns % 1_000_000_000 / 1000)
}

/// A good frame, captured and complete at these times.
fn frame(tally: &mut Tally, id: u64, skipped: u64, captured_ms: u64, ms: u64) -> Option<u64> {
    let (id, skipped) = (id.to_string(), skipped.to_string());
    let headers = [
        ("X-Timestamp", &*stamp(captured_ms)),
        ("X-Seqcast-Frame", &*id),
        ("X-Seqcast-Skipped", &*skipped),
    ];
    part(tally, &headers, JPEG, ms)
}

/// A JPEG with the coding in its first segment.
fn coded(id: u64, captured_ms: u64) -> Vec<u8> {
    let captured = EPOCH + captured_ms * MS;
    let numbers = [id.to_le_bytes(), captured.to_le_bytes()].concat();
    [
        b"\xff\xd8\xff\xfe\0\x1aseqcast1",
        &*numbers,
        b" picture \xff\xd9",
    ]
    .concat()
}

#[test]
fn ids_and_times_may_be_in_the_jpeg() {
    let mut tally = tally();
    for id in [5, 6, 9] {
        assert_eq!(part(&mut tally, &[], &coded(id, 100), 103), Some(id));
    }
    assert_eq!(part(&mut tally, &[], &coded(9, 100), 104), None);
    let count = (
        tally.frames,
        tally.lost,
        tally.repeated,
        tally.invalid_count,
    );
    assert_eq!(count, (3, 2, 1, 1));
    let p50 = tally.latency().percentile(50.0).unwrap();
    assert!((2970..=3030).contains(&p50), "{p50}");
    // Our own headers come first, and what only begins like the coding is none.
    assert_eq!(frame(&mut tally, 20, 10, 105, 106), Some(20));
    let mut short = coded(30, 0)[..20].to_vec();
    short.extend(b"\xff\xd9");
    assert_eq!(part(&mut tally, &[], &short, 107), None);
    assert_eq!((tally.unnumbered, tally.invalid_count), (1, 1));
}

#[test]
fn counts_and_times_good_frames() {
    let mut tally = tally();
    for id in 0..31 {
        let captured = 1000 + id * 100;
        assert_eq!(
            frame(&mut tally, 7 + id, 0, captured, captured + 5),
            Some(7 + id)
        );
    }
    assert_eq!((tally.frames, tally.lost, tally.invalid_count), (31, 0, 0));
    assert_eq!(tally.fps(), 10.0);
    assert_eq!(tally.gap_ns(at_ms(4010)), 100 * MS);
    assert_eq!(tally.gap_ns(at_ms(4505)), 500 * MS);
    let p50 = tally.latency().percentile(50.0).unwrap();
    assert!((4950..=5050).contains(&p50), "{p50}");
}

#[test]
fn a_viewer_without_frames_has_one_long_gap() {
    let mut tally = tally();
    assert_eq!(tally.gap_ns(at_ms(700)), 700 * MS);
    assert_eq!(tally.fps(), 0.0);
    frame(&mut tally, 1, 0, 800, 800);
    assert_eq!(tally.gap_ns(at_ms(810)), 10 * MS);
    assert_eq!(tally.fps(), 0.0);
}

#[test]
fn what_was_asked_to_be_left_out_is_not_lost() {
    let mut tally = tally();
    for (id, skipped, asked) in [("7", "0", "0"), ("13", "0", "5"), ("21", "2", "5")] {
        let headers = [
            ("X-Timestamp", &*stamp(100)),
            ("X-Seqcast-Frame", id),
            ("X-Seqcast-Skipped", skipped),
            ("X-Seqcast-Asked", asked),
        ];
        assert!(part(&mut tally, &headers, JPEG, 105).is_some());
    }
    assert_eq!((tally.frames, tally.lost, tally.invalid_count), (3, 2, 0));
}

#[test]
fn missing_ids_are_lost_and_the_server_must_say_so() {
    let mut tally = tally();
    // What the first says cannot be checked.
    frame(&mut tally, 10, 9, 0, 0);
    assert_eq!(frame(&mut tally, 14, 3, 40, 40), Some(14));
    assert_eq!((tally.lost, tally.invalid_count), (3, 0));
    assert_eq!(frame(&mut tally, 16, 0, 60, 60), None);
    assert_eq!(frame(&mut tally, 17, 1, 70, 70), None);
    assert_eq!((tally.frames, tally.lost, tally.invalid_count), (2, 4, 2));
    assert_eq!(
        tally.invalid[0],
        "part 1 (frame 16, from byte 99): X-Seqcast-Skipped is \"0\", but 1 are missing since 14"
    );
}

#[test]
fn ids_rise() {
    let mut tally = tally();
    frame(&mut tally, 10, 0, 0, 0);
    assert_eq!(frame(&mut tally, 10, 0, 0, 1), None);
    assert_eq!(frame(&mut tally, 9, 0, 0, 2), None);
    assert_eq!(frame(&mut tally, 11, 0, 0, 3), Some(11));
    assert_eq!((tally.frames, tally.lost, tally.invalid_count), (2, 0, 2));
    assert!(tally.invalid[0].ends_with("its id does not rise, the last one was 10"));
    frame(&mut tally, u64::MAX, u64::MAX - 12, 0, 4);
    assert_eq!((tally.lost, tally.invalid_count), (u64::MAX - 12, 2));
}

#[test]
fn a_body_is_a_jpeg_from_end_to_end() {
    for body in [
        &b""[..],
        b"\xff\xd8",
        b"\xff\xd8..\xff\xd8",
        b"\0\0..\xff\xd9",
        b"\xff\xd8..\xff\xd9\0",
    ] {
        let mut tally = tally();
        assert_eq!(part(&mut tally, &[], body, 0), None);
        assert_eq!(tally.invalid_count, 1, "{body:?}");
        assert_eq!(tally.unnumbered, 0);
    }
    let mut tally = tally();
    part(&mut tally, &[], b"abcd", 0);
    assert_eq!(
        tally.invalid,
        [
            "part 1 (from byte 99): it begins with 6162, not FFD8",
            "part 1 (from byte 99): it ends with 6364, not FFD9",
        ]
    );
}

#[test]
fn numbered_parts_keep_their_contract() {
    for headers in [
        &[("X-Seqcast-Frame", "1"), ("X-Seqcast-Skipped", "0")][..],
        &[("X-Seqcast-Frame", "1"), ("X-Timestamp", "1.5")],
        &[
            ("X-Seqcast-Frame", "0"),
            ("X-Seqcast-Skipped", "0"),
            ("X-Timestamp", "1.5"),
        ],
        &[
            ("X-Seqcast-Frame", "one"),
            ("X-Seqcast-Skipped", "0"),
            ("X-Timestamp", "1.5"),
        ],
        &[
            ("X-Seqcast-Frame", "1"),
            ("X-Seqcast-Skipped", "0"),
            ("X-Timestamp", "now"),
        ],
        &[("Content-Type", "text/html")],
    ] {
        let mut tally = tally();
        part(&mut tally, headers, JPEG, 0);
        assert_eq!(tally.invalid_count, 1, "{headers:?}");
    }
}

#[test]
fn parts_without_an_id_count_apart() {
    let mut tally = tally();
    for second in 0..3 {
        // Placeholders: late, slow, without a time.
        assert_eq!(part(&mut tally, &[], JPEG, second * 1000), None);
    }
    assert_eq!(
        (tally.frames, tally.unnumbered, tally.invalid_count),
        (0, 3, 0)
    );
    assert_eq!(tally.fps(), 1.0);
    assert_eq!(tally.latency().percentile(50.0), None);
    // The first live frame begins the times anew.
    frame(&mut tally, 5, 0, 3000, 3001);
    part(&mut tally, &[], JPEG, 3020);
    frame(&mut tally, 6, 0, 3040, 3041);
    assert_eq!(
        (tally.frames, tally.unnumbered, tally.invalid_count),
        (2, 4, 0)
    );
    assert_eq!(tally.fps(), 25.0);
    assert_eq!(tally.gap_ns(at_ms(3041)), 40 * MS);
}

#[test]
fn foreign_times_are_taken_where_they_are_times() {
    let mut tally = tally();
    part(&mut tally, &[("X-Timestamp", &stamp(0))], JPEG, 10);
    part(&mut tally, &[("X-Timestamp", "yesterday")], JPEG, 20);
    assert_eq!((tally.unnumbered, tally.invalid_count), (2, 0));
    assert!(
        tally
            .latency()
            .percentile(100.0)
            .is_some_and(|us| us.abs_diff(10_000) <= 100)
    );
}

/// The `number`th raw frame, of 3 bytes, complete at `ms`; coded: its id and when it was captured.
fn raw_frame(tally: &mut Tally, number: u64, coded: Option<(u64, u64)>, ms: u64) -> Option<u64> {
    let stamp = coded.map(|(id, captured_ms)| raw::Stamp {
        id,
        captured_ns: EPOCH + captured_ms * MS,
    });
    let size = raw::Size {
        height: 1,
        width: 1,
        channels: 3,
    };
    let frame = raw::Frame {
        number,
        offset: (number - 1) * 11,
        size,
        stamp,
    };
    tally.raw_frame(&frame, at_ms(ms))
}

#[test]
fn raw_frames_count_by_the_id_in_their_pixels() {
    let mut tally = tally();
    assert_eq!(raw_frame(&mut tally, 1, Some((10, 995)), 1000), Some(10));
    assert_eq!(raw_frame(&mut tally, 2, Some((11, 1095)), 1100), Some(11));
    assert_eq!(raw_frame(&mut tally, 3, Some((15, 1195)), 1200), Some(15));
    assert_eq!((tally.frames, tally.lost, tally.invalid_count), (3, 3, 0));
    assert_eq!(tally.fps(), 10.0);
    let p50 = tally.latency().percentile(50.0).unwrap();
    assert!((4950..=5050).contains(&p50), "{p50}");
    assert_eq!(raw_frame(&mut tally, 4, Some((15, 1195)), 1201), None);
    assert_eq!(raw_frame(&mut tally, 5, None, 1202), None);
    assert_eq!(
        (tally.frames, tally.unnumbered, tally.invalid_count),
        (3, 1, 1)
    );
    assert_eq!(
        tally.invalid[0],
        "frame 4 (coded 15, from byte 33): its id does not rise, the last one was 15"
    );
}

#[test]
fn raw_frames_without_the_coding_are_timed_all_the_same() {
    let mut tally = tally();
    for number in 1..=5 {
        assert_eq!(raw_frame(&mut tally, number, None, number * 50), None);
    }
    assert_eq!((tally.frames, tally.unnumbered), (0, 5));
    assert_eq!(tally.fps(), 20.0);
    assert_eq!(tally.latency().percentile(50.0), None);
}

#[test]
fn frames_from_before_the_end_of_a_stall_are_stale() {
    let mut tally = tally();
    frame(&mut tally, 1, 0, 0, 0);
    assert_eq!(tally.stale, None);
    tally.resume(at_ms(10_000));
    assert_eq!(tally.stale, Some(0));
    frame(&mut tally, 2, 0, 33, 10_001);
    frame(&mut tally, 3, 0, 9_799, 10_002);
    frame(&mut tally, 4, 0, 9_801, 10_003);
    frame(&mut tally, 5, 0, 10_030, 10_031);
    assert_eq!(tally.stale, Some(2));
}

#[test]
fn sentences_are_bounded_faults_are_counted() {
    let mut tally = tally();
    for ms in 0..50 {
        part(&mut tally, &[], b"<html>", ms);
    }
    tally.fault(1234, &"no delimiter");
    assert_eq!(
        (tally.invalid.len(), tally.invalid_count),
        (MAX_SENTENCES, 101)
    );
}

#[test]
fn times_are_seconds_with_a_fraction() {
    for (text, wanted) in [
        ("1700000000.000001", Some(1_700_000_000_000_001_000)),
        ("0", Some(0)),
        ("3.5", Some(3_500_000_000)),
        ("3.", None),
        (".5", None),
        ("-3.5", None),
        ("3.5.5", None),
        ("3.0000000001", None),
        ("99999999999999", None),
        ("", None),
    ] {
        assert_eq!(unix_seconds(text.as_bytes()), wanted, "{text}");
    }
}
