"""A consumer of a RabbitMQ stream with RbFly that computes a matrix product for each message.

    python3 rbfly_consumer.py HOW STREAM [-p PORT] [-n SIZE] [--seconds S]

HOW it computes it:

    blocking   in the event loop, which answers no heartbeat meanwhile
    threaded   in a thread for which it waits: the next message comes after the product
    pool       in threads for which it does not wait: products queue for the pool of asyncio, which
               has as many threads as processors, and four (32 at most)
    idle       not at all

It follows the chapter "Concurrency and Parallelism" of RbFly's documentation, and copies none of its
code. RbFly is under the GPL, version 3 or later, and is loaded at run time.
"""

import argparse
import asyncio
import logging
import time

from rbfly.streams import Offset, connection, get_message_ctx, streams_client

from lesson import Account, Product

#: What RbFly logs, and what it is here.
EVENTS = {"connection is closed": "lost", "rabbitmq streams client connected": "connected"}


class Events(logging.Handler):
    """RbFly reconnects by itself, and says so in its log only."""

    def __init__(self, account):
        super().__init__()
        self._account = account

    def emit(self, record):
        for text, event in EVENTS.items():
            if record.getMessage().startswith(text):
                self._account.event(event)


async def watch_loop(account):
    """How long the event loop is held up, by a task that wants to run all the time."""
    while not account.is_over():
        began = time.monotonic()
        await asyncio.sleep(0.02)
        account.held = max(account.held or 0, time.monotonic() - began - 0.02)
    account.end()


@connection
async def consume(client, asked, product, account):
    watcher = asyncio.create_task(watch_loop(account))

    def compute(frame):
        product()
        account.ready(frame)

    tasks, last = set(), None
    async for _ in client.subscribe(asked.stream, offset=Offset.NEXT):
        headers = get_message_ctx().app_properties
        missed = max(headers["frame_id"] - last - 1, 0) if last else 0
        frame = account.got(headers["capture_ns"] / 1e9, missed)
        last = headers["frame_id"]
        if asked.how == "blocking":
            compute(frame)
        elif asked.how == "threaded":
            await asyncio.to_thread(compute, frame)
        elif asked.how == "pool":
            task = asyncio.create_task(asyncio.to_thread(compute, frame))
            tasks.add(task)  # or nobody holds it
            task.add_done_callback(tasks.discard)
        if account.is_over():
            break
    await watcher


def main():
    parser = argparse.ArgumentParser(description="RbFly and a matrix product a message.")
    parser.add_argument("how", choices=["blocking", "threaded", "pool", "idle"])
    parser.add_argument("stream")
    parser.add_argument("-p", "--port", type=int, default=5552, help="the broker's, for streams")
    parser.add_argument("-n", type=int, default=1000, help="rows and columns of the matrix")
    parser.add_argument("--seconds", type=float, default=15)
    asked = parser.parse_args()
    product = Product(asked.n)
    account = Account(asked.seconds)
    logging.getLogger("rbfly").setLevel(logging.INFO)
    logging.getLogger("rbfly").addHandler(Events(account))
    client = streams_client(f"rabbitmq-stream://guest:guest@127.0.0.1:{asked.port}")
    asyncio.run(consume(client, asked, product, account))


if __name__ == "__main__":
    main()
