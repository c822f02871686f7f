"""Memory of one `hoga up` over time at a steady rate: a curve that must be flat after its beginning."""

import argparse
import time

from rig import cpu_seconds, heading, memory_mb, result, stage


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=2_000)
    parser.add_argument("--markets", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=180)
    parser.add_argument("--every", type=int, default=15, help="seconds between the points of the curve")
    parser.add_argument("up", nargs="*", help="after --: more options of hoga up")
    options = parser.parse_args()
    heading(f"RSS of hoga up, {options.rate:,} events/s, {options.markets} markets, {options.seconds} s, the page's and a SQL client's questions beside it")
    with stage() as place:
        sim = place.sim("--markets", str(options.markets), "--rate", str(options.rate), "--seed", "5").wait_ready()
        up = place.up("--source", "upbit", "--markets", "KRW", *options.up, env=sim.env).wait_ready()
        began, curve = time.monotonic(), []
        cpu_began = cpu_seconds(up.process.pid)
        while (passed := time.monotonic() - began) < options.seconds:
            time.sleep(min(options.every, options.seconds - passed))
            count = up.query("SELECT count(*) FROM upbit.trade")[0][0]
            held = memory_mb(up.process.pid)
            curve.append(held["VmRSS"])
            parts = f"{held['RssAnon']:,.0f} MB its own, {held['RssFile']:,.0f} MB pages of files"
            result(f"after {time.monotonic() - began:5.0f} s, {count:,} trades", f"{curve[-1]:,.0f} MB", parts)
        cpu = (cpu_seconds(up.process.pid) - cpu_began) / (time.monotonic() - began)
        result("highest", f"{max(curve):,.0f} MB", "target < 200 MB")
        half = len(curve) // 2
        if half:
            result("second half's highest / first half's highest", f"{max(curve[half:]) / max(curve[:half]):.2f}", "1.00 is flat")
        result("CPU", f"{cpu * 100:,.0f} % of a core")


if __name__ == "__main__":
    main()
