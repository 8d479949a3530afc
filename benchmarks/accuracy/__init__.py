"""How good the forecasts are, beside others: ``python -m benchmarks.accuracy --data DIR``.

Each data set is read from a Parquet file (``stream, timestamp, value[, split]``), learned by the product's own
training, and streamed reading by reading through the product's own engine; what the engine issues is scored, not what a
batch would have given. Naive methods and, where installed (``pip install 'forecaster[peers]'``), peers are run on the
same origins. Everything is at the product's defaults: a line of :mod:`benchmarks.accuracy.datasets` says only what the
data are. A file that has no line is run with::

    python -m benchmarks.accuracy --file prices.parquet --horizon 24 --frequency h --season 24,168

With a ``split`` column each stream is forecast once, over its test part; without, the last part of each stream is
forecast from an origin every season, after one training on what came before. There, models that are fitted anew at
each origin are run from some of the origins, evenly spread (``origins``; ``choice`` says it): AutoETS from 100, MSTL
from 200, Theta from 1000. Their ``skill`` is against the naive forecasts from the same origins.

The result file is a list with one object per data set, method and cell. Measures are null where they do not apply:
``smape, mase, owa, mape, mae, mse, pinball`` (mean over the levels 0.1, 0.5, 0.9), ``coverage80, coverage95, width80,
msis, skill`` (1 − error over that of the better of seasonal naive and climatology), ``train_seconds`` and
``forecast_seconds_per_1000`` (CPU, one thread), ``peak_memory_mb``; ``leads`` has them per bucket of leads, ``choice``
says the hyper-parameters and how they came to be, ``per_seed`` the single networks. ``ours`` is the mean over seeds of
one network; ``ours_ensemble`` forecasts with the median over the seeds' quantiles.

``python -m benchmarks.accuracy.table FILE`` prints the table of the README from a result file.
"""
