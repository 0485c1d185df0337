#!/usr/bin/env python3
"""The design of 2019: a publisher, a broker, and consumers of it. The frames go through a fanout
exchange `logs` of RabbitMQ to a queue of each consumer's own, without acknowledgements.

    python3 fanout.py publish [-p 5672] [--size 160x120] [--fps 30]
    python3 fanout.py consume [-p 5672] [--frames N] [--show] [--json]

A message is [u64: height << 32 | width << 16 | channels][pixels, BGR], as in 2017. Both end by
SIGTERM or Ctrl-C, print what they did, and need PyPI's pika (1.x) and a broker.

Not here: the picture and the coding in its pixels (source.py).
"""

import argparse
import struct
import sys

import pika
import pika.exceptions

from source import Account, Camera, end_by_signal, rate, show, size

EXCHANGE = "logs"


def publish(channel, asked):
    camera = Camera(*asked.size, asked.fps)
    header = struct.pack("=Q", camera.height << 32 | camera.width << 16 | camera.channels)
    published = 0
    try:
        while True:
            body = header + camera.read()
            channel.basic_publish(exchange=EXCHANGE, routing_key="", body=body)
            published += 1
    except (KeyboardInterrupt, pika.exceptions.AMQPError):
        print(f"{published} frames published")


def consume(channel, asked):
    account = Account()

    def received(channel, _method, _properties, body):
        (packed,) = struct.unpack_from("=Q", body)
        channels, width, height = (packed >> shift & 0xFFFF for shift in (0, 16, 32))
        frame = memoryview(body)[8:].cast("B", (height, width, channels))
        account.take(frame)
        if asked.show:
            show("consumer", frame)
        if account.frames == asked.frames:
            channel.stop_consuming()

    queue = channel.queue_declare(queue="", exclusive=True).method.queue
    channel.queue_bind(exchange=EXCHANGE, queue=queue)
    channel.basic_consume(queue=queue, on_message_callback=received, auto_ack=True)
    print("consuming", flush=True)
    try:
        channel.start_consuming()
    except (KeyboardInterrupt, pika.exceptions.AMQPError):
        pass
    print(account.json() if asked.json else account)


def main():
    broker = argparse.ArgumentParser(add_help=False)
    broker.add_argument("--host", default="127.0.0.1", help="the broker's")
    broker.add_argument("-p", "--port", type=int, default=5672, help="the broker's")
    parser = argparse.ArgumentParser(description="The RabbitMQ fanout of 2019.")
    commands = parser.add_subparsers(required=True)
    publisher = commands.add_parser("publish", parents=[broker])
    publisher.add_argument("--size", type=size, default=(160, 120), metavar="WxH")
    publisher.add_argument("--fps", type=rate, default=30.0)
    publisher.set_defaults(run=publish)
    consumer = commands.add_parser("consume", parents=[broker])
    consumer.add_argument("--frames", type=int, help="so many; without it until the end")
    consumer.add_argument("--show", action="store_true", help="in a window; needs OpenCV")
    consumer.add_argument("--json", action="store_true", help="all arrivals in place of a summary")
    consumer.set_defaults(run=consume)
    asked = parser.parse_args()
    end_by_signal()
    try:
        connection = pika.BlockingConnection(pika.ConnectionParameters(asked.host, asked.port))
    except pika.exceptions.AMQPConnectionError:
        sys.exit(f"no RabbitMQ answers on {asked.host}:{asked.port}: start one, as broker.sh does")
    channel = connection.channel()
    channel.exchange_declare(exchange=EXCHANGE, exchange_type="fanout")
    asked.run(channel, asked)


if __name__ == "__main__":
    main()
