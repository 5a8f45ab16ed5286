"""Labelling a folder of photographs: labels, doubts, a person's answers, and what they are worth."""
