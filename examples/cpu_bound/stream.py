"""Binds a stream to an exchange: from then on a broker keeps what is published there, for RbFly.

    python3 stream.py EXCHANGE STREAM [-p PORT]

Needs PyPI's pika.
"""

import argparse

import pika

parser = argparse.ArgumentParser(description="A stream of what is published to an exchange.")
parser.add_argument("exchange")
parser.add_argument("stream")
parser.add_argument("-p", "--port", type=int, default=5672, help="the broker's, for AMQP 0-9-1")
asked = parser.parse_args()
limits = {"x-queue-type": "stream", "x-max-length-bytes": 100_000_000}
with pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", asked.port)) as connection:
    channel = connection.channel()
    channel.queue_declare(asked.stream, durable=True, arguments=limits)
    channel.queue_bind(asked.stream, asked.exchange)
