//! OpenCV in three processes, over `seqcast.py` from one camera, while capture is killed.
//!
//! Not here: what `seqcast.py` makes of rings in all their states (`shm-ring`, `tests/foreign`).

mod common;

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;

use common::{Guard, HANG, Instance, is_alive, python_with, signal, wait_for};
use nix::sys::signal::Signal;
use picture::jpeg;

const PROGRAMS: [&str; 3] = ["motion", "brightness", "snapshot"];

/// What a line of a program says: `motion id 7 run 1 frames 30 missed 0 …`.
#[derive(Debug)]
struct Said {
    program: usize,
    id: u64,
    /// Runs of capture seen so far.
    run: u64,
    frames: u64,
}

impl Said {
    fn parse(line: &str) -> Option<Said> {
        let words: Vec<_> = line.split(' ').collect();
        let program = PROGRAMS.iter().position(|&p| p == words[0])?;
        let number = |at: usize, name| {
            assert_eq!(words[at], name, "{line}");
            words[at + 1].parse().unwrap()
        };
        Some(Said {
            program,
            id: number(1, "id"),
            run: number(3, "run"),
            frames: number(5, "frames"),
        })
    }
}

#[test]
#[ignore = "needs Python with OpenCV: tests/run"]
fn three_opencv_programs_outlive_capture() {
    const KILLS: u64 = 3;
    let instance = Instance::start(&["--source", "test", "--size", "640x360"]);
    instance.wait_live();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shm-ring/examples");
    let mut programs = Guard::spawn(
        Command::new(python_with("cv2"))
            .arg(examples.join("three_programs.py"))
            .args([Path::new(&instance.name), instance.dir.path()])
            .env("PYTHONDONTWRITEBYTECODE", "1")
            // Or a line comes as two writes, and another program's between them.
            .env_remove("PYTHONUNBUFFERED")
            .stdout(Stdio::piped()),
    );
    let (send, lines) = mpsc::channel();
    let out = BufReader::new(programs.0.stdout.take().unwrap());
    std::thread::spawn(move || {
        out.lines()
            .map_while(Result::ok)
            .try_for_each(|l| send.send(l))
    });
    let line = || lines.recv_timeout(HANG).expect("a line a second of each");

    let pids = line();
    let pids = pids.strip_prefix("pids ").expect("the pids come first");
    let pids: Vec<u32> = pids.split(' ').map(|pid| pid.parse().unwrap()).collect();

    // Each sees every run of capture: frames of it, of rising ids.
    let mut last = [0; PROGRAMS.len()];
    for run in 1..=KILLS + 1 {
        let mut reached = [false; PROGRAMS.len()];
        while reached.contains(&false) {
            let line = line();
            let said = Said::parse(&line).unwrap_or_else(|| panic!("{line}"));
            assert!(said.frames == 0 || said.id > last[said.program], "{line}");
            last[said.program] = said.id;
            reached[said.program] |= said.run == run && said.frames > 0;
        }
        if run <= KILLS {
            let capture = instance.capture();
            signal(capture, Signal::SIGKILL);
            wait_for("a successor", || {
                (instance.capture() != capture).then_some(())
            });
        }
    }
    assert!(pids.iter().all(|&pid| is_alive(pid)), "{pids:?}");
    let picture = std::fs::read(instance.dir.path().join("snapshot.jpg")).unwrap();
    let size = jpeg::check(&picture).map(|info| (info.width, info.height));
    assert_eq!(size.unwrap(), (640, 360));

    // However their parent ends, they are not left behind.
    drop(programs);
    wait_for("the end of each", || {
        (!pids.iter().any(|&pid| is_alive(pid))).then_some(())
    });
}
