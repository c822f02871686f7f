"""The rival: what people write today. `websockets` + `json`, one JSON line per event to a file.

    python_collector.py URL FILE MARKET,MARKET…
Prints the number of events it wrote when it is terminated.
"""

import asyncio
import json
import signal
import sys
import time

import websockets


async def main(url: str, path: str, markets: list[str]) -> None:
    request = [{"ticket": "bench"}] + [{"type": kind, "codes": markets} for kind in ("ticker", "trade", "orderbook")]
    count = 0
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    with open(path, "w", encoding="utf-8") as out:
        async with websockets.connect(url, max_size=None, compression=None) as socket:
            await socket.send(json.dumps(request))

            async def collect():
                nonlocal count
                async for frame in socket:
                    event = json.loads(frame)
                    event["recv_time"] = time.time()
                    out.write(json.dumps(event, ensure_ascii=False) + "\n")
                    count += 1

            collecting = asyncio.create_task(collect())
            stopping = asyncio.create_task(stop.wait())
            await asyncio.wait([collecting, stopping], return_when=asyncio.FIRST_COMPLETED)
            collecting.cancel()
    print(count, flush=True)


asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3].split(",")))
