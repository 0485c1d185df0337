//! examples/seqcast.py, driven by follow.py, which holds every byte to what is published here.

use std::io::Write as _;
use std::process::Command;
use std::time::Duration;

use shm_ring::{MIN_ARENA, Ring, Signal};

use crate::{
    End, Foreign, beside, each_bad_header, in_crate, len, name, noisy_rings, number, pause,
    publish, publish_next, scribbler, succeed,
};

fn python(program: &str, arguments: &[&str]) -> Foreign {
    Foreign::start(
        Command::new("python3")
            .arg(in_crate(program))
            .args(arguments)
            .env("PYTHONPATH", in_crate("examples"))
            .env("PYTHONDONTWRITEBYTECODE", "1"),
    )
}

/// `follow.py MODE NAME`.
fn follow(mode: &str, name: &str) -> Foreign {
    python("tests/foreign/follow.py", &[mode, name])
}

/// Its end, in good order.
fn well(reader: Foreign) -> End {
    let end = reader.end();
    assert_eq!(end.code, 0, "{}", end.error);
    end
}

#[test]
#[ignore = "needs python3: tests/run"]
fn gets_every_byte_while_writers_die_and_rings_are_made_anew() {
    const FRAMES: u64 = 300;
    let name = name("follow");
    let ring = Ring::create(&name, MIN_ARENA).unwrap();
    let mut writer = ring.writer().unwrap();
    publish(&mut writer, len(1));
    let mut reader = follow("follow", &name);
    let mut seen = vec![reader.line().expect("a frame")];
    while writer.next_id() <= FRAMES {
        if publish_next(&mut writer) % 50 == 25 {
            writer = succeed(&ring, &name, writer);
        }
        pause();
    }
    while number(&seen[seen.len() - 1][1]) < FRAMES {
        seen.push(reader.line().expect("more frames"));
    }
    let last = writer.epoch();
    drop((writer, ring));
    let ring = Ring::create(&name, 2 << 20).unwrap();
    let mut writer = ring.writer().unwrap();
    for more in 0..10 {
        publish(&mut writer, 100_000 + more); // none would have fitted the old ring
    }
    publish(&mut writer, 1);
    seen.extend(well(reader).lines);

    let recreated: Vec<_> = seen.iter().filter(|line| line[4] == "1").collect();
    assert_eq!(recreated.len(), 1, "{seen:?}");
    assert_eq!(recreated[0][..3], ["frame", "1", "0"]);
    assert_eq!(seen[seen.len() - 1][1], "11");
    assert!(seen.iter().any(|line| number(&line[3]) == last - 1));
}

#[test]
#[ignore = "needs python3: tests/run"]
fn takes_no_torn_frame_copied_or_lent() {
    for mode in ["copy", "lend"] {
        let name = name(mode);
        let ring = Ring::create(&name, MIN_ARENA).unwrap();
        let mut writer = ring.writer().unwrap();
        publish_next(&mut writer);
        let mut reader = follow(mode, &name);
        while reader.is_running() {
            for _ in 0..100 {
                publish_next(&mut writer);
            }
            std::thread::sleep(Duration::from_micros(100));
        }
        let said = well(reader).lines.remove(0);
        println!("{mode}: {}", said.join(" "));
        let [accepted, refused, missed] = [1, 3, 5].map(|at| number(&said[at]));
        // All of it happened, or the test showed nothing.
        assert!(accepted > 100 && missed > 0, "{said:?}");
        assert!(mode == "copy" || refused > 0, "{said:?}");
    }
}

#[test]
#[ignore = "needs python3: tests/run"]
fn begins_where_it_is_told() {
    let name = name("offsets");
    let ring = Ring::create(&name, 1 << 20).unwrap();
    let mut writer = ring.writer().unwrap();
    for _ in 0..400 {
        publish_next(&mut writer);
    }
    writer.set_signal(Signal::NoSignal, "unplugged");
    let mut reader = follow("offsets", &name);
    let bounds = ring.reader().unwrap().bounds();
    let said = reader.line().expect("the bounds");
    assert_eq!(
        said[1..],
        [bounds.oldest, bounds.head].map(|n| n.to_string())
    );
    if reader.line().is_some() {
        for _ in 0..9 {
            publish_next(&mut writer);
        }
        writeln!(reader.child.stdin.as_ref().unwrap()).unwrap();
    }
    well(reader);
}

#[test]
#[ignore = "needs python3: tests/run"]
fn waits_without_keeping_its_other_threads_waiting() {
    let name = name("wait");
    let ring = Ring::create(&name, MIN_ARENA).unwrap();
    let mut reader = follow("wait", &name);
    if reader.line().is_some() {
        publish_next(&mut ring.writer().unwrap());
    }
    assert_eq!(well(reader).lines, [["frame", "1"]]);
}

#[test]
#[ignore = "needs python3: tests/run"]
fn survives_hostile_rings() {
    let mut fields = 0..;
    each_bad_header(|name| {
        // Starting Python takes its time: one byte in three is a byte of each field.
        if fields.next().is_some_and(|n| n % 3 == 0) {
            for line in well(follow("hostile", name)).lines {
                assert!(["refused", "version"].contains(&&line[0][..]), "{line:?}");
            }
        }
    });
    for (name, _ring) in noisy_rings() {
        well(follow("hostile", &name));
    }
    let live = name("scribbled");
    let _ring = Ring::create(&live, MIN_ARENA).unwrap();
    beside(scribbler(&live), || {
        let readers = [(); 4].map(|()| follow("hostile", &live));
        for reader in readers {
            well(reader);
        }
    });
}

#[test]
#[ignore = "needs python3: tests/run"]
fn prints_a_line_a_second() {
    let name = name("main");
    let ring = Ring::create(&name, MIN_ARENA).unwrap();
    let mut writer = ring.writer().unwrap();
    writer.set_signal(Signal::NoSignal, "unplugged");
    let mut reader = python("examples/seqcast.py", &[&name]);
    let mut line = || reader.line().expect("a line").join(" ");
    let silent = line();
    assert!(
        silent.ends_with("missed 0, 0 bytes, no signal unplugged"),
        "{silent}"
    );
    let published = || {
        publish(&mut writer, 1000);
        pause();
    };
    let shown = beside(published, || [line(), line(), line()]);
    assert!(shown[2].ends_with("1000x7 TEST"), "{shown:?}");
}
