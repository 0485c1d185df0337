use super::*;

#[test]
fn totals_do_not_fall_when_a_worker_dies() {
    let name = format!("test-totals-{}", std::process::id());
    let instance = Instance::new(&name).unwrap();
    let board = Board::create(&instance, 2, 3, 1).unwrap();
    let ring = shm_ring::Ring::create(&instance.ring(), 1 << 20).unwrap();
    let status = || collect(&instance, &board, &ring.reader().unwrap(), false);
    let cell = board.cell(2);
    cell.begin(Role::Sender);
    let slot = &cell.slots()[1];
    let viewer = |addr: &str| Viewer {
        addr: addr.into(),
        via: None,
        user: None,
        protocol: "raw".into(),
        key: None,
        id: 1,
        wants: Wants::default(),
    };
    slot.set_viewer(Some(&viewer("192.0.2.1:5")));
    slot.add_frame(1000);
    cell.process.cpu_ns.store(7_000_000_000, Relaxed);
    let shown = &status().workers[0];
    assert_eq!(
        (shown.place, shown.frames, shown.ever.frames),
        (Some(4), 1, 1)
    );
    cell.vacate(true);
    cell.begin(Role::Sender);
    slot.set_viewer(Some(&viewer("192.0.2.2:5")));
    let after = status();
    let shown = &after.workers[0];
    assert_eq!(
        (shown.place, shown.frames, shown.ever.frames),
        (Some(4), 0, 1)
    );
    assert!(shown.cpu_s < 7.0, "the successor's own");
    let senders = &after.totals.roles[1];
    assert!(senders.cpu_s >= 7.0, "those that are gone included");
    assert_eq!((senders.processes, senders.restarts), (1, 1));
    assert_eq!(after.totals.bytes_sent, 1000);
    assert!(private_bytes(std::process::id()) > Some(0));
}

#[test]
fn before_the_first_signal_there_is_no_since() {
    let instance = Instance::new(&format!("test-status-{}", std::process::id())).unwrap();
    let board = Board::create(&instance, 1, 1, 1).unwrap();
    let ring = shm_ring::Ring::create(&instance.ring(), 1 << 20).unwrap();
    let source = || collect(&instance, &board, &ring.reader().unwrap(), false).source;
    assert_eq!((source().state, source().since_s), ("starting", 0.0));
    ring.set_signal(Signal::NoSignal, "");
    assert_eq!(source().state, "no-signal");
    assert!(source().since_s < 60.0);
}
