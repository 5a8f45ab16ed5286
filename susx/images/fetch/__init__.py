"""Links of strangers, fetched by img2dataset in a process of its own and within limits; apart from the rest, so that it starts quickly."""
