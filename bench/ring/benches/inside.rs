//! The calls inside one process: publishing, looking a frame up, copying it out, asking whether
//! it is intact. Not here: other processes, which the bench itself has.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use shm_ring::{FrameMeta, Ring};

const ARENA: u64 = 16 << 20;

fn inside(c: &mut Criterion) {
    let name = format!("ringbench-inside{}", std::process::id());
    let ring = Ring::create(&name, ARENA).expect("room for 16 MiB in /dev/shm");
    let mut writer = ring.writer().expect("nobody else writes it");
    let reader = ring.reader().expect("it was just made");
    for (label, len) in [("100 KB", 100_000_usize), ("1 MB", 1_000_000)] {
        let bytes = vec![7_u8; len];
        let mut out = bytes.clone();
        let mut group = c.benchmark_group(label);
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function("publish", |b| {
            b.iter(|| writer.publish(black_box(&bytes), &FrameMeta::default()));
        });
        // Nobody publishes any more: the newest frame stays.
        group.bench_function("copy out and check", |b| {
            b.iter(|| {
                let id = reader.bounds().head;
                out.clear();
                let frame = reader.frame(id).expect("the newest frame is there");
                frame.copy_range(0..frame.info().len, &mut out);
                black_box((&mut out, frame.is_intact()));
            });
        });
        group.bench_function("memcpy", |b| {
            b.iter(|| black_box(&mut out).copy_from_slice(black_box(&bytes)));
        });
        group.finish();
    }
    let mut group = c.benchmark_group("newest frame");
    group.bench_function("bounds", |b| b.iter(|| black_box(reader.bounds())));
    group.bench_function("bounds and frame", |b| {
        b.iter(|| {
            let frame = reader.frame(black_box(reader.bounds().head));
            black_box(frame.map(|frame| frame.info().id))
        });
    });
    let frame = reader.frame(reader.bounds().head);
    let frame = frame.expect("the newest frame is there");
    group.bench_function("is_intact", |b| b.iter(|| black_box(frame.is_intact())));
    group.finish();
}

criterion_group!(benches, inside);
criterion_main!(benches);
