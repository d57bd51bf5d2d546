"""Links between roles: ZeroMQ sockets or a hand-over in one process, frames, flow control, sets."""
