"""Asking public sources of images over HTTP: within their limits over all processes and runs, each question once, and never a source that is down again."""

from susx.images.retrieve.web.contact import CONTACT, require_contact, user_agent
from susx.images.retrieve.web.quota import Limit, Quota
from susx.images.retrieve.web.remembered_answers import Answers
from susx.images.retrieve.web.source_client import WebClient

__all__ = ["CONTACT", "Answers", "Limit", "Quota", "WebClient", "require_contact", "user_agent"]
