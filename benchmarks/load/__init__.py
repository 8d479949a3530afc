"""What an installation carries: ``python -m benchmarks.load [--messages N] [--streams S] [--json FILE]``.

A real mosquitto, a publisher and the daemon (``forecaster run``) are processes of their own. The daemon is pinned to
one core; broker, publisher and the client that receives the forecasts share another. Every message is JSON with its own
time, published and subscribed at QoS 1; the journal commits before each acknowledgement, on the disk that
``--directory`` is on. Hourly steps, 24 leads, 5 levels, seasons of a day and a week, two weeks of lookback; snapshots
every five minutes, the default, so that none falls into the measurement of latency.

**Accepted.** After each stream has been heard of once, N messages go out in passes as fast as the broker takes them,
all inside one open step. Reported: messages per second of wall time from the first sent to the last accepted by
``/metrics``, and CPU time of the daemon's process per message (user and system, all threads). The second is the one to
trust where the machine is shared: its inverse is what one undisturbed core does.

**Nothing lost.** Three books are compared: what the broker had confirmed to the publisher against what ``/metrics``
accepted or refused with a reason; the messages in the journal, byte for byte; and the value of every step in the
history against the mean computed from the messages.

**Beside a bare client.** The same messages through the same kind of broker, on the daemon's core, to a paho client that
does nothing but acknowledge by hand; and to the daemon's own MQTT session alone
(``docs/decisions/0002-mqtt-in-bulk.md``).

**Latency.** 500 messages a second, one at a time, each the first of a new step of its stream: it closes a step, which
is verified, forecast and published. From just before the publisher's ``send`` to the arrival of that stream's forecast
in the same process; two trips through the broker and a flush of the disk are inside. Once with seasonal naive in
service, and once with a GRU network that ``forecaster train`` has fitted to a synthetic history and the running daemon
has picked up. Beside it stands the longest the same disk took to flush a small file meanwhile: every message waits for
one flush, so where others keep the disk busy the 99th percentiles are the disk's. CPU time per message is that of small
batches here: the engine is called up to 50 times a second, and a call costs about as much for ten streams as for one.

**Memory.** Resident memory of the daemon, and its peak, as the kernel tells it.

**Everything at once.** A second daemon with steps of ten seconds, the same network in service, its clock the machine's:
at a boundary all streams close in the same instant, as they do on the hour. From the boundary until a subscriber has
the last forecast. This one writes a snapshot every 15 seconds: its peak of memory and the time it takes are told too. A
snapshot stops the engine for the first 0.1 to 0.3 s of that, while the state is copied.

Passes and boundaries are repeated and given as median and best. Times on a shared machine may be several times what
they would be alone; CPU times move by a fifth.
"""
