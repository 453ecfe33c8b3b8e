"""The vectorised engine: FIFO queues as (max,+) recursions over whole runs of mini-batches, with no event loop.

`orbitsim.link.fifo` is the mathematics, `flow` what moves, `network_state` where it is, `time_slice` how it moves on,
`booking` which contacts deliver it, `ledger` what is counted, and `simulation` how the controller steers it.
"""
