"""Where bytes lie: one small interface, a durable store and its twin in memory."""
