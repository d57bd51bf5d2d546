"""What a client program needs: a sans-IO core, and adapters for asyncio and threads (gevent).

async with connected(["http://127.0.0.1:8080"], token) as client:
    await client.subscribe("group:x")
    await client.send("group:x", "hello")
    async for event in client: ...
"""
