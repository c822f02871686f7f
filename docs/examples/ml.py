"""From ticks to features to a trained model, on a training set that can be read again to the last digit: docs/ml.md goes through it.

    python ml.py --warehouse hoga-data/warehouse --tag first-model

Needs pypaimon, which brings numpy and polars. The model is a logistic regression in ten lines of numpy, so that nothing is hidden.
"""

import argparse
import hashlib

import numpy
import polars
from pypaimon import CatalogFactory

FEATURES = ["return", "return_before", "imbalance", "turnover", "trades"]


def read_trades(warehouse: str, tag: str) -> polars.DataFrame:
    """The trades of the moment that the tag names, however many have come since. Prices stay decimals."""
    table = CatalogFactory.create({"warehouse": warehouse}).get_table("upbit.trade").copy({"scan.tag-name": tag})
    columns = ["market", "sequential_id", "trade_timestamp", "trade_price", "trade_volume", "ask_bid", "best_ask_price", "best_bid_price"]
    reading = table.new_read_builder().with_projection(columns)
    trades = polars.from_arrow(reading.new_read().to_arrow(reading.new_scan().plan().splits()))
    # a table has no order of its own; this one is the exchange's
    return trades.sort("market", "trade_timestamp", "sequential_id")


def fingerprint(trades: polars.DataFrame) -> str:
    """The same for the same rows, whatever files they are read from."""
    rows = trades.select("market", "sequential_id", "trade_price", "trade_volume")
    return hashlib.sha256("\n".join(map(str, rows.iter_rows())).encode()).hexdigest()[:16]


def features(trades: polars.DataFrame, every: str) -> polars.DataFrame:
    """A row per market and interval in which something was traded. `rises` is what the next interval will do: the target, never a feature."""
    amount = polars.col("trade_price").cast(float) * polars.col("trade_volume").cast(float)
    bought = amount.filter(polars.col("ask_bid") == "BID").sum()
    # between ask and bid: trades jump from one to the other, which is no movement of the market
    middle = (polars.col("best_ask_price").cast(float) + polars.col("best_bid_price").cast(float)) / 2
    bars = trades.group_by_dynamic("trade_timestamp", every=every, group_by="market").agg(
        close=middle.drop_nulls().last(), turnover=amount.sum().log1p(), imbalance=2 * bought / amount.sum() - 1, trades=polars.len(),
    )  # fmt: skip
    moved = (polars.col("close").log() - polars.col("close").log().shift(1)).over("market")
    bars = bars.with_columns(moved.alias("return"))
    bars = bars.with_columns(return_before=polars.col("return").shift(1).over("market"), next=polars.col("return").shift(-1).over("market"))
    # where the price does not move there is nothing to call
    bars = bars.drop_nulls().filter(polars.col("next") != 0)
    return bars.with_columns(rises=(polars.col("next") > 0).cast(float)).sort("trade_timestamp", "market")


def fit(x: numpy.ndarray, y: numpy.ndarray, ridge: float = 1.0, steps: int = 20) -> numpy.ndarray:
    """Logistic regression by Newton's method; `ridge` holds the weights down."""
    weights = numpy.zeros(x.shape[1])
    for _ in range(steps):
        likely = 1 / (1 + numpy.exp(-x @ weights))
        slope = x.T @ (likely - y) + ridge * weights
        curve = (x * (likely * (1 - likely))[:, None]).T @ x + ridge * numpy.eye(x.shape[1])
        weights -= numpy.linalg.solve(curve, slope)
    return weights


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--warehouse", default="hoga-data/warehouse")
    parser.add_argument("--tag", required=True, help="of upbit.trade: CALL sys.create_tag('upbit.trade', 'NAME')")
    parser.add_argument("--every", default="1m", help="a row's interval, as Polars writes it")
    args = parser.parse_args()

    trades = read_trades(args.warehouse, args.tag)
    rows = features(trades, args.every)
    x, y = rows.select(FEATURES).to_numpy().astype(float), rows["rises"].to_numpy()
    # the past teaches, the future asks: never shuffled
    cut = int(len(rows) * 0.7)
    mean, spread = x[:cut].mean(axis=0), x[:cut].std(axis=0) + 1e-12
    x = numpy.column_stack([numpy.ones(len(x)), (x - mean) / spread])
    weights = fit(x[:cut], y[:cut])
    right = ((x @ weights > 0) == (y > 0.5))
    usual = max(y[:cut].mean(), 1 - y[:cut].mean()), (y[cut:] == (y[:cut].mean() > 0.5)).mean()

    print(f"trades         {trades.height} of {trades['market'].n_unique()} markets at tag {args.tag}, fingerprint {fingerprint(trades)}")
    print(f"rows           {cut} to learn from, {len(rows) - cut} after them to be asked about")
    print("weights        " + ", ".join(f"{name} {weight:+.3f}" for name, weight in zip(FEATURES, weights[1:])))
    print(f"right          learned {right[:cut].mean():.3f}, asked {right[cut:].mean():.3f}")
    print(f"without model  learned {usual[0]:.3f}, asked {usual[1]:.3f}   (always what was more frequent)")
    print(f"chance         0.500 ± {1 / max(1, len(rows) - cut) ** 0.5:.3f}   (two standard errors)")


if __name__ == "__main__":
    main()
