"""The demo's people, what they said before you came, the bot that greets, and the self-test."""
