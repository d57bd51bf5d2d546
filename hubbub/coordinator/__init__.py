"""Who is alive and which node holds which slot: records, leases and watches of one small store."""
