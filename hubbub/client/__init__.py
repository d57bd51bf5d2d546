"""What a client program needs: a sans-IO core, and adapters for asyncio and gevent (or threads)."""
