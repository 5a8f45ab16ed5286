"""The Hugging Face Hub: addresses, transfers pinned to a commit, and what cards say. What is sent is the nouns' own affair."""

from susx.hub.address import HubAddress, is_hub_address
from susx.hub.cards import Accuracy, accuracies_of, choose_licence
from susx.hub.transfer import Snapshot, fetch, upload

__all__ = [
    "Accuracy",
    "HubAddress",
    "Snapshot",
    "accuracies_of",
    "choose_licence",
    "fetch",
    "is_hub_address",
    "upload",
]
