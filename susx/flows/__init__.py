"""Prefect flows; nothing else in susx imports Prefect."""
