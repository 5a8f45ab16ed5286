"""Real encoders, worlds and loopback servers for tests of susx and of what is built on it."""
