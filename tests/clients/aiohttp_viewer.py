"""What Home Assistant's integrations `mjpeg` and `generic` ask, by their libraries, time-outs and sizes of reads.

The stream is read by aiohttp and passed on as it comes; where there is no address of a still image, httpx reads the
stream up to its first picture; a still image comes by aiohttp (`mjpeg`) or httpx (`generic`). Each with credentials in
the header, which a server without a password must not mind.
"""

import asyncio
import sys

import aiohttp
import httpx

URL = sys.argv[1]
READ = 102400
TIMEOUT = 10


def first_picture(data):
    begin, end = data.find(b"\xff\xd8"), data.find(b"\xff\xd9")
    return data[begin : end + 2] if 0 <= begin < end else None


async def proxied(session):
    """Ten seconds without a byte would end it there; counts pictures by their ends."""
    async with asyncio.timeout(TIMEOUT):
        reply = await session.get(URL + "/stream", headers={"Authorization": "Basic dXNlcjpzZWNyZXQ="})
    assert reply.headers["content-type"].startswith("multipart/x-mixed-replace;boundary=")
    pictures = 0
    while pictures < 60:
        async with asyncio.timeout(TIMEOUT):
            data = await reply.content.read(READ)
        assert data, "the stream ended"
        pictures += data.count(b"\xff\xd9")
    reply.close()


async def main():
    async with aiohttp.ClientSession() as session:
        await proxied(session)
        async with asyncio.timeout(TIMEOUT):
            still = await (await session.get(URL + "/snapshot")).read()
        assert first_picture(still) == still
        # Ten at once: a dashboard that many have open.
        replies = await asyncio.gather(*(session.get(URL + "/snapshot") for _ in range(10)))
        stills = await asyncio.gather(*(reply.read() for reply in replies))
        assert all(first_picture(still) == still for still in stills)
    async with httpx.AsyncClient() as client:
        data = b""
        async with client.stream("get", URL + "/stream", auth=httpx.BasicAuth("", ""), timeout=TIMEOUT) as stream:
            async for chunk in stream.aiter_bytes(READ):
                data += chunk
                if first_picture(data):
                    break
        assert first_picture(data)
        reply = await client.get(URL + "/snapshot", timeout=TIMEOUT, follow_redirects=True)
        reply.raise_for_status()
        assert first_picture(reply.content) == reply.content
    print(f"aiohttp {aiohttp.__version__}, httpx {httpx.__version__}: 60 pictures passed on, 12 stills, one of the stream")


asyncio.run(main())
