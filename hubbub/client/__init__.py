"""What a client program needs: `hubbub.client.chat` for people's programs; below it a sans-IO core,
and adapters for asyncio and threads (gevent).

async with connect("http://127.0.0.1:8080", token) as chat:
    tea = chat.channel("group:tea")
    async with tea.subscribe() as events:
        await tea.send("hello")
        async for event in events: ...
"""
