"""Load by simulated people: locust users that speak the public protocols, and what was measured.

Rules: nothing of a server is imported (only `hubbub.base`, for ids); a cluster is known by its
cluster.json alone. `locustfile` is what locust starts; `users` is what a person does.
"""
