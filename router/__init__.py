"""The router: relays requests to a slot's leader and events to the edges that asked for them."""
