"""A page on this machine on which a person looks through the labels of a folder."""
