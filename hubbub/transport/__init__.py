"""Links between processes: ZeroMQ sockets, numbered frames, flow control, replicated sets."""
