//! RbFly, a client of RabbitMQ Streams that nobody here wrote, reads what a bridge had the broker keep: over the
//! stream protocol, from each kind of offset.
//!
//! Not here: `seqcast replay` (`broker_history`).

mod common;
mod rabbitmq;

use common::{Guard, Instance, python_with};
use rabbitmq::{Broker, SMALL, wait_bridge};

/// Reads ten messages from each offset, and prints those offsets.
const READ: &str = r#"
import asyncio, sys, time
import cv2, numpy
import rbfly.streams as rbs
from rbfly.streams import Offset, get_message_ctx

port, stream = sys.argv[1], sys.argv[2]
client = rbs.streams_client(f"rabbitmq-stream://guest:guest@127.0.0.1:{port}")

async def read(offset, count=10):
    found = []
    async for body in client.subscribe(stream, offset=offset):
        ctx = get_message_ctx()
        body = bytes(body)
        assert body[:2] == b"\xff\xd8" and body[-2:] == b"\xff\xd9"
        picture = cv2.imdecode(numpy.frombuffer(body, numpy.uint8), cv2.IMREAD_COLOR)
        said = {str(k): v for k, v in ctx.app_properties.items()}
        assert picture.shape == (said["h"], said["w"], 3), (picture.shape, said)
        assert str(ctx.properties.content_type) == "image/jpeg", ctx.properties.content_type
        assert int(ctx.properties.message_id) == said["frame_id"], (ctx.properties.message_id, said)
        assert said["epoch"] > 0 and said["relays"] == 0 and len(said["origin"]) == 16, said
        assert abs(said["capture_ns"] / 1e9 - ctx.stream_timestamp) < 10, (said, ctx.stream_timestamp)
        found.append((ctx.stream_offset, ctx.stream_timestamp, said["frame_id"]))
        if len(found) == count:
            break
    assert [f[2] for f in found] == sorted({f[2] for f in found}), found
    return found

@rbs.connection
async def main(client):
    first = await read(Offset.FIRST)
    assert first[0][0] == 0, first
    assert (await read(Offset.offset(7)))[0][0] == 7
    # RabbitMQ 3.10 now and then begins at the end instead: the same time is asked for until it does not.
    at = first[5][1]
    for _ in range(40):
        timed = await read(Offset.timestamp(at), 1)
        if abs(timed[0][1] - at) < 1:
            break
    else:
        assert False, (timed, at)
    last = await read(Offset.LAST)
    new = await read(Offset.NEXT)
    assert first[-1][0] < last[0][0] < new[0][0], (first, last, new)
    await client.write_offset(stream, "wall", 12)
    await asyncio.sleep(1)
    assert (await read(Offset.reference("wall")))[0][0] == 13
    print("read all")

asyncio.run(main(client))
"#;

#[test]
#[ignore = "needs RabbitMQ and RbFly: tests/run"]
fn rbfly_reads_the_history_from_each_offset() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start();
    let kept = [
        "--publish",
        &broker.url("cam"),
        "--publish-history",
        "1h,64M",
    ];
    let camera = Instance::start(&[&SMALL[..], &kept].concat());
    wait_bridge(&camera, "confirms", |row| row["frames"].as_u64() > Some(60));
    let script = dir.path().join("read.py");
    std::fs::write(&script, READ).unwrap();
    let mut client = Guard::spawn(
        std::process::Command::new(python_with("rbfly"))
            .arg(&script)
            .args([(broker.port + 3).to_string().as_str(), "cam.history"])
            .stdout(std::process::Stdio::piped()),
    );
    let said = common::drain(&mut client.0.stdout);
    assert!(client.wait("RbFly").success(), "{said}");
    assert_eq!(said.trim(), "read all");
}
